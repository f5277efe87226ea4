"""Logging a forest to MLflow with all that belongs to it: as a run and a logged model, not yet registered."""

import hashlib
import json
import logging
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import mlflow
import msgspec
import numpy as np
import sklearn
import skops
from mlflow import MlflowClient
from mlflow.models import infer_signature
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from dataset import load_sample
from dataset.draw import write_csv
from forest import Origin, Prediction, UnsupportedModel, build
from forest.checks import answers
from preprocessing import covertype
from registry.version import FORMAT, SCHEMA_FILE, TAG, ArtifactRef, CompiledArtifactRef
from training.data import TrainingData, matrix
from training.forest import Recipe, Trained, frame
from training.rows import identities
from training.tags import FINGERPRINT

logger = logging.getLogger("canopy.training")

EXPECTED: Final = "expected/sample_labels.json"
"""Artifact of the run: scikit-learn's own labels for the bundled sample."""

HELD_OUT: Final = "evaluation/held_out.csv.gz"
"""Artifact of the run: the rows that were held out, with their labels, as ``dataset.read_csv`` reads them."""

FITTED: Final = "evaluation/fitted.npy"
"""Artifact of the run: (n,) uint64, the identities of the rows that the forest was fitted on."""

_COMPILED: Final = answers.FOLDER
"""Folder of a logged model's artifacts for the compiled forest."""


def fingerprint(data: TrainingData, recipe: Recipe) -> str:
    """Digest of the data, the recipe and scikit-learn's version: equal fingerprints mean equal forests."""
    facts = {"data": data.digest, "scikit-learn": sklearn.__version__, **asdict(recipe)}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


class Recorder:
    """Logs forests in one experiment.

    Args:
        client: of the store.
        experiment: the experiment's id.
        name: the registered model that they are meant for.
    """

    def __init__(self, client: MlflowClient, experiment: str, name: str) -> None:
        self._client = client
        self._experiment = experiment
        self._name = name

    def log(self, trained: Trained, data: TrainingData, recipe: Recipe) -> str:
        """Log a forest with all that belongs to it.

        Returns:
            The id of the logged model. Its tags are set last, so one that has a fingerprint is complete.
        """
        sample = load_sample()
        features = matrix(sample)
        expected = trained.forest.predict(frame(features))
        example = frame(features[:5])
        with mlflow.start_run(experiment_id=self._experiment):
            mlflow.log_params({"source": data.source, "rows": len(data.data), "digest": data.digest, **asdict(recipe)})
            mlflow.log_metrics(trained.metrics)
            _log_expected(expected, TrainingData("sample", sample).digest)
            _log_rows(trained)
            logged = mlflow.sklearn.log_model(
                trained.forest,
                name="model",
                signature=infer_signature(example, trained.forest.predict(example)),
                input_example=example,
                serialization_format="skops",
                skops_trusted_types=["sklearn.tree._tree.Tree"],
                pip_requirements=[f"scikit-learn=={sklearn.__version__}", f"skops=={skops.__version__}"],
            )
            model = str(logged.model_id)
            self._log_answers(trained.forest, features[:5], model)
            schema = self._log_schema(model)
            compiled = self._log_compiled(trained.forest, features, model, schema)
        tags = {FINGERPRINT: fingerprint(data, recipe), "canopy.expected": EXPECTED, **compiled}
        self._client.set_logged_model_tags(model, tags)
        return model

    def _log_answers(self, forest: RandomForestClassifier, rows: NDArray[np.float32], model: str) -> None:
        """Log what a forest answers for its input example beside its model: whoever serves it holds it against that."""
        table = frame(rows)
        prediction = Prediction(forest.predict(table), forest.predict_proba(table))
        with TemporaryDirectory() as folder:
            self._client.log_model_artifact(model, str(answers.write(Path(folder), prediction)), answers.FOLDER)

    def _log_schema(self, model: str) -> ArtifactRef:
        """Log the description of the table beside a model: who serves it need not recognise its columns."""
        with TemporaryDirectory() as folder:
            file = Path(folder) / Path(SCHEMA_FILE).name
            file.write_bytes(msgspec.json.format(covertype.SCHEMA.encode(), indent=2))
            self._client.log_model_artifact(model, str(file), str(Path(SCHEMA_FILE).parent))
            return ArtifactRef(SCHEMA_FILE, hashlib.sha256(file.read_bytes()).hexdigest(), file.stat().st_size)

    def _log_compiled(
        self, forest: RandomForestClassifier, rows: NDArray[np.float32], model: str, schema: ArtifactRef
    ) -> dict[str, str]:
        """Compile a forest and log that beside its model, so that no server has to.

        Args:
            forest: fitted on the schema's columns in their order.
            rows: (n, 54) rows to compare it on.
            model: the logged model.
            schema: the description of its table.

        Returns:
            The tag that tells servers of it; none if the forest was not compiled, for the reason that is logged.
        """
        with TemporaryDirectory() as folder:
            file = Path(folder) / "forest.canopy"
            try:
                parity = build(forest, file, Origin(self._name), columns=covertype.COLUMNS, examples=rows)
            except (UnsupportedModel, ImportError) as error:
                logger.warning("no compiled forest is logged: %s", error)
                return {}
            if not parity.passed:
                logger.warning("no compiled forest is logged: of %d rows %d differ", parity.rows, parity.different)
                return {}
            self._client.log_model_artifact(model, str(file), _COMPILED)
            digest, size = hashlib.sha256(file.read_bytes()).hexdigest(), file.stat().st_size
            said = CompiledArtifactRef(f"{_COMPILED}/{file.name}", FORMAT, digest, size, schema)
            return {TAG: msgspec.json.encode(said).decode()}


def _log_expected(labels: np.ndarray, digest: str) -> None:
    """Log the labels that this forest gives the bundled sample, row for row, and which sample that was."""
    path = Path(EXPECTED)
    with TemporaryDirectory() as folder:
        file = Path(folder) / path.name
        file.write_text(json.dumps({"sample_sha256": digest, "labels": labels.tolist()}))
        mlflow.log_artifact(str(file), artifact_path=str(path.parent))


def _log_rows(trained: Trained) -> None:
    """Log what other versions are to be held against this one on: its held-out rows, and which rows it has seen."""
    with TemporaryDirectory() as folder:
        held_out, fitted = Path(folder) / Path(HELD_OUT).name, Path(folder) / Path(FITTED).name
        write_csv(trained.held_out, held_out)
        np.save(fitted, np.unique(identities(trained.fitted)))
        for file, artifact in ((held_out, HELD_OUT), (fitted, FITTED)):
            mlflow.log_artifact(str(file), artifact_path=str(Path(artifact).parent))
