"""Clients who ask without a pause while something happens to the server."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from loadtest.system.process import ServerProcess
from tests.helpers.support import Client, until

_CLIENTS = 6


@contextmanager
def crowd(server: ServerProcess, ask: Callable[[Client, int], int]) -> Iterator[list[list[int]]]:
    """Let six clients ask again and again, each on one connection.

    Args:
        server: whom to ask.
        ask: asks for the n-th time, checks the answer, and returns which version has answered.

    Yields:
        The versions by which each client was answered, in order; it grows.
    """
    done = threading.Event()
    seen: list[list[int]] = [[] for _ in range(_CLIENTS)]

    def go_on(mine: list[int]) -> None:
        client = Client(server)
        for number in itertools.count():
            if done.is_set():
                return
            mine.append(ask(client, number))
            time.sleep(0.001)  # the server needs some CPU too

    with ThreadPoolExecutor(_CLIENTS) as pool:
        asking = [pool.submit(go_on, mine) for mine in seen]
        try:
            yield seen
        finally:
            done.set()
        for each in asking:
            each.result()


def all_go_on(seen: list[list[int]]) -> None:
    """Wait until each client has asked anew, and been answered."""
    before = [len(mine) for mine in seen]
    until(lambda: all(len(mine) > so_far + 1 for mine, so_far in zip(seen, before, strict=True)))


def in_order(versions: list[int]) -> list[int]:
    """The versions as they followed each other."""
    return [version for version, _ in itertools.groupby(versions)]
