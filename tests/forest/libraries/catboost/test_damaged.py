"""CatBoost's files that somebody changed, and those that are refused."""

import re
import struct
from contextlib import suppress

import numpy as np
import pytest

from forest import UnsupportedModel
from forest.checks.reference import ReferenceEngine
from forest.libraries.catboost.model import read_catboost
from tests.forest.libraries.catboost.recorded import VERSIONS, Recorded, recorded

NEWEST = recorded(VERSIONS["1.2.10"])
TWO, MANY, LOSSGUIDE, RANKS = (
    NEWEST[name]
    for name in (
        "CatBoostClassifier words",
        "CatBoostClassifier MultiClass 3",
        "CatBoostRegressor Lossguide Min",
        "CatBoostRanker ranks",
    )
)


def answers(content: bytes, model: Recorded) -> None:
    """Read a file and ask it, if it can be read."""
    ReferenceEngine(read_catboost(content, answers=model.kind)).predict(model.rows[:3].astype(np.float32))


@pytest.mark.parametrize(
    "model",
    [pytest.param(TWO, id="two"), pytest.param(MANY, id="many"), pytest.param(LOSSGUIDE, id="lossguide")],
)
def test_whatever_happens_to_a_file_it_is_refused_or_read(model: Recorded) -> None:
    """Bytes changed, cut out, doubled, words made great, and the end cut off: nothing but ``UnsupportedModel``."""
    draw = np.random.default_rng(0)
    read = 0
    for _ in range(700):
        damaged = bytearray(model.content)
        for _ in range(draw.integers(1, 4)):
            at, kind = int(draw.integers(len(damaged))), draw.integers(5)
            if kind == 0:
                damaged[at] = draw.integers(256)
            elif kind == 1:
                damaged[at : at + 4] = struct.pack("<I", int(draw.choice([0, 1, 255, 2**31 - 1, 2**31, 2**32 - 1])))
            elif kind == 2:
                del damaged[at : at + int(draw.integers(1, 30))]
            elif kind == 3:
                damaged[at:at] = damaged[at : at + int(draw.integers(1, 30))]
            elif draw.random() < 0.2:
                damaged = damaged[: max(1, at)]
        try:
            answers(bytes(damaged), model)
            read += 1
        except UnsupportedModel:
            pass
    assert read > 50


def test_every_word_of_the_head_may_be_anything() -> None:
    """Where the tables, their fields and their lengths stand."""
    for at in range(0, 400, 2):
        for word in (0, 1, 0xFFFF):
            damaged = bytearray(RANKS.content)
            damaged[at : at + 2] = struct.pack("<H", word)
            with suppress(UnsupportedModel):
                answers(bytes(damaged), RANKS)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        pytest.param(b"CBM1", b"CBM2", "no model of CatBoost", id="another-beginning"),
        pytest.param(b"FlabuffersModel_v1", b"FlabuffersModel_v2", "its format is 'FlabuffersModel_v2'", id="format"),
        pytest.param(b'"type":"Logloss"', b'"type":"Hinges!"', "'Hinges!' does not answer with one class", id="loss"),
        pytest.param(b'"type":"Logloss"', b'"kind":"Logloss"', "does not note the loss function", id="no-loss"),
        pytest.param(b'"loss_function":{', b'"loss_function":[', "params is no JSON object", id="damaged-notes"),
        pytest.param(b'"thread_count":', b'"node_type"   :', "params is no JSON object", id="a-name-twice"),
        pytest.param(b'"class_to_label":[0,1]', b'"class_to_label":[0,2]', "not those of 2 classes", id="codes"),
        pytest.param(b'"class_names":["no",', b'"class_names":[true,', "not of the type", id="labels-of-two-types"),
        pytest.param(b'"class_label_type":"String"', b'"class_label_type":"Stripe"', "not those of 2", id="type"),
        pytest.param(b"class_params", b"Class_params", "notes no class labels", id="no-labels"),
    ],
)
def test_what_is_not_known_is_refused_with_the_reason(old: bytes, new: bytes, reason: str) -> None:
    """Of a classifier of two classes."""
    content = TWO.content.replace(old, new)
    assert len(content) == len(TWO.content)
    assert content != TWO.content
    with pytest.raises(UnsupportedModel, match=re.escape(reason)):
        read_catboost(content, answers="CatBoostClassifier")


def test_a_class_that_is_not_known_is_refused() -> None:
    """Whatever it is called."""
    with pytest.raises(UnsupportedModel, match="no class of CatBoost's"):
        read_catboost(TWO.content, answers="CatBoostSomething")


def test_classes_of_a_regressor_and_several_numbers_a_row_are_refused() -> None:
    """A regressor's file has no labels; one number a row is what an answer may be."""
    with pytest.raises(UnsupportedModel, match="notes no class labels"):
        read_catboost(LOSSGUIDE.content, answers="CatBoostClassifier")
    with pytest.raises(UnsupportedModel, match="answers with 3 numbers a row"):
        read_catboost(MANY.content, answers="CatBoostRegressor")


def test_an_exponential_that_is_another_one_on_another_processor_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it has a part in the answer."""
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with pytest.raises(UnsupportedModel, match="otherwise on aarch64"):
        read_catboost(MANY.content, answers=MANY.kind)
    assert read_catboost(TWO.content, answers=TWO.kind).classes is not None
