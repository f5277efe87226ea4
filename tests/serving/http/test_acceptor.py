"""Taking connections: all who wait, and none when files run out."""

import asyncio
import errno
import gc
import os
import resource
import socket
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import cast

import pytest
import uvloop

from serving.http.acceptor import Acceptor
from tests.conftest import Start
from tests.helpers.support import AT_ONCE, PATIENCE, Client


def test_all_who_wait_are_taken_within_a_few_turns() -> None:
    """A turn of the event loop takes many connections, not one."""
    made: list[asyncio.Protocol] = []

    class Counted(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            made.append(self)
            transport.close()

    async def count_turns(listener: socket.socket, clients: int) -> int:
        acceptor = Acceptor(listener, Counted)
        turns = 0
        while len(made) < clients:
            await asyncio.sleep(0)
            turns += 1
            assert turns < 100 * clients
        acceptor.close()
        await acceptor.wait_closed()
        return turns

    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=300))
        for _ in range(200):
            stack.enter_context(socket.create_connection(listener.getsockname()))
        assert uvloop.run(count_turns(listener, 200)) < 50


@pytest.mark.parametrize(
    ("family", "address"),
    [
        pytest.param(socket.AF_INET, ("127.0.0.1", 0), id="IPv4"),
        pytest.param(socket.AF_INET6, ("::1", 0), id="IPv6"),
        pytest.param(socket.AF_UNIX, None, id="Unix"),
    ],
)
def test_whatever_the_family_a_connection_is_answered_and_gives_its_descriptor_back(
    family: socket.AddressFamily, address: tuple[str, int] | None, tmp_path: Path
) -> None:
    """A connection's descriptor is closed with it, and not once more when its number is another's."""

    class Echo(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast(asyncio.Transport, transport)

        def data_received(self, data: bytes) -> None:
            self.transport.write(data)
            self.transport.close()

    def sockets() -> list[str]:
        with os.scandir("/proc/self/fd") as entries:
            return sorted(name for each in entries if (name := os.readlink(each)).startswith("socket:"))  # noqa: PTH115

    async def echoes(listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        acceptor = Acceptor(listener, Echo)

        async def ask(number: int) -> None:
            with socket.socket(family) as client:
                client.setblocking(False)
                await loop.sock_connect(client, listener.getsockname())
                await loop.sock_sendall(client, b"%d" % number)
                assert await loop.sock_recv(client, 16) == b"%d" % number
                assert await loop.sock_recv(client, 16) == b""

        await ask(0)
        gc.collect()  # what other tests have left must not go meanwhile
        before = sockets()
        for _ in range(5):
            await asyncio.gather(*map(ask, range(40)))
        assert sockets() == before
        acceptor.close()

    with socket.socket(family) as listener:
        listener.bind(address or str(tmp_path / "socket"))
        listener.listen(100)
        uvloop.run(echoes(listener))


def test_a_connection_without_a_protocol_is_closed_and_the_next_one_taken() -> None:
    """If a protocol cannot be made, its client is not left waiting, the fault is told, and others are served."""
    faults: list[Exception] = []
    made: list[asyncio.Protocol] = []

    class Host(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            made.append(self)
            cast(asyncio.Transport, transport).abort()

    def make() -> asyncio.Protocol:
        if not faults:
            raise MemoryError
        return Host()

    async def serve(listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: faults.append(context["exception"]))
        acceptor = Acceptor(listener, make)
        for _ in range(2):
            with socket.socket() as client:
                client.setblocking(False)
                await loop.sock_connect(client, listener.getsockname())
                with suppress(ConnectionResetError):
                    assert await loop.sock_recv(client, 16) == b""
        acceptor.close()
        await acceptor.wait_closed()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        uvloop.run(serve(listener))
    assert [type(fault) for fault in faults] == [MemoryError]
    assert len(made) == 1


def test_what_was_accepted_before_the_end_has_its_protocol_when_the_acceptor_is_closed() -> None:
    """To wait for a closed acceptor is to wait until every accepted connection was made known."""
    made: list[asyncio.BaseTransport] = []

    class Host(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            made.append(transport)

    async def end(listener: socket.socket) -> None:
        acceptor = Acceptor(listener, Host)
        acceptor._accept()
        assert not made
        acceptor.close()
        await acceptor.wait_closed()
        assert len(made) == 30
        for transport in made:
            transport.close()
        await asyncio.sleep(0)

    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        for _ in range(30):
            stack.enter_context(socket.create_connection(listener.getsockname()))
        uvloop.run(end(listener))


def test_who_is_barred_connects_as_soon_as_someone_else_takes_the_socket_over() -> None:
    """Newcomers are kept out while those before them are accepted; a filter that is left behind is removed."""
    came: asyncio.Queue[asyncio.BaseTransport] = asyncio.Queue()

    class Host(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            came.put_nowait(transport)

    async def hand_over(listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        early = socket.create_connection(listener.getsockname())
        first = Acceptor(listener, Host)
        first.block_new()
        late = socket.socket()
        late.setblocking(False)
        connecting = asyncio.ensure_future(loop.sock_connect(late, listener.getsockname()))
        (await came.get()).close()
        await asyncio.wait([connecting], timeout=0.1)
        assert not connecting.done()
        first.close()
        second = Acceptor(listener, Host)
        await connecting
        (await came.get()).close()
        second.close()
        early.close()
        late.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        uvloop.run(hand_over(listener))


def test_a_spare_place_that_someone_else_takes_is_not_closed_under_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The acceptor closes what is its own, and only once; and it looks again later."""
    taken: list[int] = []
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname())

    async def run_out() -> None:
        acceptor = Acceptor(listener, asyncio.Protocol)
        opens = os.open

        def take(*_: object) -> int:
            taken.append(opens(os.devnull, os.O_RDONLY))
            raise OSError(errno.EMFILE, "too many open files")

        monkeypatch.setattr(os, "open", take)
        for _ in range(2):
            acceptor._refuse(OSError(errno.EMFILE, "too many open files"))
        acceptor.close()

    with listener, client:
        uvloop.run(run_out())
    assert len(taken) == 2
    for descriptor in taken:
        os.close(descriptor)  # it is still open
    assert client.fileno() == -1


def test_who_is_accepted_just_before_a_drain_does_not_hold_it_up(start: Start) -> None:
    """However many there are: their connections are closed as soon as they stand."""
    with start() as server, ExitStack() as stack:
        for number in range(900):
            if number == 600:
                server.process.terminate()
            connection = stack.enter_context(socket.socket())
            connection.setblocking(False)
            connection.connect_ex((server.host, server.port))
        assert server.process.wait(timeout=AT_ONCE) == 0


def test_when_files_run_out_newcomers_are_told_and_later_ones_served(start: Start) -> None:
    """At the limit of open files a client gets a 503 at once; the others, and those who come later, are served."""
    with start() as server, ExitStack() as stack:
        early = Client(server)
        assert early.predict(1).status == 200
        pid = server.process.pid
        room = len(list(Path(f"/proc/{pid}/fd").iterdir())) + 5
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (room, room))
        refused = 0
        with ExitStack() as crowd:
            for _ in range(20):
                one = crowd.enter_context(socket.create_connection((server.host, server.port), timeout=PATIENCE))
                one.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
                head = one.recv(4096)
                assert head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 503"))
                refused += head.startswith(b"HTTP/1.1 503")
            assert refused
            assert early.predict(2).status == 200
        while True:
            late = stack.enter_context(socket.create_connection((server.host, server.port), timeout=PATIENCE))
            late.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            if late.recv(4096).startswith(b"HTTP/1.1 200"):
                break
