"""Figures of rounds."""

import math
import os
import time
from dataclasses import replace

import pytest

from loadtest.http.cost import Cost, Turn
from loadtest.http.tables import costs, figures
from loadtest.http.way import GRPC, Case, Kind, Question, Way, cases
from loadtest.system.cpu_time import cpu_time

TURN = Turn(30e-6, 12e-6, 64.0, 10e-6, 10e-6, 20_000.0, 2e-3, 5e-3, 0)
CASE = Case(64, Way(Kind("hot"), Question("predict")))


def test_the_ratio_is_the_median_of_the_rounds_ratios() -> None:
    """Not the ratio of medians: a slow round has a slow floor."""
    slow = replace(TURN, cpu=60e-6, nginx=20e-6, forest=20e-6)
    odd = replace(TURN, cpu=90e-6)
    found = Cost([TURN, slow, odd]).summary()
    assert found["ratio"] == pytest.approx(1.5)
    assert (found["cpu_us"], found["floor_us"]) == pytest.approx((60, 20))


def test_without_nginx_or_forest_there_is_no_floor() -> None:
    """A dash in the table, and the rest as ever."""
    made = {CASE: Cost([replace(TURN, nginx=math.nan)])}
    (row,) = costs(made).rows
    assert row[:8] == ["hot predict", "64", "30.0", "12.0", "-", "10.0", "-", "-"]
    (found,) = figures(made)
    assert (found["connections"], found["http"], found["workers"], found["close"]) == (64, "hot", 1, False)


def test_all_cases_are_made_but_those_that_cannot_be() -> None:
    """Only one server is asked over gRPC, on kept connections."""
    kinds = [Kind("hot"), Kind("hot", 2)]
    found = [f"{case.connections} {case.way}" for case in cases(kinds, ["predict", GRPC], [1, 3], [8], [4])]
    assert found == [
        "8 hot predict",
        "8 hot predict, 2 workers",
        "8 hot grpc",
        "8 hot predict, 3 rows",
        "8 hot predict, 3 rows, 2 workers",
        "8 hot grpc, 3 rows",
        "4 hot predict, close",
        "4 hot predict, close, 2 workers",
        "4 hot predict, 3 rows, close",
        "4 hot predict, 3 rows, close, 2 workers",
    ]


def test_cpu_time_grows_by_what_a_process_computes() -> None:
    """As the process itself measures it; a process that is gone has none."""
    before, start = cpu_time([os.getpid()]), time.process_time()
    while time.process_time() < start + 0.05:
        pass
    assert cpu_time([os.getpid()]) - before >= 0.04
    with pytest.raises(RuntimeError, match="cannot be read"):
        cpu_time([2**22 + 1])
