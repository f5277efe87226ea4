"""Models that versions of XGBoost wrote answer as those versions did; no XGBoost is needed to ask them."""

from pathlib import Path

import numpy as np
import pytest

from forest.checks.reference import ReferenceEngine
from forest.libraries.xgboost.document import nearest_float32
from forest.libraries.xgboost.model import read_xgboost

ARCHIVES = sorted((Path(__file__).parent / "versions").glob("*.npz"))


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.stem)
def test_models_of_each_version_answer_as_it_did(archive: Path) -> None:
    """Labels, numbers and probabilities, to the last bit."""
    with np.load(archive) as arrays:
        names = [name.removesuffix(": file") for name in arrays.files if name.endswith(": file")]
        assert names
        for name in names:
            ensemble = read_xgboost(arrays[f"{name}: file"].tobytes(), answers=name.partition(":")[0])
            assert ensemble.version == archive.stem
            found, wanted = ReferenceEngine(ensemble).predict(arrays["rows"]), arrays[f"{name}: answers"]
            assert found.labels.dtype == wanted.dtype
            np.testing.assert_array_equal(found.labels.view(np.uint8), wanted.view(np.uint8), err_msg=name)
            if found.probabilities is not None:
                wanted = arrays[f"{name}: probabilities"].astype(np.float64)
                np.testing.assert_array_equal(found.probabilities.view(np.uint64), wanted.view(np.uint64), err_msg=name)


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        pytest.param("1E0", 0x3F800000, id="one"),
        pytest.param("16777217", 0x4B800000, id="between two, and so to the even one"),
        pytest.param("16777217.000000000001", 0x4B800001, id="just above"),
        pytest.param("16777218.999999999999999", 0x4B800001, id="just below"),
        pytest.param(
            "7.00649232162408535461864791644958065640130970938257885878534141944895541342930300743319094181060791015625e-46",
            0,
            id="half the least",
        ),
        pytest.param("7.0064923216240854e-46", 1, id="just above half the least"),
        pytest.param("1e99", 0x7F800000, id="too large"),
    ],
)
def test_a_decimal_number_is_rounded_once(text: str, bits: int) -> None:
    """As C's ``strtof`` rounds it, not by way of float64."""
    assert nearest_float32(text).view(np.uint32) == bits
