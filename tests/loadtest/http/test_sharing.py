"""What workers share."""

import mmap
import multiprocessing
import os
import socket
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path
from types import SimpleNamespace

import pytest

from loadtest.http.cost import Cost
from loadtest.http.forest import mapped_forest
from loadtest.http.sharing import shares, spread
from loadtest.http.tables import beside_fewest
from loadtest.http.way import Case, Kind, Question, Way
from loadtest.system.process import ServerProcess
from tests.loadtest.http.test_cost import TURN
from workers import share_file

_SIZE = 1 << 20


def _map(file: int, ready: Barrier) -> None:
    with mmap.mmap(file, _SIZE, access=mmap.ACCESS_READ) as mapped:
        assert mapped[::4096]  # have all pages
        ready.wait()
        ready.wait()


def test_pages_of_a_shared_forest_are_nobodys_own(tmp_path: Path) -> None:
    """Two processes have all of it in memory, of the same file, and none of it for itself."""
    (tmp_path / "forest").write_bytes(b"x" * _SIZE)
    context = multiprocessing.get_context("fork")
    ready = context.Barrier(3)
    with share_file(tmp_path / "forest") as file:
        both = [context.Process(target=_map, args=(file.fileno(), ready)) for _ in range(2)]
        for each in both:
            each.start()
        ready.wait()
        found = [shares(each.pid or 0) for each in both]
        ready.wait()
        for each in both:
            each.join()
        assert {each.forest_file for each in found} == {os.fstat(file.fileno()).st_ino}
    for worker in found:
        assert worker.forest_mb == pytest.approx(_SIZE / 1024 / 1000)
        assert worker.forest_private_mb == 0
        assert worker.forest_mb / 2 < worker.proportional_mb < worker.resident_mb


def test_connections_are_counted_while_they_are_there() -> None:
    """Of each worker, after the time that is given; here of this very process."""
    here = ServerProcess(SimpleNamespace(pid=os.getpid()), 0)  # type: ignore[arg-type]  # all that is asked of it
    with spread(here, 0.05) as found:
        one, other = socket.socketpair()
    one.close()
    other.close()
    assert found == [2]
    assert mapped_forest(here) is None
    assert shares(os.getpid()).forest_file is None


def test_several_workers_stand_beside_one() -> None:
    """With the median of the rounds' ratios, and how connections were spread in the last one."""
    one, two = (Case(64, Way(Kind("hot", workers), Question("predict"))) for workers in (1, 2))
    slower = replace(TURN, cpu=1.2 * TURN.cpu, spread=[33, 31])
    found = beside_fewest({one: Cost([TURN]), two: Cost([slower])})
    assert found.rows == [["hot predict, 2 workers", "64", "30.0", "36.0", "1.20", "33 + 31"]]
