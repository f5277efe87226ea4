"""A compiled forest, as an engine."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forest.arrays import ForestArrays
from forest.artifact import BadArtifact, read
from forest.engine import Prediction
from forest.native import native


class CompiledEngine:
    """The kernel's walk through a compiled forest; implements ``Engine``.

    Its predictions equal those of the forest's ``predict`` and ``predict_proba`` to the last bit. Unlike other engines
    it may be called from several threads.

    Args:
        arrays: the compiled forest.

    Raises:
        ImportError: the kernel was not built.
        ValueError: the arrays are no forest that can be walked safely.
    """

    name = "compiled"
    bounded = True
    dtype = np.float32

    def __init__(self, arrays: ForestArrays) -> None:
        kernel, _ = native()
        self.classes: NDArray[Any] = arrays.classes
        self._n_classes = len(arrays.classes)
        self._walk = kernel.Walk(
            arrays.words, arrays.trees, arrays.thresholds, arrays.offsets, arrays.leaves, arrays.feature_bits
        )
        if self._walk.n_classes != self._n_classes:
            raise ValueError(f"{self._n_classes} classes, but distributions over {self._walk.n_classes}")

    @classmethod
    def load(cls, path: Path) -> "CompiledEngine":
        """Map an artifact and check all of it.

        Raises:
            BadArtifact: see ``artifact.read``; or the words would lead a walk astray.
            ImportError: the kernel was not built.
            OSError: the file cannot be read.
        """
        try:
            return cls(read(path).arrays)
        except BadArtifact:
            raise
        except ValueError as error:
            raise BadArtifact(f"{path}: is damaged: {error}") from None

    def predict(self, matrix: NDArray[np.float32]) -> Prediction:
        """See ``Engine.predict``.

        Raises:
            ValueError: the matrix has another number of columns, or a NaN.
        """
        probabilities = np.empty((len(matrix), self._n_classes))
        self._walk.predict(matrix, probabilities)
        return Prediction(self.classes.take(probabilities.argmax(axis=1)), probabilities)
