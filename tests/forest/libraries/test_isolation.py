"""Isolation forests of scikit-learn, read and held against themselves."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import IsolationForest

from forest.checks.reference import ReferenceEngine
from forest.libraries.scikit_learn.estimator import SklearnEngine, ensemble_of
from tests.conftest import examples
from tests.forest.libraries.asking import assert_answers, bits, rows_of, table

pytestmark = pytest.mark.filterwarnings("ignore")  # what scikit-learn says of odd training data

OPTIONS: dict[str, Any] = {
    "n_estimators": st.sampled_from([1, 3, 20]),
    "max_samples": st.sampled_from(["auto", 1, 2, 3, 0.5]),
    "max_features": st.sampled_from([1.0, 1, 0.5]),
    "contamination": st.sampled_from(["auto", 0.2, 0.5]),
    "bootstrap": st.booleans(),
}


@settings(max_examples=examples(40), deadline=None)
@given(seed=st.integers(0, 2**32 - 1), missing=st.booleans(), options=st.fixed_dictionaries(OPTIONS))
def test_it_tells_outliers_by_the_same_bits(seed: int, missing: bool, options: dict[str, Any]) -> None:
    """Its labels are the forest's, and so is the depth that they are told from."""
    draw = np.random.default_rng(seed)
    seen = table(draw, 100, 4)
    if missing:
        seen[draw.uniform(size=seen.shape) < 0.1] = np.nan
    fitted = IsolationForest(**options, random_state=seed % 1000).fit(seen)
    ensemble = assert_answers(fitted, seen, draw, infinite=True)
    rows = rows_of(ensemble, seen, draw, infinite=True)
    depths = ReferenceEngine(ensemble).sums(rows)[:, 0]
    denominator = ensemble.link.args[0]
    shares = depths / denominator if denominator else np.ones_like(depths)
    np.testing.assert_array_equal(bits(-(2**-shares)), bits(fitted.score_samples(rows)))


def test_a_score_at_the_offset_is_no_outlier() -> None:
    """As ``< 0`` says: the offset is one of the scores seen."""
    draw = np.random.default_rng(0)
    seen = draw.normal(size=(101, 2)).astype(np.float32)
    fitted = IsolationForest(n_estimators=5, contamination=0.5, random_state=0).fit(seen)
    assert (fitted.decision_function(seen) == 0).any()
    assert ReferenceEngine(ensemble_of(fitted)).predict(seen).labels.tolist() == fitted.predict(seen).tolist()


def test_the_engine_asks_the_estimator_itself() -> None:
    """Its answers are the estimator's; there are no probabilities."""
    seen = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    fitted = IsolationForest(n_estimators=5, random_state=0, n_jobs=2).fit(seen)
    found = SklearnEngine(fitted).predict(seen)
    assert found.labels.tolist() == fitted.predict(seen).tolist()
    assert found.probabilities is None
