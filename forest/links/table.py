"""All link functions, by their names."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forest.engine import UnsupportedModel
from forest.links.calibration import calibrated
from forest.links.catboost import CATBOOST
from forest.links.forests import FORESTS
from forest.links.lightgbm import LIGHTGBM
from forest.links.link import ANY, Answers, Link, LinkFunction
from forest.links.scikit_learn import SCIKIT_LEARN
from forest.links.threshold import by_threshold
from forest.links.xgboost import XGBOOST

LINKS: Final[dict[str, LinkFunction]] = FORESTS | SCIKIT_LEARN | XGBOOST | LIGHTGBM | CATBOOST
"""All that a compiled model may name."""


def link_function(link: Link, classes: int, outputs: int) -> Callable[[NDArray[Any]], Answers]:
    """What turns (n, n_outputs) sums into answers.

    Args:
        link: the link.
        classes: how many the model has; 0 if its answer is a number.
        outputs: how many sums a row has.

    Raises:
        UnsupportedModel: there is no such link, or it does not fit the model.
    """
    if (known := LINKS.get(link.name)) is None:
        raise UnsupportedModel(f"there is no link {link.name[:40]!a}")
    if known.classes != (classes > 0) or len(link.args) != known.args or not np.isfinite(link.args).all():
        raise _misfit(link, classes, outputs)
    if link.calibrations:
        apply = calibrated(link, known, classes, outputs)
    elif known.outputs(classes) not in (ANY, outputs):
        raise _misfit(link, classes, outputs)
    else:
        apply = (lambda sums: known.apply(sums, *link.args)) if link.args else known.apply
    if link.threshold is None:
        return apply
    return by_threshold(apply, link.threshold, classes, decides=known.decides and not link.calibrations)


def _misfit(link: Link, classes: int, outputs: int) -> UnsupportedModel:
    return UnsupportedModel(
        f"the link {link.name} of {len(link.args)} numbers does not fit {outputs} outputs and {classes} classes"
    )
