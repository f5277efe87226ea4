"""What LightGBM's objectives make of the sums, and the parameters that they have in a model text."""

import math
import re
from collections.abc import Callable, Sequence
from typing import Final

from forest.engine import UnsupportedModel
from forest.links import Link

_OTHER_NAMES: Final = {
    **dict.fromkeys(("regression_l2", "mean_squared_error", "mse", "l2", "l2_root"), "regression"),
    **dict.fromkeys(("root_mean_squared_error", "rmse"), "regression"),
    **dict.fromkeys(("mean_absolute_error", "l1", "mae"), "regression_l1"),
    "softmax": "multiclass",
    **dict.fromkeys(("multiclass_ova", "ova", "ovr"), "multiclassova"),
    "xentropy": "cross_entropy",
    "xentlambda": "cross_entropy_lambda",
    "mean_absolute_percentage_error": "mape",
    **dict.fromkeys(("xendcg", "xe_ndcg", "xe_ndcg_mart", "xendcg_mart"), "rank_xendcg"),
    **dict.fromkeys(("none", "null", "na"), "custom"),
}
"""``ParseObjectiveAlias`` of include/LightGBM/config.h."""


_NUMBERS: Final[dict[str, Callable[[Sequence[str]], Link]]] = {
    **dict.fromkeys(
        ("regression", "regression_l1", "fair", "quantile", "mape"),
        lambda words: Link("lightgbm_signed_square" if "sqrt" in words else "value"),
    ),
    **dict.fromkeys(("poisson", "gamma", "tweedie"), lambda _: Link("lightgbm_exponential")),
    **dict.fromkeys(("huber", "lambdarank", "rank_xendcg", "custom"), lambda _: Link("value")),
    "binary": lambda words: Link("lightgbm_sigmoid", (_slope(words),)),
    "cross_entropy": lambda _: Link("lightgbm_sigmoid", (1.0,)),
    "cross_entropy_lambda": lambda _: Link("lightgbm_softplus"),
}
"""How each objective answers with a number, see ``ConvertOutput`` in src/objective/."""

_CLASSES: Final[dict[str, Callable[[Sequence[str]], Link]]] = {
    "binary": lambda words: Link("lightgbm_sigmoid_pair", (_slope(words),)),
    "cross_entropy": lambda _: Link("lightgbm_sigmoid_pair", (1.0,)),
    "multiclass": lambda _: Link("lightgbm_softmax"),
    "multiclassova": lambda words: Link("lightgbm_sigmoid_each", (_slope(words),)),
}
"""How each objective answers with classes, where a wrapper has them."""

_SEVERAL: Final = ("multiclass", "multiclassova")
"""Objectives with an output for each class."""


def link_of(objective: tuple[str | None, tuple[str, ...]], outputs: int, classes: int) -> Link:
    """What makes answers of a model's sums.

    Args:
        objective: its name, None if there is none, and the other words of its line in the model text.
        outputs: how many sums a row has.
        classes: how many classes it answers with; 0 if it answers with a number.

    Raises:
        UnsupportedModel: how it answers is not known, or it does not answer with a number or class a row.
    """
    name, words = objective
    # The loader knows the other names only where they stand alone.
    known = "custom" if name is None else name if words else _OTHER_NAMES.get(name, name)
    several = known in _SEVERAL
    if several and _parameter(words, "num_class") != str(outputs):
        raise UnsupportedModel(f"the objective {known} is of another number of classes than {outputs}")
    if not classes and outputs != 1:
        raise UnsupportedModel(f"it answers with {outputs} numbers a row; wrapped by LGBMClassifier, with a class")
    if (link := (_CLASSES if classes else _NUMBERS).get(known)) is None:
        answer = "class" if classes else "number"
        raise UnsupportedModel(f"the objective {known[:40]!a} is not known to answer with a {answer}")
    if classes and (classes, outputs) != ((outputs, outputs) if several else (2, 1)):
        raise UnsupportedModel(f"the objective {known} of {outputs} outputs does not fit {classes} classes")
    return link(words)


def _slope(words: Sequence[str]) -> float:
    """The parameter ``sigmoid``."""
    if (slope := rough_float(_parameter(words, "sigmoid"))) <= 0 or not math.isfinite(slope):
        raise UnsupportedModel("the parameter sigmoid is not above 0")
    return slope


def _parameter(words: Sequence[str], name: str) -> str:
    found = [value for word in words for key, _, value in [word.partition(":")] if key == name]
    if len(found) != 1:
        raise UnsupportedModel(f"the objective does not tell {name}")
    return found[0]


def rough_float(text: str) -> float:
    """A number as ``Common::Atof`` of include/LightGBM/utils/common.h rounds it: digit by digit, then scaled.

    Raises:
        UnsupportedModel: it is none.
    """
    if (parts := re.fullmatch(r"([0-9]{1,30})(?:\.([0-9]{1,30}))?(?:[eE]([-+]?)([0-9]{1,3}))?", text)) is None:
        raise UnsupportedModel(f"{text[:40]!a} is no number")
    whole, fraction, sign, exponent = parts.groups(default="")
    value = _digits(whole)
    if fraction:
        value += _digits(fraction) / _power(10.0, len(fraction))
    scale, left = 1.0, min(int(exponent or 0), 308)
    for step, factor in ((50, 1e50), (8, 1e8), (1, 10.0)):
        while left >= step:
            scale *= factor
            left -= step
    return value / scale if sign == "-" else value * scale


def _digits(text: str) -> float:
    value = 0.0
    for digit in text:
        value = value * 10.0 + int(digit)
    return value


def _power(base: float, power: int) -> float:
    """As ``Common::Pow`` multiplies."""
    if power == 0:
        return 1.0
    if power % 2 == 0:
        return _power(base * base, power // 2)
    if power % 3 == 0:
        return _power(base * base * base, power // 3)
    return base * _power(base, power - 1)
