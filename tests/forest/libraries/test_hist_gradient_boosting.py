"""HistGradientBoosting models of scikit-learn, read and held against themselves."""

import copy
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from forest.checks.reference import ReferenceEngine
from forest.engine import UnsupportedModel
from forest.libraries.scikit_learn.estimator import SklearnEngine, ensemble_of
from tests.conftest import examples
from tests.forest.libraries.asking import assert_answers, assert_equal, bits, rows_of, table

pytestmark = pytest.mark.filterwarnings("ignore")  # what scikit-learn says of odd training data

OPTIONS: dict[str, Any] = {
    "max_iter": st.sampled_from([1, 2, 6]),
    "max_leaf_nodes": st.sampled_from([2, 5, 31, None]),
    "min_samples_leaf": st.sampled_from([1, 5, 200]),
    "learning_rate": st.sampled_from([0.1, 1.0]),
    "max_bins": st.sampled_from([3, 20, 255]),
    "early_stopping": st.booleans(),
    "validation_fraction": st.just(0.3),
}


def holed(seen: np.ndarray, draw: np.random.Generator, share: float) -> np.ndarray:
    """The same with missing values and infinities."""
    seen = seen.copy()
    seen[draw.uniform(size=seen.shape) < share] = np.nan
    seen[draw.uniform(size=seen.shape) < share / 4] = np.inf
    return seen


def assert_answers_or_has_no_threshold(fitted: Any, seen: np.ndarray, draw: np.random.Generator) -> None:  # noqa: ANN401
    """Between infinities of the training data, scikit-learn's thresholds may be NaN: such a model is refused."""
    trees = [tree.nodes for iteration in fitted._predictors for tree in iteration]
    if any(np.isnan(nodes["num_threshold"][nodes["is_leaf"] == 0]).any() for nodes in trees):
        with pytest.raises(UnsupportedModel, match="is no number"):
            ensemble_of(fitted)
        return
    assert_answers(fitted, seen, draw, infinite=True)


@settings(max_examples=examples(15), deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    classes=st.sampled_from([2, 2, 3, 7, 8, 9, 30]),
    share=st.sampled_from([0.0, 0.2]),
    options=st.fixed_dictionaries(OPTIONS),
)
def test_a_classifier_gives_all_bits_of_its_probabilities_and_its_labels(
    seed: int, classes: int, share: float, options: dict[str, Any]
) -> None:
    """With missing values and infinities, in batches and one row alone."""
    draw = np.random.default_rng(seed)
    seen = holed(table(draw, 150, 4), draw, share)
    labels = np.append(np.arange(classes).repeat(4), draw.integers(classes, size=150 - 4 * classes))
    fitted = HistGradientBoostingClassifier(**options, random_state=0).fit(seen, labels)
    assert_answers_or_has_no_threshold(fitted, seen, draw)


@settings(max_examples=examples(15), deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    loss=st.sampled_from(["squared_error", "absolute_error", "poisson", "gamma", "quantile"]),
    share=st.sampled_from([0.0, 0.2]),
    options=st.fixed_dictionaries(OPTIONS),
)
def test_a_regressor_gives_all_bits_of_its_answers(seed: int, loss: str, share: float, options: dict[str, Any]) -> None:
    """Of whatever loss."""
    draw = np.random.default_rng(seed)
    seen = holed(table(draw, 150, 4), draw, share)
    fitted = HistGradientBoostingRegressor(**options, loss=loss, quantile=0.3, random_state=0)
    assert_answers_or_has_no_threshold(fitted.fit(seen, draw.gamma(1, size=150) + 0.01), seen, draw)


@settings(max_examples=examples(15), deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    counts=st.lists(st.sampled_from([1, 2, 5, 40, 250]), min_size=1, max_size=3),
    scale=st.sampled_from([1.0, 0.5, 7.0]),
    shift=st.sampled_from([0, -3, 300]),
    classes=st.sampled_from([2, 4]),
    options=st.fixed_dictionaries(OPTIONS),
)
def test_categories_known_unknown_negative_fractional_and_missing_go_where_they_went(
    seed: int, counts: list[int], scale: float, shift: int, classes: int, options: dict[str, Any]
) -> None:
    """Columns of categories stand anywhere among those of numbers."""
    draw = np.random.default_rng(seed)
    seen = table(draw, 300, 5)
    columns = draw.permutation(5)[: len(counts)].tolist()
    for column, count in zip(columns, counts, strict=True):
        seen[:, column] = (draw.integers(min(count, options["max_bins"] - 1), size=300) + shift) * scale
    seen = np.where(draw.uniform(size=seen.shape) < 0.05, np.nan, seen)
    labels = np.append(np.arange(classes).repeat(4), draw.integers(classes, size=300 - 4 * classes))
    options = {**options, "max_bins": max(options["max_bins"], 250)}
    fitted = HistGradientBoostingClassifier(**options, categorical_features=columns, random_state=0).fit(seen, labels)
    ensemble = ensemble_of(fitted)
    rows = rows_of(ensemble, seen, draw, infinite=True)
    for column in columns:
        strange = [-1.0, -0.5, -0.0, 0.25, 1.5, 255.0, 256.0, 300.0, 1e300, -1e300, np.nan, 5e-324]
        rows[::4, column] = draw.choice(strange, size=len(rows[::4]))
    assert_equal(ensemble, fitted, rows)
    assert SklearnEngine(copy.deepcopy(fitted)).predict(rows).labels.tolist() == fitted.predict(rows).tolist()


def test_categories_with_names_are_asked_by_their_codes() -> None:
    """The names come along, in the order of the codes."""
    draw = np.random.default_rng(1)
    codes = draw.integers(6, size=200)
    frame = pd.DataFrame({"size": draw.normal(size=200), "wood": pd.Categorical.from_codes(codes, list("zyxwvu"))})
    frame["year"] = pd.Categorical(draw.integers(3, 9, size=200) * 10)
    frame.loc[::17, "wood"] = np.nan
    fitted = HistGradientBoostingClassifier(categorical_features="from_dtype", max_iter=10, min_samples_leaf=5)
    fitted.fit(frame, codes % 3)
    ensemble = ensemble_of(fitted)
    assert ensemble.columns == ("size", "wood", "year")
    assert ensemble.categorical == {1: ("u", "v", "w", "x", "y", "z"), 2: ()}
    places = {name: place for place, name in enumerate(ensemble.categorical[1])}
    rows = np.stack([frame["size"], frame["wood"].astype(object).map(places), frame["year"].astype(float)], axis=1)
    expected = fitted.predict_proba(frame)
    rows = rows.astype(np.float64)
    for engine in (ReferenceEngine(ensemble), SklearnEngine(copy.deepcopy(fitted))):
        found = engine.predict(rows).probabilities
        assert found is not None
        np.testing.assert_array_equal(bits(found), bits(expected))


def test_a_sum_of_zero_is_the_first_class() -> None:
    """As ``> 0`` says."""
    constant = np.zeros((10, 1))
    fitted = HistGradientBoostingClassifier(max_iter=2).fit(constant, np.arange(10) % 2)
    assert fitted.decision_function(constant[:1]) == 0
    assert_equal(ensemble_of(fitted), fitted, constant)
    assert fitted.predict(constant[:1]) == 0


def test_a_model_that_was_stopped_by_a_score_is_read() -> None:
    """scikit-learn leaves a method of the model's own set on it then."""
    draw = np.random.default_rng(0)
    seen = draw.normal(size=(100, 2))
    fitted = HistGradientBoostingClassifier(early_stopping=True, scoring="accuracy", max_iter=5)
    fitted.fit(seen, seen[:, 0] > 0)
    assert "_raw_predict" in vars(fitted)
    assert_equal(ensemble_of(fitted), fitted, seen)


def test_one_class_is_refused() -> None:
    """Its probabilities are of two."""
    fitted = HistGradientBoostingClassifier(max_iter=1).fit(np.zeros((5, 1)), np.zeros(5))
    with pytest.raises(UnsupportedModel, match="one class"):
        ensemble_of(fitted)
