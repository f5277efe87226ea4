"""The bundled sample and the reader of UCI's file."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dataset import SAMPLE, Covertype, DatasetError, from_uci, read_csv, stratified
from dataset.draw import write_csv
from preprocessing import covertype

UCI_SHARES = np.array([211840, 283301, 35754, 2747, 9493, 17367, 20510]) / 581012
"""Class counts of the full data, as UCI states them."""


def uci_line(*, wilderness: int = 1, soil: int = 1, label: int = 5) -> str:
    """One line as UCI writes it; wilderness and soil count from 1."""
    values = [2596, 51, 3, 258, 0, 510, 221, 232, 148, 6279, *[0] * 44, label]
    values[9 + wilderness] = 1
    values[13 + soil] = 1
    return ",".join(map(str, values))


def test_the_sample_has_the_true_class_balance(sample: Covertype) -> None:
    """Each of the seven classes has its share of the 20,000 rows, to within one row."""
    counts = np.bincount(sample.labels, minlength=8)[1:]
    assert counts.sum() == len(sample) == 20_000
    assert (np.abs(counts - UCI_SHARES * 20_000) < 1).all()


def test_the_sample_is_real_data(sample: Covertype) -> None:
    """The values lie in the ranges of the full data, without duplicates, and the file stays small."""
    low, high = sample.rows.min(axis=0), sample.rows.max(axis=0)
    assert (low >= [1859, 0, 0, 0, -173, 0, 0, 0, 0, 0, 0, 0]).all()
    assert (high <= [3858, 360, 66, 1397, 601, 7117, 254, 254, 254, 7173, 3, 39]).all()
    assert len(np.unique(sample.rows, axis=0)) == len(sample)
    assert SAMPLE.stat().st_size < 500_000


def test_ucis_indicators_become_our_codes(tmp_path: Path) -> None:
    """UCI's wilderness areas run Rawah to Cache, its soil types in our order."""
    path = tmp_path / "uci.csv"
    path.write_text("\n".join([uci_line(), uci_line(wilderness=4, soil=40, label=1)]) + "\n")
    data = read_csv(path)
    assert [covertype.WILDERNESS_AREAS[int(code)] for code in data.rows[:, 10]] == ["Rawah", "Cache"]
    assert data.rows[:, 11].tolist() == [0, 39]
    assert data.labels.tolist() == [5, 1]
    assert data.rows[0, :10].tolist() == [2596, 51, 3, 258, 0, 510, 221, 232, 148, 6279]


def test_a_header_and_compression_are_recognised(tmp_path: Path) -> None:
    """The file may be gzipped and may begin with column names."""
    path = tmp_path / "uci.csv.gz"
    names = [
        *covertype.NUMERIC,
        *(f"Wilderness_Area{n}" for n in range(1, 5)),
        *(f"Soil_Type{n}" for n in range(1, 41)),
    ]
    path.write_bytes(gzip.compress(f"{','.join(names)},Cover_Type\n{uci_line()}\n".encode()))
    assert len(read_csv(path)) == 1


@pytest.mark.parametrize("mark", [pytest.param("", id="plain"), pytest.param("\ufeff", id="byte-order-mark")])
def test_a_header_decides_what_the_columns_are(tmp_path: Path, sample: Covertype, mark: str) -> None:
    """Columns are found by their names, in any order, whether indicators have the schema's names or UCI's."""
    part = sample.take(np.arange(40))
    wide = np.zeros((40, 54))
    wide[:, :10] = part.rows[:, :10]
    wide[np.arange(40), 10 + part.rows[:, 10].astype(int)] = 1
    wide[np.arange(40), 14 + part.rows[:, 11].astype(int)] = 1
    tables = {
        "own": ([*covertype.FIELDS, "Cover_Type"], np.column_stack([part.rows, part.labels])),
        "wide": ([*covertype.COLUMNS, "Cover_Type"], np.column_stack([wide, part.labels])),
    }
    for name, (columns, table) in tables.items():
        order = np.random.default_rng(1).permutation(len(columns))
        path = tmp_path / f"{name}.csv"
        rows = "\n".join(",".join(f"{value:g}" for value in row) for row in table[:, order])
        path.write_text(mark + ",".join(columns[i] for i in order) + "\n" + rows, encoding="utf-8")
        data = read_csv(path)
        np.testing.assert_array_equal(data.rows, part.rows)
        np.testing.assert_array_equal(data.labels, part.labels)


def test_a_written_sample_reads_back(tmp_path: Path, sample: Covertype) -> None:
    """Writing and reading change nothing."""
    part = sample.take(np.arange(50))
    write_csv(part, tmp_path / "part.csv.gz")
    again = read_csv(tmp_path / "part.csv.gz")
    np.testing.assert_array_equal(again.rows, part.rows)
    np.testing.assert_array_equal(again.labels, part.labels)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("", "no rows", id="empty"),
        pytest.param("Elevation,Aspect\n", "no rows", id="header-only"),
        pytest.param(
            f"Altitude,{','.join(covertype.FIELDS[1:])},Cover_Type\n{'1,' * 12}1\n", "Altitude", id="wrong-name"
        ),
        pytest.param("1,2,3\n", "has 3 columns", id="wrong-width"),
        pytest.param(f"{uci_line()}\n1,2\n", "columns", id="ragged"),
        pytest.param(f"{uci_line()}\n{uci_line().replace('2596', 'high')}\n", "high", id="not-a-number"),
        pytest.param(f"{uci_line()}\n{uci_line(label=8)}\n", "line 2: Cover_Type", id="bad-label"),
        pytest.param(f"{uci_line()}\n{uci_line().replace('2596', 'nan')}\n", "line 2: a value is not finite", id="nan"),
        pytest.param(
            f"{uci_line()}\n{uci_line()}\n{uci_line().replace('6279,1,0', '6279,0,0')}\n",
            "line 3: not exactly one wilderness area",
            id="no-area",
        ),
        pytest.param(
            uci_line().replace("6279,1,0,0,0,1,0", "6279,1,0,0,0,1,1") + "\n",
            "line 1: not exactly one soil type",
            id="two-soils",
        ),
    ],
)
def test_what_is_not_the_data_is_refused(tmp_path: Path, content: str, message: str) -> None:
    """The error names the file and the first faulty line."""
    path = tmp_path / "bad.csv"
    path.write_text(content)
    with pytest.raises(DatasetError, match=message) as caught:
        read_csv(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda _: b"not gzip", id="not-compressed"),
        pytest.param(lambda good: good[: len(good) // 2], id="cut-off"),
        pytest.param(lambda good: good[:500] + b"spoiled" + good[507:], id="flipped"),
    ],
)
def test_a_broken_gzip_is_refused(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    """A file that only looks compressed is a fault of the data, not a crash."""
    path = tmp_path / "bad.csv.gz"
    path.write_bytes(spoil(SAMPLE.read_bytes()))
    with pytest.raises(DatasetError, match=r"bad\.csv\.gz"):
        read_csv(path)


def test_fractional_indicators_are_refused() -> None:
    """Two halves are not one indicator."""
    table = np.array([[float(value) for value in uci_line().split(",")[:-1]]])
    table[0, 10:12] = 0.5
    with pytest.raises(DatasetError, match="fetch: line 1"):
        from_uci(table, np.array([1.0]), origin="fetch")


def test_a_stratified_draw_is_reproducible_and_exact(sample: Covertype) -> None:
    """Equal seeds draw equal rows; the size is met exactly; every class keeps its share."""
    drawn = stratified(sample, 777, seed=1)
    assert len(drawn) == 777
    np.testing.assert_array_equal(drawn.rows, stratified(sample, 777, seed=1).rows)
    shares = np.bincount(sample.labels, minlength=8) * 777 / len(sample)
    assert (np.abs(np.bincount(drawn.labels, minlength=8) - shares) < 1).all()
    with pytest.raises(ValueError, match="cannot draw"):
        stratified(sample, 20_001, seed=1)
