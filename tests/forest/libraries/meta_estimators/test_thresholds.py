"""scikit-learn's classifiers with a threshold, read and held against themselves."""

import inspect
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
import sklearn.metrics
import skops.io
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import fbeta_score, make_scorer
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV, TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from forest import CompiledEngine, SklearnEngine, UnsupportedModel, compare, compile_forest, ensemble_of, read_model
from forest.libraries.meta_estimators.thresholds import _POSITIVE
from tests.conftest import examples
from tests.forest.libraries.asking import assert_equal, rows_of, table

pytestmark = pytest.mark.filterwarnings("ignore")  # what scikit-learn says of odd training data

BASES: dict[str, Callable[[], Any]] = {
    "forest": lambda: RandomForestClassifier(4, max_depth=3, random_state=0),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=2, random_state=0),
    "histogram": lambda: HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=5, random_state=0),
    "calibrated": lambda: CalibratedClassifierCV(RandomForestClassifier(2, max_depth=3), cv=2),
}


@settings(max_examples=examples(8), deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    base=st.sampled_from(sorted(BASES)),
    method=st.sampled_from(["auto", "predict_proba", "decision_function"]),
    positive=st.sampled_from([None, 0, 1]),
    place=st.sampled_from(["auto", "own score", "beside it"]),
)
def test_a_threshold_tells_all_labels_as_scikit_learn_does(
    seed: int, base: str, method: str, positive: int | None, place: str
) -> None:
    """On a row's own score, too, and of either class."""
    draw = np.random.default_rng(seed)
    seen, labels = table(draw, 60, 3), np.arange(60) % 2
    fitted = BASES[base]().fit(seen, labels)
    if method == "decision_function" and not hasattr(fitted, method):
        method = "auto"
    scores = fitted.decision_function(seen) if method == "decision_function" else fitted.predict_proba(seen)[:, 1]
    own = float(draw.choice(scores)) if positive is None or positive else float(1 - draw.choice(scores))
    threshold = {"auto": "auto", "own score": own, "beside it": float(np.nextafter(own, np.inf))}[place]
    model = FixedThresholdClassifier(
        FrozenEstimator(fitted), threshold=threshold, pos_label=positive, response_method=method
    ).fit(seen, labels)
    ensemble = ensemble_of(model)
    rows = rows_of(ensemble, seen, draw)
    assert_equal(ensemble, model, rows)
    assert_equal(ensemble, model, seen.astype(ensemble.dtype))
    assert not compare(CompiledEngine(compile_forest(ensemble)), SklearnEngine(model), rows).different


def forest() -> RandomForestClassifier:
    """A small one, not fitted."""
    return RandomForestClassifier(3, max_depth=3, random_state=0)


CASES: dict[str, Callable[[], Any]] = {
    "fixed": lambda: FixedThresholdClassifier(forest(), threshold=0.3, pos_label="no"),
    "fixed around a pipeline": lambda: FixedThresholdClassifier(make_pipeline(StandardScaler(), forest())),
    "fixed behind a scaler": lambda: make_pipeline(StandardScaler(), FixedThresholdClassifier(forest(), threshold=0.7)),
    "fixed in a search": lambda: GridSearchCV(FixedThresholdClassifier(forest()), {"threshold": [0.2, 0.6]}, cv=2),
    "fixed around a threshold": lambda: FixedThresholdClassifier(FixedThresholdClassifier(forest(), threshold=0.9)),
    "tuned": lambda: TunedThresholdClassifierCV(forest(), cv=2, random_state=0),
    "tuned for the first class": lambda: TunedThresholdClassifierCV(
        forest(), cv=2, scoring=make_scorer(fbeta_score, beta=2, pos_label="no"), random_state=0
    ),
    "tuned behind a scaler": lambda: make_pipeline(StandardScaler(), TunedThresholdClassifierCV(forest(), cv=2)),
    "calibrated around a threshold": lambda: CalibratedClassifierCV(FixedThresholdClassifier(forest()), cv=2),
}


@pytest.mark.parametrize("name", CASES)
def test_a_threshold_is_read_live_and_from_files(name: str, tmp_path: Path) -> None:
    """In and around pipelines and searches; as pickle and skops."""
    seen = np.random.default_rng(3).normal(size=(90, 3))
    fitted = CASES[name]().fit(seen, np.where(seen[:, 0] > 0, "yes", "no"))
    (tmp_path / "pickle").write_bytes(pickle.dumps(fitted))
    skops.io.dump(fitted, tmp_path / "skops")
    for ensemble in (ensemble_of(fitted), read_model(tmp_path / "pickle"), read_model(tmp_path / "skops")):
        assert_equal(ensemble, fitted, rows_of(ensemble, seen, np.random.default_rng(0)))
    rows = rows_of(ensemble, seen, np.random.default_rng(1))
    assert not compare(CompiledEngine(compile_forest(ensemble)), SklearnEngine(fitted), rows).different


@pytest.mark.parametrize(("metric", "positive"), _POSITIVE.items())
def test_a_metric_takes_that_class_for_the_positive_one_which_scikit_learn_says(
    metric: str, positive: int | None
) -> None:
    """By its signature."""
    parameter = inspect.signature(getattr(sklearn.metrics, metric)).parameters.get("pos_label")
    assert (None if parameter is None else parameter.default) == positive


SEEN, LABELS = np.arange(40.0).reshape(-1, 1), np.arange(40) // 4 % 2


def fitted_forest(classes: int = 2) -> Any:  # noqa: ANN401
    """One to stand in a threshold as it is."""
    return forest().fit(SEEN, LABELS + (SEEN[:, 0] > 30) * (classes - 2))


def tuned_by(metric: Callable[..., float]) -> TunedThresholdClassifierCV:
    """A threshold that says it was tuned by some metric."""
    seen = np.random.default_rng(3).normal(size=(90, 3))
    fitted = TunedThresholdClassifierCV(forest(), cv=2, random_state=0).fit(seen, seen[:, 0] > 0)
    fitted._curve_scorer._score_func = metric
    return fitted


REFUSED = [
    pytest.param(lambda: FixedThresholdClassifier(forest()), "not fitted", id="not fitted"),
    pytest.param(lambda: FixedThresholdClassifier(fitted_forest(), threshold=np.nan), "finite", id="NaN"),
    pytest.param(lambda: FixedThresholdClassifier(fitted_forest(), threshold=np.inf), "finite", id="infinite"),
    pytest.param(lambda: FixedThresholdClassifier(fitted_forest(), pos_label=7), "none of the", id="no such class"),
    pytest.param(
        lambda: FixedThresholdClassifier(fitted_forest(), response_method="decision_function"), "has not", id="no sums"
    ),
    pytest.param(lambda: FixedThresholdClassifier(fitted_forest(3)), "two classes", id="three classes"),
    pytest.param(lambda: TunedThresholdClassifierCV(fitted_forest()), "not fitted", id="not tuned"),
    pytest.param(
        lambda: tuned_by(sklearn.metrics.hamming_loss),
        "hamming_loss",
        id="another metric",
    ),
]


@pytest.mark.parametrize(("make", "reason"), REFUSED)
def test_what_cannot_be_told_is_refused_in_words(make: Callable[[], Any], reason: str, tmp_path: Path) -> None:
    """Live and from a file."""
    model = make()
    (tmp_path / "model").write_bytes(pickle.dumps(model))
    with pytest.raises(UnsupportedModel, match=reason):
        read_model(tmp_path / "model")
    with pytest.raises(UnsupportedModel, match=reason):
        ensemble_of(model)


def test_a_model_that_was_fitted_before_may_stand_in_a_threshold_as_it_is() -> None:
    """It has no copy."""
    model = FixedThresholdClassifier(fitted_forest(), threshold=0.3)
    assert_equal(ensemble_of(model), model, SEEN.astype(np.float32))


def test_a_threshold_around_xgboosts_float32_is_refused() -> None:
    """Whether a float32 is compared with a float64 depends on numpy's version."""
    model = FixedThresholdClassifier(xgboost.XGBClassifier(n_estimators=2, n_jobs=1).fit(SEEN, LABELS))
    with pytest.raises(UnsupportedModel, match="float32"):
        ensemble_of(model)


def test_a_threshold_around_lightgbms_probabilities_answers_as_scikit_learn_does() -> None:
    """They are of float64, whatever its version."""
    model = FixedThresholdClassifier(
        lightgbm.LGBMClassifier(n_estimators=3, n_jobs=1, verbose=-1, min_child_samples=3), threshold=0.45
    ).fit(SEEN, LABELS)
    ensemble = ensemble_of(model)
    assert_equal(ensemble, model, np.linspace(-1, 41, 100).reshape(-1, 1))
    assert not compare(CompiledEngine(compile_forest(ensemble)), SklearnEngine(model), SEEN).different
