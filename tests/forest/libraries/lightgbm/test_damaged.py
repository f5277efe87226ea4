"""LightGBM's model texts and pickles that somebody changed, and those that are refused."""

import pickle
import re
from pathlib import Path

import numpy as np
import pytest

from forest import UnsupportedModel
from forest.checks.reference import ReferenceEngine
from forest.files.pickles import read_pickle
from forest.libraries.lightgbm.model import read_lightgbm, read_stored
from tests.forest.libraries.lightgbm.models import Plan, classifier, model_text

TINY = Plan(seed=1, objective="binary sigmoid:1", iterations=2, splits=6, columns=["a", "b", "c", "d"])
"""A small model, for damage."""


def test_whatever_happens_to_a_text_it_is_refused_or_read() -> None:
    """Bytes changed, cut out, doubled, and the end cut off: nothing but ``UnsupportedModel`` comes of it."""
    content, draw = model_text(TINY).encode(), np.random.default_rng(0)
    rows = np.zeros((2, 4))
    read = 0
    for _ in range(3000):
        damaged = bytearray(content)
        for _ in range(draw.integers(1, 4)):
            at, kind = int(draw.integers(len(damaged))), draw.integers(5)
            length = int(draw.integers(1, 30))
            if kind == 0:
                damaged[at] = draw.integers(256)
            elif kind == 1:
                damaged[at] = draw.choice(np.frombuffer(b'0123456789-+.e =\n:[]"', dtype=np.uint8))
            elif kind == 2:
                del damaged[at : at + length]
            elif kind == 3:
                damaged[at:at] = damaged[at : at + length]
            else:
                damaged = damaged[: max(1, at)] if draw.random() < 0.2 else damaged
        try:
            ReferenceEngine(read_lightgbm(bytes(damaged))).predict(rows)
            read += 1
        except UnsupportedModel:
            pass
    assert read > 100


def test_whatever_happens_to_a_pickle_it_is_refused_or_read(scratch: Path) -> None:
    """Likewise, of a classifier in a pickle."""
    content, draw = pickle.dumps(classifier(model_text(TINY), ["no", "yes"], "binary")), np.random.default_rng(1)
    path, read = scratch / "damaged.pkl", 0
    for _ in range(800):
        damaged = bytearray(content)
        for _ in range(draw.integers(1, 3)):
            damaged[draw.integers(len(damaged))] = draw.integers(256)
        path.write_bytes(bytes(damaged[: draw.integers(1, len(damaged))]) if draw.random() < 0.1 else bytes(damaged))
        try:
            read_stored(read_pickle(path)[0])
            read += 1
        except UnsupportedModel:
            pass
    assert read > 10


def changed(pattern: str, new: str) -> str:
    """The tiny model after a change, with trees of the right sizes."""
    text, count = re.subn(pattern, new, model_text(TINY))
    assert count
    sizes = [len(each) for each in re.findall(r"Tree=.*?\n\n\n", text, re.DOTALL)]
    return text if "tree_sizes" in pattern else re.sub(r"(?<=tree_sizes=).*", " ".join(map(str, sizes)), text)


@pytest.mark.parametrize(
    ("pattern", "new", "reason"),
    [
        pytest.param(r"^tree\n", "bush\n", "no LightGBM model text", id="another beginning"),
        pytest.param(r"version=v4", "version=v2", "its format is 'v2'", id="an older format"),
        pytest.param(r"version=v4", "version=v5", "its format is 'v5'", id="a newer format"),
        pytest.param(r"is_linear=0", "is_linear=1", "linear models", id="linear leaves"),
        pytest.param(r"binary sigmoid:1", "binary", "does not tell sigmoid", id="no sigmoid"),
        pytest.param(r"binary sigmoid:1", "binary sigmoid:0", "not above 0", id="a sigmoid of 0"),
        pytest.param(r"binary sigmoid:1", "binary sigmoid:x", "is no number", id="a sigmoid that is no number"),
        pytest.param(r"binary sigmoid:1", "survival", "'survival' is not known", id="an unknown objective"),
        pytest.param(r"binary sigmoid:1", "", "no name", id="an objective without a name"),
        pytest.param(
            r"binary sigmoid:1", "multiclass num_class:1", "not known to answer with a number", id="one class"
        ),
        pytest.param(r"num_class=1", "num_class=2", "another number of classes", id="classes without trees"),
        pytest.param(r"max_feature_idx=3", "max_feature_idx=4", "names 4 of 5 columns", id="a column without a name"),
        pytest.param(r"max_feature_idx=3", "max_feature_idx=9999999999", "names 4 of", id="columns beyond all measure"),
        pytest.param(r"num_leaves=\d+", "num_leaves=0", "no leaves", id="no leaves"),
        pytest.param(r"num_leaves=\d+", "num_leaves=9999999999", "numbers, not", id="leaves beyond all measure"),
        pytest.param(r"num_cat=\d+", "num_cat=9999999999", "cat_boundaries", id="sets beyond all measure"),
        pytest.param(r"num_cat=[1-9]\d*", "num_cat=0", "have no sets", id="splits by category without sets"),
        pytest.param(r"leaf_value=\S+", "leaf_value=inf", "not finite", id="an infinite leaf"),
        pytest.param(r"leaf_value=\S+", "leaf_value=nan", "leaf_value is missing or damaged", id="a leaf that is none"),
        pytest.param(r"leaf_value=\S+", "leaf_value=0x10", "leaf_value is missing or damaged", id="a hexadecimal leaf"),
        pytest.param(r"left_child=\S+", "left_child=0", "do not make a tree", id="a way round"),
        pytest.param(r"right_child=\S+", "right_child=77", "do not make a tree", id="a child that is not there"),
        pytest.param(r"split_feature=\d+", "split_feature=4", "splits are damaged", id="a column that is not there"),
        pytest.param(r"split_feature=\d+", "split_feature=-1", "splits are damaged", id="a column before the first"),
        pytest.param(r"decision_type=\d+", "decision_type=12", "unknown kinds", id="a missing type that is none"),
        pytest.param(r"decision_type=\d+", "decision_type=-2", "unknown kinds", id="a negative kind"),
        pytest.param(r"tree_sizes=(\d+)", r"tree_sizes=1\1", "larger than the text", id="a tree larger than the text"),
        pytest.param(r"tree_sizes=(\d+)", "tree_sizes=7", "not where it should be", id="a tree that ends too soon"),
        pytest.param(r"(tree_sizes=\d+) \d+", r"\1", "end elsewhere", id="a tree too few"),
        pytest.param(r"tree_sizes=.*", "tree_sizes=", "end elsewhere", id="no trees"),
        pytest.param(
            r"cat_boundaries=0 \d+", "cat_boundaries=0 -1", "sets of categories", id="a set of less than none"
        ),
        pytest.param(r"cat_threshold=\d+", "cat_threshold=4294967296", "sets of categories", id="a word of 33 bits"),
        pytest.param(r"pandas_categorical:null", "pandas_categorical:[", "categories are damaged", id="damaged names"),
        pytest.param(
            r"pandas_categorical:null", "pandas_categorical:" + "[" * 100_000, "categories are damaged", id="deep names"
        ),
        pytest.param(
            r"pandas_categorical:null", "pandas_categorical:[[1, 2]]", "numbers, not names", id="numbered categories"
        ),
        pytest.param(r"shrinkage=1", "shrinkage=1\r", "LightGBM writes otherwise", id="other ends of lines"),
    ],
)
def test_what_cannot_be_answered_as_the_library_does_is_refused(pattern: str, new: str, reason: str) -> None:
    """The message says why."""
    with pytest.raises(UnsupportedModel, match=re.escape(reason)):
        read_lightgbm(changed(pattern, new).encode())
