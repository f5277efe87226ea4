"""The UCI Forest Covertype data in Canopy's terms, and its reader."""

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from preprocessing import covertype

LABEL = "Cover_Type"
LABELS = range(1, 8)
SAMPLE = Path(__file__).with_name("sample.csv.gz")

_NUMERIC = len(covertype.NUMERIC)
_UCI = (*covertype.UCI_COLUMNS, LABEL)
"""UCI's columns in UCI's order, by the schema's names."""

_OWN = (*covertype.FIELDS, LABEL)
"""The columns of the bundled sample."""


class DatasetError(ValueError):
    """A file is not the Covertype data; the message names the file and the first faulty line."""


@dataclass(frozen=True, slots=True)
class Covertype:
    """Rows and their true labels.

    Attributes:
        rows: (n, 12) float64; the columns are ``preprocessing.covertype.FIELDS``, the last two are codes.
        labels: (n,) uint8, the cover types 1..7.
    """

    rows: NDArray[np.float64]
    labels: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def digest(self) -> str:
        """SHA-256 of the rows and labels."""
        digest = hashlib.sha256(self.rows.tobytes())
        digest.update(self.labels.tobytes())
        return digest.hexdigest()

    def take(self, index: NDArray[np.intp]) -> "Covertype":
        """The rows at ``index``, in that order."""
        return Covertype(self.rows[index], self.labels[index])


def load_sample() -> Covertype:
    """Read the bundled sample: 20,000 rows with the true class balance."""
    return read_csv(SAMPLE)


def read_csv(path: Path) -> Covertype:
    """Read a CSV file, gzipped if its name ends in .gz.

    Two layouts are known by their width: UCI's own 55 columns (ten numbers, 4 and 40 indicators, Cover_Type), and the
    bundled sample's 13 (its FIELDS and Cover_Type). A header, if there is one, names the columns, in any order;
    indicators may have UCI's names or the schema's. Without a header they stand in that order, indicators in UCI's.

    Raises:
        DatasetError: the content is not that data.
        OSError: the file cannot be read.
    """
    try:
        with _open(path) as file:
            lines = file.read().splitlines()
        names = _header(lines)
        if names is not None:
            del lines[0]
        table = np.loadtxt(lines, delimiter=",", dtype=np.float64, ndmin=2) if any(lines) else np.empty((0, 0))
    except (ValueError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DatasetError(f"{path}: {error}") from None
    if not len(table):
        raise DatasetError(f"{path}: has no rows")
    layout = {len(layout): layout for layout in (_UCI, _OWN)}.get(table.shape[1])
    if layout is None:
        raise DatasetError(f"{path}: has {table.shape[1]} columns, not UCI's {len(_UCI)} or the sample's {len(_OWN)}")
    origin, first_line = str(path), 1 if names is None else 2
    if names is not None:
        table = table[:, _positions(names, layout, origin)]
    if layout is _UCI:
        return from_uci(table[:, :-1], table[:, -1], origin=origin, first_line=first_line)
    return _checked(table[:, :-1], table[:, -1], origin, first_line)


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
    soil_at = _NUMERIC + len(covertype.UCI_WILDERNESS_AREAS)
    wilderness, soil = table[:, _NUMERIC:soil_at], table[:, soil_at:]
    for kind, indicators in (("wilderness area", wilderness), ("soil type", soil)):
        single = (indicators.sum(axis=1) == 1) & np.isin(indicators, (0, 1)).all(axis=1)
        _require(single, f"not exactly one {kind}", origin, first_line)
    to_code = np.array([covertype.WILDERNESS_AREAS.index(name) for name in covertype.UCI_WILDERNESS_AREAS])
    codes = np.column_stack([to_code[wilderness.argmax(axis=1)], soil.argmax(axis=1)])
    return _checked(np.hstack([table[:, :_NUMERIC], codes]), labels, origin, first_line)


def _open(path: Path) -> TextIO:
    # A byte order mark, which spreadsheets write, is no part of the first name.
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig")
    return path.open(encoding="utf-8-sig")


def _header(lines: list[str]) -> list[str] | None:
    """The names in the first line, in the schema's terms; None if it has numbers."""
    if not lines:
        return None
    names = [name.strip().strip('"') for name in lines[0].split(",")]
    try:
        float(names[0])
    except ValueError:
        return [covertype.UCI_ALIASES.get(name, name) for name in names]
    return None


def _positions(names: list[str], layout: tuple[str, ...], origin: str) -> list[int]:
    """Where each column of a layout stands in a file with these names."""
    if sorted(names) != sorted(layout):
        unknown = [name for name in names if name not in layout]
        missing = [name for name in layout if name not in names]
        raise DatasetError(f"{origin}: the header has other columns: unknown {unknown}, missing {missing}")
    return [names.index(name) for name in layout]


def _checked(rows: NDArray[np.float64], labels: NDArray[np.float64], origin: str, first_line: int) -> Covertype:
    _require(np.isfinite(rows).all(axis=1), "a value is not finite", origin, first_line)
    for name, size in (("Wilderness_Area", len(covertype.WILDERNESS_AREAS)), ("Soil_Type", len(covertype.SOIL_TYPES))):
        codes = rows[:, covertype.FIELDS.index(name)]
        _require(np.isin(codes, range(size)), f"{name} is not a code 0..{size - 1}", origin, first_line)
    _require(np.isin(labels, LABELS), f"{LABEL} is not {LABELS[0]}..{LABELS[-1]}", origin, first_line)
    return Covertype(np.ascontiguousarray(rows), labels.astype(np.uint8))


def _require(good: ArrayLike, fault: str, origin: str, first_line: int) -> None:
    flags = np.asarray(good)
    if not flags.all():
        raise DatasetError(f"{origin}: line {first_line + int(flags.argmin())}: {fault}")
