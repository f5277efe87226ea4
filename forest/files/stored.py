"""Objects as a file stores them: what is read in place of a forest's objects, so that none of the file's code runs."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forest.engine import UnsupportedModel

_NUMPY: Final = {
    "multiarray": ("_reconstruct", "scalar"),
    "numeric": ("_frombuffer",),
}
_FORESTS: Final = (
    "RandomForestClassifier",
    "RandomForestRegressor",
    "ExtraTreesClassifier",
    "ExtraTreesRegressor",
)
_TREES: Final = ("DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor")
_BOOSTED: Final = {
    "sklearn.ensemble._gb": ("GradientBoostingClassifier", "GradientBoostingRegressor"),
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting": (
        "HistGradientBoostingClassifier",
        "HistGradientBoostingRegressor",
    ),
    "sklearn.ensemble._hist_gradient_boosting.predictor": ("TreePredictor",),
    "sklearn.ensemble._hist_gradient_boosting.binning": ("_BinMapper",),
    "sklearn.ensemble._iforest": ("IsolationForest",),
    "sklearn.dummy": ("DummyClassifier", "DummyRegressor"),
    # What makes codes of categories before a histogram's trees.
    "sklearn.compose._column_transformer": ("ColumnTransformer", "_RemainderColsList"),
    "sklearn.preprocessing._encoders": ("OrdinalEncoder",),
    "sklearn.preprocessing._function_transformer": ("FunctionTransformer",),
    "sklearn.preprocessing._label": ("LabelEncoder",),
    "sklearn.utils.validation": ("check_array",),
    "functools": ("partial",),
}
_NUMBERS: Final = (
    *("float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8"),
    *("bool", "bool_"),
)
_PIPELINES: Final = {
    "sklearn.pipeline": ("Pipeline",),
    "sklearn.preprocessing._data": ("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler"),
    "sklearn.preprocessing._encoders": ("OneHotEncoder",),
    "sklearn.impute._base": ("SimpleImputer", "MissingIndicator"),
    "sklearn.compose._column_transformer": ("make_column_selector",),
    "sklearn.model_selection._search": ("GridSearchCV", "RandomizedSearchCV"),
    # What a search tried and how, of no consequence for a prediction.
    "sklearn.model_selection._split": (
        *("KFold", "StratifiedKFold", "GroupKFold", "StratifiedGroupKFold", "ShuffleSplit", "StratifiedShuffleSplit"),
        *("RepeatedKFold", "RepeatedStratifiedKFold", "TimeSeriesSplit", "PredefinedSplit", "LeaveOneOut"),
    ),
    "sklearn.metrics._scorer": ("_Scorer", "_PassthroughScorer", "_PredictScorer", "_ProbaScorer", "_ThresholdScorer"),
    "numpy.ma.core": ("MaskedArray", "_mareconstruct"),
    "numpy.ma": ("MaskedArray",),
}
_AROUND_CLASSIFIERS: Final = {
    "sklearn.calibration": (
        *("CalibratedClassifierCV", "_CalibratedClassifier", "_SigmoidCalibration", "_TemperatureScaling"),
    ),
    "sklearn.isotonic": ("IsotonicRegression",),
    "sklearn.frozen._frozen": ("FrozenEstimator",),
    "sklearn.model_selection._classification_threshold": ("FixedThresholdClassifier", "TunedThresholdClassifierCV"),
    # What a threshold was tuned by, and for.
    "sklearn.metrics._scorer": ("_CurveScorer",),
    "sklearn.utils._metadata_requests": ("MetadataRequest", "MethodMetadataRequest"),
    "sklearn.metrics._classification": (
        *("accuracy_score", "balanced_accuracy_score", "matthews_corrcoef", "cohen_kappa_score"),
        *("f1_score", "precision_score", "recall_score", "jaccard_score", "fbeta_score"),
    ),
}
_LOSSES: Final = (
    *("HalfSquaredError", "AbsoluteError", "PinballLoss", "HuberLoss", "HalfPoissonLoss", "HalfGammaLoss"),
    *("HalfBinomialLoss", "HalfMultinomialLoss", "ExponentialLoss"),
)
_OLD_LOSSES: Final = (
    *("LeastSquaresError", "LeastAbsoluteError", "HuberLossFunction", "QuantileLossFunction"),
    *("BinomialDeviance", "MultinomialDeviance", "ExponentialLoss"),
)
_LINKS: Final = ("IdentityLink", "LogLink", "LogitLink", "HalfLogitLink", "MultinomialLogit", "Interval")
_KNOWN: Final[dict[tuple[str, str], str]] = {
    **{("sklearn.ensemble._forest", name): name for name in _FORESTS},
    **{("sklearn.tree._classes", name): name for name in _TREES},
    ("sklearn.tree._tree", "Tree"): "Tree",
    **{
        ("catboost.core", name): name
        for name in ("CatBoost", "CatBoostClassifier", "CatBoostRegressor", "CatBoostRanker")
    },
    ("lightgbm.basic", "Booster"): "lightgbm.Booster",
    ("lightgbm.basic", "_InnerPredictor"): "lightgbm._InnerPredictor",
    **{("lightgbm.sklearn", name): name for name in ("LGBMClassifier", "LGBMRegressor", "LGBMRanker")},
    ("collections", "OrderedDict"): "OrderedDict",
    ("collections", "defaultdict"): "defaultdict",
    **{
        (module, name): name
        for room in (_BOOSTED, _PIPELINES, _AROUND_CLASSIFIERS)
        for module, names in room.items()
        for name in names
    },
    **{("sklearn._loss.loss", name): name for name in _LOSSES},
    **{("sklearn._loss.link", name): name for name in _LINKS},
    **{("sklearn.ensemble._gb_losses", name): f"old {name}" for name in _OLD_LOSSES},
    # The compiled half of a loss, which has no part in a prediction. Before 1.9 its module had a short name.
    **{
        (module, name): "compiled loss"
        for module in ("_loss", "sklearn._loss._loss")
        for loss in _LOSSES
        for name in (f"Cy{loss}", f"__pyx_unpickle_Cy{loss}")
    },
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    # numpy moved its modules with version 2.
    **{
        (f"numpy.{core}.{module}", name): name
        for core in ("core", "_core")
        for module, names in _NUMPY.items()
        for name in names
    },
    ("joblib.numpy_pickle", "NumpyArrayWrapper"): "NumpyArrayWrapper",
    ("xgboost.core", "Booster"): "Booster",
    **{
        ("xgboost.sklearn", name): name
        for name in ("XGBClassifier", "XGBRFClassifier", "XGBRegressor", "XGBRFRegressor", "XGBRanker")
    },
    # A Booster's model in a pickle of protocol 4 or before.
    ("builtins", "bytearray"): "bytearray",
    ("__builtin__", "bytearray"): "bytearray",
    # What protocols 0 to 2 make objects and bytes of.
    ("copy_reg", "_reconstructor"): "_reconstructor",
    ("copyreg", "_reconstructor"): "_reconstructor",
    ("__builtin__", "object"): "object",
    ("builtins", "object"): "object",
    ("_codecs", "encode"): "encode",
    # A random_state that is no number: of no consequence for a prediction, and not looked at.
    ("numpy.random._pickle", "__randomstate_ctor"): "RandomState",
    ("numpy.random._pickle", "__bit_generator_ctor"): "BitGenerator",
    ("numpy.random._mt19937", "MT19937"): "MT19937",
    ("numpy.random.bit_generator", "SeedSequence"): "SeedSequence",
    ("numpy.random.bit_generator", "__pyx_unpickle_SeedSequence"): "SeedSequence",
    ("numpy.random.mtrand", "RandomState"): "RandomState",
    ("numpy.random._pickle", "__generator_ctor"): "Generator",
    ("numpy.random._generator", "Generator"): "Generator",
    ("numpy.random._pcg64", "PCG64"): "PCG64",
    # Parts of what is not looked at, and types of numbers.
    **{("numpy", name): name for name in _NUMBERS},
    **{(module, name): name for module in ("__builtin__", "builtins") for name in ("slice", "bytes", "int", "float")},
}
"""All that a file may name, by module and name; and what it is called here."""

_DTYPE: Final = r"[biufUVOS]\d*"


class Unreadable(UnsupportedModel):
    """A file cannot be read without running what it names, or is damaged; the message says why."""


@dataclass(frozen=True, slots=True)
class Named:
    """A class or function that a file names."""

    name: str


@dataclass(slots=True, eq=False)
class Stored:
    """An object of a class, or what a function returns, and what the file says of it.

    Attributes:
        name: of the class or function.
        args: what it is called with.
        state: what the object is given then; None if nothing.
    """

    name: str
    args: tuple[Any, ...] = ()
    state: Any = None


def known(module: object, name: object) -> Named:
    """What a file names.

    Raises:
        Unreadable: a forest has no such thing in it.
    """
    if isinstance(module, str) and isinstance(name, str) and (found := _KNOWN.get((module, name))):
        return Named(found)
    raise Unreadable(f"it has {_shown(module)}.{_shown(name)} in it, which is no part of a forest")


def array(value: Any) -> NDArray[Any]:  # noqa: ANN401 - of any file
    """The array that is stored.

    Raises:
        Unreadable: it is none, or its parts do not fit each other.
    """
    match value:
        case np.ndarray():
            return value
        case Stored("_reconstruct", _, (_, tuple() as shape, type_, fortran, content)):
            return _filled(content, dtype(type_), shape, "F" if fortran else "C")
        case Stored("_frombuffer", (content, type_, tuple() as shape, "C" | "F" as order)):
            return _filled(content, dtype(type_), shape, order)
        case _:
            raise Unreadable(f"it has {what(value)} where an array should be")


def number(value: Any) -> Any:  # noqa: ANN401 - of any file
    """A number or text: itself, or numpy's stored one.

    Raises:
        Unreadable: it is none.
    """
    if isinstance(value, Stored) and value.name == "scalar" and len(value.args) == 2:
        return _filled(value.args[1], dtype(value.args[0]), (), "C").item()
    if isinstance(value, np.ndarray) and value.shape == ():  # as skops stores numpy's numbers
        return value.item()
    if type(value) not in (bool, int, float, str):
        raise Unreadable(f"it has {what(value)} where a number should be")
    return value


def dtype(value: Any) -> np.dtype[Any]:  # noqa: ANN401 - of any file
    """The dtype that is stored: of plain numbers, text or objects, or a structure of plain numbers.

    Raises:
        Unreadable: it is another one.
    """
    match value:
        case np.dtype():
            return value
        case Stored("dtype", (str() as code, *_), None | (_, str(), None, None, None, *_)):
            order = "=" if value.state is None else value.state[1]
            return _plain(order, code)
        case Stored("dtype", (str(), *_), (_, _, None, tuple() as names, dict() as fields, int() as size, *_)):
            return _structure(names, fields, size)
        case _:
            raise Unreadable(f"it has {what(value)} where a type of numbers should be")


def what(value: object) -> str:
    """What kind of thing something is, for a message."""
    return _shown(value.name) if isinstance(value, Stored | Named) else type(value).__name__


def name_of(value: Any) -> str:  # noqa: ANN401
    """The class of an object, or of what a file says of one."""
    return what(value) if isinstance(value, Stored) else type(value).__name__


def guarded(build: Callable[[], NDArray[Any] | np.dtype[Any]]) -> Any:  # noqa: ANN401 - whatever it builds
    """Build something of parts that may not fit each other.

    Raises:
        Unreadable: they do not.
    """
    try:
        return build()
    except (ValueError, TypeError, OverflowError, KeyError, IndexError) as error:
        raise Unreadable(f"an array in it is damaged: {error}") from None


def _plain(order: str, code: str) -> np.dtype[Any]:
    if order not in ("<", ">", "=", "|") or not re.fullmatch(_DTYPE, code):
        raise Unreadable("an array in it is of a type that a forest has not")
    made: np.dtype[Any] = guarded(lambda: np.dtype(order + code))
    return made


def _structure(names: tuple[Any, ...], fields: dict[Any, Any], size: int) -> np.dtype[Any]:
    def make() -> np.dtype[Any]:
        parts = [fields[name] for name in names]
        formats, offsets = [dtype(part[0]) for part in parts], [part[1] for part in parts]
        if any(format_.hasobject or format_.names for format_ in formats):
            raise ValueError("a structure of other than numbers")
        return np.dtype({"names": list(names), "formats": formats, "offsets": offsets, "itemsize": size})

    made: np.dtype[Any] = guarded(make)
    return made


def _filled(content: Any, type_: np.dtype[Any], shape: tuple[Any, ...], order: Any) -> NDArray[Any]:  # noqa: ANN401
    """An array of some content: bytes, or a list of objects."""

    def make() -> NDArray[Any]:
        if any(type(length) is not int or length < 0 for length in shape) or type_.itemsize == 0:
            raise ValueError("its shape is none")
        if type_.hasobject != isinstance(content, list) or isinstance(content, str):
            raise ValueError("its content is of another type")
        if type_.hasobject:
            objects = np.empty(len(content), dtype=object)
            for place, value in enumerate(content):
                objects[place] = value
            return objects.reshape(shape, order=order)
        return np.frombuffer(content, type_).reshape(shape, order=order)

    made: NDArray[Any] = guarded(make)
    return made


def _shown(text: object) -> str:
    """What a file says, cut to a length that a message can have."""
    return ascii(str(text)[:60])[1:-1] if isinstance(text, str) else type(text).__name__
