"""Fitting and evaluating the RandomForest."""

import pickle
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, log_loss
from sklearn.model_selection import train_test_split
from tqdm import tqdm

from dataset import Covertype
from preprocessing import covertype
from training.data import matrix


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train; with the data, it decides the forest to the last bit (for one version of scikit-learn).

    Attributes:
        trees: number of trees.
        depth: greatest depth of a tree.
        seed: of the split and of the forest.
        held_out: share of the rows that is kept for evaluation, each class by its share.
    """

    trees: int = 100
    depth: int = 20
    seed: int = 42
    held_out: float = 0.2


@dataclass(frozen=True, slots=True)
class Trained:
    """A fitted forest, the rows that it was fitted on, those held out from it and what it scored on these."""

    forest: RandomForestClassifier
    fitted: Covertype
    held_out: Covertype
    metrics: dict[str, float]


def frame(data: NDArray[np.float32]) -> pd.DataFrame:
    """The matrix with its 54 column names; float64, so that a signature inferred from it takes any number."""
    return pd.DataFrame(data.astype(np.float64), columns=list(covertype.COLUMNS))


def train(data: Covertype, recipe: Recipe) -> Trained:
    """Fit a forest on most of the data and evaluate it on the rest.

    Raises:
        ValueError: the data cannot be split, for a class has a single row.
    """
    fitting, rest = train_test_split(
        np.arange(len(data)), test_size=recipe.held_out, random_state=recipe.seed, stratify=data.labels
    )
    fitted, held_out = data.take(fitting), data.take(rest)
    forest = _fit(fitted, recipe)
    return Trained(forest, fitted, held_out, _evaluate(forest, held_out))


def scores(labels: NDArray[Any], predicted: NDArray[Any]) -> dict[str, float]:
    """How well (n,) predicted labels agree with the (n,) true ones, by each metric: 0 to 1, more is better."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that a class was predicted which a small sample has not
        return {
            "accuracy": float(accuracy_score(labels, predicted)),
            "balanced_accuracy": float(balanced_accuracy_score(labels, predicted)),
            "f1_macro": float(f1_score(labels, predicted, average="macro", zero_division=0)),
        }


def export(trained: Trained, folder: Path) -> None:
    """Write ``forest.pkl``, the forest, and ``rows.npy``, the (n, 54) matrix of its held-out rows in random order.

    Raises:
        OSError: they cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "forest.pkl").open("wb") as file:
        pickle.dump(trained.forest, file)
    np.save(folder / "rows.npy", matrix(trained.held_out))


def _fit(data: Covertype, recipe: Recipe) -> RandomForestClassifier:
    forest = RandomForestClassifier(
        max_depth=recipe.depth, random_state=recipe.seed, n_jobs=-1, warm_start=True, n_estimators=0
    )
    features = frame(matrix(data))
    # Growing the forest in steps (warm_start seeds each tree as one big fit would) lets the display move.
    with tqdm(total=recipe.trees, unit="tree", desc="training", mininterval=0.1 if sys.stderr.isatty() else 10) as bar:
        while forest.n_estimators < recipe.trees:
            step = min(_step(recipe.trees), recipe.trees - forest.n_estimators)
            forest.set_params(n_estimators=forest.n_estimators + step)
            forest.fit(features, data.labels)
            bar.update(step)
    forest.set_params(warm_start=False, n_jobs=None)
    return forest


def _step(trees: int) -> int:
    return max(4, trees // 20)


def _evaluate(forest: RandomForestClassifier, data: Covertype) -> dict[str, float]:
    probabilities = forest.predict_proba(frame(matrix(data)))
    predicted: Any = forest.classes_.take(probabilities.argmax(axis=1))
    return {
        **scores(data.labels, predicted),
        "log_loss": float(log_loss(data.labels, probabilities, labels=forest.classes_)),
        "held_out_rows": float(len(data)),
    }
