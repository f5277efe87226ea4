"""A fitted forest and the engines that compute its predictions."""

from forest.artifact import Artifact, BadArtifact, Origin, Parity
from forest.artifact import read as read_artifact
from forest.artifact import write as write_artifact
from forest.checks.build import build
from forest.checks.parity import compare, threshold_rows
from forest.compile import compile_forest
from forest.compiled import CompiledEngine
from forest.engine import Engine, LabelsEngine, Prediction, UnsupportedModel, labels_of
from forest.ensemble import Ensemble
from forest.files.installed import can_be_asked, is_installed, mismatch, watched
from forest.files.reading import Hint, read_model
from forest.files.source import load_estimator
from forest.libraries.scikit_learn.estimator import SklearnEngine, ensemble_of, why_no_forest
from forest.walks import WalkName

__all__ = [
    "Artifact",
    "BadArtifact",
    "CompiledEngine",
    "Engine",
    "Ensemble",
    "Hint",
    "LabelsEngine",
    "Origin",
    "Parity",
    "Prediction",
    "SklearnEngine",
    "UnsupportedModel",
    "WalkName",
    "build",
    "can_be_asked",
    "compare",
    "compile_forest",
    "ensemble_of",
    "is_installed",
    "labels_of",
    "load_estimator",
    "mismatch",
    "read_artifact",
    "read_model",
    "threshold_rows",
    "watched",
    "why_no_forest",
    "write_artifact",
]
