"""A store in which a first version is in production, and the command line of the steps in this process."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dataset import Covertype
from dataset.draw import write_csv
from tests.conftest import Store
from training.pipeline import __main__ as command

Step = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def plots(tmp_path: Path, sample: Covertype) -> Path:
    """A file of 1,500 rows, of which 300 are held out."""
    file = tmp_path / "plots.csv.gz"
    write_csv(sample.take(np.arange(1500)), file)
    return file


@pytest.fixture
def step(workplace: Store, capfdbinary: pytest.CaptureFixture[bytes]) -> Step:
    """Run a step on the store; returns its exit status and what it has told."""

    def run(name: str, *words: object) -> tuple[int, dict[str, Any]]:
        capfdbinary.readouterr()
        options = [] if name == "fetch" else ["--tracking-uri", workplace.tracking_uri, "--name", "Small"]
        output = os.dup(1)  # the command keeps its output for the one line, and does not give it back
        try:
            status = command.main([name, *map(str, words), *options])
        finally:
            os.dup2(output, 1)
            os.close(output)
        return status, json.loads(capfdbinary.readouterr().out)

    return run


@pytest.fixture
def trained(step: Step, plots: Path) -> Callable[..., str]:
    """Train a small forest by the step, and evaluate and register it if wanted; returns its logged model or version."""

    def run(trees: int, depth: int, *, seed: int = 42, registered: bool = True) -> str:
        shape = ("--trees", trees, "--depth", depth, "--seed", seed)
        model = step("train", "--data", plots, *shape)[1]["model"]
        if not registered:
            return str(model)
        assert step("evaluate", model)[0] == 0
        return str(step("register", model)[1]["version"])

    return run
