"""The scikit-learn that is installed, and models that another one made."""

import importlib.metadata
import importlib.util
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from forest.engine import UnsupportedModel
from forest.libraries.scikit_learn.forests import minor

_FOREIGN: Final = "Trying to unpickle estimator"
"""How scikit-learn's warning begins that an estimator was made by another version."""


class OtherVersion(UnsupportedModel):
    """A model was made by another minor version of scikit-learn than the one that is installed."""


def is_installed(version: str) -> bool:
    """Whether scikit-learn is installed, and of the same minor version."""
    try:
        return minor(version) == minor(importlib.metadata.version("scikit-learn"))
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return False


def can_be_asked(library: str, version: str) -> bool:
    """Whether a library is installed that answers as the one that fitted a model does.

    XGBoost, LightGBM and CatBoost read what earlier versions wrote, and their own answer then is what counts.
    """
    if library == "scikit-learn":
        return is_installed(version)
    return importlib.util.find_spec(library) is not None


def mismatch(version: str) -> str:
    """What is wrong with a model of a version that is not installed, and the remedy."""
    try:
        here = importlib.metadata.version("scikit-learn")
    except importlib.metadata.PackageNotFoundError:
        here = "none"
    return (
        f"it was made by scikit-learn {version[:40]} and {here} is installed, which may answer otherwise: fit and save "
        f"it by {here}, or install scikit-learn {version[:40]}"
    )


@contextmanager
def watched() -> Iterator[list[str]]:
    """Note which other minor versions of scikit-learn than the installed one made what is loaded meanwhile.

    Yields:
        The versions, filled at the end. Other warnings are given again then.
    """
    found: list[str] = []
    caught: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.filterwarnings("always", _FOREIGN)
            yield found
    finally:
        for each in caught:
            version = getattr(each.message, "original_sklearn_version", None)
            if version is None:
                warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
            elif not is_installed(str(version)):
                found.append(str(version))
