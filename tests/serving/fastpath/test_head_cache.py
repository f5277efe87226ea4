"""Heads that were parsed before, and what follows them."""

import itertools

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.system.process import ServerProcess
from serving.codecs import CODECS, Frame
from serving.fastpath.head_cache import END, Head, HeadCache
from tests.conftest import Start
from tests.helpers.support import AT_ONCE, Wire, label, request, rows, until

BODY = rows(5)
KNOWN = request(BODY)
HEAD = KNOWN.removesuffix(BODY)

FRAME = Frame(CODECS[0])

PIECES = st.sampled_from(
    [
        b"POST /predict HTTP/1.1",
        b"Host: a",
        b"Content-Length: 4",
        b"X: ",
        b" ",
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b"{}",
    ]
)


class Parsed:
    """Tells when the parser has seen the whole of a head."""

    def __init__(self) -> None:
        self.heads = 0

    def on_headers_complete(self) -> None:
        """A head is complete."""
        self.heads += 1


@given(st.lists(PIECES, max_size=12).map(b"".join))
def test_a_head_is_learned_only_if_it_ends_where_the_parser_ends_it(sent: bytes) -> None:
    """Of whatever is sent: the parser is through with the head at its last byte, and no sooner."""
    head = sent[: sent.find(END) + len(END)]
    known = HeadCache()
    known.learn(head, Head(4, FRAME))
    if known.find(head) is None:
        return
    parsed = Parsed()
    parser = httptools.HttpRequestParser(parsed)
    try:
        parser.feed_data(head[:-1])
        assert parsed.heads == 0
        parser.feed_data(head[-1:])
        assert parsed.heads == 1
    except httptools.HttpParserError:
        pass  # it would not have come to be learned


def test_what_is_remembered_is_bounded() -> None:
    """In number and length, and a crowd of heads that are seen once drives none out for long."""
    known = HeadCache()
    known.learn(b"POST /predict HTTP/1.1\r\nX: %b\r\n\r\n" % bytes(5000), Head(1, FRAME))
    assert len(known) == 0
    for number in range(5000):
        known.learn(b"POST /predict HTTP/1.1\r\nX: %d\r\n\r\n" % number, Head(1, FRAME))
        assert len(known) <= 1024
    known.learn(HEAD, Head(len(BODY), FRAME))
    found = known.find(HEAD)
    assert found is not None
    assert found.length == len(BODY)


@pytest.mark.parametrize("first", [0, 1, len(HEAD) - 1, len(HEAD), len(HEAD) + 1, len(KNOWN) - 1])
@pytest.mark.parametrize("second", [1, 7, len(BODY)])
def test_a_known_request_may_come_in_any_pieces(server: ServerProcess, first: int, second: int) -> None:
    """A part of the head, the head alone, a part of the body and its rest, and the next request behind it."""
    wire = Wire(server)
    for _ in range(2):
        wire.ask(KNOWN)
    for cut in (first, first + second):
        wire.send(KNOWN[:cut])
        assert wire.ask(KNOWN[cut:] + KNOWN).document == {"prediction": [label(5)]}
        assert wire.receive().document == {"prediction": [label(5)]}


def test_a_known_head_with_another_body_is_another_request(server: ServerProcess) -> None:
    """What was learned of the head says nothing of the body."""
    wire = Wire(server)
    for elevation in itertools.islice(itertools.cycle(range(1, 8)), 20):
        assert wire.ask(request(rows(elevation))).document == {"prediction": [label(elevation)]}
    broken = b"x" * len(BODY)
    assert wire.ask(HEAD + broken).kind == "malformed-json"
    assert wire.ask(KNOWN).document == {"prediction": [label(5)]}


def test_a_known_head_of_a_last_request_ends_the_connection(server: ServerProcess) -> None:
    """The answer says so, and what the client sends behind it is not answered."""
    closing = KNOWN.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
    for _ in range(3):
        wire = Wire(server)
        answer = wire.ask(closing + KNOWN)
        assert answer.document == {"prediction": [label(5)]}
        assert answer.headers["connection"] == "close"
        assert wire.ends()
        wire = Wire(server)
        assert wire.ask(closing).headers["connection"] == "close"
        assert wire.ends()


def test_a_known_head_without_its_body_times_out(start: Start) -> None:
    """The client is told so, and the connection ends, as with a head that is new."""
    with start("--body-timeout-seconds", "1") as server:
        for sent in (HEAD, HEAD + BODY[:-1]):
            wire = Wire(server)
            wire.ask(KNOWN)
            wire.send(sent)
            assert wire.receive().kind == "request-timeout"
            assert wire.ends()


def test_a_drain_does_not_wait_for_the_body_of_a_known_head(start: Start) -> None:
    """A request that was not read whole was not accepted."""
    with start() as server:
        wire = Wire(server)
        wire.ask(KNOWN)
        wire.send(HEAD)
        server.get("/health/live")  # by now the head has been read
        server.process.terminate()
        until(lambda: server.process.poll() is not None, seconds=AT_ONCE)
        assert server.process.returncode == 0
        assert wire.ends()
