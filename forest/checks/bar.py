"""How far a long task is, on the terminal or in a log."""

import sys

from tqdm import tqdm

from forest.compile import Progress


class Bar:
    """A progress bar on the terminal, or a line now and then in a log; called with how many of how many are done."""

    def __init__(self, task: str, unit: str) -> None:
        self._task, self._unit = task, unit
        self._bar: tqdm[None] | None = None

    def __enter__(self) -> Progress:
        return self._update

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def _update(self, done: int, total: int) -> None:
        if self._bar is None:
            pause = 0.1 if sys.stderr.isatty() else 10
            self._bar = tqdm(total=total, desc=self._task, unit=self._unit, mininterval=pause, leave=False)
        self._bar.update(done - self._bar.n)
