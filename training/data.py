"""What a forest is trained on."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dataset import SAMPLE, Covertype, from_uci, read_csv
from preprocessing import covertype
from preprocessing.matrix import Expansion


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Data with a name and a digest.

    Attributes:
        source: ``sample``, ``full`` or the name of a file.
        data: the rows and labels.
    """

    source: str
    data: Covertype

    @property
    def digest(self) -> str:
        """SHA-256 of the rows and labels."""
        return self.data.digest


def load(source: str) -> TrainingData:
    """Load ``sample`` (bundled), ``full`` (downloaded and cached by scikit-learn) or the CSV file at a path.

    Raises:
        DatasetError: a file is not the Covertype data.
        OSError: a file cannot be read, or the download failed.
    """
    if source == "sample":
        return TrainingData(source, read_csv(SAMPLE))
    if source == "full":
        from sklearn.datasets import fetch_covtype

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of each attempt; the failure is reported below
                table, labels = fetch_covtype(return_X_y=True)
        except OSError as error:
            raise OSError(
                f"the full data cannot be downloaded ({error}): check the network or name a CSV file"
            ) from None
        return TrainingData(source, from_uci(table, labels, origin="fetch_covtype"))
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(f"{source!r} is neither sample, nor full, nor a file")
    return TrainingData(path.name, read_csv(path))


def matrix(data: Covertype) -> NDArray[np.float32]:
    """The (n, 54) float32 matrix of some data, built by the code that serving uses."""
    out = np.empty((len(data), len(covertype.COLUMNS)), dtype=np.float32)
    Expansion(covertype.SCHEMA).write(data.rows, out)
    return out
