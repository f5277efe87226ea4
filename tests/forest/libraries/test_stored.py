"""Files of boosted and isolation trees: of other versions of scikit-learn, of every format, and damaged ones."""

import pickle
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, IsolationForest

from forest.checks.reference import ReferenceEngine
from forest.engine import UnsupportedModel
from forest.files.reading import read_model
from tests.forest.files.archives import InArchive
from tests.forest.libraries.asking import bits
from tests.forest.libraries.stored import answer, answers, kept, named, why_refused

KEPT = [pytest.param(each, id=named(each)) for each in kept()]


@pytest.mark.parametrize("each", KEPT)
def test_a_file_answers_as_its_own_version_did(each: InArchive, tmp_path: Path) -> None:
    """All bits, whatever the format; or it is refused for what its version leaves open."""
    if (reason := why_refused(each)) is not None:
        with pytest.raises(UnsupportedModel, match=reason):
            answer(each, tmp_path)
        return
    found = answers()[named(each)]
    labels = found.labels if found.labels.dtype.kind == "f" else found.labels.astype(str)
    np.testing.assert_array_equal(bits(labels), bits(each.answers["labels"]))
    assert (found.probabilities is None) == ("probabilities" not in each.answers)
    if found.probabilities is not None:
        np.testing.assert_array_equal(bits(found.probabilities), bits(each.answers["probabilities"]))


@cache
def small(kind: str) -> Any:  # noqa: ANN401
    """A small model of every kind."""
    draw = np.random.default_rng(0)
    seen = draw.normal(size=(40, 3))
    seen[:, 1] = draw.integers(4, size=40)
    fitted: dict[str, Any] = {
        "gradient": GradientBoostingClassifier(n_estimators=2, max_depth=2),
        "hist": HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=5, categorical_features=[1], max_bins=8),
        "isolation": IsolationForest(n_estimators=2, max_samples=8, max_features=2, random_state=0),
    }
    return fitted[kind].fit(seen, np.arange(40) % 3)


def survives(content: bytes, path: Path) -> bool:
    """Whether a file is read, and what comes of it answers; else it must be refused in words, and soon."""
    path.write_bytes(content)
    started = time.monotonic()
    try:
        ensemble = read_model(path)
    except UnsupportedModel:
        return False
    finally:
        assert time.monotonic() - started < 5
    rows = np.random.default_rng(1).normal(size=(3, ensemble.width)).astype(ensemble.dtype)
    ReferenceEngine(ensemble).predict(rows)
    return True


@pytest.mark.parametrize("kind", ["gradient", "hist", "isolation"])
@pytest.mark.parametrize("format_", ["pickle", "skops"])
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_file_is_refused_or_answers(kind: str, format_: str, tmp_path: Path) -> None:
    """Bytes changed and files cut short: nothing but the one exception comes out."""
    import skops.io

    content = pickle.dumps(small(kind)) if format_ == "pickle" else bytes(skops.io.dumps(small(kind)))
    assert survives(content, tmp_path / "whole")
    draw = np.random.default_rng(0)
    read = 0
    for _ in range(50):
        damaged = bytearray(content)
        for place in draw.integers(len(content), size=draw.integers(1, 4)):
            damaged[place] = draw.integers(256)
        if draw.integers(8) == 0:
            del damaged[draw.integers(len(content)) :]
        read += survives(bytes(damaged), tmp_path / "damaged")
    assert read < 50


def changed_node(model: Any, field: str, value: Any) -> bytes:  # noqa: ANN401
    """The file of a histogram's model one of whose nodes says something else."""
    model = pickle.loads(pickle.dumps(model))  # noqa: S301 - written here
    nodes = model._predictors[0][0].nodes
    assert not nodes["is_leaf"][0]
    nodes[field][0] = value
    return pickle.dumps(model)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("left", 0, id="itself"),
        pytest.param("left", 2**32 - 1, id="far-away"),
        pytest.param("right", 1, id="twice"),
        pytest.param("feature_idx", 3, id="no-column"),
        pytest.param("feature_idx", -1, id="column-below"),
        pytest.param("num_threshold", np.nan, id="no-threshold"),
        pytest.param("is_leaf", 1, id="leaf-with-children"),
        pytest.param("is_categorical", None, id="other-kind-of-split"),
    ],
)
def test_a_node_that_leads_astray_is_refused(field: str, value: Any, tmp_path: Path) -> None:  # noqa: ANN401
    """Children, columns, thresholds and kinds of splits are checked."""
    model = HistGradientBoostingClassifier(max_iter=1, min_samples_leaf=5, categorical_features=[1])
    draw = np.random.default_rng(0)
    seen = np.stack([np.arange(40.0), draw.integers(3, size=40), draw.normal(size=40)], axis=1)
    model.fit(seen, np.arange(40) > 20)
    if value is None:
        value = 1 - model._predictors[0][0].nodes[field][0]
    (tmp_path / "model").write_bytes(changed_node(model, field, value))
    with pytest.raises(UnsupportedModel):
        read_model(tmp_path / "model")


def test_a_set_of_categories_that_there_is_not_is_refused(tmp_path: Path) -> None:
    """Its place is checked, and so is its size."""
    draw = np.random.default_rng(0)
    seen = draw.integers(4, size=(80, 1)).astype(float)
    model = HistGradientBoostingClassifier(max_iter=1, min_samples_leaf=5, categorical_features=[0])
    model.fit(seen, seen[:, 0] % 2)
    (tmp_path / "model").write_bytes(changed_node(model, "bitset_idx", 1000))
    with pytest.raises(UnsupportedModel, match="sets of categories"):
        read_model(tmp_path / "model")
    model._predictors[0][0].raw_left_cat_bitsets = np.zeros((1, 7), dtype=np.uint32)
    (tmp_path / "model").write_bytes(pickle.dumps(model))
    with pytest.raises(UnsupportedModel, match="sets of categories"):
        read_model(tmp_path / "model")


def test_trees_that_are_one_tree_many_times_are_refused(tmp_path: Path) -> None:
    """A small file would take all memory."""
    model = pickle.loads(pickle.dumps(small("hist")))  # noqa: S301 - written here
    model._predictors = [model._predictors[0]] * 100_000
    (tmp_path / "model").write_bytes(pickle.dumps(model))
    with pytest.raises(UnsupportedModel, match="larger than the file"):
        read_model(tmp_path / "model")
