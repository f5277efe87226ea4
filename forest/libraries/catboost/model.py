"""CatBoost's models: what ``save_model`` writes in the format ``cbm``, and its objects in pickles.

The file is that of ``TFullModel::Save`` in ``catboost/libs/model/model.cpp`` of https://github.com/catboost/catboost:
four letters, the size of a FlatBuffer, and that, with what belongs to categories, texts and embeddings behind it. The
answers are those of the Python package's calls (``catboost/python-package/catboost/core.py``): ``predict(X)``, and
``predict_proba(X)`` of a classifier.
"""

import platform
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from forest.ensemble import Ensemble, Tree
from forest.files.stored import Stored, Unreadable, what
from forest.libraries.catboost.buffer import Buffer, Table
from forest.libraries.catboost.columns import read_columns
from forest.libraries.catboost.notes import Notes
from forest.libraries.catboost.trees import read_trees
from forest.links import Link

MAGIC: Final = b"CBM1"
"""How a file begins."""

KINDS: Final = ("CatBoost", "CatBoostClassifier", "CatBoostRegressor", "CatBoostRanker")
"""The classes whose answers are known."""

_SIZE: Final = 4
_FORMAT, _TREES, _NOTES, _PARTS = range(4)
_OUTPUTS, _CATEGORIES, _NUMBERS, _SCALE, _BIAS, _BIASES = 0, 4, 5, 14, 15, 16

_KNOWN_FORMAT: Final = "FlabuffersModel_v1"
"""As CatBoost spells it."""

_OTHER_COLUMNS: Final = {
    _CATEGORIES: "categories",
    6: "categories",
    7: "categories",
    12: "texts",
    13: "texts or embeddings",
    18: "embeddings",
}
"""Fields of ``TModelTrees`` that belong to other columns than numbers."""

_MOST_OUTPUTS: Final = 1 << 16

_EXPONENTS: Final = ("Poisson", "Tweedie")
"""Losses of which a CatBoostRegressor answers with the exponential (``_get_default_prediction_type`` of core.py)."""

_CLASSES: Final = {
    **dict.fromkeys(("Logloss", "CrossEntropy", "Focal"), "catboost_pair"),
    "MultiClass": "catboost_softmax",
    "MultiClassOneVsAll": "catboost_sigmoid_each",
}
"""Losses of which a CatBoostClassifier answers with one class, and the link that does so."""

_OWN_EXPONENTIAL: Final = ("catboost_exponential", "catboost_softmax")
"""Links with CatBoost's own exponential, which is another one on another kind of processor."""

_PROCESSORS: Final = ("x86_64", "AMD64")


def read_catboost(content: bytes, *, answers: str) -> Ensemble:
    """Read a model file.

    Args:
        content: what ``save_model`` wrote in the format ``cbm``.
        answers: the class that it is loaded by, one of ``KINDS``, which has a say in what the answers are.

    Raises:
        UnsupportedModel: it is none, or answers what an ensemble cannot.
    """
    if answers not in KINDS:
        raise Unreadable(f"{answers[:60]!a} is no class of CatBoost's that is known")
    core = _core(content)
    trees, notes = core.table(_TREES), Notes(core.tables(_NOTES))
    for field, of in _OTHER_COLUMNS.items():
        if trees.array(field, "<u4").size:
            raise Unreadable(f"it has columns of {of}: only those of numbers are compiled")
    if core.array(_PARTS, "<u4").size:
        raise Unreadable("it has parts that belong to categories, texts or embeddings: only numbers are compiled")
    splits, width, names = read_columns(trees.tables(_NUMBERS))
    outputs = trees.number(_OUTPUTS, "i", 0)
    if not 1 <= outputs <= _MOST_OUTPUTS:
        raise Unreadable(f"it is damaged: it has {outputs} outputs")
    if answers != "CatBoostClassifier" and outputs != 1:
        raise Unreadable(f"it answers with {outputs} numbers a row ({notes.loss[:40]}): compiled are those of one")
    found = read_trees(trees, splits, outputs)
    scale, bias = _scale_and_bias(trees, outputs)
    _check_sums(found, scale, bias)
    classes = notes.classes(outputs) if answers == "CatBoostClassifier" else None
    return Ensemble(
        library="catboost",
        version=notes.version,
        kind=answers,
        classes=classes,
        columns=names,
        width=width,
        trees=found,
        link=_link(answers, notes, scale, bias),
        dtype=np.float32,
        base=np.zeros(outputs),
        takes_missing=True,
    ).check()


def read_catboost_object(stored: Any) -> Ensemble:  # noqa: ANN401 - whatever a pickle has in it
    """Read an object of ``KINDS`` from a pickle.

    Args:
        stored: what ``forest.files.pickles`` read.

    Raises:
        UnsupportedModel: it is none, or answers what an ensemble cannot.
    """
    if not isinstance(stored, Stored) or stored.name not in KINDS or not isinstance(stored.state, dict):
        raise Unreadable(f"{what(stored)} is no model of CatBoost")
    content = stored.state.get("__model")
    if not isinstance(content, bytes | bytearray | memoryview):
        raise Unreadable(f"the {stored.name} is not fitted")
    found = read_catboost(bytes(content), answers=stored.name)
    # Its parameters, and not its model, say whether it answers with an exponential.
    if stored.name == "CatBoostRegressor" and _exponent(stored.state) != (found.link.name == "catboost_exponential"):
        raise Unreadable("the CatBoostRegressor has another loss function than its model")
    return found


def _exponent(parameters: Mapping[str, Any]) -> bool:
    """Whether a regressor of these parameters answers with the exponential of its sums."""
    loss = parameters.get("objective", parameters.get("loss_function"))
    return isinstance(loss, str) and loss.startswith(_EXPONENTS)


def _core(content: bytes) -> Table:
    """The table ``TModelCore``."""
    begin = len(MAGIC) + _SIZE
    size = int.from_bytes(content[len(MAGIC) : begin], "little")
    if not content.startswith(MAGIC) or size > len(content) - begin:
        raise Unreadable("it is no model of CatBoost, or damaged: it ends too early")
    core = Buffer(content[begin : begin + size]).root()
    if (form := core.text(_FORMAT)) != _KNOWN_FORMAT:
        raise Unreadable(f"its format is {form[:40]!a}, known is {_KNOWN_FORMAT!a}")
    return core


def _scale_and_bias(trees: Table, outputs: int) -> tuple[float, float]:
    """What the sums are multiplied with, and what is added then."""
    scale, bias = trees.number(_SCALE, "d", 1.0), trees.number(_BIAS, "d", 0.0)
    biases = trees.array(_BIASES, "<f8") if trees.array(_BIASES, "<u4").size else np.full(outputs, bias)
    if len(biases) != outputs or not np.isfinite([scale, *biases]).all():
        raise Unreadable("it is damaged: its scale or bias is none")
    if outputs > 1 and (scale != 1 or biases.any()):
        raise Unreadable("it has several outputs and a scale or bias for them: compiled are those of one output")
    return float(scale), float(biases[0])


def _check_sums(trees: list[Tree], scale: float, bias: float) -> None:
    """Make sure that every sum is a number."""
    with np.errstate(over="ignore", invalid="ignore"):
        most = np.sum([np.abs(tree.leaves).max(initial=0) for tree in trees]) * max(abs(scale), 1.0) + abs(bias)
    if not np.isfinite(most):
        raise Unreadable("its leaves have numbers that are too large to add up")


def _link(kind: str, notes: Notes, scale: float, bias: float) -> Link:
    """What makes answers of the sums."""
    if kind == "CatBoostClassifier":
        if (name := _CLASSES.get(notes.loss)) is None:
            raise Unreadable(f"a {kind} with the loss {notes.loss[:40]!a} does not answer with one class a row")
        link = Link(name, (scale, bias, notes.threshold) if name == "catboost_pair" else ())
    else:
        exponent = kind == "CatBoostRegressor" and notes.loss.startswith(_EXPONENTS)
        link = Link("catboost_exponential" if exponent else "catboost_value", (scale, bias))
    if link.name in _OWN_EXPONENTIAL and platform.machine() not in _PROCESSORS:
        raise Unreadable(f"CatBoost computes its exponential otherwise on {platform.machine()}: known is x86-64's")
    return link
