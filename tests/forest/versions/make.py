"""Forests of one version of scikit-learn, each with that version's own answers: what the tests beside this hold us to.

Run it under the version that it is to be, once for each, away from this project's environment:

    python -m venv /tmp/old && /tmp/old/bin/pip install scikit-learn==1.3.2 "numpy<2" cloudpickle joblib pandas skops
    /tmp/old/bin/python tests/forest/versions/make.py tests/forest/versions

writes ``1.3.2.tar.xz``: of each forest a file in one of the formats that forests are kept in, ``NAME.FORMAT``, and
``NAME.npz`` with rows, which stand on and beside its thresholds, and what ``predict`` and ``predict_proba`` say.
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
import pandas as pd
import sklearn
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

VERSION = tuple(map(int, sklearn.__version__.split(".")[:2]))
ROWS = 60
ASKED = 12


def joblib_bytes(forest: Any, **how: Any) -> bytes:  # noqa: ANN401
    """What joblib writes."""
    file = io.BytesIO()
    joblib.dump(forest, file, **how)
    return file.getvalue()


def skops_bytes(forest: Any) -> bytes:  # noqa: ANN401
    """What skops writes."""
    import skops.io

    return bytes(skops.io.dumps(forest))


FORMATS: dict[str, Callable[[Any], bytes]] = {
    "pkl": pickle.dumps,
    "pkl2": lambda forest: pickle.dumps(forest, 2),
    "pkl5": lambda forest: pickle.dumps(forest, 5),
    "cloudpickle": cloudpickle.dumps,
    "joblib": joblib_bytes,
    "gz": lambda forest: joblib_bytes(forest, compress=("gzip", 3)),
    "skops": skops_bytes,
}


def forests(seed: int) -> Iterator[tuple[str, Any, np.ndarray]]:
    """Forests of every kind, each with the format to write it in before its name, and what it was fitted on."""
    draw = np.random.RandomState(seed)
    table = np.round(draw.normal(size=(ROWS, 5)), 1).astype(np.float32)
    codes = np.digitize(table.sum(axis=1) + draw.normal(size=ROWS), [-2, 0, 2])
    many = draw.randint(12, size=ROWS)
    weights = draw.choice([0.0, 0.1, 0.7, 1.3, 1 / 3], size=ROWS)
    small: dict[str, Any] = {"n_estimators": 2, "max_depth": 3, "random_state": seed}
    frame = pd.DataFrame(table, columns=["a", "b", "Größe", "d e", "f"])
    state = {**small, "random_state": np.random.RandomState(seed)}
    words = np.array(["oak", "fir", "ash", "elm"])

    yield "pkl/plain", RandomForestClassifier(**small).fit(table, codes), table
    # More classes than one loop of a sum takes, and counts that are no whole numbers.
    uneven = RandomForestClassifier(**small, class_weight={code: 0.1 + code / 7 for code in range(12)})
    yield "pkl5/weighted", uneven.fit(table, many, sample_weight=weights), table
    balanced = RandomForestClassifier(**state, class_weight="balanced_subsample", max_features=None)
    yield "gz/balanced", balanced.fit(table, words[codes]), table
    yield "cloudpickle/named", ExtraTreesClassifier(**small).fit(frame, words.astype(object)[codes]), table
    leafy = ExtraTreesClassifier(**{**small, "max_depth": None}, max_leaf_nodes=6, criterion="entropy", bootstrap=True)
    yield "joblib/leafy", leafy.fit(frame, codes > 1), table
    yield "pkl2/one-class", RandomForestClassifier(**small).fit(table, np.full(ROWS, 3, dtype=np.uint8)), table
    yield "skops/skops", RandomForestClassifier(**small, class_weight="balanced").fit(frame, codes - 1.0), table
    if VERSION >= (1, 4):
        monotonic = RandomForestClassifier(**small, monotonic_cst=[1, -1, 0, 0, 0])
        yield "pkl/monotonic", monotonic.fit(table, (codes > 1).astype(int)), table
        holed = table.copy()
        holed[draw.uniform(size=table.shape) < 0.2] = np.nan
        yield "pkl/missing", RandomForestClassifier(**{**small, "max_depth": 6}).fit(holed, codes), table


def asked(forest: Any, table: np.ndarray, seed: int) -> np.ndarray:  # noqa: ANN401
    """Rows of the table, some of whose values stand on a threshold of the forest, or one float32 beside it."""
    draw = np.random.RandomState(seed)
    rows = table[draw.randint(len(table), size=ASKED)].copy()
    trees = [each.tree_ for each in forest.estimators_]
    known = [
        (int(tree.feature[node]), tree.threshold[node]) for tree in trees for node in np.flatnonzero(tree.feature >= 0)
    ]
    for row in rows:
        for _ in range(3 if known else 0):
            feature, threshold = known[draw.randint(len(known))]
            toward = np.float32(draw.choice([-np.inf, threshold, np.inf]))
            row[feature] = np.nextafter(np.float32(threshold), toward)
    greatest = np.finfo(np.float32).max
    return np.asarray(np.clip(rows, -greatest, greatest))


def members(seed: int) -> Iterator[tuple[str, bytes]]:
    """The files of the archive."""
    for title, forest, table in forests(seed):
        format_, name = title.split("/")
        yield f"{name}.{format_}", FORMATS[format_](forest)
        rows = asked(forest, table, seed)
        answers = io.BytesIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "X does not have valid feature names")
            labels = forest.predict(rows)
            probabilities = forest.predict_proba(rows)
        np.savez(answers, rows=rows, labels=labels.astype(str), probabilities=probabilities)
        yield f"{name}.npz", answers.getvalue()


def main() -> int:
    """Write the archive of this version."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tarfile.open(given.folder / f"{sklearn.__version__}.tar.xz", "w:xz", preset=9) as archive:
        for name, content in members(given.seed):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return 0


if __name__ == "__main__":
    sys.exit(main())
