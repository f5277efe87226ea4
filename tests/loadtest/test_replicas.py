"""What the benchmark of the replicas makes of its counters; ``make stack-test`` runs it on a real stack."""

import os
import re
import subprocess
import sys

import pytest

from loadtest.replicas import Shift, Turn, compared, parser, share
from loadtest.system.cgroup import MIB, Counters
from loadtest.system.stack import ContainerUsage, used
from tests.conftest import ROOT
from tests.helpers.support import PATIENCE

NOTHING = ContainerUsage(0.0, 0.0, 0.0)


def turn(number: int, rate: float, answered: list[int] | None = None) -> Turn:
    """A turn of so many replicas."""
    return Turn(number, rate, 1.0, 2.0, {}, Shift(NOTHING, NOTHING, answered or [1]))


def test_a_share_is_of_the_medians() -> None:
    """One slow round of either does not count."""
    rounds = [turn(1, 1000), turn(3, 950), turn(1, 100), turn(3, 960), turn(1, 1010), turn(3, 10)]
    assert share(rounds, 3) == pytest.approx(0.95)


def test_replicas_are_as_uneven_as_the_busiest_exceeds_the_least_busy() -> None:
    """One that has answered nothing is the least busy of all."""
    assert turn(3, 1.0, [100, 110, 105]).shift.unevenness == pytest.approx(0.1)
    assert turn(3, 1.0, [100, 0, 100]).shift.unevenness > 10


def test_what_containers_used_is_added_up() -> None:
    """Cores and throttled periods of all; memory is what is held in the end."""
    before = [(Counters(1.0, 10, 2, 0.1, 0), 150 * MIB), (Counters(5.0, 0, 0, 0.0, 0), 90 * MIB)]
    after = [(Counters(2.0, 50, 22, 0.9, 0), 200 * MIB), (Counters(6.0, 40, 0, 0.0, 0), 100 * MIB)]
    assert used(before, after, 4.0) == ContainerUsage(cpu=0.5, throttled_share=20 / 80, memory_mib=300.0)


def test_a_turn_is_a_row_of_the_table() -> None:
    """CPU is in cores, and in microseconds a request, of the replicas and of the balancer apart."""
    args = parser().parse_args(["--cpu", "0.6"])
    shift = Shift(ContainerUsage(0.5, 0.5, 90.0), ContainerUsage(0.25, 0.0, 20.0), [400, 400, 400])
    (row,) = compared([Turn(3, 5000.0, 12.5, 80.0, {"status 503": 2}, shift)], args).rows
    assert row == ["3", "0.2", "5,000", "12.5", "80.0", "2", "0.50", "100", "50%", "0.25", "50", "0.0%"]


def test_without_a_docker_engine_it_says_so() -> None:
    """There was no run, and the reason is one line."""
    environment = {**os.environ, "DOCKER_HOST": "unix:///nonexistent/docker.sock"}
    command = [sys.executable, "-m", "loadtest.replicas"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 2
    assert re.fullmatch("replicas: no Docker Engine answers: .*\n", done.stderr)
