"""A fitted forest and the engines that compute its predictions."""

from forest.engine import Engine, EngineName, Prediction, SklearnEngine, UnsupportedModel, build_engine, why_no_forest

__all__ = [
    "Engine",
    "EngineName",
    "Prediction",
    "SklearnEngine",
    "UnsupportedModel",
    "build_engine",
    "why_no_forest",
]
