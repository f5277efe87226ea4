# ruff: noqa: S106 - no secrets
"""The way to the registry is MLflow's own: in one environment its client and ours fare alike, at the same servers."""

import itertools
import os
import random
import ssl
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch
from urllib.parse import quote

import pytest
import trustme

from registry import ModelURI, RegistryConfig, RegistryError
from registry.tracking.resolve import resolve
from tests.helpers.gateway import Gateway, gateway
from tests.helpers.isolation import MLFLOW_WARNS
from tests.registry.conftest import READY
from tests.registry.support import Place

pytestmark = [
    *MLFLOW_WARNS,
    pytest.mark.filterwarnings("ignore:Unverified HTTPS request"),
    pytest.mark.filterwarnings("ignore:.*Certificate.*:urllib3.exceptions.SecurityWarning"),
]


@dataclass(frozen=True)
class World:
    """The servers, and the files about them.

    Attributes:
        gateways: by name, in front of one real tracking server; ``proxy`` and ``guarded`` are proxies.
        files: by name, of certificate authorities and of a client's certificate.
        dead: a port at which nothing listens.
    """

    gateways: dict[str, Gateway]
    files: dict[str, str]
    dead: int

    def address(self, name: str, user: str = "", host: str = "127.0.0.1") -> str:
        """Of a gateway."""
        scheme = "https" if name in {"tls", "mutual"} else "http"
        return f"{scheme}://{user}{host}:{self.gateways[name].port}"


@pytest.fixture(scope="module")
def world(server_place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Everything that may stand between a client and a tracking server."""
    folder = tmp_path_factory.mktemp("world")
    authority = trustme.CA()
    files = {name: str(folder / name) for name in ("authority.pem", "other.pem", "client.pem", "authorities")}
    authority.cert_pem.write_to_path(files["authority.pem"])
    trustme.CA().cert_pem.write_to_path(files["other.pem"])
    authority.issue_cert("client").private_key_and_cert_chain_pem.write_to_path(files["client.pem"])
    (folder / "authorities").mkdir()
    (folder / "authorities" / "ours.pem").write_text(Path(files["authority.pem"]).read_text())
    subprocess.run(["openssl", "rehash", files["authorities"]], check=True)  # noqa: S607

    def tls(*, mutual: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
        if mutual:
            context.verify_mode = ssl.CERT_REQUIRED
            authority.configure_trust(context)
        return context

    with ExitStack() as stack:
        gateways = {
            "plain": stack.enter_context(gateway(server_place.tracking_uri)),
            "tls": stack.enter_context(gateway(server_place.tracking_uri, tls=tls())),
            "mutual": stack.enter_context(gateway(server_place.tracking_uri, tls=tls(mutual=True))),
            "proxy": stack.enter_context(gateway()),
            "guarded": stack.enter_context(gateway(user="warden:s@same")),
        }
        made = World(gateways, files, stack.enter_context(gateway()).port)
        for name, to in {
            "to-tls": made.address("tls"),
            "elsewhere": made.address("plain", host="localhost"),
            "moved": made.address("plain"),
        }.items():
            gateways[name] = stack.enter_context(gateway(redirect=to))
        yield made


class Settled(NamedTuple):
    """One way to set something up.

    Attributes:
        name: of the way.
        make: gives the variables from the world and a home, where it may write files.
        server: the gateway that is the tracking server; empty for any.
        user: what the address has before the host.
    """

    name: str
    make: Callable[[World, Path], Mapping[str, str]] = lambda _world, _home: {}
    server: str = ""
    user: str = ""


def _netrc(_world: World, home: Path) -> Mapping[str, str]:
    (home / ".netrc").write_text("machine 127.0.0.1 login filed password sesame\n")
    return {}


def _named_netrc(_world: World, home: Path) -> Mapping[str, str]:
    (home / "secrets").write_text("default login anybody password sesame\n")
    return {"NETRC": str(home / "secrets"), "MLFLOW_TRACKING_TOKEN": "xyz"}


def _filed(_world: World, home: Path) -> Mapping[str, str]:
    (home / ".mlflow").mkdir()
    (home / ".mlflow" / "credentials").write_text(
        "[mlflow]\nmlflow_tracking_username = filed\nmlflow_tracking_password = a%%b\n"
    )
    return {}


def _both(world: World, home: Path) -> Mapping[str, str]:
    return {**_filed(world, home), "MLFLOW_TRACKING_USERNAME": "named"}


def _user(name: str, password: str, **more: str) -> Callable[[World, Path], Mapping[str, str]]:
    return _given(MLFLOW_TRACKING_USERNAME=name, MLFLOW_TRACKING_PASSWORD=password, **more)


def _given(**variables: str) -> Callable[[World, Path], Mapping[str, str]]:
    """Variables, in whose values {NAME} is a file and {proxy} a gateway's port."""

    def make(world: World, _home: Path) -> Mapping[str, str]:
        ports = {name: made.port for name, made in world.gateways.items()} | {"dead": world.dead}
        files = {name.partition(".")[0]: path for name, path in world.files.items()}
        return {name: value.format(**ports, **files) for name, value in variables.items()}

    return make


WHO = [
    Settled("nobody"),
    Settled("user", _user("warden", "s:same")),
    Settled("beyond-ascii", _user("wärter", "Pässword")),
    Settled("euro", _user("warden", "12€")),
    Settled("no-password", _user("warden", "", MLFLOW_TRACKING_TOKEN="xyz")),
    Settled("token", _given(MLFLOW_TRACKING_TOKEN="xyz")),
    Settled("user-and-token", _user("warden", "sesame", MLFLOW_TRACKING_TOKEN="xyz")),
    Settled("token-beyond-latin", _given(MLFLOW_TRACKING_TOKEN="12€")),
    Settled("token-of-two-lines", _given(MLFLOW_TRACKING_TOKEN="xy\nz")),
    Settled("no-utf-8", _user("warden", b"\xe9".decode(errors="surrogateescape"))),
    Settled("address", user="warden:s%40same@"),
    Settled("address-and-token", _given(MLFLOW_TRACKING_TOKEN="xyz"), user="warden:sesame@"),
    Settled("address-without-password", user="warden@"),
    Settled("address-beyond-latin", user=f"warden:{quote('12€')}@"),
    Settled("netrc", _netrc),
    Settled("netrc-of-a-variable", _named_netrc),
    Settled("netrc-and-address", _netrc, user="warden:sesame@"),
    Settled("file", _filed),
    Settled("file-and-variable", _both),
    Settled("workspace", _given(MLFLOW_WORKSPACE=" hills ")),
]
"""Who asks."""

HOW = [
    Settled("http", server="plain"),
    Settled("tls-not-trusted", server="tls"),
    Settled("tls-file", _given(MLFLOW_TRACKING_SERVER_CERT_PATH="{authority}"), "tls"),
    Settled("tls-folder", _given(MLFLOW_TRACKING_SERVER_CERT_PATH="{authorities}"), "tls"),
    Settled("tls-wrong-file", _given(MLFLOW_TRACKING_SERVER_CERT_PATH="{other}"), "tls"),
    Settled("tls-no-file", _given(MLFLOW_TRACKING_SERVER_CERT_PATH="/nowhere.pem"), "tls"),
    Settled("tls-requests", _given(REQUESTS_CA_BUNDLE="{authority}"), "tls"),
    Settled("tls-requests-folder", _given(REQUESTS_CA_BUNDLE="{authorities}"), "tls"),
    Settled("tls-curl", _given(CURL_CA_BUNDLE="{authority}"), "tls"),
    Settled("tls-wrong-requests", _given(REQUESTS_CA_BUNDLE="{other}", CURL_CA_BUNDLE="{authority}"), "tls"),
    Settled(
        "tls-file-first",
        _given(MLFLOW_TRACKING_SERVER_CERT_PATH="{authority}", REQUESTS_CA_BUNDLE="{other}"),
        "tls",
    ),
    Settled("tls-insecure", _given(MLFLOW_TRACKING_INSECURE_TLS="True"), "tls"),
    Settled("tls-insecure-badly", _given(MLFLOW_TRACKING_INSECURE_TLS="yes"), "tls"),
    Settled(
        "tls-insecure-and-file",
        _given(MLFLOW_TRACKING_INSECURE_TLS="true", MLFLOW_TRACKING_SERVER_CERT_PATH="{authority}"),
        "tls",
    ),
    Settled("mutual-without", _given(REQUESTS_CA_BUNDLE="{authority}"), "mutual"),
    Settled("mutual", _given(REQUESTS_CA_BUNDLE="{authority}", MLFLOW_TRACKING_CLIENT_CERT_PATH="{client}"), "mutual"),
    Settled("redirect-not-trusted", server="to-tls"),
    Settled("redirect", _given(MLFLOW_TRACKING_SERVER_CERT_PATH="{authority}"), "to-tls"),
    Settled("redirect-insecure", _given(MLFLOW_TRACKING_INSECURE_TLS="1"), "to-tls"),
    Settled("redirect-requests", _given(REQUESTS_CA_BUNDLE="{authorities}"), "to-tls"),
    Settled("redirect-forbidden", _given(MLFLOW_ALLOW_HTTP_REDIRECTS="false"), "moved"),
    Settled("redirect-elsewhere", server="elsewhere"),
    Settled("redirect-to-a-port", server="moved"),
]
"""To which server, and how its certificate is checked."""

BY = [
    Settled("straight"),
    Settled("proxy", _given(HTTP_PROXY="http://127.0.0.1:{proxy}", HTTPS_PROXY="http://127.0.0.1:{proxy}")),
    Settled("proxy-in-small", _given(http_proxy="127.0.0.1:{proxy}", https_proxy="127.0.0.1:{proxy}")),
    Settled("proxy-for-all", _given(ALL_PROXY="http://127.0.0.1:{proxy}")),
    Settled(
        "guarded",
        _given(
            HTTP_PROXY="http://warden:s%40same@127.0.0.1:{guarded}",
            HTTPS_PROXY="http://warden:s%40same@127.0.0.1:{guarded}",
        ),
    ),
    Settled("guarded-unknown", _given(ALL_PROXY="http://127.0.0.1:{guarded}")),
    Settled("guarded-wrongly", _given(ALL_PROXY="http://warden:x@127.0.0.1:{guarded}")),
    Settled("dead", _given(ALL_PROXY="http://127.0.0.1:1")),
    Settled("exempt", _given(ALL_PROXY="http://127.0.0.1:1", NO_PROXY="127.0.0.1,localhost")),
    Settled("exempt-by-range", _given(ALL_PROXY="http://127.0.0.1:1", NO_PROXY="10.0.0.0/8,127.0.0.0/8")),
    Settled("exempt-by-star", _given(ALL_PROXY="http://127.0.0.1:1", no_proxy="*")),
    Settled("exempt-by-port", _given(ALL_PROXY="http://127.0.0.1:{proxy}", NO_PROXY="127.0.0.1:{plain}")),
    Settled("others-exempt", _given(ALL_PROXY="http://127.0.0.1:{proxy}", NO_PROXY="10.0.0.0/8,example.org")),
    Settled("no-address", _given(ALL_PROXY="http://:0:0")),
]
"""By which proxy."""

Combination = tuple[Settled, Settled, Settled]

EACH: list[Combination] = [
    *((who, HOW[0], BY[0]) for who in WHO),
    *((WHO[1], how, BY[0]) for how in HOW[1:]),
    *((WHO[1], HOW[0], by) for by in BY[1:]),
    *((WHO[1], HOW[2], by) for by in BY[1:]),
]
"""Each way once."""

MANY = random.Random(0).sample(sorted(itertools.product(WHO, HOW, BY), key=str), 150)  # noqa: S311


def params(combinations: list[Combination]) -> list[Any]:
    """With names."""
    return [pytest.param(each, id=" ".join(part.name for part in each)) for each in combinations]


@dataclass
class Fared:
    """How a client fared: whether it got an answer, and what each gateway was told of who asks."""

    answered: bool = False
    told: list[tuple[str, str | None, str | None, str | None]] = field(default_factory=list)


def fared(world: World, ask: Callable[[], object]) -> Fared:
    """Let a client ask for a version."""
    for each in world.gateways.values():
        each.asked.clear()
    made = Fared()
    with suppress(Exception):
        ask()
        made.answered = True
    for name, each in world.gateways.items():
        for method, path, headers in each.asked:
            if "model-versions/get?" in path or method == "CONNECT":
                words = ("authorization", "proxy-authorization", "x-mlflow-workspace")
                made.told.append((f"{name} {method}", *map(headers.get, words)))  # type: ignore[arg-type]
    return made


def alone(home: Path) -> dict[str, str]:
    """This environment without all that says how to get anywhere, and with another home."""
    ours = ("MLFLOW_TRACKING", "MLFLOW_S3", "AWS_")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith(("_proxy", "_ca_bundle")) and not name.startswith(ours)
    }
    return {**kept, "HOME": str(home)}


def compare(world: World, home: Path, combination: Combination) -> Fared:
    """Ask by MLflow's client and by ours; they must have fared alike."""
    import mlflow
    from mlflow.utils.request_utils import _cached_get_request_session

    _cached_get_request_session.cache_clear()
    who, how, _by = combination
    address = world.address(how.server, who.user)
    with patch.dict(os.environ, alone(home), clear=True):
        for part in combination:
            os.environ.update(part.make(world, home))
        theirs = fared(world, lambda: mlflow.MlflowClient(address, address).get_model_version(READY, "1"))
        ours = fared(
            world, lambda: resolve(ModelURI.parse(f"models:/{READY}/1"), RegistryConfig.read(address, os.environ))
        )
    assert ours == theirs
    return ours


@pytest.mark.parametrize("combination", params(EACH))
def test_our_client_fares_as_mlflows_does(world: World, tmp_path: Path, combination: Combination) -> None:
    """Each way to set up credentials, TLS, redirects and proxies has the same end for both, who say the same."""
    compare(world, tmp_path, combination)


@pytest.mark.slow
@pytest.mark.parametrize("combination", params(MANY))
def test_our_client_fares_as_mlflows_does_in_any_combination(
    world: World, tmp_path: Path, combination: Combination
) -> None:
    """So have their combinations."""
    compare(world, tmp_path, combination)


@pytest.mark.parametrize(
    ("combination", "answered"),
    [
        pytest.param((WHO[3], HOW[0], BY[0]), True, id="euro"),
        pytest.param((WHO[14], HOW[0], BY[0]), True, id="netrc"),
        pytest.param((WHO[1], HOW[3], BY[0]), True, id="folder"),
        pytest.param((WHO[1], HOW[17], BY[0]), True, id="redirect"),
        pytest.param((WHO[1], HOW[0], BY[4]), True, id="guarded"),
        pytest.param((WHO[1], HOW[2], BY[4]), True, id="guarded-tls"),
        pytest.param((WHO[1], HOW[0], BY[9]), True, id="range"),
        pytest.param((WHO[1], HOW[0], BY[5]), False, id="guarded-unknown"),
    ],
)
def test_what_is_compared_does_get_there(
    world: World, tmp_path: Path, combination: Combination, answered: bool
) -> None:
    """What the documentation promises is not equal because both fail: the comparisons above can tell."""
    assert compare(world, tmp_path, combination).answered is answered


@pytest.mark.parametrize(
    ("who", "how"), [pytest.param(who, HOW[0], id=who.name) for who in WHO] + [pytest.param(WHO[3], HOW[1], id="tls")]
)
def test_every_failure_is_in_words_without_the_secret(world: World, tmp_path: Path, who: Settled, how: Settled) -> None:
    """Whatever cannot be sent, the error is one of the registry's, which tells no part of it."""
    address = world.address(how.server, who.user)
    with patch.dict(os.environ, alone(tmp_path), clear=True):
        os.environ.update(who.make(world, tmp_path))
        said = ""
        try:
            resolve(ModelURI.parse(f"models:/{READY}/1"), RegistryConfig.read(address, os.environ))
        except RegistryError as error:
            said = str(error)
        secrets = [value for name, value in os.environ.items() if name.startswith("MLFLOW_TRACKING_")]
    assert not any(secret in said for secret in [*secrets, "€", "xy"] if secret)
