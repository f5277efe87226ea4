"""GradientBoosting models of scikit-learn, read and held against themselves."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor, RandomForestClassifier

from forest.engine import UnsupportedModel
from forest.libraries.scikit_learn.estimator import SklearnEngine, ensemble_of, why_no_forest
from tests.conftest import examples
from tests.forest.libraries.asking import assert_answers, assert_equal, table

pytestmark = pytest.mark.filterwarnings("ignore")  # what scikit-learn says of odd training data

OPTIONS: dict[str, Any] = {
    "n_estimators": st.sampled_from([1, 3, 12]),
    "max_depth": st.sampled_from([1, 2, 5, 30]),
    "learning_rate": st.sampled_from([0.1, 1.0, 1 / 3]),
    "subsample": st.sampled_from([1.0, 0.6]),
    "max_leaf_nodes": st.sampled_from([None, 5]),
    "n_iter_no_change": st.sampled_from([None, 2]),
    "init": st.sampled_from([None, "zero"]),
}


@settings(max_examples=examples(25), deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    classes=st.sampled_from([2, 2, 3, 7, 8, 9, 30]),
    exponential=st.booleans(),
    options=st.fixed_dictionaries(OPTIONS),
)
def test_a_classifier_gives_all_bits_of_its_probabilities_and_its_labels(
    seed: int, classes: int, exponential: bool, options: dict[str, Any]
) -> None:
    """Two classes or many, whatever it begins with."""
    draw = np.random.default_rng(seed)
    seen = table(draw, 120, 4)
    labels = np.append(np.arange(classes).repeat(2), draw.integers(classes, size=120 - 2 * classes))
    if classes > 9:  # a row of each could not be set aside
        options = {**options, "n_iter_no_change": None}
    loss = "exponential" if exponential and classes == 2 else "log_loss"
    fitted = GradientBoostingClassifier(**options, loss=loss, random_state=0).fit(seen, labels * 3 - 7)
    assert_answers(fitted, seen, draw, infinite=False)


@settings(max_examples=examples(25), deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    loss=st.sampled_from(["squared_error", "absolute_error", "huber", "quantile"]),
    options=st.fixed_dictionaries(OPTIONS),
)
def test_a_regressor_gives_all_bits_of_its_answers(seed: int, loss: str, options: dict[str, Any]) -> None:
    """Of whatever loss."""
    draw = np.random.default_rng(seed)
    seen = table(draw, 120, 4)
    fitted = GradientBoostingRegressor(**options, loss=loss, random_state=0).fit(seen, draw.normal(size=120) * 100)
    assert_answers(fitted, seen, draw, infinite=False)


@pytest.mark.parametrize("share", [0.01, 0.29, 0.31, 0.45, 0.5, 0.6, 0.64, 0.66, 0.99])
def test_the_first_sum_has_the_bits_of_scipys_logit(share: float) -> None:
    """Around one half, too, where scipy takes another formula."""
    labels = np.arange(700) < 700 * share
    fitted = GradientBoostingClassifier(n_estimators=1).fit(np.arange(700.0).reshape(-1, 1), labels)
    assert ensemble_of(fitted).base.tobytes() == fitted._raw_predict_init(np.zeros((1, 1))).tobytes()


def test_a_sum_of_zero_is_the_second_class() -> None:
    """As ``>= 0`` says, though both classes are as probable."""
    constant = np.zeros((10, 1))
    fitted = GradientBoostingClassifier(n_estimators=2, init="zero").fit(constant, np.arange(10) % 2)
    assert fitted.decision_function(constant[:1]) == 0
    assert_equal(ensemble_of(fitted), fitted, constant.astype(np.float32))
    assert fitted.predict(constant[:1]) == 1


@pytest.mark.parametrize(
    ("init", "reason"),
    [
        pytest.param(RandomForestClassifier(2), "begins with another model", id="forest"),
        pytest.param(DummyClassifier(strategy="stratified"), "the shares of the classes", id="random"),
    ],
)
def test_what_begins_with_another_model_is_refused(init: Any, reason: str) -> None:  # noqa: ANN401
    """For that one is not compiled."""
    rows = np.arange(20.0).reshape(10, 2)
    fitted = GradientBoostingClassifier(n_estimators=2, init=init).fit(rows, np.arange(10) % 2)
    with pytest.raises(UnsupportedModel, match=reason):
        ensemble_of(fitted)


def test_what_is_not_fitted_or_has_a_method_of_its_own_is_refused() -> None:
    """The reason is told."""
    assert why_no_forest(GradientBoostingRegressor()) == "the GradientBoostingRegressor is not fitted"
    fitted = GradientBoostingRegressor(n_estimators=1).fit(np.arange(10.0).reshape(-1, 1), np.arange(10.0))
    assert why_no_forest(fitted) is None
    fitted._raw_predict = lambda matrix: matrix
    assert why_no_forest(fitted) == "GradientBoostingRegressor has _raw_predict of its own"


def test_the_engine_asks_the_estimator_itself() -> None:
    """Its answers are the estimator's."""
    rows = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    fitted = GradientBoostingClassifier(n_estimators=3).fit(rows, np.arange(60) % 3)
    expected = fitted.predict_proba(rows)
    found = SklearnEngine(fitted).predict(rows).probabilities
    assert found is not None
    assert found.tobytes() == expected.tobytes()
