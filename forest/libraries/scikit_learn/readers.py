"""What reads which of scikit-learn's estimators."""

from collections.abc import Callable
from typing import Any, Final

from forest.libraries.pipelines.pipelines import KIND, pipeline
from forest.libraries.pipelines.searches import SEARCHES, search
from forest.libraries.scikit_learn.found import Found
from forest.libraries.scikit_learn.models import MODELS

READERS: Final[dict[str, Callable[[Any], Found]]] = MODELS | {KIND: pipeline} | dict.fromkeys(SEARCHES, search)
"""The estimators that are compiled, by their class."""
