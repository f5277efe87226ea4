"""A compiled ensemble, as an engine."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from forest.arrays import ForestArrays
from forest.artifact import BadArtifact, read
from forest.certainty import certainty_of
from forest.engine import Prediction, check_limits
from forest.links import link_function
from forest.native.extensions import native
from forest.walks import WalkName, available, choose


class CompiledEngine:
    """The kernel's walk through a compiled ensemble; implements ``LabelsEngine``.

    Its answers equal those of the model's own library to the last bit. Unlike other engines it may be called from
    several threads.

    Args:
        arrays: the compiled ensemble.
        walk: which of the kernel's walks to use; ``auto`` times them.

    Raises:
        ImportError: the kernel was not built.
        ValueError: the arrays are no ensemble that can be walked safely, or the walk cannot be used here.
    """

    name = "compiled"
    bounded = True

    def __init__(self, arrays: ForestArrays, walk: WalkName = "auto") -> None:
        kernel, _ = native()
        self.dtype = arrays.dtype
        self.classes: NDArray[Any] | None = arrays.classes
        self._walk = kernel.Walk(arrays)
        self._limits = arrays.limits
        n_classes = 0 if arrays.classes is None else len(arrays.classes)
        self._link = link_function(arrays.link, n_classes, self._walk.n_outputs)
        certainty = None if self.classes is None else certainty_of(arrays)
        if certainty is not None:
            self._walk.use_leads(*certainty)
        self._leads = certainty is not None
        choose(self._walk, arrays, walk)

    @classmethod
    def load(cls, path: Path, walk: WalkName = "auto") -> "CompiledEngine":
        """Map an artifact and check all of it.

        Raises:
            BadArtifact: see ``artifact.read``; or the words would lead a walk astray.
            ImportError: the kernel was not built.
            OSError: the file cannot be read.
            ValueError: the walk cannot be used here.
        """
        arrays = read(path).arrays
        try:
            engine = cls(arrays, "portable")
        except BadArtifact:
            raise
        except ValueError as error:
            raise BadArtifact(f"{path}: is damaged: {error}") from None
        choose(engine._walk, arrays, walk)
        return engine

    @property
    def walk(self) -> str:
        """The name of the walk in use."""
        name: str = self._walk.name
        return name

    @property
    def walks(self) -> list[str]:
        """The names of the walks that could be used here."""
        return available(self._walk)

    def predict(self, matrix: NDArray[Any]) -> Prediction:
        """See ``Engine.predict``.

        Raises:
            ValueError: the matrix has another number of columns, or a value is missing, or beyond the limits of its
                column, where none may be.
        """
        check_limits(matrix, self._limits)
        values, probabilities = self._link(self._walk.sums(matrix))
        return Prediction(values if self.classes is None else self.classes.take(values), probabilities)

    def predict_labels(self, matrix: NDArray[Any]) -> NDArray[Any]:
        """See ``LabelsEngine.predict_labels``: a forest's row walks down no more trees than decide its class.

        Raises:
            ValueError: as ``predict`` does.
        """
        if not self._leads:
            return self.predict(matrix).labels
        check_limits(matrix, self._limits)
        labels: NDArray[Any] = self.classes.take(self._walk.leaders(matrix))  # type: ignore[union-attr]  # see above
        return labels
