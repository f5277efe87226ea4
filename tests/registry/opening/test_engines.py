"""Opening what was prepared."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from forest import Origin, Parity, read_artifact, write_artifact
from registry import ModelVersion, Prepared, UnusableModel
from registry.opening.engines import open_engine
from tests.helpers.support import COLUMNS
from tests.registry.specimens import OWN


def test_a_compiled_forest_needs_its_file_only_to_be_opened(
    prepared: Prepared,
    forest: Any,  # noqa: ANN401 - sklearn is untyped
    rows: NDArray[np.float32],
) -> None:
    """Opened by many, and its file then removed, it predicts with all bits of the forest that was compiled."""
    open_engine(prepared)
    engine = open_engine(prepared)
    shutil.rmtree(prepared.folder)
    assert engine.name == "compiled"
    assert engine.classes is not None
    assert engine.classes.tolist() == forest.classes_.tolist()
    prediction = engine.predict(rows)
    assert prediction.probabilities is not None
    assert prediction.probabilities.tobytes() == forest.predict_proba(rows).tobytes()
    assert prediction.labels.tolist() == forest.predict(rows).tolist()


def test_what_is_prepared_crosses_over_to_another_process() -> None:
    """Written as JSON and read again, it is the same, whatever its folder is called."""
    made = Prepared(ModelVersion("Förest/x", "12"), "pyfunc", Path("/tmp/a folder"), COLUMNS)  # noqa: S108 - only a name
    assert Prepared.decode(made.encode()) == made


def rewritten(prepared: Prepared, parity: Parity | None = None, **changes: Any) -> None:  # noqa: ANN401
    """Write the artifact anew, with another record or other arrays."""
    artifact = read_artifact(prepared.artifact)
    arrays = replace(artifact.arrays, **changes)
    write_artifact(prepared.artifact, arrays, Origin("Small", "3"), parity or artifact.header.parity)


def led_astray(prepared: Prepared) -> None:
    """Write it anew so that the first tree begins with its second line."""
    trees = read_artifact(prepared.artifact).arrays.trees.copy()
    trees[0] = 10**6
    rewritten(prepared, trees=trees)


def damaged(prepared: Prepared) -> None:
    """Turn a bit of the last byte."""
    content = bytearray(prepared.artifact.read_bytes())
    content[-1] ^= 1
    prepared.artifact.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        pytest.param(
            lambda made: rewritten(made, Parity(rows=10, different=1)), "differ from scikit-learn", id="differing"
        ),
        pytest.param(
            lambda made: rewritten(made, Parity(rows=0, different=0)), "differ from scikit-learn", id="not-compared"
        ),
        pytest.param(
            lambda made: rewritten(made, columns=tuple(OWN[::-1])), "columns are not the schema's", id="other-columns"
        ),
        pytest.param(lambda made: rewritten(made, columns=None), "columns are not the schema's", id="unnamed-columns"),
        pytest.param(led_astray, "ValueError", id="leading-astray"),
        pytest.param(damaged, "checksum", id="damaged"),
        pytest.param(lambda made: made.artifact.write_bytes(b"CANOPY"), "no compiled forest", id="cut-off"),
        pytest.param(lambda made: made.artifact.unlink(), "FileNotFoundError", id="gone"),
    ],
)
def test_an_artifact_that_cannot_be_trusted_is_refused(
    prepared: Prepared, spoil: Callable[[Prepared], object], reason: str
) -> None:
    """Such a file raises UnusableModel, in one line that names the version and says why."""
    spoil(prepared)
    with pytest.raises(UnusableModel) as raised:
        open_engine(prepared)
    message = str(raised.value)
    assert message.startswith("Small/3 cannot be loaded: ")
    assert reason in message
    assert "\n" not in message
