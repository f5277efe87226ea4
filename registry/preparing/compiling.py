"""A model downloaded, loaded and made ready for an engine: what takes MLflow, scikit-learn and their memory."""

import logging
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from forest import CompiledEngine, Origin, SklearnEngine, UnsupportedModel, build, mismatch, why_no_forest
from redaction import one_line
from registry.config import RegistryConfig
from registry.errors import RegistryError
from registry.opening.loading import other_version, untrusted
from registry.preparation import Preparation
from registry.prepared import MODEL, EngineChoice, Prepared, PreparedEngine
from registry.preparing.confinement import is_out_of_memory
from registry.preparing.download import download
from registry.preparing.downloaded import SCIKIT_LEARN, Download
from registry.preparing.failures import told
from registry.preparing.rounding import REMEDY, less_than
from registry.version import ModelVersion

logger = logging.getLogger("canopy.registry")

_CANDIDATES: Final[dict[EngineChoice, tuple[PreparedEngine, ...]]] = {
    "auto": ("compiled", "sklearn", "pyfunc"),
    "compiled": ("compiled",),
    "sklearn": ("sklearn",),
    "pyfunc": ("pyfunc",),
}
"""The engines to try, in turn."""

_PENALTY: Final[dict[PreparedEngine, str]] = {
    "sklearn": "scikit-learn, many times slower than compiled",
    "pyfunc": "pyfunc, which takes milliseconds a call",
}


def compile_model(
    version: ModelVersion,
    config: RegistryConfig,
    how: Preparation,
    folder: Path,
) -> Prepared:
    """Download a version and make it ready for an engine.

    Args:
        version: the version.
        config: the way to the registry.
        how: what to make of it.
        folder: where to put the files, empty.

    Raises:
        StoreUnavailable: the store of the artifacts cannot be used.
        UnusableModel: the version cannot be loaded or served.
        MemoryError: there is too little memory for it.
        OSError: there is too little space for it.
    """
    path = folder / MODEL
    try:
        logger.info("downloading %s", version)
        start = time.monotonic()
        download(version, config, path)
        model = Download(path, how)
        logger.info("downloaded in %.1f s", time.monotonic() - start)
        return _prepare(model, version, _CANDIDATES[how.engine], folder)
    except RegistryError:
        raise
    except Exception as error:
        raise told(error, version) from error


def _prepare(
    model: Download,
    version: ModelVersion,
    candidates: Sequence[PreparedEngine],
    folder: Path,
    reason: str = "",
) -> Prepared:
    """Make a download ready for the first of the candidates that can serve it.

    Raises:
        UnsupportedModel: none of them can.
        ImportError: this installation lacks what the last of them needs.
    """
    engine, *slower = candidates
    warning = f"serving {version} by {_PENALTY[engine]}: {one_line(reason)}" if reason else ""
    prepared = Prepared(version, engine, folder, model.columns, model.formats, warning, model.others)
    try:
        warning = "; ".join(filter(None, [warning, _PREPARE[engine](model, prepared)]))
    except (UnsupportedModel, ImportError) as error:
        if not slower or is_out_of_memory(error):  # with more memory the faster one may do
            raise
        # Why it cannot be compiled is what can be mended; that it is no forest either goes without saying.
        return _prepare(model, version, slower, folder, reason or str(error))
    if engine != "compiled" and (other := model.other_version) is not None and other not in warning:
        warning = "; ".join(filter(None, [warning, f"serving {version}, but {mismatch(other)}"]))
    return replace(prepared, warning=warning)


def _compile(model: Download, prepared: Prepared) -> str:
    """Compile the ensemble, hold it against its library and write it with the outcome."""
    origin = Origin(prepared.version.name, prepared.version.number)
    ensemble, order = model.ensemble, model.order
    examples = model.example(ensemble.dtype)
    if any(field.missing for field in prepared.schema.fields) and not ensemble.takes_missing:
        raise UnsupportedModel("its table allows missing values, which the compiled model does not take")
    parity = build(
        ensemble,
        prepared.artifact,
        origin,
        estimator=model.itself(),
        order=order,
        columns=prepared.schema.expanded,
        examples=examples,
    )
    if not parity.passed:
        prepared.artifact.unlink()
        whom = ensemble.library if parity.against == "library" else f"the rule of {ensemble.made_by}"
        raise UnsupportedModel(f"compiled, it differs from {whom} on {parity.different} of {parity.rows} rows")
    model.check_answers(CompiledEngine.load(prepared.artifact), examples)
    shutil.rmtree(model.path)
    # Files of every version of scikit-learn are among the tests; of other libraries, only some versions can be.
    if parity.against == "library" or ensemble.library == SCIKIT_LEARN:
        return ""
    return f"{prepared.version} was compiled without being held against its own library, for {model.unasked}"


def _keep_forest(model: Download, prepared: Prepared) -> str:
    """Make sure that scikit-learn's engine can take the download, and answers with distributions."""
    if (reason := why_no_forest(model.estimator)) is not None:
        raise UnsupportedModel(reason)
    model.check_columns()
    engine = SklearnEngine(model.estimator, model.order)
    if less_than(engine.dtype, model.types(len(prepared.schema.expanded))):
        raise UnsupportedModel(
            f"MLflow would round its columns, as its signature has them, before it is asked: {REMEDY}"
        )
    examples = model.example(engine.dtype)
    rows = np.vstack([examples, np.zeros((1, len(prepared.schema.expanded)), dtype=engine.dtype)])
    try:
        engine.predict(rows)
    except ValueError as error:
        raise UnsupportedModel(f"scikit-learn fails on it: {error}") from error
    model.check_answers(engine, examples)
    return ""


def _keep(model: Download, prepared: Prepared) -> str:
    """Anything that answers with labels will do for pyfunc, which runs code to load it."""
    if model.formats == "skops":
        raise untrusted(f"{prepared.version} can only be served by pyfunc, which may run code")
    model.flavours.check_answer()
    if (version := model.other_version) is not None and model.others == "refuse":
        raise other_version(version)
    return ""


_PREPARE: Final[dict[PreparedEngine, Callable[[Download, Prepared], str]]] = {
    "compiled": _compile,
    "sklearn": _keep_forest,
    "pyfunc": _keep,
}
