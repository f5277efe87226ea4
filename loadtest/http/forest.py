"""The compiled forest's own time for a row: ``python -m loadtest.http.forest FILE``.

What the server counts as the engine's (``inference_duration_seconds``) is wall time of whole calls: of building the
matrix, of walking, of cutting the answers apart. A floor is made of what no server can do without, so here nothing but
``predict`` of the compiled forest is timed: of the file that servers of several workers map, by the fastest walk, in
the thread's own CPU time, on ready matrices of other rows each time, at the batch size that the server's run had on
average, and in a process that runs on the server's core in the same round.

In a loop of nothing else the forest finds more of itself in the processor's caches than between two turns of a server.
So the floor is rather too low, and what is compared with it looks worse, not better.
"""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dataset import load_sample
from forest import BadArtifact, CompiledEngine, read_artifact
from loadtest.system.process import ServerProcess
from preprocessing import covertype
from preprocessing.matrix import Expansion

_SECONDS: Final = 0.3
"""Of CPU, for each figure."""

_SCHEMAS: Final = (covertype.SCHEMA, covertype.UCI_SCHEMA)

SHARED: Final = "/memfd:canopy-file (deleted)"
"""What Linux calls the copy of a file that the server's processes share."""


class ForestClock:
    """Times a forest; see ``forest_clock``."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def seconds(self, batch: int) -> float:
        """CPU time of a row, in seconds, in batches of so many.

        Raises:
            RuntimeError: the process has failed; its standard error has told why.
        """
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        assert self._process.stdout is not None  # noqa: S101
        with suppress(BrokenPipeError):
            self._process.stdin.write(f"{batch}\n")
            self._process.stdin.flush()
        if not (line := self._process.stdout.readline()):
            raise RuntimeError("the forest's time could not be measured")
        return float(line)


def mapped_forest(server: ServerProcess) -> Path | None:
    """The file of the compiled forest that a server of several workers answers from, to be read while it runs.

    Of a single worker's there is none: it has a copy in its own memory, and nobody to share it with. None too for any
    other engine.
    """
    for pid in server.processes():
        for path in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):  # closed meanwhile
                if str(path.readlink()) == SHARED:
                    return path
    return None


@contextmanager
def forest_clock(file: Path) -> Iterator[ForestClock]:
    """Run a process that times a forest when it is asked to, where this one runs.

    Args:
        file: of the compiled forest.
    """
    command = [sys.executable, "-m", "loadtest.http.forest", str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            yield ForestClock(process)
        finally:
            process.terminate()


def cpu_seconds(engine: CompiledEngine, matrix: NDArray[Any], batch: int) -> float:
    """CPU time of a row, in seconds.

    Args:
        engine: the forest.
        matrix: (n, n_columns) of the engine's dtype: rows to ask for, each in its turn.
        batch: rows of a call, at most n.
    """
    batches = cycle([matrix[start : start + batch] for start in range(0, len(matrix) - batch + 1, batch)])
    calls, start = 0, time.thread_time()
    while not calls or time.thread_time() < start + _SECONDS:
        engine.predict(next(batches))
        calls += 1
    return (time.thread_time() - start) / (calls * batch)


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer each line of the standard input, a batch size, with seconds a row; 1 if the file is of another table."""
    (name,) = sys.argv[1:] if arguments is None else arguments
    try:
        artifact = read_artifact(Path(name))
        engine = CompiledEngine(artifact.arrays)
    except (BadArtifact, ImportError, OSError) as error:
        sys.stderr.write(f"forest: {error}\n")
        return 1
    schema = next((each for each in _SCHEMAS if each.expanded == artifact.arrays.columns), None)
    if schema is None:
        sys.stderr.write("forest: the model in service is not of the forest-cover table, whose rows are asked for\n")
        return 1
    rows = load_sample().rows
    matrix = np.empty((len(rows), len(schema.expanded)), engine.dtype)
    Expansion(schema).write(rows, matrix)
    for line in sys.stdin:
        sys.stdout.write(f"{cpu_seconds(engine, matrix, int(line))}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
