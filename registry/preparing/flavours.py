"""What an MLmodel file says of how a model is loaded and asked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from forest import UnsupportedModel, is_installed

_LOADER: Final = "mlflow.sklearn"


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

    def estimator_file(self) -> Path:
        """The file of the estimator whose ``predict`` is what MLflow answers with.

        Raises:
            UnsupportedModel: MLflow answers with something else.
        """
        if "sklearn" not in self._flavours:
            raise UnsupportedModel(f"the model has no scikit-learn flavour, only {', '.join(sorted(self._flavours))}")
        file = self._flavours["sklearn"].get("pickled_model")
        if not isinstance(file, str):
            raise UnsupportedModel("the model's scikit-learn flavour names no file")
        asked = self._flavours.get("python_function")
        if asked is not None:
            if (loader := asked.get("loader_module")) != _LOADER:
                raise UnsupportedModel(
                    f"MLflow answers with what {loader} loads, not with the model's scikit-learn flavour"
                )
            if (path := asked.get("model_path", file)) != file:
                raise UnsupportedModel(
                    f"MLflow answers with {path}, not with {file} of the model's scikit-learn flavour"
                )
            self.check_answer()
        return self._folder / file

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
