"""The UCI Forest Covertype data in Canopy's terms, and its reader."""

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from preprocessing import schema

LABEL = "Cover_Type"
LABELS = range(1, 8)
SAMPLE = Path(__file__).with_name("sample.csv.gz")

_NUMERIC = len(schema.NUMERIC)
_UCI_WIDTH = len(schema.COLUMNS) + 1
_OWN_WIDTH = len(schema.FIELDS) + 1


class DatasetError(ValueError):
    """A file is not the Covertype data; the message names the file and the first faulty line."""


@dataclass(frozen=True, slots=True)
class Covertype:
    """Rows and their true labels.

    Attributes:
        rows: (n, 12) float64; the columns are ``preprocessing.schema.FIELDS``, the last two are codes.
        labels: (n,) uint8, the cover types 1..7.
    """

    rows: NDArray[np.float64]
    labels: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: NDArray[np.intp]) -> "Covertype":
        """The rows at ``index``, in that order."""
        return Covertype(self.rows[index], self.labels[index])


def load_sample() -> Covertype:
    """Read the bundled sample: 20,000 rows with the true class balance."""
    return read_csv(SAMPLE)


def read_csv(path: Path) -> Covertype:
    """Read a CSV file, gzipped if its name ends in .gz, with or without a header.

    Two layouts are known by their width: UCI's own 55 columns (ten numbers, Wilderness_Area1..4, Soil_Type1..40,
    Cover_Type) and the bundled sample's 13 (``schema.FIELDS`` and Cover_Type).

    Raises:
        DatasetError: the content is not that data.
        OSError: the file cannot be read.
    """
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
            first = lines.readline()
            header = not _is_number(first.split(",")[0])
            lines.seek(0)
            table = np.loadtxt(lines, delimiter=",", dtype=np.float64, skiprows=int(header), ndmin=2)
    except (ValueError, EOFError, gzip.BadGzipFile) as error:
        raise DatasetError(f"{path}: {error}") from None
    if not len(table):
        raise DatasetError(f"{path}: has no rows")
    first_line = 1 + header
    if table.shape[1] == _UCI_WIDTH:
        return from_uci(table[:, :-1], table[:, -1], origin=str(path), first_line=first_line)
    if table.shape[1] == _OWN_WIDTH:
        return _checked(table[:, :-1], table[:, -1], str(path), first_line)
    raise DatasetError(f"{path}: has {table.shape[1]} columns, not UCI's {_UCI_WIDTH} or the sample's {_OWN_WIDTH}")


def from_uci(table: NDArray[np.float64], labels: NDArray[np.float64], *, origin: str, first_line: int = 1) -> Covertype:
    """Map UCI's columns onto ours.

    Args:
        table: (n, 54), UCI's columns in UCI's order; the indicators of UCI run Rawah .. Cache.
        labels: (n,), 1..7.
        origin: where the data come from, for messages.
        first_line: the line number of the first row in its file.

    Raises:
        DatasetError: an indicator is not 0 or 1, a row has not exactly one wilderness area and one soil type, or a
            label is not 1..7.
    """
    soil_at = _NUMERIC + len(schema.UCI_WILDERNESS_AREAS)
    wilderness, soil = table[:, _NUMERIC:soil_at], table[:, soil_at:]
    for kind, indicators in (("wilderness area", wilderness), ("soil type", soil)):
        single = (indicators.sum(axis=1) == 1) & np.isin(indicators, (0, 1)).all(axis=1)
        _require(single, f"not exactly one {kind}", origin, first_line)
    to_code = np.array([schema.WILDERNESS_CODES[name] for name in schema.UCI_WILDERNESS_AREAS])
    codes = np.column_stack([to_code[wilderness.argmax(axis=1)], soil.argmax(axis=1)])
    return _checked(np.hstack([table[:, :_NUMERIC], codes]), labels, origin, first_line)


def _checked(rows: NDArray[np.float64], labels: NDArray[np.float64], origin: str, first_line: int) -> Covertype:
    _require(np.isfinite(rows).all(axis=1), "a value is not finite", origin, first_line)
    for name, size in (("Wilderness_Area", len(schema.WILDERNESS_AREAS)), ("Soil_Type", len(schema.SOIL_TYPES))):
        codes = rows[:, schema.FIELDS.index(name)]
        _require(np.isin(codes, range(size)), f"{name} is not a code 0..{size - 1}", origin, first_line)
    _require(np.isin(labels, LABELS), f"{LABEL} is not {LABELS[0]}..{LABELS[-1]}", origin, first_line)
    return Covertype(np.ascontiguousarray(rows), labels.astype(np.uint8))


def _require(good: ArrayLike, fault: str, origin: str, first_line: int) -> None:
    flags = np.asarray(good)
    if not flags.all():
        raise DatasetError(f"{origin}: line {first_line + int(flags.argmin())}: {fault}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
