"""A compiled ensemble, as an engine."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from forest.arrays import ForestArrays
from forest.artifact import BadArtifact, read
from forest.engine import Prediction, check_limits
from forest.links import link_function
from forest.native.extensions import native


class CompiledEngine:
    """The kernel's walk through a compiled ensemble; implements ``Engine``.

    Its answers equal those of the model's own library to the last bit. Unlike other engines it may be called from
    several threads.

    Args:
        arrays: the compiled ensemble.

    Raises:
        ImportError: the kernel was not built.
        ValueError: the arrays are no ensemble that can be walked safely.
    """

    name = "compiled"
    bounded = True

    def __init__(self, arrays: ForestArrays) -> None:
        kernel, _ = native()
        self.dtype = arrays.dtype
        self.classes: NDArray[Any] | None = arrays.classes
        self._walk = kernel.Walk(arrays)
        self._limits = arrays.limits
        n_classes = 0 if arrays.classes is None else len(arrays.classes)
        self._link = link_function(arrays.link, n_classes, self._walk.n_outputs)

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

    def predict(self, matrix: NDArray[Any]) -> Prediction:
        """See ``Engine.predict``.

        Raises:
            ValueError: the matrix has another number of columns, or a value is missing, or beyond the limits of its
                column, where none may be.
        """
        if self._limits:
            check_limits(matrix, self._limits)
        values, probabilities = self._link(self._walk.sums(matrix))
        return Prediction(values if self.classes is None else self.classes.take(values), probabilities)
