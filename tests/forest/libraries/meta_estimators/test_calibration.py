"""Calibrated classifiers of scikit-learn, read and held against themselves."""

import importlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from forest import CompiledEngine, SklearnEngine, UnsupportedModel, compare, compile_forest, ensemble_of, read_model
from forest.artifact import Origin, Parity
from forest.artifact import write as write_artifact
from tests.conftest import examples
from tests.forest.libraries.asking import assert_equal, bits, rows_of, table

pytestmark = pytest.mark.filterwarnings("ignore")  # what scikit-learn says of odd training data

BASES: dict[str, Callable[[], Any]] = {
    "forest": lambda: RandomForestClassifier(4, max_depth=4, random_state=0),
    "extra trees": lambda: ExtraTreesClassifier(3, random_state=0),
    "tree": lambda: DecisionTreeClassifier(max_depth=4, random_state=0),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=2, random_state=0),
    "histogram": lambda: HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=5, random_state=0),
}


def calibrated(base: Any, way: str, method: str, seen: Any, labels: Any) -> CalibratedClassifierCV:  # noqa: ANN401
    """A calibrated classifier: a model a fold, one model, or one that was fitted before."""
    if way == "frozen":
        base = FrozenEstimator(base.fit(seen, labels))
    made = CalibratedClassifierCV(base, method=method, cv=2, ensemble=way == "folds")
    return made.fit(seen, labels)


@settings(max_examples=examples(8), deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    classes=st.integers(2, 10),
    base=st.sampled_from(sorted(BASES)),
    way=st.sampled_from(["folds", "one", "frozen"]),
    method=st.sampled_from(["sigmoid", "isotonic", "temperature"]),
)
def test_a_calibrated_classifier_gives_all_bits_of_its_probabilities_and_its_labels(
    seed: int, classes: int, base: str, way: str, method: str
) -> None:
    """Of any model, by any method, whether it has a model for each fold or one."""
    draw = np.random.default_rng(seed)
    seen = table(draw, 80, 3)
    labels = np.append(np.arange(classes).repeat(3), draw.integers(classes, size=80 - 3 * classes))
    fitted = calibrated(BASES[base](), way, method, seen, labels * 3 - 7)
    if method == "temperature" and classes > 2 and base in ("boosting", "histogram"):
        with pytest.raises(UnsupportedModel, match="depends on the rows beside it"):
            ensemble_of(fitted)
        return
    ensemble = ensemble_of(fitted)
    rows = rows_of(ensemble, seen, draw)
    assert_equal(ensemble, fitted, rows)
    compiled = CompiledEngine(compile_forest(ensemble))
    assert not compare(compiled, SklearnEngine(fitted), rows).different


def test_answers_on_and_beside_the_points_of_an_isotonic_table_have_all_bits() -> None:
    """A tree each of whose leaves is another share, up to those that no fold has seen."""
    draw = np.random.default_rng(1)
    seen = np.arange(400.0).reshape(-1, 1)
    labels = draw.random(400) < seen[:, 0] / 400
    fitted = calibrated(GradientBoostingClassifier(n_estimators=10), "frozen", "isotonic", seen, labels)
    curve = fitted.calibrated_classifiers_[0].calibrators[0]
    assert len(curve.X_thresholds_) > 5
    assert_equal(ensemble_of(fitted), fitted, np.linspace(-5, 405, 1000).reshape(-1, 1).astype(np.float32))


def test_what_no_calibrator_takes_for_likely_is_shared_out_evenly() -> None:
    """All isotonic tables may say 0 of a row."""
    seen = np.repeat(np.arange(6.0), 20).reshape(-1, 1)
    labels = np.arange(120) % 3
    fitted = calibrated(RandomForestClassifier(3, random_state=0), "one", "isotonic", seen, labels)
    for calibrator in fitted.calibrated_classifiers_[0].calibrators:
        calibrator.y_thresholds_ = np.zeros_like(calibrator.y_thresholds_)
        calibrator._build_f(calibrator.X_thresholds_, calibrator.y_thresholds_)
    ensemble = ensemble_of(fitted)
    assert_equal(ensemble, fitted, seen.astype(np.float32))
    found = CompiledEngine(compile_forest(ensemble)).predict(seen.astype(np.float32))
    assert found.probabilities is not None
    assert (found.probabilities == 1 / 3).all()


def folds_without(classes: int, unseen: int) -> Any:  # noqa: ANN401
    """Data, and folds of which the first has not seen some classes."""
    labels = np.arange(120) % classes
    seen = np.random.default_rng(0).normal(size=(120, 2)) + labels.reshape(-1, 1)
    known = np.flatnonzero(labels >= unseen)
    return (
        seen,
        labels,
        [(known[: len(known) // 2], np.arange(1, 120, 2)), (np.arange(0, 120, 2), np.arange(1, 120, 2))],
    )


@pytest.mark.parametrize("base", ["forest", "tree", "boosting", "histogram"])
def test_a_class_that_a_fold_has_not_seen_has_no_share_in_its_answer(base: str) -> None:
    """Its model has one class less than the others."""
    seen, labels, folds = folds_without(5, 2)
    fitted = CalibratedClassifierCV(BASES[base](), cv=folds).fit(seen, labels)
    assert [len(each.estimator.classes_) for each in fitted.calibrated_classifiers_] == [3, 5]
    ensemble = ensemble_of(fitted)
    rows = rows_of(ensemble, seen, np.random.default_rng(0))
    assert_equal(ensemble, fitted, rows)
    assert not compare(CompiledEngine(compile_forest(ensemble)), SklearnEngine(fitted), rows).different


def forest() -> RandomForestClassifier:
    """A small one, not fitted."""
    return RandomForestClassifier(3, max_depth=3, random_state=0)


AROUND: dict[str, Callable[[Any, Any], Any]] = {
    "behind a scaler": lambda *_: make_pipeline(StandardScaler(), CalibratedClassifierCV(forest(), cv=2)),
    "around a pipeline": lambda *_: CalibratedClassifierCV(make_pipeline(MinMaxScaler(), forest()), method="isotonic"),
    "around a frozen pipeline": lambda *data: CalibratedClassifierCV(
        FrozenEstimator(make_pipeline(MinMaxScaler(), forest()).fit(*data))
    ),
    "in a search": lambda *_: GridSearchCV(
        CalibratedClassifierCV(forest(), cv=2), {"method": ["sigmoid", "isotonic"]}, cv=2
    ),
    "around a search": lambda *_: CalibratedClassifierCV(
        GridSearchCV(forest(), {"max_depth": [2, 3]}, cv=2), cv=KFold(2)
    ),
}


@pytest.mark.parametrize("name", AROUND)
def test_what_stands_in_and_around_a_calibrated_classifier_is_read_live_and_from_files(
    name: str, tmp_path: Path
) -> None:
    """Pipelines, frozen models and searches; as pickle and skops."""
    seen, labels = table(np.random.default_rng(3), 90, 3), np.array(["no", "perhaps", "yes"])[np.arange(90) % 3]
    fitted = AROUND[name](seen, labels).fit(seen, labels)
    (tmp_path / "pickle").write_bytes(pickle.dumps(fitted))
    skops.io.dump(fitted, tmp_path / "skops")
    for ensemble in (ensemble_of(fitted), read_model(tmp_path / "pickle"), read_model(tmp_path / "skops")):
        assert_equal(ensemble, fitted, rows_of(ensemble, seen, np.random.default_rng(0)))
        assert "CalibratedClassifierCV of" in ensemble.kind
    rows = rows_of(ensemble, seen, np.random.default_rng(1))
    assert not compare(CompiledEngine(compile_forest(ensemble)), SklearnEngine(fitted), rows).different


def test_a_table_is_in_the_artifact_with_all_bits(tmp_path: Path) -> None:
    """What is loaded answers as what was compiled."""
    seen = np.random.default_rng(0).normal(size=(90, 3))
    fitted = calibrated(BASES["forest"](), "folds", "isotonic", seen, np.arange(90) % 3)
    arrays = compile_forest(fitted)
    write_artifact(tmp_path / "model", arrays, Origin("tables"), Parity(1, 0))
    rows = seen.astype(np.float32)
    found, expected = CompiledEngine.load(tmp_path / "model").predict(rows), CompiledEngine(arrays).predict(rows)
    assert found.probabilities is not None
    assert expected.probabilities is not None
    np.testing.assert_array_equal(bits(found.probabilities), bits(expected.probabilities))


def small(method: str = "isotonic", classes: int = 2) -> CalibratedClassifierCV:
    """A small one of two folds."""
    seen = np.random.default_rng(0).normal(size=(40, 2))
    return calibrated(RandomForestClassifier(2, random_state=0), "folds", method, seen, np.arange(40) % classes)


def changed(change: Callable[[Any], object], method: str = "isotonic") -> CalibratedClassifierCV:
    """A small one in which something is otherwise."""
    fitted = pickle.loads(pickle.dumps(small(method)))  # noqa: S301 - written here
    change(fitted)
    return fitted


def table_of(fitted: CalibratedClassifierCV, name: str, value: Any) -> None:  # noqa: ANN401
    """Change the first calibrator."""
    setattr(fitted.calibrated_classifiers_[0].calibrators[0], name, value)


def twice(fitted: CalibratedClassifierCV) -> None:
    """Let it calibrate what is calibrated already."""
    fitted.calibrated_classifiers_[0].estimator = small()


def itself(fitted: CalibratedClassifierCV) -> None:
    """Let it stand in itself."""
    fitted.calibrated_classifiers_[0].estimator = fitted


DAMAGED = [
    pytest.param(lambda fitted: table_of(fitted, "y_thresholds_", [0.5, np.nan]), "array", id="no array"),
    pytest.param(
        lambda fitted: table_of(fitted, "y_thresholds_", np.full_like(_y(fitted), np.nan)), "finite", id="NaN"
    ),
    pytest.param(
        lambda fitted: table_of(fitted, "y_thresholds_", np.linspace(1, 0, len(_y(fitted)))), "isotonic", id="descends"
    ),
    pytest.param(lambda fitted: table_of(fitted, "y_thresholds_", _y(fitted) + 2), "isotonic", id="above one"),
    pytest.param(lambda fitted: table_of(fitted, "y_thresholds_", _y(fitted)[:-1]), "damaged", id="too short"),
    pytest.param(lambda fitted: table_of(fitted, "X_min_", -1.0), "other ends", id="other ends"),
    pytest.param(lambda fitted: table_of(fitted, "out_of_bounds", "nan"), "clip", id="not clipped"),
    pytest.param(twice, "calibrated already", id="calibrated twice"),
    pytest.param(itself, "stands in itself", id="in itself"),
    pytest.param(lambda fitted: fitted.calibrated_classifiers_.clear(), "no models", id="no models"),
    pytest.param(lambda fitted: fitted.calibrated_classifiers_[0].calibrators.clear(), "0 calibrators", id="none"),
    pytest.param(
        lambda fitted: fitted.calibrated_classifiers_[0].calibrators.append(IsotonicRegression()),
        "finite|array",
        id="not fitted",
    ),
    pytest.param(
        lambda fitted: setattr(fitted.calibrated_classifiers_[0], "method", "beta"), "calibrates by", id="beta"
    ),
    pytest.param(
        lambda fitted: setattr(fitted.calibrated_classifiers_[0], "classes", np.array([0, 5])), "classes", id="classes"
    ),
    pytest.param(lambda fitted: setattr(fitted, "classes_", np.array([5, 6])), "classes", id="other classes"),
    pytest.param(
        lambda fitted: setattr(fitted, "calibrated_classifiers_", fitted.calibrated_classifiers_ * 20_000),
        "larger than the file",
        id="many times",
    ),
]


def _y(fitted: CalibratedClassifierCV) -> Any:  # noqa: ANN401
    return fitted.calibrated_classifiers_[0].calibrators[0].y_thresholds_


@pytest.mark.parametrize(("change", "reason"), DAMAGED)
def test_a_damaged_file_is_refused_in_words(change: Callable[[Any], object], reason: str, tmp_path: Path) -> None:
    """Tables, their ends, nesting, classes and sizes are checked."""
    (tmp_path / "model").write_bytes(pickle.dumps(changed(change)))
    with pytest.raises(UnsupportedModel, match=reason):
        read_model(tmp_path / "model").check()


@pytest.mark.parametrize(("method", "name"), [("sigmoid", "a_"), ("sigmoid", "b_"), ("temperature", "beta_")])
@pytest.mark.parametrize("value", [np.nan, np.inf, "much", None])
def test_a_number_of_a_calibrator_that_is_none_is_refused(
    method: str, name: str, value: float | str | None, tmp_path: Path
) -> None:
    """Slope, offset and temperature."""
    damaged = changed(lambda fitted: table_of(fitted, name, value), method)
    (tmp_path / "model").write_bytes(pickle.dumps(damaged))
    with pytest.raises(UnsupportedModel):
        read_model(tmp_path / "model")


def test_a_model_that_has_seen_two_of_several_classes_is_refused() -> None:
    """Versions of scikit-learn answer for it in different ways."""
    seen, labels, folds = folds_without(4, 2)
    fitted = CalibratedClassifierCV(RandomForestClassifier(2), cv=folds).fit(seen, labels)
    with pytest.raises(UnsupportedModel, match="seen 2 of 4 classes"):
        ensemble_of(fitted)


@pytest.mark.parametrize(("module", "name"), [("xgboost", "XGBClassifier"), ("lightgbm", "LGBMClassifier")])
def test_a_calibrated_model_of_another_library_is_refused(module: str, name: str) -> None:
    """What it gives its calibrators depends on versions that no file tells."""
    base = getattr(importlib.import_module(module), name)(n_estimators=2, n_jobs=1)
    seen = np.random.default_rng(0).normal(size=(60, 2))
    fitted = CalibratedClassifierCV(base, cv=2).fit(seen, np.arange(60) % 2)
    with pytest.raises(UnsupportedModel, match="depends on which versions"):
        ensemble_of(fitted)
