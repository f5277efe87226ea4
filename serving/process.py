"""What a serving process asks of its operating system."""

import asyncio
import contextlib
import resource
import socket
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

T = TypeVar("T")


def raise_file_limit() -> None:
    """Allow as many connections as the system lets this process have without asking."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def listen(host: str, port: int, backlog: int) -> socket.socket:
    """Listen before anything slow happens, so that a port in use is reported at once.

    Clients may connect from now on; they are served when the event loop takes the socket over.

    Args:
        host: an address or a name; a name stands for its first address.
        port: 0 takes a free one.
        backlog: most connections that wait to be accepted.

    Raises:
        OSError: the address cannot be had.
        UnicodeError: the host cannot be a name.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        # Only listening makes the port ours: with SO_REUSEADDR two sockets may be bound to it until one listens.
        listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    return listener


async def in_daemon_thread(call: Callable[[], T]) -> T:
    """Await a call in a thread that does not keep the process from ending, as an executor's would.

    Raises:
        Exception: whatever the call raises; StopIteration, which no future can carry, as RuntimeError.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            result = call()
        except StopIteration as error:
            outcome = partial(future.set_exception, RuntimeError(f"the call raised {error!r}"))
        except BaseException as error:
            outcome = partial(future.set_exception, error)
        else:
            outcome = partial(future.set_result, result)
        # The loop may be gone, or nobody may wait any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(lambda: None if future.done() else outcome())

    threading.Thread(target=run, name="canopy-daemon", daemon=True).start()
    return await future


def outlives(thread: threading.Thread, seconds: float) -> bool:
    """Whether a thread still runs after so many seconds."""
    thread.join(seconds)
    return thread.is_alive()
