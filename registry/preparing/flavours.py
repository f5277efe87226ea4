"""What an MLmodel file says of how a model is loaded and asked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from forest import Hint, UnsupportedModel, is_installed
from forest.files.folder import hint_of

_LIBRARIES: Final = {
    "sklearn": ("mlflow.sklearn", "pickled_model", "model_path"),
    "xgboost": ("mlflow.xgboost", "data", "data"),
    "lightgbm": ("mlflow.lightgbm", "data", "data"),
    "catboost": ("mlflow.catboost", "data", "data"),
}
"""Flavours that can be compiled → what loads them for MLflow's pyfunc, and which of their words, and of its own, are
the model's file."""


class Flavours:
    """The flavours of a downloaded model.

    Args:
        folder: the model's.
        flavours: as MLflow reads them.
    """

    def __init__(self, folder: Path, flavours: Mapping[str, Mapping[str, Any]]) -> None:
        self._folder = folder
        self._flavours = flavours

    @property
    def other_version(self) -> str | None:
        """The version of scikit-learn that made the model, if that minor version is not the installed one."""
        version = self._flavours.get("sklearn", {}).get("sklearn_version")
        return None if version is None or is_installed(str(version)) else str(version)

    @property
    def code(self) -> bool:
        """Whether the model brings code of its own."""
        return any(flavour.get("code") for flavour in self._flavours.values())

    @property
    def is_scikit_learn(self) -> bool:
        """Whether MLflow answers with an estimator that scikit-learn's flavour stores."""
        return self._library() == "sklearn"

    @property
    def hint(self) -> Hint:
        """What the flavour says of the model beside its file."""
        return hint_of(self._flavours.get(self._library(), {}))

    def estimator_file(self) -> Path:
        """The file of the model whose ``predict`` is what MLflow answers with.

        Raises:
            UnsupportedModel: MLflow answers with something else.
        """
        library = self._library()
        _, word, asked_word = _LIBRARIES[library]
        file = self._flavours[library].get(word)
        if not isinstance(file, str):
            raise UnsupportedModel(f"the model's {library} flavour names no file")
        if (form := self._flavours[library].get("save_format", "cbm")) != "cbm":
            raise UnsupportedModel(f"the model's file is in CatBoost's format {form!a}: log it as 'cbm', the default")
        if (asked := self._flavours.get("python_function")) is not None:
            if (path := asked.get(asked_word, file)) != file:
                raise UnsupportedModel(f"MLflow answers with {path}, not with {file} of the model's {library} flavour")
            self.check_answer()
        return self._folder / file

    def _library(self) -> str:
        """The flavour that MLflow's pyfunc answers with; of a model without pyfunc, the first that can be compiled.

        Raises:
            UnsupportedModel: it can be compiled from none.
        """
        known = [name for name in _LIBRARIES if name in self._flavours]
        if not known:
            raise UnsupportedModel(
                f"the model has no flavour of {', '.join(_LIBRARIES)}, only {', '.join(sorted(self._flavours))}"
            )
        if (asked := self._flavours.get("python_function")) is None:
            return known[0]
        loader = asked.get("loader_module")
        for name in known:
            if loader == _LIBRARIES[name][0]:
                return name
        raise UnsupportedModel(f"MLflow answers with what {loader} loads, not with the model's {known[0]} flavour")

    def check_answer(self) -> None:
        """Make sure that what MLflow answers with is labels.

        Raises:
            UnsupportedModel: it is not.
        """
        name = self._flavours.get("python_function", {}).get("predict_fn", "predict")
        if name != "predict":
            raise UnsupportedModel(
                f"MLflow answers with the model's {name}, and not with labels: log it with pyfunc_predict_fn='predict'"
            )
