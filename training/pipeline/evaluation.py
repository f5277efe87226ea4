"""Holding a logged model against the version in production, on the same rows."""

import json
import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import mlflow
import msgspec
import numpy as np
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from numpy.typing import NDArray

from dataset import Covertype, read_csv
from dataset.covertype import LABELS
from training.data import matrix
from training.forest import frame, scores
from training.pipeline.comparison import Comparison
from training.publish import Publisher
from training.record import FITTED, HELD_OUT
from training.rows import unseen
from training.tags import EVALUATION

logger = logging.getLogger("canopy.training")

LEAST_ROWS: Final = 200
"""On fewer rows two models are not compared: one row more or less would be half a percent of accuracy."""


def evaluate(publisher: Publisher, model: str) -> Comparison:
    """Hold a logged model against the version in production, and note the result in the tag ``EVALUATION``.

    Both answer for the rows that were held out when the model was trained, but for those that the version in
    production was fitted on: it would know the answers. Where nothing tells what it was fitted on, all rows count, in
    its favour, and a warning says so.

    Args:
        publisher: of the registered model.
        model: the logged model's id.

    Raises:
        ValueError: the two cannot be compared, for the reason that the message gives.
        MlflowException: the store does not have what it should, or cannot be reached.
    """
    logged = publisher.client.get_logged_model(model)
    held_out = _held_out(logged.source_run_id, model)
    production = publisher.production()
    if production is None:
        comparison = Comparison(len(held_out), _scores(logged.model_uri, held_out))
    elif model == production.model_id:
        known = _scores(logged.model_uri, held_out)
        comparison = Comparison(len(held_out), known, str(production.version), known, same=True)
    else:
        rows = _fair(held_out, production)
        comparison = Comparison(
            len(rows),
            _scores(logged.model_uri, rows),
            str(production.version),
            _scores(f"models:/{production.name}/{production.version}", rows),
        )
    publisher.client.set_logged_model_tags(model, {EVALUATION: msgspec.json.encode(comparison).decode()})
    return comparison


def _held_out(run: str, model: str) -> Covertype:
    try:
        with TemporaryDirectory() as folder:
            return read_csv(_download(run, HELD_OUT, folder))
    except (MlflowException, OSError) as error:
        raise ValueError(
            f"the held-out rows of {model} cannot be read ({error}): it was logged by something else, or before these "
            "were kept; train it again"
        ) from None


def _fair(held_out: Covertype, production: ModelVersion) -> Covertype:
    """The rows that the version in production has not seen."""
    name = f"{production.name}/{production.version}"
    try:
        with TemporaryDirectory() as folder:
            rows = unseen(held_out, np.load(_download(production.run_id, FITTED, folder)))
    except (MlflowException, OSError, ValueError) as error:
        logger.warning(
            "nothing tells which rows %s was fitted on (%s): it may have seen those that it is asked for, which is in "
            "its favour",
            name,
            error,
        )
        return held_out
    if len(rows) < LEAST_ROWS:
        raise ValueError(
            f"of {len(held_out)} held-out rows {name} was not fitted on {len(rows)}, too few to compare on (at least "
            f"{LEAST_ROWS}): train with the seed that it was trained with, or on more data"
        )
    return rows


def _download(run: str | None, artifact: str, folder: str) -> Path:
    if not run:
        raise FileNotFoundError("it has no run")
    return Path(mlflow.artifacts.download_artifacts(run_id=run, artifact_path=artifact, dst_path=folder))


def _scores(uri: str, rows: Covertype) -> dict[str, float]:
    """What a model scores, asked as MLflow's user would."""
    table = frame(matrix(rows))
    try:
        predicted: NDArray[Any] = np.asarray(mlflow.pyfunc.load_model(uri).predict(table)).reshape(-1)
    except MlflowException:
        raise
    except Exception as error:  # whatever a model's own code raises
        raise ValueError(
            f"{uri} does not answer for these rows ({type(error).__name__}: {error}): compare it by hand"
        ) from error
    if len(predicted) != len(rows):
        raise ValueError(f"{uri} gives {len(predicted)} answers for {len(rows)} rows: compare it by hand")
    if strange := sorted({*predicted.tolist()} - {*LABELS})[:3]:
        raise ValueError(f"{uri} answers {json.dumps(strange)}, which are no labels of the data: compare it by hand")
    return scores(rows.labels, predicted)
