"""A model's file, of whatever library and format → an ensemble. None of its code runs, and no library is needed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from forest.ensemble import Ensemble
from forest.files.pickles import read_pickle
from forest.files.skops_file import read_skops
from forest.files.stored import Stored, Unreadable, what
from forest.libraries.catboost import model as catboost
from forest.libraries.lightgbm import model as lightgbm
from forest.libraries.scikit_learn.readers import READERS
from forest.libraries.xgboost import model as xgboost

_ZIP: Final = b"PK\x03\x04"
_OWN_FORMATS: Final[dict[bytes, str]] = {
    b"{": "xgboost",
    b"tree\n": "lightgbm",
    catboost.MAGIC: "catboost",
}
"""How a file begins that a library writes in a format of its own, which has no code in it."""


class Hint(NamedTuple):
    """What is known of a model beside its file.

    Attributes:
        model_class: the class that loads a file of XGBoost's or CatBoost's, which has a say in its answers; None for
            the library's plainest.
        version: of LightGBM, whose text has only that of its format.
    """

    model_class: str | None = None
    version: str | None = None


def read_model(path: Path, hint: Hint = Hint()) -> Ensemble:  # noqa: B008 - it has no state
    """Read a model.

    Args:
        path: what pickle, cloudpickle, joblib or skops has written of an estimator, or a file of XGBoost's own, ubj or
            json, of LightGBM's, text, or of CatBoost's, cbm.
        hint: what is known of it beside.

    Raises:
        UnknownVersion: it was made by a version that is not known.
        UnsupportedModel: it is no model that can be compiled, or cannot be read without running the code in it.
        OSError: it cannot be read.
    """
    library = own_format(path)
    with path.open("rb") as file:
        is_zip = file.read(len(_ZIP)) == _ZIP
    try:
        if library == "lightgbm":
            return lightgbm.read_lightgbm(path.read_bytes(), version=hint.version)
        if library == "xgboost":
            return xgboost.read_xgboost(path.read_bytes(), answers=hint.model_class or "Booster")
        if library == "catboost":
            return catboost.read_catboost(path.read_bytes(), answers=hint.model_class or "CatBoost")
        stored, size = (read_skops if is_zip else read_pickle)(path)
        if not isinstance(stored, Stored) or stored.name not in _READ:
            raise Unreadable(f"{what(stored)} is no model that is compiled")
        return _READ[stored.name](stored, size, hint)
    except RecursionError:
        raise Unreadable("its parts are too deep in each other") from None


def own_format(path: Path) -> str | None:
    """The library in whose own format a file is; None if it is a pickle or skops file, or whatever else.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(max(map(len, _OWN_FORMATS)))
    return next((library for begin, library in _OWN_FORMATS.items() if start.startswith(begin)), None)


def _scikit_learn(stored: Any, size: int, _hint: Hint) -> Ensemble:  # noqa: ANN401
    found = READERS[stored.name](stored)
    # A file may name one array a million times; a model's do not.
    if found.nbytes > size:
        raise Unreadable("its trees are larger than the file")
    return found.ensemble()


_READ: Final[dict[str, Callable[[Any, int, Hint], Ensemble]]] = {
    **dict.fromkeys(READERS, _scikit_learn),
    **dict.fromkeys(xgboost.KINDS, lambda stored, _size, _hint: xgboost.read_xgboost_object(stored)),
    **dict.fromkeys(catboost.KINDS, lambda stored, _size, _hint: catboost.read_catboost_object(stored)),
    **dict.fromkeys(lightgbm.KINDS, lambda stored, _size, hint: lightgbm.read_stored(stored, version=hint.version)),
}
"""What reads an object of which class."""
