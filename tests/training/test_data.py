from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.datasets
from numpy.typing import NDArray

from dataset import Covertype, DatasetError
from preprocessing import covertype
from training import data
from training.data import TrainingData

# Written down here, not taken from the schema: UCI's areas in UCI's order.
AREAS = ("Rawah", "Neota", "Commanche", "Cache")


@pytest.fixture(scope="session")
def few(sample: Covertype) -> Covertype:
    """Sixty rows of the sample."""
    return sample.take(np.arange(60))


def uci_table(sample: Covertype) -> NDArray[np.float64]:
    """The rows as UCI publishes them: 54 columns, indicators in UCI's order."""
    table = np.zeros((len(sample), 54))
    table[:, :10] = sample.rows[:, :10]
    for line, (area, soil) in enumerate(sample.rows[:, 10:].astype(int)):
        table[line, 10 + AREAS.index(covertype.WILDERNESS_AREAS[area])] = 1
        table[line, 14 + soil] = 1
    return table


def write_uci(covertype: Covertype, path: Path) -> Path:
    """Write the rows and labels as UCI does, without a header."""
    np.savetxt(path, np.column_stack([uci_table(covertype), covertype.labels]), fmt="%g", delimiter=",")
    return path


def test_the_bundled_sample_is_called_sample(sample: Covertype) -> None:
    """``sample`` is the bundled sample."""
    loaded = data.load("sample")
    assert loaded.source == "sample"
    np.testing.assert_array_equal(loaded.data.rows, sample.rows)
    np.testing.assert_array_equal(loaded.data.labels, sample.labels)


def test_a_path_is_a_csv_file_called_by_its_name(tmp_path: Path, few: Covertype) -> None:
    """Anything else is the path of a CSV file, in UCI's layout too; its source is the file's name without folders."""
    loaded = data.load(str(write_uci(few, tmp_path / "plots.csv")))
    assert loaded.source == "plots.csv"
    np.testing.assert_array_equal(loaded.data.rows, few.rows)
    np.testing.assert_array_equal(loaded.data.labels, few.labels)


def test_full_is_what_scikit_learn_downloads(few: Covertype, monkeypatch: pytest.MonkeyPatch) -> None:
    """``full`` is the data set that scikit-learn fetches, with its columns mapped onto ours."""

    def fetch(*, return_X_y: bool) -> tuple[Any, Any]:  # noqa: N803 - scikit-learn's name
        assert return_X_y
        return uci_table(few), few.labels.astype(np.int32)

    monkeypatch.setattr(sklearn.datasets, "fetch_covtype", fetch)
    loaded = data.load("full")
    assert loaded.source == "full"
    np.testing.assert_array_equal(loaded.data.rows, few.rows)
    np.testing.assert_array_equal(loaded.data.labels, few.labels)


def test_a_faulty_file_is_refused_with_the_line(tmp_path: Path, few: Covertype) -> None:
    """A file that is not the Covertype data raises DatasetError with its name and the first faulty line."""
    path = write_uci(few, tmp_path / "plots.csv")
    lines = path.read_text().splitlines()
    lines[41] = lines[41].rsplit(",", 1)[0] + ",8"
    path.write_text("\n".join(lines))
    with pytest.raises(DatasetError, match=r"plots\.csv: line 42: Cover_Type is not 1\.\.7"):
        data.load(str(path))


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    """A file that is not there raises OSError with its name."""
    with pytest.raises(FileNotFoundError, match=r"absent\.csv"):
        data.load(str(tmp_path / "absent.csv"))


def test_equal_data_have_equal_digests_whatever_their_source(few: Covertype) -> None:
    """The digest is that of the rows and labels, not of where they come from."""
    copied = Covertype(few.rows.copy(), few.labels.copy())
    assert TrainingData("a", few).digest == TrainingData("b", copied).digest
    assert len(TrainingData("a", few).digest) == 64


@pytest.mark.parametrize(
    "part", [pytest.param("rows", id="a-value"), pytest.param("labels", id="a-label"), pytest.param("", id="the-order")]
)
def test_any_change_changes_the_digest(few: Covertype, part: str) -> None:
    """Another value, another label or another order of the rows makes another digest."""
    if part:
        changed = getattr(few, part).copy()
        changed.flat[7] += 1
        other = replace(few, **{part: changed})
    else:
        other = few.take(np.arange(len(few))[::-1])
    assert TrainingData("a", other).digest != TrainingData("a", few).digest


def test_the_matrix_has_the_schemas_columns(few: Covertype) -> None:
    """The matrix has the ten numbers of each row and the indicators of its two codes, as float32."""
    matrix = data.matrix(few)
    assert matrix.shape == (60, 54)
    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix[:, :10], few.rows[:, :10])
    for row, (area, soil) in zip(matrix, few.rows[:, 10:].astype(int), strict=True):
        on = {name for name, value in zip(covertype.COLUMNS[10:], row[10:], strict=True) if value == 1}
        assert on == {f"Wilderness_Area_{covertype.WILDERNESS_AREAS[area]}", f"Soil_Type_{covertype.SOIL_TYPES[soil]}"}
        assert row[10:].sum() == 2
