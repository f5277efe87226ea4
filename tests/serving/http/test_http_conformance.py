"""HTTP as it is spoken on the wire, in both ways of serving it: what is asked, and what is answered."""

from pathlib import Path

import pytest

from loadtest.system.process import ServerProcess
from tests.conftest import Start
from tests.helpers.stub_server import HELD, NO_JSON, RAISES
from tests.helpers.support import Answer, Gate, Wire, chunked, in_the_batcher, label, request, rows, until
from tests.serving.conftest import Shared

BODY = rows(3)
GOOD = request(BODY)
LONGEST = 1 << 20
LIVE = request(method="GET", target="/health/live")
UPGRADE = ("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")
WEBSOCKET = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
MALFORMED = (400, "malformed-request")
PARAMETER = (400, "bad-parameter")
MEDIA_TYPE = (415, "unsupported-media-type")
CODED = (501, "unknown-transfer-coding")


def hosted(*hosts: str, version: str = "1.1") -> bytes:
    """A good request, but for what it says of its host."""
    return request(BODY, *hosts, version=version).replace(b"Host: canopy\r\n", b"", 1)


def coded(*headers: str, version: str = "1.1") -> bytes:
    """A request whose body comes in chunks, whatever its head says of that."""
    _, body = chunked(BODY).split(b"\r\n\r\n", 1)
    return request(b"", *headers, length="", version=version) + body


REQUESTS: dict[str, tuple[bytes, int, str]] = {
    # Good ones, the first of which are for the hot path.
    "plain": (GOOD, 200, ""),
    "many-rows": (request(rows(*range(300))), 200, ""),
    "upper-case-header-names": (GOOD.replace(b"Content-", b"CONTENT-"), 200, ""),
    "blanks-around-values": (request(BODY, "X-Odd:  \t odd \t ", "X-None:", length=f" {len(BODY)}\t"), 200, ""),
    "no-content-type": (request(BODY, content_type=None), 200, ""),
    "close": (request(BODY, "Connection: close"), 200, ""),
    "keep-alive": (request(BODY, "Connection: keep-alive"), 200, ""),
    "header-in-latin-1": (request(BODY, "X-Name: \xe9\xff"), 200, ""),
    "blank-lines-first": (b"\r\n\r\n" + GOOD, 200, ""),
    "long-head": (request(BODY, "X-Long: " + "x" * 30_000), 200, ""),
    "charset": (request(BODY, content_type="application/json; charset=utf-8"), 200, ""),
    "probabilities": (request(rows(3, 4), target="/predict?probabilities=true"), 200, ""),
    "empty-query": (request(BODY, target="/predict?"), 200, ""),
    "escaped-path": (request(BODY, target="/pr%65dict"), 200, ""),
    "absolute-target": (request(BODY, target="http://canopy/predict"), 200, ""),
    "absolute-target-with-query": (request(BODY, target="http://canopy:80/predict?probabilities=1"), 200, ""),
    "absolute-target-in-capitals": (request(BODY, target="HTTPS://[::1]:80/predict"), 200, ""),
    "absolute-target-without-a-path": (request(method="GET", target="http://canopy"), 200, ""),
    "absolute-target-with-a-query-only": (request(method="GET", target="http://canopy?x=http://y/z"), 200, ""),
    "unknown-parameter": (request(BODY, target="/predict?trace=1&trace=2"), 200, ""),
    "unknown-expectation": (request(BODY, "Expect: miracles"), 200, ""),
    "accepts-trailers": (request(BODY, "TE: gzip, trailers"), 200, ""),
    "empty-host": (hosted("Host:"), 200, ""),
    "host-with-blanks": (hosted("Host: \t canopy:80 \t "), 200, ""),
    "host-is-ipv6": (hosted("Host: [fe80::1%25eth0]:8000"), 200, ""),
    "host-with-escapes": (hosted("Host: can%C3%B6py_1.example:"), 200, ""),
    "http-1.0-without-host": (hosted(version="1.0"), 200, ""),
    "blanks-behind-values": (request(BODY, "Canopy-Deadline-Ms: 5000 ", "Content-Encoding: identity\t"), 200, ""),
    "chunked-in-capitals": (coded("Transfer-Encoding: CHUNKED"), 200, ""),
    "json-twice": (request(BODY, "Content-Type: application/json"), 200, ""),
    "byte-order-mark": (request(b"\xef\xbb\xbf" + BODY), 200, ""),
    "deadline": (request(BODY, "Canopy-Deadline-Ms: 5000"), 200, ""),
    "chunked": (chunked(BODY), 200, ""),
    "chunked-by-the-byte": (chunked(BODY, size=1), 200, ""),
    "chunk-extension": (chunked(BODY).replace(b"14\r\n", b"14;name=value\r\n"), 200, ""),
    "trailers": (chunked(BODY)[:-2] + b"X-Trailer: 1\r\nContent-Type: text/csv\r\n\r\n", 200, ""),
    "upgrade-to-h2c": (request(BODY, *UPGRADE), 200, ""),
    "upgrade-chunked": (chunked(BODY, *UPGRADE), 200, ""),
    "upgrade-and-close": (request(BODY, "Upgrade: h2c", "Connection: close, upgrade"), 200, ""),
    "upgrade-to-websocket": (request(BODY, *WEBSOCKET), 200, ""),
    "http-1.0": (request(BODY, version="1.0"), 200, ""),
    "http-1.0-keep-alive": (request(BODY, "Connection: keep-alive", version="1.0"), 200, ""),
    "get": (LIVE, 200, ""),
    "get-with-upgrade": (request(b"", *WEBSOCKET, method="GET", target="/health/live"), 200, ""),
    "get-with-a-body": (request(BODY, f"Content-Length: {len(BODY)}", method="GET", target="/health/live"), 200, ""),
    # Whole requests that ask for the wrong thing.
    "no-body": (request(length=""), 400, "malformed-json"),
    "empty-body": (request(), 400, "malformed-json"),
    "empty-chunked-body": (chunked(b""), 400, "malformed-json"),
    "cut-off-json": (request(BODY[:-1]), 400, "malformed-json"),
    "bad-parameter": (request(BODY, target="/predict?probabilities=maybe"), 400, "bad-parameter"),
    "bad-deadline": (request(BODY, "Canopy-Deadline-Ms: soon"), 400, "bad-parameter"),
    "path-that-utf-8-cannot-carry": (request(b'{"\\ud800": NaN}'), 422, "invalid-row"),
    "two-json-texts": (request(b"0 0"), 400, "malformed-json"),
    "utf-16": (request(b'{"features": [-Infinity]}'.decode().encode("utf-16")), 400, "malformed-json"),
    "row-twice": (request(BODY[:-1] + b"," + BODY[1:]), 422, "invalid-row"),
    "parameter-twice": (request(BODY, target="/predict?probabilities=true&probabilities=false"), *PARAMETER),
    "parameter-without-a-value": (request(BODY, target="/predict?probabilities"), *PARAMETER),
    "deadline-twice": (request(BODY, "Canopy-Deadline-Ms: 5000", "Canopy-Deadline-Ms: 1"), *PARAMETER),
    "timing-twice": (request(BODY, "Canopy-Timing: true", "Canopy-Timing: true"), *PARAMETER),
    "bad-row": (request(b'{"features": [1]}'), 422, "invalid-row"),
    "bad-row-and-close": (request(b'{"features": [1]}', "Connection: close"), 422, "invalid-row"),
    "wrong-path": (request(BODY, target="/predictions"), 404, "not-found"),
    "slash-at-the-end": (request(BODY, target="/predict/"), 404, "not-found"),
    "escaped-slash-at-the-end": (request(BODY, target="/predict%2F"), 404, "not-found"),
    "slash-missing": (request(BODY, target="/admin"), 404, "not-found"),
    "two-slashes": (request(BODY, target="//predict"), 404, "not-found"),
    "dot-segment": (request(BODY, target="/./predict"), 404, "not-found"),
    "path-parameter": (request(BODY, target="/predict;v=1"), 404, "not-found"),
    "other-case": (request(BODY, target="/Predict"), 404, "not-found"),
    "escaped-line-feed": (request(BODY, target="/predict%0A"), 404, "not-found"),
    "escaped-zero": (request(BODY, target="/predict%00"), 404, "not-found"),
    "escape-that-is-none": (request(BODY, target="/predict%zz"), 404, "not-found"),
    "escaped-byte-that-is-no-utf-8": (request(BODY, target="/predict%ff"), 404, "not-found"),
    "slash-at-the-end-behind-tls": (request(BODY, "X-Forwarded-Proto: https", target="/predict/"), 404, "not-found"),
    "options-of-the-server": (request(method="OPTIONS", target="*"), 404, "not-found"),
    "options-of-the-server-by-address": (request(method="OPTIONS", target="http://canopy"), 404, "not-found"),
    "absolute-target-with-the-wrong-method": (request(BODY, target="http://canopy"), 405, "method-not-allowed"),
    "options": (request(method="OPTIONS"), 405, "method-not-allowed"),
    "preflight": (
        request(b"", "Origin: http://a", "Access-Control-Request-Method: POST", method="OPTIONS"),
        405,
        "method-not-allowed",
    ),
    "trace": (request(method="TRACE", length=""), 405, "method-not-allowed"),
    "post-to-what-is-read": (request(BODY, target="/stats"), 405, "method-not-allowed"),
    "wrong-method": (request(BODY, method="PUT"), 405, "method-not-allowed"),
    "get-predict": (request(method="GET"), 405, "method-not-allowed"),
    "declared-too-long": (request(b" " * (LONGEST + 1)), 413, "body-too-large"),
    "chunked-too-long": (chunked(b" " * (LONGEST + 1), size=60_000), 413, "body-too-large"),
    "wrong-type": (request(BODY, content_type="text/csv"), 415, "unsupported-media-type"),
    "gzip": (request(BODY, "Content-Encoding: gzip"), 415, "unsupported-media-type"),
    "identity-and-gzip": (request(BODY, "Content-Encoding: identity", "Content-Encoding: gzip"), *MEDIA_TYPE),
    "json-and-another-type": (request(BODY, "Content-Type: text/csv"), *MEDIA_TYPE),
    # What cannot be read as a request, so that nothing behind it can be either.
    "connect": (b"CONNECT canopy:80 HTTP/1.1\r\nHost: canopy:80\r\n\r\n", *MALFORMED),
    "connect-to-a-path": (request(BODY, method="CONNECT"), *MALFORMED),
    "connect-with-upgrade": (b"CONNECT c:80 HTTP/1.1\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", *MALFORMED),
    "negative-length": (request(BODY, length=-1), *MALFORMED),
    "signed-length": (request(BODY, length=f"+{len(BODY)}"), *MALFORMED),
    "hexadecimal-length": (request(BODY, length="0x10"), *MALFORMED),
    "endless-length": (request(BODY, length=10**30), *MALFORMED),
    "two-lengths": (request(BODY, "Content-Length: 3"), *MALFORMED),
    "the-same-length-twice": (request(BODY, f"Content-Length: {len(BODY)}"), *MALFORMED),
    "length-and-chunks": (request(BODY, "Transfer-Encoding: chunked"), *MALFORMED),
    "chunks-and-length": (chunked(BODY, "Content-Length: 3"), *MALFORMED),
    "unknown-transfer-encoding": (request(BODY, "Transfer-Encoding: gzip", length=""), *MALFORMED),
    "bad-chunk-size": (chunked(BODY).replace(b"14\r\n", b"zz\r\n", 1), *MALFORMED),
    "bad-chunk-after-expect": (chunked(BODY, "Expect: 100-continue").replace(b"14\r\n", b"zz\r\n", 1), *MALFORMED),
    "unknown-version": (request(BODY, version="1.2"), *MALFORMED),
    "bare-line-feeds": (GOOD.replace(b"\r\n", b"\n"), *MALFORMED),
    "blank-before-colon": (request(BODY, "X-Odd : 1"), *MALFORMED),
    "folded-header": (request(BODY, "X-Odd: 1", "  2"), *MALFORMED),
    "zero-in-a-header": (request(BODY, "X-Odd: a\0b"), *MALFORMED),
    "target-in-latin-1": (request(BODY, target="/pr\xe9dict"), *MALFORMED),
    "target-without-a-slash": (request(BODY, target="predict"), *MALFORMED),
    "target-with-a-fragment": (request(BODY, target="/predict#row"), *MALFORMED),
    "target-of-another-scheme": (request(BODY, target="ftp://canopy/predict"), *MALFORMED),
    "target-without-a-host": (request(BODY, target="http:///predict"), *MALFORMED),
    "target-with-a-port-only": (request(BODY, target="http://:80/predict"), *MALFORMED),
    "target-with-a-user": (request(BODY, target="http://user:secret@canopy/predict"), *MALFORMED),
    "target-with-a-bad-port": (request(BODY, target="http://canopy:http/predict"), *MALFORMED),
    "asterisk-for-another-method": (request(method="GET", target="*"), *MALFORMED),
    "unknown-method": (request(BODY, method="PREDICT"), *MALFORMED),
    "no-host": (hosted(), *MALFORMED),
    "no-host-for-head": (b"OPTIONS / HTTP/1.1\r\n\r\n", *MALFORMED),
    "two-hosts": (hosted("Host: canopy", "Host: canopy"), *MALFORMED),
    "two-hosts-http-1.0": (hosted("Host: canopy", "HOST: other", version="1.0"), *MALFORMED),
    "absolute-target-and-no-host": (b"GET http://canopy/ HTTP/1.1\r\n\r\n", *MALFORMED),
    "host-with-a-user": (hosted("Host: user@canopy"), *MALFORMED),
    "host-with-a-path": (hosted("Host: canopy/predict"), *MALFORMED),
    "host-with-a-blank": (hosted("Host: canopy other"), *MALFORMED),
    "host-with-a-bad-port": (hosted("Host: canopy:http"), *MALFORMED),
    "host-is-half-an-address": (hosted("Host: [::1"), *MALFORMED),
    "host-in-latin-1": (hosted("Host: can\xf6py"), *MALFORMED),
    "gzip-in-chunks": (coded("Transfer-Encoding: gzip, chunked"), *CODED),
    "gzip-in-chunks-two-lines": (coded("Transfer-Encoding: gzip", "Transfer-Encoding: chunked"), *CODED),
    "identity-in-chunks": (coded("Transfer-Encoding: identity, chunked"), *CODED),
    "gzip-in-chunks-with-upgrade": (coded("Transfer-Encoding: gzip, chunked", *UPGRADE), *CODED),
    "chunks-in-gzip": (coded("Transfer-Encoding: chunked, gzip"), *MALFORMED),
    "chunks-in-chunks": (coded("Transfer-Encoding: chunked, chunked"), *MALFORMED),
    "chunks-in-chunks-two-lines": (coded("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), *MALFORMED),
    "identity": (coded("Transfer-Encoding: identity"), *MALFORMED),
    "no-coding": (coded("Transfer-Encoding:"), *MALFORMED),
    "an-empty-coding": (coded("Transfer-Encoding: , chunked"), *MALFORMED),
    "chunked-with-a-parameter": (coded("Transfer-Encoding: chunked;q=1"), *MALFORMED),
    "chunked-in-quotes": (coded('Transfer-Encoding: "chunked"'), *MALFORMED),
    "like-chunked": (coded("Transfer-Encoding: xchunked"), *MALFORMED),
    "http-1.0-chunked": (coded("Transfer-Encoding: chunked", version="1.0"), *MALFORMED),
    "empty-length": (request(BODY, length=" "), *MALFORMED),
    "lengths-in-a-row": (request(BODY, length=f"{len(BODY)}, {len(BODY)}"), *MALFORMED),
    "http-2": (request(BODY, version="2.0"), *MALFORMED),
    "http-0.9": (request(method="GET", target="/health/live", version="0.9"), *MALFORMED),
    "http-0.9-without-a-version": (b"GET /health/live\r\n\r\n", *MALFORMED),
    "tls-hello": (bytes.fromhex("160301007a010000760303") + bytes(range(111)), *MALFORMED),
    "http-2-preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9), *MALFORMED),
    "zeros": (bytes(300), *MALFORMED),
    "all-bytes": (bytes(range(256)) * 300, *MALFORMED),
    "long-header-in-one-piece": (request(BODY, "X-Long: " + "x" * 40_000), 431, "head-too-large"),
    "long-target-in-one-piece": (request(BODY, target="/predict?" + "x" * 40_000), 431, "head-too-large"),
    "many-headers": (request(BODY, *["X-Many: x"] * 4000), 431, "head-too-large"),
}
"""Requests with the status, and if it is a failure the kind, of their answers."""

ENDS = {"malformed-request", "unknown-transfer-coding", "head-too-large"}
"""Kinds of failures after which nothing on the connection can be trusted."""


def outcome(server: ServerProcess, sent: bytes) -> tuple[Answer, bool]:
    """The one answer to what is sent, and whether the connection lives on."""
    wire = Wire(server)
    answer = wire.ask(sent)
    if answer.closes:
        assert wire.ends()
    else:
        assert wire.ask(GOOD).document == {"prediction": [label(3)]}
    return answer, not answer.closes


@pytest.mark.parametrize("name", REQUESTS)
def test_each_request_gets_its_answer(server: ServerProcess, name: str) -> None:
    """Its status, if need be its problem document, and a connection that lives on unless it asked otherwise."""
    sent, status, kind = REQUESTS[name]
    answer, lives = outcome(server, sent)
    assert answer.status == status
    if kind:
        assert answer.kind == kind
    else:
        assert answer.headers["content-type"] == "application/json"
    last = kind in ENDS or b"lose" in sent.partition(b"\r\n\r\n")[0] or b"HTTP/1.0" in sent
    assert lives is not last


@pytest.mark.parametrize("name", REQUESTS)
def test_both_ways_answer_alike(shared: dict[str, Shared], name: str) -> None:
    """The same request gets the same status, headers and body, and the connection the same fate."""
    sent, _, _ = REQUESTS[name]
    (hot, hot_lives), (asgi, asgi_lives) = (outcome(shared[way].process, sent) for way in ("hot", "asgi"))
    assert (hot.status, hot.body) == (asgi.status, asgi.body)
    assert hot.headers | {"date": ""} == asgi.headers | {"date": ""}
    assert hot_lives is asgi_lives


def test_a_connection_serves_many_requests(server: ServerProcess) -> None:
    """One after the other, each gets its own answer."""
    wire = Wire(server)
    for number in range(300):
        answer = wire.ask(request(rows(number, number + 1)))
        assert answer.document == {"prediction": [label(number), label(number + 1)]}
        assert "connection" not in answer.headers


def test_a_wrong_method_is_told_the_right_one(server: ServerProcess) -> None:
    """405 comes with Allow, in the same order from each process, and no body if it answers HEAD."""
    wire = Wire(server)
    assert wire.ask(request(BODY, method="DELETE")).headers["allow"] == "POST"
    assert wire.ask(request(BODY, target="/stats")).headers["allow"] == "GET, HEAD"
    wire.send(request(method="HEAD") + LIVE)
    assert wire.receive(head_only=True).headers["allow"] == "POST"
    assert wire.receive().status == 200


@pytest.mark.parametrize("target", ["/predict/", "/health/live/", "/metrics/", "/predict/?x=/"])
def test_nobody_is_sent_elsewhere(server: ServerProcess, target: str) -> None:
    """A path with a slash too many is none, and is told where to find those that are; no answer names an address."""
    answer = Wire(server).ask(request(BODY, target=target))
    assert answer.kind == "not-found"
    assert "location" not in answer.headers
    assert "GET / tells" in answer.document["detail"]


def test_head_has_the_headers_of_get_and_no_body(server: ServerProcess) -> None:
    """What follows on the connection is the next response."""
    wire = Wire(server)
    wire.send(request(method="HEAD", target="/health/live") + GOOD)
    head = wire.receive(head_only=True)
    assert (head.status, head.headers["content-length"]) == (200, str(len(b'{"status":"live"}')))
    assert wire.receive().document == {"prediction": [label(3)]}


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"HEAD / HTTP/1.1\r\n\r\n", id="no-host"),
        pytest.param(b"HEAD / HTTP/1.1\r\nHost : canopy\r\n\r\n", id="bad-line"),
        pytest.param(b"HEAD / HTTP/1.1\r\nX-Long: " + b"x" * 40_000 + b"\r\n\r\n", id="too-long"),
    ],
)
def test_a_head_request_that_is_refused_gets_no_body(server: ServerProcess, sent: bytes) -> None:
    """Its answer ends with the headers, and garbage behind one that was answered is told what it is."""
    wire = Wire(server)
    wire.send(sent)
    refused = wire.receive(head_only=True)
    assert refused.status >= 400
    assert refused.closes
    assert wire.ends()
    wire = Wire(server)
    wire.send(request(method="HEAD", target="/health/live"))
    assert wire.receive(head_only=True).status == 200
    assert wire.ask(b"nonsense").kind == "malformed-request"


def read_by_now(watcher: Wire) -> None:
    """Return when the server has read what was sent before: it answers another client only then."""
    assert watcher.ask(LIVE).status == 200


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(GOOD, id="length"),
        pytest.param(chunked(BODY, size=40), id="chunked"),
        pytest.param(request(BODY, *UPGRADE), id="upgrade"),
    ],
)
def test_a_request_may_come_in_any_two_pieces(server: ServerProcess, sent: bytes) -> None:
    """Cut at every byte, on a connection that is kept: the server reads the pieces one by one."""
    wire, watcher = Wire(server), Wire(server)
    for cut in range(1, len(sent)):
        wire.send(sent[:cut])
        read_by_now(watcher)
        assert wire.ask(sent[cut:]).document == {"prediction": [label(3)]}


@pytest.mark.parametrize("sent", [pytest.param(GOOD, id="length"), pytest.param(chunked(BODY, size=9), id="chunked")])
def test_a_request_may_come_byte_by_byte(server: ServerProcess, sent: bytes) -> None:
    """The server reads them one by one."""
    wire, watcher = Wire(server), Wire(server)
    for byte in sent:
        wire.send(bytes([byte]))
        read_by_now(watcher)
    assert wire.receive().document == {"prediction": [label(3)]}


def test_what_follows_a_body_that_is_longer_than_declared_is_no_request(server: ServerProcess) -> None:
    """The declared part is answered; the rest is a 400, and the connection is closed."""
    wire = Wire(server)
    wire.send(request(BODY + b"more", length=len(BODY)))
    assert wire.receive().document == {"prediction": [label(3)]}
    answer = wire.receive()
    assert (answer.status, answer.kind, answer.closes) == (*MALFORMED, True)
    assert wire.ends()


def test_a_length_that_no_body_will_have_is_refused_at_once(server: ServerProcess) -> None:
    """413 comes before the body does."""
    assert Wire(server).ask(request(b"{", length=1 << 60)).kind == "body-too-large"


@pytest.mark.parametrize("target", ["/predict", "/predict?probabilities=true"])
def test_a_client_that_waits_for_a_sign_gets_one(server: ServerProcess, target: str) -> None:
    """Expect: 100-continue is answered by 100, and the body by its answer; who does not wait gets both as well."""
    wire = Wire(server)
    assert wire.ask(request(b"", "Expect: 100-continue", length=len(BODY), target=target)).status == 100
    assert wire.ask(BODY).document["prediction"] == [label(3)]
    assert wire.ask(request(BODY, "EXPECT: 100-Continue", target=target)).status == 100
    assert wire.receive().document["prediction"] == [label(3)]


def test_a_body_that_is_refused_is_not_asked_for(server: ServerProcess) -> None:
    """Expect: 100-continue with too large a body is answered by 413 instead of 100."""
    answer = Wire(server).ask(request(b"", "Expect: 100-continue", length=LONGEST + 1))
    assert (answer.status, answer.kind) == (413, "body-too-large")


@pytest.mark.parametrize(
    ("first", "more"),
    [
        pytest.param(b"POST /predict HTTP/1.1\r\n", b"X-Many: x\r\n" * 1000, id="headers"),
        pytest.param(b"POST /predict HTTP/1.1\r\nX-Long: ", b"x" * 10_000, id="header-without-end"),
        pytest.param(b"POST /predict?", b"x" * 10_000, id="target-without-end"),
        pytest.param(b"POST /predict HTTP/1.1\r\nX", b"x" * 10_000, id="name-without-end"),
        pytest.param(b"", b"\r\n" * 5000, id="blank-lines"),
        pytest.param(chunked(BODY)[:-2], b"X-Many: x\r\n" * 1000, id="trailers"),
        pytest.param(chunked(BODY)[:-2] + b"X-Long: ", b"x" * 10_000, id="trailer-without-end"),
        pytest.param(chunked(BODY)[:-5] + b"1;", b"x" * 10_000, id="chunk-extension-without-end"),
    ],
)
def test_a_head_without_end_is_refused(server: ServerProcess, first: bytes, more: bytes) -> None:
    """431 as soon as it is too long, whatever it is that does not end, and the connection is closed."""
    wire, watcher = Wire(server), Wire(server)
    wire.send(first)
    for _ in range(8):  # 80,000 bytes and more, where 32,768 are allowed
        read_by_now(watcher)
        wire.send(more)
    answer = wire.receive()
    assert (answer.status, answer.kind, answer.closes) == (431, "head-too-large", True)
    assert wire.ends()


def test_the_body_does_not_count_as_head(server: ServerProcess) -> None:
    """However the body is cut, only what is no body is measured."""
    wire, watcher = Wire(server), Wire(server)
    body = BODY + b" " * 200_000
    for sent in (request(body), chunked(body, size=1000)):
        for start in range(0, len(sent), 15_000):
            wire.send(sent[start : start + 15_000])
            read_by_now(watcher)
        assert wire.receive().document == {"prediction": [label(3)]}


def test_a_body_that_goes_wrong_after_its_answer_ends_the_connection(server: ServerProcess) -> None:
    """Who was told 413 before the end of the body is told nothing more, which would pass for another answer."""
    wire = Wire(server)
    wire.send(chunked(b" " * (LONGEST + 1), size=60_000)[:-5])
    assert wire.receive().status == 413
    wire.send(b"zz\r\n")
    assert wire.ends()


def refuse(gate: Gate, server: ServerProcess) -> None:
    """What becomes of three requests for a queue with room for one row, while the engine is busy."""
    busy, waiting, refused = Wire(server), Wire(server), Wire(server)
    with gate:
        busy.send(request(rows(HELD)))
        until(lambda: in_the_batcher(server) == (0, 1))
        waiting.send(request(rows(1)))
        until(lambda: in_the_batcher(server) == (1, 1))
        answer = refused.ask(request(rows(2)))
        assert (answer.status, answer.kind) == (503, "queue-full")
        assert int(answer.headers["retry-after"]) >= answer.document["retry_after"] > 0
        answer = waiting.receive()
        assert (answer.status, answer.kind) == (504, "deadline-exceeded")
        assert waiting.ask(request(b"{}")).status == 422
    assert busy.receive().document == {"prediction": [label(HELD)]}


def test_a_request_that_is_queued_in_vain_is_told_why(start: Start, way: str, tmp_path: Path) -> None:
    """503 if the queue is full, with Retry-After, and 504 when its deadline has passed; the connection lives on."""
    options = ["--http", way, "--max-queue-rows", "1", "--deadline-ms", "1000"]
    with start(*options, gate=str(tmp_path / "gate")) as server:
        refuse(Gate(tmp_path / "gate"), server)


def test_a_server_that_fails_says_so_in_its_log_only(start: Start, way: str, tmp_path: Path) -> None:
    """500, without a word of the fault; neighbours in the batch are answered all the same, and so is who asks again."""
    log, gate = tmp_path / "log", tmp_path / "gate"
    with log.open("wb") as output, start("--http", way, log=output, gate=str(gate)) as server:
        wires = [Wire(server) for _ in range(6)]
        with Gate(gate):
            wires[0].send(request(rows(HELD)))
            until(lambda: in_the_batcher(server) == (0, 1))
            for wire, elevation in zip(wires[1:], (1, RAISES, NO_JSON, 2, 3), strict=True):
                wire.send(request(rows(elevation)))
            until(lambda: in_the_batcher(server) == (5, 1))
        answers = [wire.receive() for wire in wires]
        for wire in wires:
            assert wire.ask(GOOD).document == {"prediction": [label(3)]}
    assert [answer.document.get("prediction") for answer in answers] == [
        [label(elevation)] if elevation > 0 else None for elevation in (HELD, 1, RAISES, NO_JSON, 2, 3)
    ]
    assert [(answer.status, answer.kind) for answer in answers[2:4]] == [
        (500, "inference-failed"),
        (500, "internal-error"),
    ]
    assert b"poison" in log.read_bytes()
    assert b"not JSON serializable" in log.read_bytes()
    assert not any(word in answer.body for answer in answers for word in (b"poison", b"JSON"))
