"""From prepared files to the engine that serves them."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from forest import BadArtifact, CompiledEngine, Engine, SklearnEngine, WalkName, read_artifact
from registry import libraries
from registry.errors import UnusableModel
from registry.opening.loading import load, own_version, untrusted
from registry.opening.plain import plain
from registry.opening.pyfunc import PyfuncEngine
from registry.prepared import Prepared, PreparedEngine


def open_engine(prepared: Prepared, walk: WalkName = "auto") -> Engine:
    """Build the engine for a prepared version.

    For a compiled forest neither MLflow nor scikit-learn is imported, and its file is not needed any more; the files of
    other engines stay as they are.

    Args:
        prepared: the version.
        walk: which walk a compiled forest takes.

    Raises:
        NeedsFullImage: its engine's libraries are not installed.
        UnusableModel: the version cannot be loaded.
    """
    if prepared.engine != "compiled" and not libraries.installed():
        raise libraries.cannot_serve(prepared.version, prepared.engine)
    try:
        return _OPEN[prepared.engine](prepared, walk)
    except UnusableModel:
        raise
    except Exception as error:
        raise UnusableModel(f"{prepared.version} cannot be loaded: {type(error).__name__}: {error}") from error


def _open_compiled(prepared: Prepared, walk: WalkName) -> Engine:
    artifact = read_artifact(prepared.artifact, prepared.shared)
    if not artifact.header.parity.passed:
        raise BadArtifact(f"{prepared.artifact}: it was found to differ from scikit-learn")
    if artifact.arrays.columns != prepared.schema.expanded:
        raise BadArtifact(f"{prepared.artifact}: its columns are not the schema's")
    return CompiledEngine(artifact.arrays, walk)


def _open_sklearn(prepared: Prepared, _walk: WalkName) -> Engine:
    with own_version(prepared.others):
        estimator = load(prepared.model, prepared.formats)
    return SklearnEngine(estimator, _order(prepared))


def _open_pyfunc(prepared: Prepared, _walk: WalkName) -> Engine:
    if prepared.formats != "any":
        raise untrusted("pyfunc may run code")
    import mlflow

    with own_version(prepared.others):
        model = mlflow.pyfunc.load_model(plain(prepared.model))
    return PyfuncEngine(model, prepared.schema.expanded, _order(prepared), prepared.columns.called_by_name)


def _order(prepared: Prepared) -> NDArray[np.intp] | None:
    order = prepared.columns.order
    return None if order is None else np.array(order, dtype=np.intp)


_OPEN: Final[dict[PreparedEngine, Callable[[Prepared, WalkName], Engine]]] = {
    "compiled": _open_compiled,
    "sklearn": _open_sklearn,
    "pyfunc": _open_pyfunc,
}
