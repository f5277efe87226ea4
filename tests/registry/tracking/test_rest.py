"""What a tracking server may do instead of answering, and how it is spoken to."""

import base64
import json
import socket
import ssl
import time
from pathlib import Path

import pytest
import trustme

from registry import ModelURI, StoreUnavailable
from registry.tracking.resolve import resolve
from tests.helpers.gateway import gateway
from tests.helpers.support import AT_ONCE
from tests.registry.stub import answering
from tests.registry.support import way

URI = ModelURI.parse("models:/Forest/3")
VERSION = json.dumps({"model_version": {"name": "Forest", "version": "3", "source": "models:/m-1"}}).encode()


@pytest.mark.parametrize(
    ("status", "page", "remedy"),
    [
        pytest.param(401, b"", "MLFLOW_TRACKING_USERNAME", id="unauthorized"),
        pytest.param(403, b'{"error_code": "PERMISSION_DENIED"}', "MLFLOW_TRACKING_TOKEN", id="forbidden"),
        pytest.param(403, b"Invalid Host header - possible DNS rebinding", "--allowed-hosts", id="host-not-known"),
        pytest.param(500, b"{}", "its own log says why", id="failing"),
        pytest.param(503, b"<html>", "its own log says why", id="overloaded"),
        pytest.param(200, b"<html>Welcome</html>", "not that of a tracking server", id="no-mlflow"),
        pytest.param(200, b"[]", "not that of a tracking server", id="other-json"),
        pytest.param(404, b"<html>Not Found</html>", "the path before /api", id="no-such-page"),
        pytest.param(400, b'{"error_code": "BAD_REQUEST", "message": "no"}', "BAD_REQUEST: no", id="other-error"),
    ],
)
def test_a_server_that_gives_no_version_is_unavailable_for_a_reason(status: int, page: bytes, remedy: str) -> None:
    """Each way not to answer raises StoreUnavailable, in one line with the address and what to do."""
    with answering(status, page) as stub, pytest.raises(StoreUnavailable) as raised:
        resolve(URI, way(f"http://127.0.0.1:{stub.port}"))
    message = str(raised.value)
    assert message.startswith(f"the MLflow server http://127.0.0.1:{stub.port} cannot be used: ")
    assert remedy in message
    assert "\n" not in message


def test_a_server_that_never_answers_is_given_up(closed_port: int) -> None:
    """A server that accepts the connection and is silent costs the time-out once; the message tells how to raise it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        before = time.monotonic()
        with pytest.raises(StoreUnavailable, match=r"no answer within 0\.3 s.*MLFLOW_HTTP_REQUEST_TIMEOUT"):
            resolve(URI, way(f"http://127.0.0.1:{silent.getsockname()[1]}", MLFLOW_HTTP_REQUEST_TIMEOUT="0.3"))
        assert 0.3 <= time.monotonic() - before < AT_ONCE
    with pytest.raises(StoreUnavailable, match="refuses the connection; start it, or correct MLFLOW_TRACKING_URI"):
        resolve(URI, way(f"http://127.0.0.1:{closed_port}"))


def test_a_name_that_nobody_knows_is_told() -> None:
    """A host that has no address raises StoreUnavailable with the name and the variable to correct."""
    with pytest.raises(StoreUnavailable, match=r"the name tracking\.invalid is not known; correct MLFLOW_TRACKING_URI"):
        resolve(URI, way("http://tracking.invalid"))


def test_a_workspace_that_the_server_knows_nothing_of_is_told() -> None:
    """It is asked first: a server without workspaces would answer with another model of the same name."""
    with answering(page=VERSION) as stub, pytest.raises(StoreUnavailable, match=r"no workspaces; .*MLFLOW_WORKSPACE"):
        resolve(URI, way(f"http://127.0.0.1:{stub.port}", MLFLOW_WORKSPACE="hills"))


@pytest.mark.parametrize(("retries", "asked"), [pytest.param(None, 1, id="none"), pytest.param("2", 3, id="two")])
def test_a_server_that_fails_is_asked_as_often_as_mlflow_is_told_to(retries: str | None, asked: int) -> None:
    """Once, as who calls asks again, unless MLFLOW_HTTP_REQUEST_MAX_RETRIES is set; what it said last is told."""
    given = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": retries} if retries else {}
    with (
        answering(503, b'{"error_code": "X", "message": "no"}') as stub,
        pytest.raises(StoreUnavailable, match=r"\(no\)"),
    ):
        resolve(URI, way(f"http://127.0.0.1:{stub.port}", MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR="0", **given))
    assert len(stub.asked) == asked


def basic(text: str) -> str:
    """The header for a user name and a password."""
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("user", "environment", "header"),
    [
        pytest.param("warden:s%40il@", {}, basic("warden:s@il"), id="address"),
        pytest.param(
            "", {"MLFLOW_TRACKING_USERNAME": "a", "MLFLOW_TRACKING_PASSWORD": "b"}, basic("a:b"), id="variables"
        ),
        pytest.param("", {"MLFLOW_TRACKING_TOKEN": "xyz"}, "Bearer xyz", id="token"),
        pytest.param("", {}, None, id="none"),
    ],
)
def test_the_server_is_told_who_asks(user: str, environment: dict[str, str], header: str | None) -> None:
    """User and password, or a token, are in the header that MLflow's own client would send."""
    with answering(page=VERSION, pages={"/mlflow/api/3.0/mlflow/server-info": b'{"workspaces_enabled": true}'}) as stub:
        resolve(URI, way(f"http://{user}127.0.0.1:{stub.port}/mlflow/", MLFLOW_WORKSPACE="hills", **environment))
    _, (path, headers) = stub.asked
    assert path == "/mlflow/api/2.0/mlflow/model-versions/get?name=Forest&version=3"
    assert {name.lower(): value for name, value in headers.items()}.get("authorization") == header
    assert headers["X-MLFLOW-WORKSPACE"] == "hills"


@pytest.fixture
def authority(tmp_path: Path) -> tuple[ssl.SSLContext, str]:
    """A server's TLS, and the file of the authority that has signed its certificate."""
    made = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.issue_cert("127.0.0.1").configure_cert(context)
    made.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    return context, str(tmp_path / "authority.pem")


def test_a_certificate_is_checked_by_the_authority_that_is_named(authority: tuple[ssl.SSLContext, str]) -> None:
    """A private authority is trusted where its file is named; else the message says which variable names it."""
    context, file = authority
    with answering(page=VERSION, tls=context) as stub:
        address = f"https://127.0.0.1:{stub.port}"
        with pytest.raises(StoreUnavailable, match=r"TLS fails.*MLFLOW_TRACKING_SERVER_CERT_PATH"):
            resolve(URI, way(address))
        with pytest.raises(StoreUnavailable, match=r"/nowhere\.pem; correct MLFLOW_TRACKING_SERVER_CERT_PATH"):
            resolve(URI, way(address, MLFLOW_TRACKING_SERVER_CERT_PATH="/nowhere.pem"))
        assert str(resolve(URI, way(address, MLFLOW_TRACKING_SERVER_CERT_PATH=file))) == "Forest/3"


def test_a_proxy_that_fails_or_refuses_is_told(closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says that it is the proxy, and which variables to correct, but not the password in them."""
    monkeypatch.setenv("HTTP_PROXY", f"http://warden:sesame@127.0.0.1:{closed_port}")
    with pytest.raises(StoreUnavailable, match=r"the proxy fails.*HTTP_PROXY, HTTPS_PROXY or NO_PROXY") as raised:
        resolve(URI, way("http://tracking.invalid"))
    assert "sesame" not in str(raised.value)
    with gateway(user="somebody:else") as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://warden:sesame@127.0.0.1:{proxy.port}")
        with pytest.raises(StoreUnavailable, match="the proxy wants to know who asks") as raised:
            resolve(URI, way("http://tracking.invalid"))
    assert "sesame" not in str(raised.value)
