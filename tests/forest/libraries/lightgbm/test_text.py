"""LightGBM's model texts, with trees that were drawn, held against what the library makes of them."""

import json
import pickle
import re
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forest import UnsupportedModel
from forest.files.pickles import read_pickle
from forest.libraries.lightgbm.model import read_lightgbm, read_stored
from forest.libraries.lightgbm.text import read_text
from tests.conftest import examples
from tests.forest.forests import LABELS
from tests.forest.libraries.lightgbm.models import PLANS, Plan, assert_answers, booster, classifier, model_text, rows_of

SEVERAL = ("multiclass num_class:#", "multiclassova num_class:# sigmoid:1", "multiclassova num_class:# sigmoid:2.345")


@settings(deadline=None, max_examples=examples(60))
@given(plan=PLANS, seed=st.integers(0, 2**32 - 1))
def test_a_models_numbers_are_the_librarys_to_the_last_bit(plan: Plan, seed: int) -> None:
    """Trees of every shape, missing types, sets of categories, objectives, and rows on every edge."""
    text = model_text(plan)
    ensemble = read_lightgbm(text.encode())
    matrix = rows_of(ensemble, 200, seed)
    assert_answers(ensemble, matrix, booster(text).predict(matrix))


@settings(deadline=None, max_examples=examples(30))
@given(plan=PLANS, seed=st.integers(0, 2**32 - 1))
def test_float32_matrices_are_answered_as_the_library_answers_them(plan: Plan, seed: int) -> None:
    """The library compares their values as they are, in float64."""
    text = model_text(plan)
    ensemble = read_lightgbm(text.encode())
    with np.errstate(over="ignore"):
        matrix = rows_of(ensemble, 100, seed).astype(np.float32)
    assert_answers(ensemble, matrix, booster(text).predict(matrix))


@settings(deadline=None, max_examples=examples(25))
@given(
    plan=PLANS,
    classes=st.integers(2, 30),
    objective=st.sampled_from(SEVERAL),
    labels=st.sampled_from([each for each in LABELS if each != "bool"]),
)
def test_a_classifiers_labels_and_probabilities_are_the_librarys(
    plan: Plan, classes: int, objective: str, labels: str, scratch: Path
) -> None:
    """Of up to 30 classes, with labels of every type, read from a pickle."""
    text = model_text(
        Plan(plan.seed, objective, classes, 1 + plan.iterations // 10, plan.width, plan.splits, averages=plan.averages)
    )
    model = classifier(text, LABELS[labels](np.arange(classes)), objective.split()[0])
    path = scratch / "classifier.pkl"
    path.write_bytes(pickle.dumps(model))
    ensemble = read_stored(read_pickle(path)[0])
    matrix = rows_of(ensemble, 100, plan.seed)
    assert_answers(ensemble, matrix, model.predict(matrix), model.predict_proba(matrix))


@settings(deadline=None, max_examples=examples(25))
@given(plan=PLANS, slope=st.floats(1e-6, 1e6).map(lambda slope: f"{slope:g}"), labels=st.sampled_from(list(LABELS)))
def test_a_binary_classifiers_answers_are_the_librarys(plan: Plan, slope: str, labels: str, scratch: Path) -> None:
    """The other class has what is left of 1."""
    text = model_text(Plan(plan.seed, f"binary sigmoid:{slope}", 1, plan.iterations, plan.width, plan.splits))
    model = classifier(text, LABELS[labels](np.arange(2)), "binary")
    path = scratch / "binary.pkl"
    path.write_bytes(pickle.dumps(model))
    ensemble = read_stored(read_pickle(path)[0])
    matrix = rows_of(ensemble, 100, plan.seed)
    assert_answers(ensemble, matrix, model.predict(matrix), model.predict_proba(matrix))


FORMS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map("{:.17g}".format),
    st.floats(allow_nan=False, allow_infinity=False).map("{:.25e}".format),
    st.floats(allow_nan=False, allow_infinity=False, max_value=1e-300, min_value=-1e-300).map(repr),
    st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][-+]?[0-9]{1,2})?", fullmatch=True),
    st.from_regex(r"-?0{1,3}[0-9]{1,5}(\.[0-9]{1,5})?", fullmatch=True),
)
"""Numbers as texts may have them."""


@settings(deadline=None, max_examples=examples(60))
@given(numbers=st.lists(FORMS, min_size=1, max_size=60))
def test_numbers_are_rounded_as_the_library_rounds_them(numbers: list[str]) -> None:
    """Each is the leaf of a tree alone, and the answer of an output."""
    plan = Plan(0, None, classes=len(numbers), iterations=1, width=1, splits=0)
    leaves = iter(numbers)
    text = re.sub(r"(?<=leaf_value=).*", lambda _: next(leaves), model_text(plan))
    sizes = [len(each) for each in re.findall(r"Tree=.*?\n\n\n", text, re.DOTALL)]
    text = re.sub(r"(?<=tree_sizes=).*", " ".join(map(str, sizes)), text)
    expected = booster(text).predict(np.zeros((1, 1))).ravel()
    # The sums begin with 0, so there is no -0.
    found = np.array([0.0 + tree.leaves[0, 0] for tree in read_text(text.encode()).trees])
    np.testing.assert_array_equal(found.view(np.uint64), expected.view(np.uint64))


@settings(deadline=None, max_examples=examples(100))
@given(slope=st.from_regex(r"[0-9]{1,12}(\.[0-9]{1,12})?(e[-+]?[0-9]{1,2})?", fullmatch=True))
def test_the_sigmoids_parameter_is_rounded_as_the_library_rounds_it(slope: str) -> None:
    """By a reader that is rougher than that of thresholds and leaves."""
    text = model_text(Plan(3, f"binary sigmoid:{slope}", iterations=1, splits=0))
    try:
        expected = booster(text).predict(np.zeros((1, 4)))
    except lightgbm.basic.LightGBMError:
        with pytest.raises(UnsupportedModel):
            read_lightgbm(text.encode())
        return
    assert_answers(read_lightgbm(text.encode()), np.zeros((1, 4)), expected)


def test_a_deep_tree_is_read() -> None:
    """A chain of 30 splits and more, as no limit of depth is set by default."""
    text = model_text(Plan(5, "regression", splits=400, grows="left chain"))
    ensemble = read_lightgbm(text.encode())
    assert max(tree.depth for tree in ensemble.trees) > 30
    matrix = rows_of(ensemble, 500, 0)
    assert_answers(ensemble, matrix, booster(text).predict(matrix))


@pytest.mark.parametrize(
    ("infos", "categories", "named", "expected"),
    [
        pytest.param("[0:1.5] 0:1 [0:5] [-1:4]", ["xy"], None, {1: ("x", "y")}, id="only one can have them"),
        pytest.param("[0:1.5] 0:1 none [-1:4]", ["xy"], None, {1: ()}, id="a column that had one value may have them"),
        pytest.param("[0:1.5] 0:1 [0:1] [-1:4]", ["xy"], None, {1: ()}, id="two columns may have them"),
        pytest.param("[0:1.5] 0:1 [0:1] [-1:4]", ["xy"], [2], {1: (), 2: ("x", "y")}, id="the caller knows better"),
        pytest.param("0:1 [0:2] 1:0 [-1:4]", ["ab", "xyz", "cd"], None, {0: "ab", 1: "xyz", 2: "cd"}, id="ordered"),
        pytest.param("0:1 [0:9] 1:7:-1 [-1:4]", [], None, {0: (), 2: ()}, id="no names at all"),
    ],
)
def test_the_names_of_categories_go_to_the_columns_that_they_can_only_be_of(
    infos: str, categories: list[str], named: list[int] | None, expected: dict[int, Any]
) -> None:
    """The text does not tell which columns had pandas' category type."""
    text = re.sub(r"(?<=feature_infos=).*", infos, model_text(Plan(7, "regression", categories=False)))
    text = text.replace("categorical:null", "categorical:" + json.dumps([list(names) for names in categories]))
    ensemble = read_lightgbm(text.encode(), named=named)
    assert ensemble.categorical == {place: tuple(names) for place, names in expected.items()}
