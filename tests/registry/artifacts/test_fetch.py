"""One file of a version's artifacts, from wherever it may be."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from registry import RegistryConfig, StoreUnavailable, UnusableModel
from registry.artifacts.fetch import Unsupported, fetch
from registry.errors import Absent
from registry.version import CompiledArtifactRef
from tests.helpers.object_store import BUCKET, object_store
from tests.registry.stub import answering
from tests.registry.support import way

CONTENT = bytes(range(256)) * 4000
FILE = CompiledArtifactRef("canopy/a forest+ü.canopy", 1, hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
NOWHERE = "http://tracking.invalid"


def got(config: RegistryConfig, location: str, folder: Path, file: CompiledArtifactRef = FILE) -> bytes:
    """What a fetch has written."""
    path = folder / "fetched"
    fetch(config, location, file, path)
    return path.read_bytes()


# By a web server.


@pytest.mark.parametrize(
    ("location", "asked"),
    [
        pytest.param(
            "mlflow-artifacts:/0/models/m", "/mlflow/api/2.0/mlflow-artifacts/artifacts/0/models/m", id="proxy"
        ),
        pytest.param("mlflow-artifacts:/", "/mlflow/api/2.0/mlflow-artifacts/artifacts", id="proxy-at-its-root"),
        pytest.param(
            "mlflow-artifacts://127.0.0.1:{port}/m", "/mlflow/api/2.0/mlflow-artifacts/artifacts/m", id="proxy-by-name"
        ),
        pytest.param("http://127.0.0.1:{port}/files/", "/files", id="web-server"),
    ],
)
def test_a_file_is_fetched_from_the_tracking_server(tmp_path: Path, location: str, asked: str) -> None:
    """The tracking server's proxy, and any web server, give the file; the tracking server is told who asks."""
    with answering(page=CONTENT) as stub:
        config = way(f"http://warden:sesame@127.0.0.1:{stub.port}/mlflow")
        assert got(config, location.format(port=stub.port), tmp_path) == CONTENT
    ((path, headers),) = stub.asked
    assert unquote(path) == f"{asked}/{FILE.path}"
    assert path.isascii()
    assert "authorization" in {name.lower() for name in headers}


def test_another_server_is_not_told_the_password(tmp_path: Path) -> None:
    """A file on another web server is asked for without the tracking server's credentials."""
    with answering(page=CONTENT) as stub:
        config = way(f"http://warden:sesame@localhost:{stub.port}")
        assert got(config, f"http://127.0.0.1:{stub.port}/files", tmp_path) == CONTENT
    ((_, headers),) = stub.asked
    assert "authorization" not in {name.lower() for name in headers}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(CONTENT[:-1], "it has 1,023,999 bytes, not 1,024,000", id="short"),
        pytest.param(CONTENT + b"x", "it has more bytes, not 1,024,000", id="long"),
        pytest.param(b"x" + CONTENT[1:], "its checksum does not fit", id="other-byte"),
    ],
)
def test_a_file_that_is_not_the_one_that_was_logged_is_damaged(tmp_path: Path, content: bytes, reason: str) -> None:
    """Another size or checksum raises UnusableModel, which says so."""
    with answering(page=content) as stub, pytest.raises(UnusableModel, match=f"is damaged: {reason}"):
        got(way(f"http://127.0.0.1:{stub.port}"), "mlflow-artifacts:/m", tmp_path)


@pytest.mark.parametrize(
    ("status", "page", "error"),
    [
        pytest.param(404, b"<html>", Absent, id="not-found"),
        pytest.param(404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST"}', Absent, id="not-found-by-mlflow"),
        pytest.param(401, b"", StoreUnavailable, id="unauthorized"),
        pytest.param(500, b"", StoreUnavailable, id="failing"),
    ],
)
def test_a_server_may_refuse_a_file(tmp_path: Path, status: int, page: bytes, error: type[Exception]) -> None:
    """A file that is not there is told from a server that does not give it."""
    with answering(status, page) as stub, pytest.raises(error):
        got(way(f"http://127.0.0.1:{stub.port}"), "mlflow-artifacts:/m", tmp_path)


def test_a_server_that_stops_half_way_is_unavailable(tmp_path: Path) -> None:
    """A file that stops coming costs the time-out, not for ever."""
    with (
        answering(page=CONTENT, cut=100_000) as stub,
        pytest.raises(StoreUnavailable, match=r"no answer within 0\.3 s"),
    ):
        got(way(f"http://127.0.0.1:{stub.port}", MLFLOW_HTTP_REQUEST_TIMEOUT="0.3"), "mlflow-artifacts:/m", tmp_path)


# From this machine, and from elsewhere.


@pytest.mark.parametrize("write", [pytest.param(str, id="path"), pytest.param(Path.as_uri, id="url")])
def test_a_file_is_fetched_from_a_folder(tmp_path: Path, write: Callable[[Path], str]) -> None:
    """A path and a file: address are read, also with a blank in it; a file that is not there is absent."""
    root = tmp_path / "a store"
    with pytest.raises(Absent):
        got(way("sqlite:///x.db"), write(root), tmp_path)
    (root / "canopy").mkdir(parents=True)
    (root / FILE.path).write_bytes(CONTENT)
    (tmp_path / "fetched").unlink(missing_ok=True)
    assert got(way("sqlite:///x.db"), write(root), tmp_path) == CONTENT


@pytest.mark.parametrize(
    ("tracking_uri", "location"),
    [
        pytest.param(NOWHERE, "gs://bucket/m", id="google"),
        pytest.param(NOWHERE, "dbfs:/m", id="databricks"),
        pytest.param("sqlite:///x.db", "mlflow-artifacts:/m", id="proxy-without-a-server"),
    ],
)
def test_what_only_mlflow_can_read_is_left_to_it(tmp_path: Path, tracking_uri: str, location: str) -> None:
    """Other kinds of stores raise Unsupported before anything is asked."""
    with pytest.raises(Unsupported):
        got(way(tracking_uri), location, tmp_path)


# From S3.


def put(s3: dict[str, str], key: str) -> None:
    """Write the file into the bucket."""
    client("s3", s3).put_object(Bucket=BUCKET, Key=key, Body=CONTENT)


def client(service: str, s3: dict[str, str]) -> Any:  # noqa: ANN401 - boto3 is untyped
    """AWS's own client for the store."""
    import boto3

    return boto3.client(
        service,
        endpoint_url=s3["MLFLOW_S3_ENDPOINT_URL"],
        aws_access_key_id=s3["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=s3["AWS_SECRET_ACCESS_KEY"],
        region_name=s3["AWS_DEFAULT_REGION"],
    )


def test_a_file_is_fetched_from_s3(s3: dict[str, str], tmp_path: Path) -> None:
    """An object whose key has blanks and signs in it is read; one that is not there is absent."""
    put(s3, f"some forests/{FILE.path}")
    assert got(way(NOWHERE, **s3), f"s3://{BUCKET}/some forests", tmp_path) == CONTENT
    with pytest.raises(Absent, match=f"s3://{BUCKET}/other"):
        fetch(way(NOWHERE, **s3), f"s3://{BUCKET}/other", FILE, tmp_path / "other")


def test_a_bucket_that_is_not_there_is_told(s3: dict[str, str], tmp_path: Path) -> None:
    """The wrong store, probably: the message names the variable that leads to it."""
    with pytest.raises(StoreUnavailable, match=r"s3://nobody/m.*NoSuchBucket.*MLFLOW_S3_ENDPOINT_URL"):
        got(way(NOWHERE, **s3), "s3://nobody/m", tmp_path)


def test_without_credentials_the_variables_are_named(
    s3: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No key anywhere raises StoreUnavailable with the names of the variables."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(StoreUnavailable, match=r"locate credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        got(way(NOWHERE, **s3), f"s3://{BUCKET}/m", tmp_path)


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        pytest.param("ExpiredToken", "AWS_SESSION_TOKEN", id="expired"),
        pytest.param("SlowDown", r"\(SlowDown\).*whether the store is up", id="any-other"),
        pytest.param("", "MLFLOW_S3_ENDPOINT_URL is right", id="no-s3"),
    ],
)
def test_what_the_store_refuses_is_told(
    s3: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, remedy: str
) -> None:
    """The store's own word for it is in the message, and what to do."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    page = f"<Error><Code>{code}</Code></Error>".encode() if code else b"<html>"
    with answering(503, page) as stub:
        config = way(NOWHERE, **s3 | {"MLFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{stub.port}"})
        with pytest.raises(StoreUnavailable, match=remedy):
            got(config, f"s3://{BUCKET}/m", tmp_path)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A store that checks signatures, and lets its one user read what begins with "open"."""
    import urllib.request

    with object_store(tmp_path_factory.mktemp("guarded")) as s3:
        put(s3, f"open/{FILE.path}")
        put(s3, f"closed/{FILE.path}")
        iam = client("iam", s3)
        iam.create_user(UserName="reader")
        resource = f"arn:aws:s3:::{BUCKET}/open/*"
        policy = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": resource}}
        iam.put_user_policy(UserName="reader", PolicyName="read", PolicyDocument=json.dumps(policy))
        made = iam.create_access_key(UserName="reader")["AccessKey"]
        url, plain = f"{s3['MLFLOW_S3_ENDPOINT_URL']}/moto-api/reset-auth", {"Content-Type": "text/plain"}
        urllib.request.urlopen(urllib.request.Request(url, b"0", plain)).close()  # noqa: S310
        yield s3 | {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}


@pytest.mark.parametrize(
    ("folder", "change", "reason"),
    [
        pytest.param("open", {}, None, id="allowed"),
        pytest.param("closed", {}, "AccessDenied.*s3:GetObject", id="denied"),
        pytest.param("open", {"AWS_ACCESS_KEY_ID": "AKIANOBODY"}, "InvalidAccessKeyId.*AWS_ACCESS_KEY_ID", id="user"),
        pytest.param(
            "open", {"AWS_SECRET_ACCESS_KEY": "x"}, "SignatureDoesNotMatch.*AWS_SECRET_ACCESS_KEY", id="secret"
        ),
    ],
)
def test_a_store_that_checks_signatures_is_satisfied(
    guarded: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    folder: str,
    change: dict[str, str],
    reason: str | None,
) -> None:
    """Our signature is the one that AWS's rules ask for; a wrong user, secret or right is told, with what to set."""
    environment = guarded | change
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if reason is None:
        assert got(way(NOWHERE, **environment), f"s3://{BUCKET}/{folder}", tmp_path) == CONTENT
        return
    with pytest.raises(StoreUnavailable, match=reason):
        got(way(NOWHERE, **environment), f"s3://{BUCKET}/{folder}", tmp_path)
