"""The folder of an MLflow model: which of its files has the model in it, and what its MLmodel file says beside.

Of a flavour's words, ``mlflow/sklearn/__init__.py`` writes ``pickled_model``, ``mlflow/xgboost/__init__.py`` writes
``data`` and ``model_class``, ``mlflow/lightgbm/__init__.py`` writes ``data`` and ``lgb_version``, and
``mlflow/catboost/__init__.py`` writes ``data``, ``model_type`` and ``save_format``.
"""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from forest.engine import UnsupportedModel
from forest.files.reading import Hint

_FILES: Final = {"sklearn": "pickled_model", "xgboost": "data", "lightgbm": "data", "catboost": "data"}
"""The flavours that can be compiled, and which word of each names the model's file."""

_USUAL: Final = ("model.skops", "model.pkl")
"""What the file of scikit-learn's flavour is called, where no MLmodel file says it."""


def model_in(folder: Path) -> tuple[Path, Hint]:
    """The model's file in a folder, and what is known of it beside.

    Raises:
        FileNotFoundError: there is none.
        UnsupportedModel: the MLmodel file is damaged, or has no flavour that can be compiled.
    """
    flavours = _flavours(folder / "MLmodel")
    if not flavours:
        return first_of([folder / name for name in _USUAL]), Hint()
    name = _flavour(folder, flavours)
    told = flavours[name]
    if not isinstance(told, dict) or not isinstance(file := told.get(_FILES[name]), str):
        raise UnsupportedModel(f"{folder}: its {name} flavour names no file")
    if (form := told.get("save_format", "cbm")) != "cbm":
        raise UnsupportedModel(
            f"{folder}: its file is in CatBoost's format {str(form)[:40]!a}: log it as 'cbm', the default"
        )
    path = folder / file
    if not path.resolve().is_relative_to(folder.resolve()):
        raise UnsupportedModel(f"{folder}: its {name} flavour names a file outside of it")
    return first_of([path]), hint_of(told)


def first_of(candidates: list[Path]) -> Path:
    """The first of some files that is there.

    Raises:
        FileNotFoundError: none is.
    """
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise FileNotFoundError(f"there is no {' or '.join(map(str, candidates))}")


def _flavours(file: Path) -> Mapping[Any, Any]:
    """What an MLmodel file has under ``flavors``; nothing if there is no such file, or nothing that reads YAML."""
    try:
        # MLflow brings it. Without it there is only the usual name of a file to go by.
        yaml = importlib.import_module("yaml")
        content = yaml.safe_load(file.read_bytes())
    except (ImportError, FileNotFoundError):
        return {}
    except (ValueError, RecursionError, yaml.YAMLError):
        raise UnsupportedModel(f"{file}: is damaged or no YAML") from None
    flavours = content.get("flavors") if isinstance(content, dict) else None
    if not isinstance(flavours, dict):
        raise UnsupportedModel(f"{file}: has no flavors in it")
    return flavours


def _flavour(folder: Path, flavours: Mapping[Any, Any]) -> str:
    """The flavour that MLflow answers with, if it can be compiled; else the first that can."""
    asked = flavours.get("python_function")
    loader = str(asked.get("loader_module")) if isinstance(asked, dict) else ""
    known = [name for name in _FILES if name in flavours]
    for name in sorted(known, key=lambda each: loader != f"mlflow.{each}"):
        return name
    raise UnsupportedModel(
        f"{folder}: has no flavour of {', '.join(_FILES)}, only {', '.join(sorted(map(str, flavours)))[:200]}"
    )


def hint_of(told: Mapping[Any, Any]) -> Hint:
    """What a flavour says of the model beside its file."""
    class_, version = told.get("model_class", told.get("model_type")), told.get("lgb_version")
    # A class of that name that is not XGBoost's own may answer otherwise: it keeps its whole name, which is refused.
    if not isinstance(class_, str) or "lgb_version" in told:
        class_ = None
    elif class_.startswith("xgboost."):
        class_ = class_.rpartition(".")[2]
    return Hint(class_, version if isinstance(version, str) else None)
