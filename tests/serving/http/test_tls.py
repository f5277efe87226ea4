"""HTTPS, with a certificate of an authority of our own."""

import http.client
import signal
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from loadtest.system.process import ServerProcess
from settings import Settings, SettingsError
from tests.conftest import Start
from tests.helpers.support import AT_ONCE, PATIENCE, Wire, label, request, rows, until


class Secured(Wire):
    """A connection that is encrypted once it stands."""

    def __init__(self, server: ServerProcess, context: ssl.SSLContext) -> None:
        super().__init__(server)
        self.socket = context.wrap_socket(self.socket, server_hostname=server.host)


@pytest.fixture
def authority() -> trustme.CA:
    """Whom the clients trust."""
    return trustme.CA()


@pytest.fixture
def context(authority: trustme.CA) -> ssl.SSLContext:
    """A client's."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def files(authority: trustme.CA, tmp_path: Path) -> tuple[str, str]:
    """A certificate and its key."""
    issued = authority.issue_cert("127.0.0.1")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(str(certificate))
    issued.private_key_pem.write_to_path(str(key))
    return str(certificate), str(key)


@pytest.fixture
def server(start: Start, way: str, files: tuple[str, str], context: ssl.SSLContext) -> Iterator[ServerProcess]:
    """A server that speaks HTTPS only."""
    certificate, key = files
    with start("--http", way, "--tls-certificate", certificate, "--tls-key", key, ready_within=None) as server:

        def ready() -> bool:
            connection = http.client.HTTPSConnection(server.host, server.port, context=context, timeout=PATIENCE)
            try:
                connection.request("GET", "/health/ready")
                return connection.getresponse().status == 200
            except OSError:
                return False
            finally:
                connection.close()

        until(ready)
        yield server


def test_requests_are_answered_in_secret(server: ServerProcess, context: ssl.SSLContext) -> None:
    """As without, one after another, cut up, long and faulty; the last words reach who sent garbage."""
    wire = Secured(server, context)
    good = request(rows(3))
    for _ in range(3):
        assert wire.ask(good).document == {"prediction": [label(3)]}
    wire.send(good[:20], good[20:60], good[60:])
    assert wire.receive().document == {"prediction": [label(3)]}
    assert wire.ask(request(rows(*range(500)))).document == {"prediction": [label(number) for number in range(500)]}
    assert wire.ask(request(b"{")).kind == "malformed-json"
    assert wire.ask(b"nonsense\r\n\r\n").kind == "malformed-request"
    assert wire.ends()


@pytest.mark.parametrize(("path", "status"), [("/predict", 413), ("/nowhere", 404)])
@pytest.mark.parametrize("close", [pytest.param(True, id="close"), pytest.param(False, id="kept")])
def test_an_early_refusal_is_not_lost(
    server: ServerProcess, context: ssl.SSLContext, path: str, status: int, *, close: bool
) -> None:
    """The client sends all of a long body before it reads."""
    for _ in range(3):
        connection = http.client.HTTPSConnection(server.host, server.port, context=context, timeout=PATIENCE)
        headers = {"Connection": "close"} if close else {}
        connection.request("POST", path, b" " * 5_000_000, headers)
        response = connection.getresponse()
        assert (response.status, response.will_close) == (status, close)
        connection.close()


def test_who_speaks_plainly_or_breaks_off_harms_nobody(server: ServerProcess, context: ssl.SSLContext) -> None:
    """Their connections end; others are served, and a drain waits for nobody."""
    for sent in (b"", request(rows(3)), b"\x16\x03\x01\x00"):
        with socket.create_connection((server.host, server.port), timeout=PATIENCE) as connection:
            connection.sendall(sent)
    wire = Secured(server, context)
    assert wire.ask(request(rows(3))).document == {"prediction": [label(3)]}
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=AT_ONCE) == 0


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"tls_certificate": "missing.pem"}, id="missing"),
        pytest.param({"tls_certificate": __file__}, id="no-certificate"),
        pytest.param({"tls_key": __file__}, id="key-alone"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_named_at_start(given: dict[str, str]) -> None:
    """By its variable and its path."""
    options = [part for name, path in given.items() for part in (f"--{name.replace('_', '-')}", path)]
    with pytest.raises(SettingsError, match=r"CANOPY_TLS_CERTIFICATE \(") as caught:
        Settings.read(options, {})
    assert all(path in str(caught.value) for path in given.values())
