from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from dataset import Covertype
from preprocessing import covertype
from training.data import matrix
from training.forest import Recipe, Trained, frame, train

RECIPE = Recipe(trees=11, depth=9, seed=5)
"""Eleven trees are grown in three steps, the last one shorter."""


@pytest.fixture(scope="module")
def part(sample: Covertype) -> Covertype:
    """A tenth of the sample, with all classes in it."""
    return sample.take(np.arange(2000))


@pytest.fixture(scope="module")
def trained(part: Covertype) -> Trained:
    """A forest made by the recipe."""
    return train(part, RECIPE)


def halves(data: Covertype, recipe: Recipe) -> tuple[Covertype, Covertype]:
    """The rows that the recipe fits on and those that it holds out."""
    fitting, held_out = train_test_split(
        np.arange(len(data)), test_size=recipe.held_out, random_state=recipe.seed, stratify=data.labels
    )
    return data.take(fitting), data.take(held_out)


def features(data: Covertype) -> Any:  # noqa: ANN401 - pandas is untyped
    """What a forest is given for some rows."""
    return frame(matrix(data))


@pytest.mark.parametrize(
    "trees",
    [
        pytest.param(1, id="less-than-a-step"),
        pytest.param(4, id="one-step"),
        pytest.param(11, id="steps-and-a-rest"),
        pytest.param(110, id="longer-steps"),
    ],
)
def test_a_forest_grown_in_steps_is_the_one_fitted_at_once(part: Covertype, trees: int) -> None:
    """Growing the forest step by step gives, to the last bit, the forest that one fit with the same seed gives."""
    data = part.take(np.arange(700))
    recipe = Recipe(trees=trees, depth=6, seed=5)
    fitting, held_out = halves(data, recipe)
    at_once = RandomForestClassifier(trees, max_depth=6, random_state=5).fit(features(fitting), fitting.labels)
    grown = train(data, recipe).forest
    assert len(grown.estimators_) == trees
    assert grown.predict_proba(features(held_out)).tobytes() == at_once.predict_proba(features(held_out)).tobytes()


def test_training_is_deterministic(part: Covertype, trained: Trained) -> None:
    """The same data and recipe give the same probabilities, to the last bit, and the same scores."""
    again = train(part, RECIPE)
    assert again.metrics == trained.metrics
    first, second = (made.forest.predict_proba(features(part)) for made in (trained, again))
    assert first.tobytes() == second.tobytes()


@pytest.mark.parametrize(
    "recipe",
    [
        pytest.param(Recipe(trees=11, depth=9, seed=6), id="seed"),
        pytest.param(Recipe(trees=11, depth=8, seed=5), id="depth"),
        pytest.param(Recipe(trees=10, depth=9, seed=5), id="trees"),
        pytest.param(Recipe(trees=11, depth=9, seed=5, held_out=0.3), id="share-held-out"),
    ],
)
def test_everything_in_the_recipe_matters(part: Covertype, trained: Trained, recipe: Recipe) -> None:
    """Another seed, depth, number of trees or share of held-out rows gives another forest."""
    other = train(part, recipe).forest.predict_proba(features(part))
    assert not np.array_equal(other, trained.forest.predict_proba(features(part)))


def test_the_forest_obeys_the_recipe_and_knows_its_columns(trained: Trained) -> None:
    """The forest has as many trees as asked for, none too deep, all classes and the 54 column names."""
    forest = trained.forest
    assert len(forest.estimators_) == forest.n_estimators == RECIPE.trees
    assert max(tree.get_depth() for tree in forest.estimators_) == RECIPE.depth
    assert forest.classes_.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert forest.feature_names_in_.tolist() == list(covertype.COLUMNS)


def test_the_forest_is_left_as_an_ordinary_one(trained: Trained) -> None:
    """Of the way in which it was grown nothing remains: fitting it anew would start afresh, with default threads."""
    assert trained.forest.warm_start is False
    assert trained.forest.n_jobs is None


def test_the_scores_are_those_on_the_rows_held_out(part: Covertype, trained: Trained) -> None:
    """The scores are computed on a fifth of the rows, which the forest was not fitted on."""
    _, held_out = halves(part, RECIPE)
    probabilities = trained.forest.predict_proba(features(held_out))
    predicted = trained.forest.predict(features(held_out))
    right = predicted == held_out.labels
    assert trained.metrics["held_out_rows"] == len(held_out) == 400
    assert trained.metrics["accuracy"] == pytest.approx(right.mean())
    by_class = [right[held_out.labels == label].mean() for label in np.unique(held_out.labels)]
    assert trained.metrics["balanced_accuracy"] == pytest.approx(np.mean(by_class))
    true = np.clip(probabilities[np.arange(400), held_out.labels - 1], np.finfo(float).eps, 1)
    assert trained.metrics["log_loss"] == pytest.approx(-np.log(true).mean())
    f1 = [
        2 * (right & (predicted == label)).sum() / ((predicted == label).sum() + (held_out.labels == label).sum())
        for label in np.unique(held_out.labels)
    ]
    assert trained.metrics["f1_macro"] == pytest.approx(np.mean(f1))
    assert set(trained.metrics) == {"accuracy", "balanced_accuracy", "f1_macro", "log_loss", "held_out_rows"}


def test_a_class_with_a_single_row_is_refused(part: Covertype) -> None:
    """Data with a class of one row cannot be split and raise ValueError."""
    ones, fours = np.flatnonzero(part.labels == 1)[:30], np.flatnonzero(part.labels == 4)[:1]
    with pytest.raises(ValueError, match="class"):
        train(part.take(np.concatenate([ones, fours])), RECIPE)


def test_the_frame_takes_any_number(part: Covertype) -> None:
    """The frame has the schema's column names and float64 values, so that a signature inferred from it is double."""
    table = features(part)
    assert list(table.columns) == list(covertype.COLUMNS)
    assert set(table.dtypes) == {np.dtype(np.float64)}
    np.testing.assert_array_equal(table.to_numpy(), matrix(part))
