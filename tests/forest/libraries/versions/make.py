"""Boosted and isolation trees of one version of scikit-learn, each with that version's own answers.

Run it under the version that it is to be, once for each, away from this project's environment:

    python -m venv old && old/bin/pip install scikit-learn==1.3.2 "numpy<2" cloudpickle joblib skops
    old/bin/python tests/forest/libraries/versions/make.py tests/forest/libraries/versions

writes ``1.3.2.tar.xz``: of each model a file in one of the formats that models are kept in, ``NAME.FORMAT``, and
``NAME.npz`` with rows, and what ``predict`` and ``predict_proba`` say of them.
"""

import argparse
import io
import pickle
import sys
import tarfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import joblib
import numpy as np
import sklearn
import skops.io
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
)

VERSION = tuple(map(int, sklearn.__version__.split(".")[:2]))
ROWS = 60


def joblib_bytes(model: Any) -> bytes:  # noqa: ANN401
    """What joblib writes."""
    file = io.BytesIO()
    joblib.dump(model, file)
    return file.getvalue()


FORMATS: dict[str, Callable[[Any], bytes]] = {
    "pkl": pickle.dumps,
    "pkl2": lambda model: pickle.dumps(model, 2),
    "pkl5": lambda model: pickle.dumps(model, 5),
    "cloudpickle": cloudpickle.dumps,
    "joblib": joblib_bytes,
    "skops": lambda model: bytes(skops.io.dumps(model)),
}


def models(seed: int) -> Iterator[tuple[str, Any, np.ndarray]]:
    """Models of every kind, and rows to ask them."""
    draw = np.random.RandomState(seed)
    table = draw.normal(size=(ROWS, 4)).round(1)
    single = table.astype(np.float32)
    few, many = draw.randint(3, size=ROWS), draw.randint(12, size=ROWS)
    rare, even = np.arange(ROWS) % 5 == 0, table[:, 0] + draw.normal(size=ROWS) > 0.2
    words = np.array(["oak", "fir", "ash"])
    small: dict[str, Any] = {"n_estimators": 3, "max_depth": 2, "random_state": seed}
    yield "binary", GradientBoostingClassifier(**small).fit(table, rare), single
    yield "middle", GradientBoostingClassifier(**small).fit(table, even), single
    yield "exponential", GradientBoostingClassifier(**small, loss="exponential").fit(table, rare), single
    yield "words", GradientBoostingClassifier(**small).fit(table, words[few]), single
    yield "zero", GradientBoostingClassifier(**small, init="zero").fit(table, words.astype(object)[few]), single
    for loss in ("squared_error", "absolute_error", "huber", "quantile"):
        yield f"boosted-{loss}", GradientBoostingRegressor(**small, loss=loss).fit(table, table[:, 0] * 3), single
    holed = table.copy()
    holed[draw.uniform(size=table.shape) < 0.2] = np.nan
    brief: dict[str, Any] = {"max_iter": 3, "max_leaf_nodes": 4, "min_samples_leaf": 5, "random_state": seed}
    yield "hist-binary", HistGradientBoostingClassifier(**brief).fit(holed, even), holed
    stopping = HistGradientBoostingClassifier(**brief, early_stopping=True)
    yield "hist-many", stopping.fit(np.vstack([holed, holed]), np.append(many, many)), holed
    for loss in ("squared_error", "absolute_error", "poisson", "gamma", "quantile"):
        regressor = HistGradientBoostingRegressor(**brief, loss=loss, quantile=0.3)
        yield f"hist-{loss}", regressor.fit(holed, np.exp(table[:, 0])), holed
    coded = table.copy()
    coded[:, 2] = draw.randint(6, size=ROWS)
    asked = coded.copy()
    asked[::3, 2] += 0.5
    asked[::7, 2] = 300
    asked[::8, 2] = -1
    yield "hist-categories", HistGradientBoostingClassifier(**brief, categorical_features=[2]).fit(coded, few), asked
    yield "isolation", IsolationForest(n_estimators=3, random_state=seed).fit(table), single
    drawn = IsolationForest(n_estimators=3, random_state=seed, max_features=2, contamination=0.1, max_samples=30)
    yield "isolation-drawn", drawn.fit(table), single
    if VERSION >= (1, 6):
        yield "isolation-missing", IsolationForest(n_estimators=3, random_state=seed).fit(holed), holed.astype("f4")


def members(seed: int) -> Iterator[tuple[str, bytes]]:
    """The files of the archive."""
    for place, (name, model, rows) in enumerate(models(seed)):
        format_ = list(FORMATS)[(place + VERSION[1]) % len(FORMATS)]
        yield f"{name}.{format_}", FORMATS[format_](model)
        labels = model.predict(rows)
        said = {"labels": labels if labels.dtype.kind == "f" else labels.astype(str)}
        if hasattr(model, "predict_proba"):
            said["probabilities"] = model.predict_proba(rows)
        answers = io.BytesIO()
        np.savez_compressed(answers, rows=rows, **said)
        yield f"{name}.npz", answers.getvalue()


def main() -> int:
    """Write the archive of this version."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    with tarfile.open(given.folder / f"{sklearn.__version__}.tar.xz", "w:xz", preset=9) as archive:
        for name, content in members(given.seed):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return 0


if __name__ == "__main__":
    sys.exit(main())
