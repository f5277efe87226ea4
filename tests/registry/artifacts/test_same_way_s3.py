# ruff: noqa: S106 - no secrets
"""The way to an S3 store is MLflow's own: in one environment its client and ours fare alike, at the same servers."""

import hashlib
import os
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest
import trustme

from registry import RegistryConfig
from registry.artifacts.fetch import fetch
from registry.version import CompiledArtifactRef
from tests.helpers.gateway import Gateway, gateway
from tests.helpers.isolation import MLFLOW_WARNS
from tests.helpers.object_store import BUCKET
from tests.registry.tracking.test_same_way import alone

pytestmark = [*MLFLOW_WARNS, pytest.mark.filterwarnings("ignore:Unverified HTTPS request")]

CONTENT = b"forest" * 1000
FILE = CompiledArtifactRef("canopy/a forest+ü.canopy", 1, hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
ROOT = f"s3://{BUCKET}/some forests"


@dataclass(frozen=True)
class World:
    """Servers in front of one store, and authorities.

    Attributes:
        gateways: by name.
        files: by name.
    """

    gateways: dict[str, Gateway]
    files: dict[str, str]


@pytest.fixture(scope="module")
def world(_store: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A store with the file, behind HTTP, behind TLS, and a proxy."""
    import boto3

    folder = tmp_path_factory.mktemp("world")
    authority = trustme.CA()
    files = {"authority": str(folder / "authority.pem"), "other": str(folder / "other.pem")}
    authority.cert_pem.write_to_path(files["authority"])
    trustme.CA().cert_pem.write_to_path(files["other"])
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(tls)
    with ExitStack() as stack:
        target = _store["MLFLOW_S3_ENDPOINT_URL"]
        keys = {"aws_access_key_id": "minio", "aws_secret_access_key": "minio-secret", "region_name": "us-east-1"}
        store = boto3.session.Session().client("s3", endpoint_url=target, **keys)
        store.put_object(Bucket=BUCKET, Key=f"some forests/{FILE.path}", Body=CONTENT, ACL="public-read")
        gateways = {
            "plain": stack.enter_context(gateway(target)),
            "second": stack.enter_context(gateway(target)),
            "tls": stack.enter_context(gateway(target, tls=tls)),
            "guarded": stack.enter_context(gateway(user="warden:sesame")),
        }
        yield World(gateways, files)


Make = Callable[[World, Path], Mapping[str, str]]

KEYS = {"AWS_ACCESS_KEY_ID": "minio", "AWS_SECRET_ACCESS_KEY": "minio-secret"}
AT = {"MLFLOW_S3_ENDPOINT_URL": "http://127.0.0.1:{plain}"}
TLS = {"MLFLOW_S3_ENDPOINT_URL": "https://127.0.0.1:{tls}"}
NOWHERE = "http://127.0.0.1:1"


def given(*parts: Mapping[str, str], config: str = "", credentials: str = "", **variables: str) -> Make:
    """Variables, and files in ``~/.aws``; {NAME} is a gateway's port or a file."""

    def make(world: World, home: Path) -> Mapping[str, str]:
        values: dict[str, object] = {name: made.port for name, made in world.gateways.items()}
        values |= {**world.files, "home": str(home)}
        (home / ".aws").mkdir()
        for name, text in {"config": config, "credentials": credentials}.items():
            if text:
                (home / ".aws" / name).write_text(text.format(**values))
        every = {name: value for part in (*parts, variables) for name, value in part.items()}
        return {name: value.format(**values) for name, value in every.items()}

    return make


ENDPOINT = "[default]\nendpoint_url = http://127.0.0.1:{plain}\n"
SERVICES = "[default]\nservices = here\n[services here]\ns3 =\n  endpoint_url = http://127.0.0.1:{plain}\n"
PROFILE = "[profile hills]\nregion = eu-west-1\nendpoint_url = http://127.0.0.1:{second}\n" + ENDPOINT
FILED = "[default]\naws_access_key_id = filed\naws_secret_access_key = secret\n"

WAYS = [
    pytest.param(given(KEYS, AT), True, id="mlflow-endpoint", marks=pytest.mark.slow),
    pytest.param(
        given(KEYS, AWS_ENDPOINT_URL="http://127.0.0.1:{plain}"), True, id="aws-endpoint", marks=pytest.mark.slow
    ),
    pytest.param(
        given(KEYS, AWS_ENDPOINT_URL_S3="http://127.0.0.1:{plain}", AWS_ENDPOINT_URL=NOWHERE),
        True,
        id="aws-s3-first",
        marks=pytest.mark.slow,
    ),
    pytest.param(given(KEYS, AT, AWS_ENDPOINT_URL_S3=NOWHERE), True, id="mlflow-first", marks=pytest.mark.slow),
    pytest.param(given(KEYS, config=ENDPOINT), True, id="configured"),
    pytest.param(given(KEYS, config=SERVICES), True, id="configured-for-the-service", marks=pytest.mark.slow),
    pytest.param(given(KEYS, config=PROFILE, AWS_PROFILE="hills"), True, id="configured-in-a-profile"),
    pytest.param(
        given(KEYS, config=ENDPOINT, AWS_PROFILE="nobody"), False, id="no-such-profile", marks=pytest.mark.slow
    ),
    pytest.param(
        given(KEYS, AWS_CONFIG_FILE="{home}/.aws/elsewhere", HTTPS_PROXY=NOWHERE),
        False,
        id="aws-itself",
        marks=pytest.mark.slow,
    ),
    pytest.param(
        given(KEYS, config=ENDPOINT, AWS_IGNORE_CONFIGURED_ENDPOINT_URLS="true", HTTPS_PROXY=NOWHERE),
        False,
        id="configured-but-ignored",
        marks=pytest.mark.slow,
    ),
    pytest.param(given(KEYS, config="[default\n"), False, id="configured-badly", marks=pytest.mark.slow),
    pytest.param(given(AT, credentials=FILED), True, id="filed-keys"),
    pytest.param(given(AT, KEYS, credentials=FILED), True, id="variables-before-filed-keys", marks=pytest.mark.slow),
    pytest.param(
        given(AT, credentials=FILED.replace("default", "hills"), config=PROFILE, AWS_PROFILE="hills"),
        True,
        id="filed-keys-of-a-profile",
        marks=pytest.mark.slow,
    ),
    pytest.param(given(AT), False, id="no-keys"),
    pytest.param(given(AT, AWS_ACCESS_KEY_ID="minio"), False, id="half-a-key", marks=pytest.mark.slow),
    pytest.param(given(AT, MLFLOW_EXPERIMENTAL_S3_SIGNATURE_VERSION="unsigned"), True, id="unsigned"),
    pytest.param(given(AT, KEYS, AWS_SESSION_TOKEN="token"), True, id="session", marks=pytest.mark.slow),
    pytest.param(
        given(AT, KEYS, AWS_SESSION_TOKEN="to\nken"), False, id="session-of-two-lines", marks=pytest.mark.slow
    ),
    pytest.param(given(AT, KEYS, AWS_DEFAULT_REGION="eu-west-1"), True, id="region"),
    pytest.param(
        given(AT, KEYS, config="[default]\nregion = eu-west-2\n"), True, id="configured-region", marks=pytest.mark.slow
    ),
    pytest.param(
        given(AT, KEYS, MLFLOW_S3_EXPECTED_BUCKET_OWNER="123456789012"), True, id="owner", marks=pytest.mark.slow
    ),
    pytest.param(
        given(AT, KEYS, MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE="path"), True, id="by-path", marks=pytest.mark.slow
    ),
    pytest.param(given(KEYS, TLS), False, id="tls-not-trusted", marks=pytest.mark.slow),
    pytest.param(given(KEYS, TLS, AWS_CA_BUNDLE="{authority}"), True, id="tls-file"),
    pytest.param(given(KEYS, TLS, AWS_CA_BUNDLE="{other}"), False, id="tls-wrong-file", marks=pytest.mark.slow),
    pytest.param(given(KEYS, TLS, REQUESTS_CA_BUNDLE="{authority}"), True, id="tls-requests", marks=pytest.mark.slow),
    pytest.param(
        given(KEYS, TLS, config="[default]\nca_bundle = {authority}\n"),
        True,
        id="tls-configured",
        marks=pytest.mark.slow,
    ),
    pytest.param(given(KEYS, TLS, MLFLOW_S3_IGNORE_TLS="true"), True, id="tls-ignored"),
    pytest.param(given(KEYS, AT, HTTP_PROXY="http://warden:sesame@127.0.0.1:{guarded}"), True, id="proxy"),
    pytest.param(
        given(KEYS, AT, HTTP_PROXY="http://127.0.0.1:{guarded}"), False, id="proxy-unknown", marks=pytest.mark.slow
    ),
    pytest.param(given(KEYS, AT, HTTP_PROXY=NOWHERE, NO_PROXY="127.0.0.1"), True, id="exempt"),
    pytest.param(given(KEYS, MLFLOW_S3_ENDPOINT_URL=NOWHERE), False, id="down", marks=pytest.mark.slow),
    pytest.param(given(KEYS, MLFLOW_S3_ENDPOINT_URL="store"), False, id="no-address", marks=pytest.mark.slow),
]

Fared = tuple[bool, set[tuple[str, str, str | None, bool]]]


def fared(world: World, read: Callable[[], bytes]) -> Fared:
    """Whether a client got the file, and what the servers were told: by whom, for which region, in which style."""
    for each in world.gateways.values():
        each.asked.clear()
    answered = False
    with suppress(Exception):
        answered = read() == CONTENT
    told = set()
    for name, each in world.gateways.items():
        for _, path, headers in each.asked:
            signed = re.search(r"Credential=([^/]*)/[0-9]*/([^,]*)", headers.get("authorization", ""))
            token = headers.get("x-amz-security-token"), headers.get("x-amz-expected-bucket-owner")
            who = f"{signed and signed.groups()} {token}"
            told.add((name, who, headers.get("proxy-authorization"), f"/{BUCKET}" in path))
    return answered, told


@pytest.mark.parametrize(("make", "answered"), WAYS)
def test_our_way_to_s3_fares_as_mlflows_does(world: World, tmp_path: Path, make: Make, answered: bool) -> None:
    """Endpoints, profiles, keys, regions, certificates and proxies come from where AWS's library finds them."""
    import boto3
    from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository, _cached_get_s3_client

    _cached_get_s3_client.cache_clear()
    boto3.DEFAULT_SESSION = None  # it remembers another home
    (theirs, ours) = (tmp_path / name for name in ("theirs", "ours"))
    theirs.mkdir()
    with patch.dict(os.environ, alone(tmp_path), clear=True):
        os.environ.update({"AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1"})
        os.environ.update(make(world, tmp_path))

        def by_mlflow() -> bytes:
            return Path(S3ArtifactRepository(ROOT).download_artifacts(FILE.path, str(theirs))).read_bytes()

        def by_us() -> bytes:
            fetch(RegistryConfig.read("http://tracking.invalid", os.environ), ROOT, FILE, ours)
            return ours.read_bytes()

        expected, found = fared(world, by_mlflow), fared(world, by_us)
    assert found == expected
    assert found[0] is answered
