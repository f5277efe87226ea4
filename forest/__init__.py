"""A fitted forest and the engines that compute its predictions."""

from forest.artifact import Artifact, BadArtifact, Origin, Parity
from forest.artifact import read as read_artifact
from forest.artifact import write as write_artifact
from forest.checks.build import build
from forest.checks.parity import compare, threshold_rows
from forest.compile import compile_forest
from forest.compiled import CompiledEngine
from forest.engine import Engine, Prediction, UnsupportedModel
from forest.estimator import SklearnEngine, fitted_forest, why_no_forest
from forest.files.installed import is_installed, mismatch, watched
from forest.files.reading import read_forest
from forest.files.source import load_estimator
from forest.fitted import FittedForest

__all__ = [
    "Artifact",
    "BadArtifact",
    "CompiledEngine",
    "Engine",
    "FittedForest",
    "Origin",
    "Parity",
    "Prediction",
    "SklearnEngine",
    "UnsupportedModel",
    "build",
    "compare",
    "compile_forest",
    "fitted_forest",
    "is_installed",
    "load_estimator",
    "mismatch",
    "read_artifact",
    "read_forest",
    "threshold_rows",
    "watched",
    "why_no_forest",
    "write_artifact",
]
