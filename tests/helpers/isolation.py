"""MLflow in this process, kept from leaking: it has global URIs, sets environment variables, writes where it runs."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from startup import tame_mlflow

MLFLOW_WARNS = [
    # SQLAlchemy disapproves of a loader that MLflow uses: once a process, when MLflow first opens a store.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
    # pandas disapproves of how MLflow looks at the columns of an input example.
    pytest.mark.filterwarnings("ignore:Operation with range is deprecated"),
]
"""Marks for the modules whose tests use MLflow in this process."""


@contextmanager
def isolated_mlflow(folder: Path) -> Iterator[None]:
    """Work in ``folder``; afterwards MLflow's URIs, the environment, our log level and the folder are as before."""
    level = logging.getLogger("canopy.training").level
    with patch.dict(os.environ), chdir(folder):
        os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        tame_mlflow(os.environ)
        with warnings.catch_warnings():
            # MLflow, when it is first imported, disapproves of type hints of its own.
            warnings.filterwarnings("ignore", ".*Any type hint is inferred as AnyType", UserWarning)
            import mlflow.pyfunc
            import mlflow.sklearn
        try:
            yield
        finally:
            mlflow.set_tracking_uri(None)
            mlflow.set_registry_uri(None)
            logging.getLogger("canopy.training").setLevel(level)
