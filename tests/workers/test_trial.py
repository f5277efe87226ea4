"""Trying a version out in a process of its own."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry import ModelVersion, Prepared, UnusableModel
from tests.helpers.isolation import MLFLOW_WARNS, isolated_mlflow
from tests.helpers.support import COLUMNS, lives
from workers.serving.trial import try_out

pytestmark = MLFLOW_WARNS

VERSION = ModelVersion("Odd", "3")


def model(when: str, what: str) -> Any:  # noqa: ANN401 - mlflow is untyped
    """A Python model that does something when it is loaded, or asked; its class is in no module."""
    import mlflow
    import numpy as np

    class Odd(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # mlflow is untyped
        def load_context(self, context: Any) -> None:  # noqa: ANN401, ARG002
            if when == "loaded":
                exec(what)  # noqa: S102

        def predict(self, model_input: Any) -> Any:  # noqa: ANN401
            if when == "asked":
                exec(what)  # noqa: S102
            return np.ones(len(model_input), dtype=np.int64)

    return Odd()


@pytest.fixture
def save(tmp_path: Path) -> Callable[[str, str], Prepared]:
    """Make a version that does something at some time."""

    def made(when: str, what: str) -> Prepared:
        import mlflow

        prepared = Prepared(VERSION, "pyfunc", tmp_path / "entry", COLUMNS)
        with isolated_mlflow(tmp_path):
            mlflow.pyfunc.save_model(str(prepared.model), python_model=model(when, what), pip_requirements=["mlflow"])
        return prepared

    return made


async def attempt(prepared: Prepared, limit: float = 120) -> None:
    """Try a version out."""
    await try_out(prepared, max_batch_rows=16, log_level="error", limit=limit)


SEGFAULT = "import ctypes; ctypes.string_at(0)"


@pytest.mark.parametrize(
    ("when", "what", "reason"),
    [
        pytest.param(
            "loaded",
            "import os; os._exit(0)",
            "it ends the process that opens it, with status 0",
            id="exit",
            marks=pytest.mark.slow,
        ),
        pytest.param("asked", SEGFAULT, "it ends the process that opens it, by SIGSEGV", id="crash-when-asked"),
        pytest.param("loaded", SEGFAULT, "by SIGSEGV", id="crash", marks=pytest.mark.slow),
        pytest.param("loaded", "raise SystemExit(3)", "with status 3", id="system-exit", marks=pytest.mark.slow),
        pytest.param("loaded", "raise ValueError('bad')", "ValueError: bad", id="raises", marks=pytest.mark.slow),
        pytest.param("asked", "print('noise')", None, id="well", marks=pytest.mark.slow),
    ],
)
async def test_a_version_that_ends_its_process_is_refused_in_words(
    save: Callable[[str, str], Prepared], when: str, what: str, reason: str | None
) -> None:
    """It has ended a process that served nobody; one that is well passes, whatever it prints."""
    prepared = save(when, what)
    if reason is None:
        await attempt(prepared)
        return
    with pytest.raises(UnusableModel) as raised:
        await attempt(prepared)
    assert str(raised.value).startswith("Odd/3 cannot be ")
    assert reason in str(raised.value)


async def test_a_version_that_hangs_is_ended_with_whatever_it_has_started(
    save: Callable[[str, str], Prepared], tmp_path: Path
) -> None:
    """When its time is over, or when nobody wants it any more: the process holds no memory then."""
    started = tmp_path / "started"
    what = (
        "import os, subprocess, time; other = subprocess.Popen(['sleep', '3600']);"
        f"open('{started}.new', 'w').write(f'{{os.getpid()}} {{other.pid}}');"
        f"os.rename('{started}.new', '{started}'); time.sleep(3600)"
    )
    trying = asyncio.create_task(attempt(save("loaded", what)))
    while not started.exists() and not trying.done():  # noqa: ASYNC110 - it is another process that starts
        await asyncio.sleep(0.05)
    pids = [int(pid) for pid in started.read_text().split()]
    assert all(map(lives, pids))
    trying.cancel()
    await asyncio.wait([trying])
    assert not lives(pids[0])
    for _ in range(200):
        if not lives(pids[1]):
            break
        await asyncio.sleep(0.01)
    assert not lives(pids[1])


async def test_a_version_that_takes_too_long_is_refused_in_words(tmp_path: Path) -> None:
    """How long it may take is told."""
    with pytest.raises(UnusableModel, match=r"Odd/3 was not opened and tried out within 0\.05 s"):
        await attempt(Prepared(VERSION, "pyfunc", tmp_path, COLUMNS), limit=0.05)
    assert not os.listdir(tmp_path)  # noqa: PTH208
