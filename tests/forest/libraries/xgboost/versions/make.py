"""Models of one version of XGBoost, and what that version answers: ``python make.py FOLDER``, by a Python that has it.

The archive is called ``VERSION.npz`` and has three arrays for each case: the file, the answers and the probabilities;
and ``rows``, that were asked.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import xgboost

COMMON: dict[str, Any] = {"n_estimators": 6, "max_depth": 3, "n_jobs": 1, "learning_rate": 0.7}
"""Parameters of all estimators."""


def cases(values: Any) -> dict[str, tuple[Any, Any]]:  # noqa: ANN401
    """Name → an estimator, and what it is to learn of positive values."""
    classifier, regressor = xgboost.XGBClassifier, xgboost.XGBRegressor
    three = np.floor(values * 2).astype(int) % 3
    found = {
        "binary": (classifier(**COMMON), (values > 1).astype(int)),
        "binary with an intercept": (classifier(base_score=0.91275555, **COMMON), (values > 1).astype(int)),
        "three": (classifier(**COMMON), three),
        "three by softmax": (classifier(objective="multi:softmax", **COMMON), three),
        "dart": (regressor(booster="dart", rate_drop=0.5, base_score=1.7, **COMMON), values),
        "gamma": (regressor(objective="reg:gamma", base_score=1.3040001e5, **COMMON), values),
        "squares": (regressor(base_score=-126.542145, **COMMON), values),
        "forest": (xgboost.XGBRFRegressor(**{**COMMON, "learning_rate": 1.0}), values),
    }
    if xgboost.__version__ >= "2":
        found["vectors"] = (classifier(multi_strategy="multi_output_tree", tree_method="hist", **COMMON), three)
    return found


def main(folder: str) -> None:
    """Write the archive."""
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(400, 5)).astype(np.float32)
    rows[draw.random(rows.shape) < 0.2] = np.nan
    values = np.abs(np.nan_to_num(rows).sum(axis=1)) + 0.1
    arrays: dict[str, Any] = {"rows": rows}
    for name, (estimator, target) in cases(values).items():
        kind = type(estimator).__name__
        # scikit-learn gives no longer what old versions ask for.
        type(estimator)._estimator_type = "classifier" if "Classifier" in kind else "regressor"
        estimator.fit(rows, target)
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "model.ubj"
            estimator.save_model(path)
            content = path.read_bytes()
        loaded = type(estimator)(n_jobs=1)
        if "Classifier" not in kind:
            loaded.load_model(bytearray(content))
        else:
            # What ``load_model`` would set, but for a question to scikit-learn that old versions put in vain.
            loaded._Booster = xgboost.Booster({"nthread": 1}, model_file=bytearray(content))
            loaded.n_classes_, loaded.objective = estimator.n_classes_, estimator.objective
        arrays[f"{kind}: {name}: file"] = np.frombuffer(content, dtype=np.uint8)
        arrays[f"{kind}: {name}: answers"] = loaded.predict(rows)
        arrays[f"{kind}: {name}: probabilities"] = loaded.predict_proba(rows) if "Classifier" in kind else np.zeros(0)
    np.savez_compressed(Path(folder) / f"{xgboost.__version__}.npz", **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
