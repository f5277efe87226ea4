"""Whatever is asked, however it is written, and whether it was asked before: one answer."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.support import Wire, request, rows
from tests.serving.conftest import Shared

ROW = rows(3)
GOOD = request(ROW)
LAST = request(b"", "Connection: close", method="GET", target="/health/live")

LINES = st.sampled_from(
    [
        "Host: canopy",
        "Host: canopy:80",
        "HOST: [::1]",
        "Host: a b",
        "Host:",
        "Content-Type: application/json",
        "Content-Type: application/json; charset=utf-8",
        "Content-Type: text/csv",
        "content-type: application/json \t",
        "Content-Encoding: identity",
        "Content-Encoding: gzip",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: identity",
        "Content-Length: 3",
        "Connection: close",
        "Connection: keep-alive",
        "Connection: upgrade",
        "Upgrade: h2c",
        "Expect: 100-continue",
        "Expect: else",
        "Canopy-Deadline-Ms: 60000",
        "Canopy-Deadline-Ms: x",
        "Canopy-Timing: false",
        "X-Odd: \xe9 ",
        "TE: gzip",
        "Origin: https://app.example",
        "Access-Control-Request-Method: POST",
        "Accept: text/html",
    ]
)
TARGETS = st.sampled_from(
    ["/predict"] * 6
    + ["/predict?", "/predict/", "/pr%65dict", "//predict", "http://canopy/predict", "http://canopy", "*", "/predict#x"]
    + ["/predict?probabilities=true", "/predict?probabilities=1&probabilities=1", "/predict%0A", "/", "/stat%73/"]
)
BODIES = st.sampled_from(
    [ROW] * 4
    + [b"", b"0 0", ROW[:-1], ROW + b"x", b"\xef\xbb\xbf" + ROW, ROW.decode().encode("utf-16"), rows(1, 2)]
    + [ROW[:-1] + b"," + ROW[1:], b'{"features": [NaN]}', b'{"instances": [[1]]}', b'{"\\ud800": 1}', b'{"x\xff": 1}']
)


@st.composite
def requests(draw: Any) -> bytes:  # noqa: ANN401 - hypothesis' own type
    """A request: mostly one that nearly is in order."""
    method = draw(st.sampled_from(["POST"] * 6 + ["GET", "HEAD", "OPTIONS", "PUT", "TRACE", "CONNECT"]))
    version = draw(st.sampled_from(["1.1"] * 6 + ["1.0", "2.0"]))
    body = draw(BODIES)
    usual = ["Host: canopy", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines = draw(
        st.permutations(
            [*draw(st.sampled_from([usual] * 3 + [usual[1:], usual[:2]])), *draw(st.lists(LINES, max_size=2))]
        )
    )
    if any("chunked" in line for line in lines):
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    head = "\r\n".join([f"{method} {draw(TARGETS)} HTTP/{version}", *lines, "", ""])
    return bytes(head.encode("latin-1") + body)


def said(shared: Shared, sent: bytes) -> list[tuple[bytes, list[tuple[bytes, bytes]], bytes]]:
    """All answers to what is sent, the last of which ends the connection: first line, headers in order, body."""
    wire = Wire(shared.process)
    wire.send(sent + LAST)
    received = b""
    while part := wire.socket.recv(1 << 16):
        received += part
    wire.close()
    bodiless = sent.startswith(b"HEAD")
    answers = []
    while received:
        head, _, received = received.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        headers = dict(line.split(b": ", 1) for line in lines)
        length = 0 if bodiless else int(headers.get(b"content-length", 0))
        bodiless = False
        headers.pop(b"date", None)
        answers.append((first, sorted(headers.items()), received[:length]))
        received = received[length:]
    return answers


@given(requests())
def test_a_request_is_answered_alike_by_either_way_and_every_time(shared: dict[str, Shared], sent: bytes) -> None:
    """As the hot path parses it and as it recognises its head, and as Starlette answers it."""
    first, again = (said(shared["hot"], sent) for _ in range(2))
    assert first == again == said(shared["asgi"], sent)
    assert all(b" 5" not in status or b"501" in status for status, _, _ in first)


def test_a_head_is_recognised_only_if_it_was_in_order(shared: dict[str, Shared]) -> None:
    """What is refused once is refused each time, on a connection that has just had the good one as well."""
    good = GOOD.replace(b"\r\n", b"\r\nX-Seen: 1\r\n", 1)
    for spoilt in (good.replace(b"Host: canopy\r\n", b""), good.replace(b"\r\n", b"\r\nHost: other\r\n", 1)):
        wires = [Wire(shared["hot"].process) for _ in range(3)]
        for wire in wires:
            assert [wire.ask(good).status for _ in range(2)] == [200, 200]
            assert wire.ask(spoilt).status == 400
            assert wire.ends()
