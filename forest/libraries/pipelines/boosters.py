"""Models of XGBoost and LightGBM that stand in scikit-learn's, as the last step of a Pipeline for one."""

import pickle
from typing import Any, Final

from forest.ensemble import Ensemble
from forest.files.pickles import read_pickled
from forest.files.stored import Stored
from forest.libraries.lightgbm import model as lightgbm
from forest.libraries.scikit_learn.found import Found
from forest.libraries.xgboost import model as xgboost

BOOSTERS: Final = frozenset({"XGBClassifier", "XGBRegressor", "XGBRFClassifier", "XGBRFRegressor"}) | frozenset(
    {"LGBMClassifier", "LGBMRegressor"}
)
"""Their estimators whose answers are known."""


def booster(value: Any) -> Found:  # noqa: ANN401 - an estimator, or what a file says of one
    """Read a fitted estimator of ``BOOSTERS``.

    Raises:
        UnsupportedModel: it is none, or answers what an ensemble cannot.
    """
    found = value if isinstance(value, Stored) else read_pickled(pickle.dumps(value))

    def ensemble() -> Ensemble:
        return xgboost.read_xgboost_object(found) if found.name in xgboost.KINDS else lightgbm.read_stored(found)

    return Found(0, ensemble)
