"""Models of one version of CatBoost, each with that version's own answers.

Run it under the version that it is to be, once for each, away from this project's environment:

    python -m venv old && old/bin/pip install catboost==1.2.3 "numpy<2"
    old/bin/python tests/forest/libraries/catboost/versions/make.py tests/forest/libraries/catboost/versions

writes ``1.2.3.tar.xz``: of each model ``CLASS NAME.cbm`` and ``CLASS NAME.npz`` with rows, and what ``predict`` and
``predict_proba`` of a CLASS that has loaded the file say of them.
"""

import io
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import catboost
import numpy as np

SMALL: dict[str, Any] = {"iterations": 12, "depth": 4, "verbose": 0, "random_seed": 1, "allow_writing_files": False}
ROWS = 150


def models(draw: np.random.Generator) -> Iterator[tuple[str, Any, np.ndarray]]:
    """Models of every kind, and rows to ask them."""
    rows = draw.normal(size=(ROWS, 4)).round(1)
    rows[draw.random(rows.shape) < 0.1] = np.nan
    number = np.nan_to_num(rows) @ [2, 1, 0.5, 0] + draw.normal(size=ROWS) / 4
    for policy in ("SymmetricTree", "Depthwise", "Lossguide"):
        for mode in ("Min", "Max"):
            name = f"{policy} {mode}"
            yield name, catboost.CatBoostRegressor(grow_policy=policy, nan_mode=mode, **SMALL).fit(rows, number), rows
    scaled = catboost.CatBoostRegressor(**SMALL).fit(rows, number)
    scaled.set_scale_and_bias(-0.3, 0.7)
    yield "scaled", scaled, rows
    deep = {**SMALL, "iterations": 2, "depth": 9}
    yield "deep", catboost.CatBoostRegressor(**deep).fit(rows, number), rows
    count = np.floor(np.exp(number / 3))
    yield "Poisson", catboost.CatBoostRegressor(loss_function="Poisson", **SMALL).fit(rows, count), rows
    yield "Poisson", catboost.CatBoost({**SMALL, "loss_function": "Poisson"}).fit(rows, count), rows
    two = catboost.CatBoostClassifier(**SMALL).fit(rows, np.where(number > 0, "yes", "no"))
    yield "words", two, rows
    threshold = catboost.CatBoostClassifier(**SMALL).fit(rows, number > 0)
    threshold.set_probability_threshold(0.3)
    yield "threshold", threshold, rows
    for classes in (3, 6):
        labels = np.clip(np.floor(number + classes / 2), 0, classes - 1).astype(int)
        for loss in ("MultiClass", "MultiClassOneVsAll"):
            made = catboost.CatBoostClassifier(loss_function=loss, **SMALL)
            yield f"{loss} {classes}", made.fit(rows, labels), rows
    groups = np.arange(ROWS) // 10
    yield "ranks", catboost.CatBoostRanker(**SMALL).fit(rows, np.clip(number, 0, 3).round(), group_id=groups), rows


def files(model: Any, rows: np.ndarray) -> Iterator[tuple[str, bytes]]:  # noqa: ANN401
    """What is kept of a model, by the ends of the files' names."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.cbm")
        model.save_model(str(path))
        loaded = type(model)().load_model(str(path))
        yield "cbm", path.read_bytes()
    kept = io.BytesIO()
    more = {"probabilities": loaded.predict_proba(rows)} if hasattr(loaded, "predict_proba") else {}
    answers = np.asarray(loaded.predict(rows)).reshape(-1)
    answers = answers.astype(str) if answers.dtype == object else answers
    np.savez_compressed(kept, rows=rows, answers=answers, **more)
    yield "npz", kept.getvalue()


def main(folder: Path) -> None:
    """Write the archive of this version."""
    with tarfile.open(folder / f"{catboost.__version__}.tar.xz", "w:xz") as archive:
        for name, model, rows in models(np.random.default_rng(0)):
            for end, content in files(model, rows):
                entry = tarfile.TarInfo(f"{type(model).__name__} {name}.{end}")
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
