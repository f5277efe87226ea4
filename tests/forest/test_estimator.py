"""scikit-learn's engine, and what both engines refuse."""

import copy
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dataset import Covertype
from forest import SklearnEngine, UnsupportedModel, compile_forest, why_no_forest
from tests.forest.forests import assert_same


@pytest.mark.parametrize("rows", [1, 2, 500])
def test_predictions_equal_scikit_learns_to_the_last_bit(forest: Any, matrix: NDArray[np.float32], rows: int) -> None:  # noqa: ANN401
    """Labels and probabilities are those of the estimator itself, on rows that it has not seen."""
    held_out = matrix[-rows:]
    assert_same(SklearnEngine(copy.deepcopy(forest)).predict(held_out), forest, held_out)


def test_a_column_order_is_applied(forest: Any, matrix: NDArray[np.float32], sample: Covertype) -> None:  # noqa: ANN401
    """A model whose columns are permuted sees its own columns."""
    order = np.random.default_rng(0).permutation(matrix.shape[1])
    permuted = copy.deepcopy(forest).fit(matrix[:2000][:, order], sample.labels[:2000])
    assert_same(SklearnEngine(permuted, order).predict(matrix[-100:]), permuted, matrix[-100:][:, order])


def test_string_classes_are_kept(matrix: NDArray[np.float32], sample: Covertype) -> None:
    """Labels come out as the model's own classes, whatever their type."""
    from sklearn.ensemble import ExtraTreesClassifier

    names = np.array([f"cover {label}" for label in sample.labels[:500]])
    engine = SklearnEngine(ExtraTreesClassifier(5, random_state=0).fit(matrix[:500], names))
    assert engine.classes is not None
    assert engine.classes.tolist() == sorted(set(names))
    assert set(engine.predict(matrix[:100]).labels) <= set(names)


def test_names_and_parallel_jobs_are_dropped(matrix: NDArray[np.float32], sample: Covertype) -> None:
    """A forest fitted on a named frame with all cores predicts on bare arrays, on one thread, without a warning."""
    import pandas as pd
    from sklearn.ensemble import RandomForestClassifier

    frame = pd.DataFrame(matrix[:200], columns=[str(index) for index in range(54)])
    fitted = RandomForestClassifier(3, n_jobs=-1, random_state=0).fit(frame, sample.labels[:200])
    SklearnEngine(fitted).predict(matrix[:5])
    assert fitted.n_jobs == 1


def unsupported() -> list[Any]:
    """Estimators that are no fitted forest with one output, each with the reason."""
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
    from sklearn.linear_model import LogisticRegression
    from sklearn.tree import DecisionTreeClassifier

    rows = np.arange(20.0).reshape(10, 2)
    two = RandomForestClassifier(2).fit(rows, np.tile([[0, 1], [1, 0]], (5, 1)))
    return [
        pytest.param(LogisticRegression(), "LogisticRegression is no", id="other-classifier"),
        pytest.param(GradientBoostingClassifier(), "GradientBoostingClassifier is no", id="other-ensemble"),
        pytest.param(DecisionTreeClassifier(), "DecisionTreeClassifier is no", id="single-tree"),
        pytest.param(RandomForestRegressor(), "RandomForestRegressor is no", id="regressor"),
        pytest.param(RandomForestClassifier, "ABCMeta is no", id="class"),
        pytest.param(None, "NoneType is no", id="nothing"),
        pytest.param(RandomForestClassifier(), "not fitted", id="unfitted"),
        pytest.param(two, "2 outputs", id="two-outputs"),
    ]


@pytest.mark.parametrize("make", [SklearnEngine, compile_forest])
@pytest.mark.parametrize(("estimator", "reason"), unsupported())
def test_what_is_no_forest_is_refused_with_the_reason(make: Any, estimator: Any, reason: str) -> None:  # noqa: ANN401
    """The message says what the model is instead."""
    with pytest.raises(UnsupportedModel, match=reason):
        make(estimator)


def test_a_forest_has_nothing_against_it(forest: Any) -> None:  # noqa: ANN401
    """No reason is given for a forest."""
    assert why_no_forest(forest) is None
