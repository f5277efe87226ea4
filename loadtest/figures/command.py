"""What measures: a target of the Makefile, with what it is told."""

import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

ROOT: Final = Path(__file__).resolve().parents[2]


def named(data: str) -> str:
    """What models are trained on, as readers know it: a file's name, wherever it lies here."""
    return Path(data).name


class Failed(RuntimeError):
    """A command has not measured; the message says which, and how it ended."""


class Result(NamedTuple):
    """What a command left behind.

    Attributes:
        text: that it printed.
        document: of JSON; None if it keeps none.
    """

    text: str
    document: Any


@dataclass(frozen=True, slots=True)
class Command:
    """A command, as it is told to readers.

    Attributes:
        target: of the Makefile.
        arguments: its ARGS.
        variables: others. A value of ``{data}`` stands for what models are trained on.
        json: whether it takes ``--json FILE``.
    """

    target: str
    arguments: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    json: bool = True

    def shown(self, data: str) -> str:
        """For a reader to paste."""
        variables = [f"{name}={shlex.quote(value)}" for name, value in self._variables(named(data)).items()]
        words = ["make", self.target, *variables]
        return " ".join([*words, *([f'ARGS="{self.arguments}"'] if self.arguments else [])])

    def run(self, data: str, store: str, keep: Path) -> Result:
        """Run it.

        Args:
            data: what models are trained on.
            store: address of the MLflow store with the model that is measured.
            keep: where its document is written.

        Raises:
            Failed: it ended with another status than 0, or left no document.
        """
        keep.parent.mkdir(parents=True, exist_ok=True)
        keep.unlink(missing_ok=True)
        # In front of the arguments, for what stands behind -- is the server's.
        words = [*(["--json", shlex.quote(str(keep))] if self.json else []), self.arguments]
        command = ["/usr/bin/env", f"MLFLOW_TRACKING_URI={store}", "make", "--no-print-directory", self.target]
        variables = [f"{name}={value}" for name, value in self._variables(data).items()]
        command += [*variables, f"ARGS={' '.join(words).strip()}"]
        done = subprocess.run(  # noqa: S603 - our own Makefile
            command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
        )
        if done.returncode:
            raise Failed(f"{self.shown(data)} ended with status {done.returncode}")
        if self.json and not keep.exists():
            raise Failed(f"{self.shown(data)} has written no {keep}")
        return Result(done.stdout, orjson.loads(keep.read_bytes()) if self.json else None)

    def _variables(self, data: str) -> dict[str, str]:
        return {name: value.format(data=data) for name, value in self.variables.items()}
