"""Models from files, for the command line: as data, and as their own libraries load them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from forest.engine import UnsupportedModel
from forest.ensemble import Ensemble
from forest.files.folder import first_of, model_in
from forest.files.installed import OtherVersion, can_be_asked, mismatch, watched
from forest.files.reading import Hint, own_format, read_model
from forest.libraries.catboost.model import KINDS as CATBOOST
from forest.libraries.scikit_learn.estimator import ensemble_of, why_no_forest
from forest.libraries.xgboost.model import KINDS as XGBOOST

CLASSES: Final[dict[str | None, tuple[str, ...]]] = {"xgboost": tuple(XGBOOST), "catboost": CATBOOST}
"""Whose own format is loaded by one of several classes, which has a say in the answers: the plainest first."""

_TRUSTED: Final[dict[str, list[str]]] = {
    "scikit-learn": [
        *("sklearn.tree._tree.Tree", "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"),
        # Pipelines, and searches around them.
        "numpy.dtype",
        *(f"sklearn.metrics._scorer.{name}" for name in ("_PassthroughScorer", "_Scorer")),
        *(f"sklearn.model_selection._split.{name}" for name in ("KFold", "StratifiedKFold", "ShuffleSplit")),
        # Calibrated classifiers, and thresholds that were tuned.
        *(f"sklearn.calibration.{name}" for name in ("_CalibratedClassifier", "_SigmoidCalibration")),
        *("sklearn.calibration._TemperatureScaling", "sklearn.metrics._scorer._CurveScorer"),
        *(f"sklearn.utils._metadata_requests.{name}" for name in ("MetadataRequest", "MethodMetadataRequest")),
    ],
    "xgboost": [],
    "catboost": [],
    "lightgbm": [
        *("collections.OrderedDict", "collections.defaultdict", "lightgbm.basic.Booster"),
        *(f"lightgbm.sklearn.{name}" for name in ("LGBMClassifier", "LGBMRegressor", "LGBMRanker")),
    ],
}
"""What a model of a library in the skops format has in it beyond what skops trusts by itself."""


def estimator_file(source: Path) -> Path:
    """The file with the model: the source itself, or one in it if it is a folder.

    Raises:
        FileNotFoundError: there is none.
        UnsupportedModel: the folder is of a model that cannot be compiled.
    """
    return _found(source)[0]


def load_forest(source: Path, model_class: str | None = None) -> tuple[Ensemble, Any]:
    """Read a model from a file that ``read_model`` takes, or from the folder of an MLflow model.

    It is read as data. Only if that cannot be done, and the file may be scikit-learn's and is no skops file, does the
    code in it run; and where its library is installed, which then loads it to be compared with.

    Args:
        source: the file or folder.
        model_class: the class that loads a file of XGBoost's or CatBoost's own format; None if it is as its folder
            says, or the plainest: a Booster, a CatBoost.

    Returns:
        The model, and the library's own, if one that answers as the one that made it is installed; else None.

    Raises:
        OSError: the file cannot be read.
        UnsupportedModel: the file has no model in it that can be compiled.
    """
    file, hint = _found(source)
    written_by = own_format(file)
    if model_class is not None:
        if model_class not in CLASSES.get(written_by, ()):
            raise UnsupportedModel(f"{file}: is in no format of its own that {model_class} loads")
        hint = hint._replace(model_class=model_class)
    try:
        forest = read_model(file, hint)
    except UnsupportedModel as error:
        if written_by is not None:
            unnamed = written_by in CLASSES and source.is_file() and model_class is None
            remedy = f"; if another class than {CLASSES[written_by][0]} loads it, say which: --class" if unnamed else ""
            raise UnsupportedModel(f"{file}: {error}{remedy}") from None
        return _run(file, error)
    return forest, _library_model(file, hint, forest)


def load_estimator(source: Path) -> Any:  # noqa: ANN401 - sklearn is untyped
    """Load an estimator of scikit-learn from a skops, pickle or joblib file, or the folder of an MLflow model.

    A pickle or joblib file runs the code in it; a skops file does not.

    Raises:
        OSError: the file cannot be read.
        OtherVersion: another minor version of scikit-learn made it.
        UnsupportedModel: the file has no model in it that can be compiled.
    """
    file = estimator_file(source)
    estimator = _loaded(file)
    if (reason := why_no_forest(estimator)) is not None:
        raise UnsupportedModel(f"{file}: {reason}")
    return estimator


def _found(source: Path) -> tuple[Path, Hint]:
    return model_in(source) if source.is_dir() else (first_of([source]), Hint())


def _run(file: Path, reason: UnsupportedModel) -> tuple[Ensemble, Any]:
    """An estimator that could not be read as data, for a reason."""
    try:
        estimator = _loaded(file)
    except OtherVersion as other:
        raise OtherVersion(f"{other}; it cannot be read without it, for {reason}") from None
    if type(estimator).__module__.partition(".")[0] in _OWN_LOADERS:
        raise UnsupportedModel(f"{file}: {reason}")
    if (other_reason := why_no_forest(estimator)) is not None:
        raise UnsupportedModel(f"{file}: {other_reason}")
    return ensemble_of(estimator), estimator


def _library_model(file: Path, hint: Hint, forest: Ensemble) -> Any:  # noqa: ANN401
    """The library's own model; None if no library is installed that answers as the one that made it."""
    if not can_be_asked(forest.library, forest.version):
        return None
    return load_estimator(file) if forest.library == "scikit-learn" else _loaded(file, forest.library, hint)


def _loaded(file: Path, library: str = "scikit-learn", hint: Hint = Hint()) -> Any:  # noqa: ANN401, B008 - it has no state
    """What a file of a library's model has in it, loaded by whoever wrote it."""
    made_by: list[str] = []
    try:
        load = _OWN_LOADERS.get(own_format(file))
        with watched() as made_by:
            estimator = _load_objects(file, _TRUSTED[library]) if load is None else load(file, hint)
    except OSError:
        raise
    except Exception as error:
        if made_by:
            raise OtherVersion(f"{file}: {mismatch(made_by[0])}") from error
        raise UnsupportedModel(f"{file}: is no estimator: {type(error).__name__}: {error}") from error
    if made_by:
        raise OtherVersion(f"{file}: {mismatch(made_by[0])}")
    return estimator


def _load_objects(file: Path, trusted: list[str]) -> Any:  # noqa: ANN401 - sklearn is untyped
    if file.suffix == ".skops":
        import skops.io

        return skops.io.load(file, trusted=trusted)
    import joblib

    return joblib.load(file)


def _load_xgboost(file: Path, hint: Hint) -> Any:  # noqa: ANN401
    import xgboost

    model = getattr(xgboost, hint.model_class or "Booster")()
    # Of a file, XGBoost would go by its suffix; of bytes, by what they are.
    model.load_model(bytearray(file.read_bytes()))
    return model


def _load_lightgbm(file: Path, _hint: Hint) -> Any:  # noqa: ANN401
    import lightgbm

    return lightgbm.Booster(model_file=file)


def _load_catboost(file: Path, hint: Hint) -> Any:  # noqa: ANN401
    import catboost

    return getattr(catboost, hint.model_class or "CatBoost")().load_model(str(file))


_OWN_LOADERS: Final[dict[str | None, Callable[[Path, Hint], Any]]] = {
    "xgboost": _load_xgboost,
    "lightgbm": _load_lightgbm,
    "catboost": _load_catboost,
}
"""What loads a file of which library's own format."""
