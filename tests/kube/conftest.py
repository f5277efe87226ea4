"""The counts, told at the end."""

from typing import Any, Final

import pytest

from tests.kube.cluster import Counts

PARTS: Final = pytest.StashKey[list[tuple[str, Counts, float]]]()
"""What each part of the tests has seen: its name, what became of requests, and the seconds that it took."""


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:  # noqa: ANN401 - it has no public type
    """Tell them."""
    if parts := config.stash.get(PARTS, []):
        terminalreporter.section("requests")
    for name, counts, seconds in parts:
        terminalreporter.line(f"{name}, {seconds:.0f} s: {counts}")
