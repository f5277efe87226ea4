"""A fitted forest and the engines that compute its predictions."""

from forest.compile import compile_forest
from forest.compiled import CompiledEngine
from forest.engine import Engine, EngineName, Prediction, UnsupportedModel
from forest.estimator import SklearnEngine, why_no_forest

__all__ = [
    "CompiledEngine",
    "Engine",
    "EngineName",
    "Prediction",
    "SklearnEngine",
    "UnsupportedModel",
    "compile_forest",
    "why_no_forest",
]
