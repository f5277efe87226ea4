"""What a run of the tests leaves out, told at its end: a plugin of pytest, which conftest registers."""

from collections import Counter
from typing import Any, Final

import pytest

TARGETS: Final = {
    "slow": "make test-slow",
    "tool": "make test-tools",
    "stack": "make stack-test",
    "clients": "make test-clients",
    "airflow": "make airflow-test",
    "kube": "make kube-test",
    "ray": "make ray-test",
    "catboost": "make test-catboost",
}
"""Marks that the default run leaves out, and the target that runs the tests that have them."""

_KEY: Final = "left_out"


class LeftOut:
    """Counts tests that are not run, here and in the processes of a parallel run, each of which collects them all."""

    def __init__(self) -> None:
        self._left: Counter[str] = Counter()

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """Note to which targets they belong; those that somebody's own -k leaves out belong to none."""
        for item in items:
            self._left.update([mark for mark in TARGETS if item.get_closest_marker(mark)][:1])

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand the counts to the process that tells."""
        if (output := getattr(session.config, "workeroutput", None)) is not None:
            output[_KEY] = dict(self._left)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:  # noqa: ANN401 - xdist is untyped
        """Take the counts of a process; one that has crashed has none."""
        self._left = Counter(getattr(node, "workeroutput", {}).get(_KEY)) or self._left

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:  # noqa: ANN401 - it has no public type
        """Tell."""
        skipped = Counter(report.longrepr[2] for report in terminalreporter.stats.get("skipped", ()))
        terminalreporter.section("not run")
        terminalreporter.line(f"{skipped.total()} skipped")
        for reason, count in skipped.items():
            terminalreporter.line(f"    {count} x {reason}")
        for mark, count in self._left.items():
            terminalreporter.line(f"{count} left to {TARGETS[mark]}")
