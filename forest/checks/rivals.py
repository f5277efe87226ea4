"""Other runtimes for tree ensembles, to time beside: each is asked only where it is installed, and on one thread."""

import importlib
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forest.checks.bench import Asked, Called
from forest.engine import UnsupportedModel
from forest.ensemble import Ensemble


def rivals(
    names: Sequence[str],
    model: Any,  # noqa: ANN401
    ensemble: Ensemble,
    tell: Callable[[str], object],
) -> dict[str, Asked]:
    """A model as other runtimes answer for it, those that are installed and take it.

    Args:
        names: of ``RIVALS``.
        model: the library's own.
        ensemble: the same, as it was read.
        tell: told why one is left out.
    """
    found = {}
    for name in names:
        try:
            found[name] = rival(name, model, ensemble)
        except (ImportError, UnsupportedModel) as error:
            tell(str(error))
    return found


def rival(name: str, model: Any, ensemble: Ensemble) -> Asked:  # noqa: ANN401
    """A model as another runtime answers for it.

    Args:
        name: of ``RIVALS``.
        model: the library's own.
        ensemble: the same, as it was read.

    Raises:
        ImportError: the runtime, or what makes its models, is not installed.
        UnsupportedModel: it does not take the model.
    """
    try:
        asked = Called(RIVALS[name](model, ensemble))
        # What it only finds out when it is asked is found out here.
        asked.predict(np.zeros((1, ensemble.width), dtype=ensemble.dtype))
    except ImportError as error:
        raise ImportError(f"{name} is not installed: {error}") from None
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise UnsupportedModel(f"{name} does not take the model: {reason}") from error
    return asked


def _onnxruntime(model: Any, ensemble: Ensemble) -> Callable[[NDArray[Any]], object]:  # noqa: ANN401
    runtime = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # Errors only: its converters' models make it warn.
    options.log_severity_level = 3
    content = _onnx(model, ensemble).SerializeToString()
    session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    return lambda matrix: session.run(None, {given.name: matrix.astype(np.float32, copy=False)})


def _onnx(model: Any, ensemble: Ensemble) -> Any:  # noqa: ANN401 - the converters are untyped
    """The model in ONNX, which answers for float32 rows."""
    tools = importlib.import_module("onnxmltools" if ensemble.library != "scikit-learn" else "skl2onnx")
    if ensemble.library == "scikit-learn":
        options = {"zipmap": False} if hasattr(model, "predict_proba") else None
        rows = np.zeros((1, ensemble.width), dtype=np.float32)
        return tools.to_onnx(model, rows, options=options, target_opset=_OPSETS)
    types = importlib.import_module("onnxmltools.convert.common.data_types")
    shape = [("rows", types.FloatTensorType([None, ensemble.width]))]
    if ensemble.library == "xgboost":
        return tools.convert_xgboost(model, initial_types=shape)
    return tools.convert_lightgbm(model, initial_types=shape, zipmap=False)


_OPSETS: Final = {"": 18, "ai.onnx.ml": 3}
"""The versions of ONNX's operators to use: of the newest, skl2onnx takes no isolation forest."""


def _treelite(model: Any, ensemble: Ensemble) -> Callable[[NDArray[Any]], object]:  # noqa: ANN401
    treelite = importlib.import_module("treelite")
    walk = importlib.import_module("treelite.gtil").predict
    taken = _TREELITE[ensemble.library](treelite, model)
    return lambda matrix: walk(taken, matrix, nthread=1)


_TREELITE: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "scikit-learn": lambda treelite, model: treelite.sklearn.import_model(model),
    "xgboost": lambda treelite, model: treelite.frontend.from_xgboost(
        model.get_booster() if hasattr(model, "get_booster") else model
    ),
    "lightgbm": lambda treelite, model: treelite.frontend.from_lightgbm(getattr(model, "booster_", model)),
}
"""What takes which library's model to treelite."""


def _lleaves(model: Any, ensemble: Ensemble) -> Callable[[NDArray[Any]], object]:  # noqa: ANN401
    lleaves = importlib.import_module("lleaves")
    if ensemble.library != "lightgbm":
        raise ValueError("it is LightGBM's models only that it compiles")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model.txt")
        getattr(model, "booster_", model).save_model(file)
        taken = lleaves.Model(model_file=file)
        taken.compile()
    return lambda matrix: taken.predict(matrix, n_jobs=1)


RIVALS: Final[dict[str, Callable[[Any, Ensemble], Callable[[NDArray[Any]], object]]]] = {
    "onnxruntime": _onnxruntime,
    "treelite": _treelite,
    "lleaves": _lleaves,
}
"""Runtimes: ONNX Runtime by skl2onnx or onnxmltools, treelite's GTIL, and lleaves, which compiles LightGBM's."""
