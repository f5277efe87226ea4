"""Logging a forest to MLflow, registering and promoting it."""

import hashlib
import json
import logging
import warnings
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
import msgspec
import numpy as np
import sklearn
import skops
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from mlflow.models.model import MLMODEL_FILE_NAME
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from dataset import load_sample
from forest import Origin, Prediction, UnsupportedModel, build
from forest.checks import answers
from preprocessing import covertype
from registry.version import FORMAT, SCHEMA_FILE, TAG, ArtifactRef, CompiledArtifactRef, search_filter
from training.data import TrainingData, matrix
from training.forest import Recipe, Trained, frame

logger = logging.getLogger("canopy.training")

STAGE = "Production"
ALIAS = "production"
FINGERPRINT = "canopy.fingerprint"
"""Tag of a model version: digest of all that decides the forest."""

_COMPILED = answers.FOLDER
"""Folder of a logged model's artifacts for the compiled forest."""

EXPECTED = "expected/sample_labels.json"
"""Artifact of the run: scikit-learn's own labels for the bundled sample."""


def fingerprint(data: TrainingData, recipe: Recipe) -> str:
    """Digest of the data, the recipe and scikit-learn's version: equal fingerprints mean equal forests."""
    facts = {"data": data.digest, "scikit-learn": sklearn.__version__, **asdict(recipe)}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


class Publisher:
    """A registered model in one MLflow store.

    Args:
        tracking_uri: the tracking server, or the database of an embedded store.
        name: the registered model.
        artifacts: the folder where a store without a server keeps its artifacts; None leaves that to the server.

    Raises:
        MlflowException: the store cannot be used.
    """

    def __init__(self, tracking_uri: str, name: str, artifacts: Path | None = None) -> None:
        mlflow.set_tracking_uri(tracking_uri)
        mlflow.set_registry_uri(tracking_uri)
        self._client = MlflowClient(tracking_uri, tracking_uri)
        self._name = name
        self._artifacts = artifacts

    def versions(self) -> list[ModelVersion]:
        """All versions of the registered model, newest first."""
        found = self._client.search_model_versions(search_filter(self._name))
        mine = [version for version in found if version.name == self._name]
        return sorted(mine, key=lambda version: int(version.version), reverse=True)

    def find(self, fingerprint: str) -> str | None:
        """The newest version with this fingerprint whose model can still be read."""
        for version in self.versions():
            if version.tags.get(FINGERPRINT) == fingerprint and self._has_files(version):
                return str(version.version)
        return None

    def publish(self, trained: Trained, data: TrainingData, recipe: Recipe) -> str:
        """Log a forest with all that belongs to it and register it as a new version.

        Returns:
            The version's number. It is not yet promoted.
        """
        sample = load_sample()
        features = matrix(sample)
        expected = trained.forest.predict(frame(features))
        example = frame(features[:5])
        with mlflow.start_run(experiment_id=self._experiment()) as run:
            mlflow.log_params({"source": data.source, "rows": len(data.data), "digest": data.digest, **asdict(recipe)})
            mlflow.log_metrics(trained.metrics)
            self._log_expected(expected, TrainingData("sample", sample).digest)
            logged = mlflow.sklearn.log_model(
                trained.forest,
                name="model",
                signature=infer_signature(example, trained.forest.predict(example)),
                input_example=example,
                serialization_format="skops",
                skops_trusted_types=["sklearn.tree._tree.Tree"],
                pip_requirements=[f"scikit-learn=={sklearn.__version__}", f"skops=={skops.__version__}"],
            )
            self._log_answers(trained.forest, features[:5], logged.model_id)
            schema = self._log_schema(logged.model_id)
            compiled = self._log_compiled(trained.forest, features, logged.model_id, schema)
        self._ensure_name()
        version = self._client.create_model_version(
            self._name,
            source=logged.model_uri,
            run_id=run.info.run_id,
            tags={FINGERPRINT: fingerprint(data, recipe), "canopy.expected": EXPECTED, **compiled},
            model_id=logged.model_id,
        )
        return str(version.version)

    def promote(self, version: str) -> bool:
        """Give a version the production alias, and the stage Production in which no other version stays.

        Returns:
            Whether anything changed.
        """
        now = self._client.get_model_version(self._name, version)
        if now.current_stage == STAGE and ALIAS in now.aliases:
            return False
        self._client.set_registered_model_alias(self._name, ALIAS, version)
        with warnings.catch_warnings():
            # Stages are deprecated in favour of aliases; the reference system reads its model by stage.
            warnings.simplefilter("ignore", FutureWarning)
            self._client.transition_model_version_stage(self._name, version, STAGE, archive_existing_versions=True)
        return True

    def _has_files(self, version: ModelVersion) -> bool:
        try:
            files = mlflow.artifacts.list_artifacts(artifact_uri=f"models:/{version.name}/{version.version}")
        except (MlflowException, OSError):
            return False
        return any(Path(file.path).name == MLMODEL_FILE_NAME for file in files)

    def _experiment(self) -> str:
        """The experiment of the model; a store whose folder has been moved gets another, for its paths are absolute."""
        for name in (self._name, f"{self._name} in {self._artifacts}"):
            experiment = self._client.get_experiment_by_name(name)
            if experiment is None:
                return str(self._client.create_experiment(name, self._artifacts and self._artifacts.as_uri()))
            if self._keeps_artifacts(experiment.artifact_location):
                return str(experiment.experiment_id)
        raise ValueError(f"the experiments of {self._name} keep their artifacts elsewhere than in {self._artifacts}")

    def _keeps_artifacts(self, location: str) -> bool:
        """Whether artifacts may go to ``location``: to a server, an object store, or the folder that is ours now."""
        local = location.startswith(("file:", "/"))
        return self._artifacts is None or not local or location == self._artifacts.as_uri()

    def _ensure_name(self) -> None:
        try:
            self._client.create_registered_model(self._name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

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

    def _log_expected(self, labels: np.ndarray, digest: str) -> None:
        """Log the labels that this forest gives the bundled sample, row for row, and which sample that was."""
        path = Path(EXPECTED)
        with TemporaryDirectory() as folder:
            file = Path(folder) / path.name
            file.write_text(json.dumps({"sample_sha256": digest, "labels": labels.tolist()}))
            mlflow.log_artifact(str(file), artifact_path=str(path.parent))
