"""Registering, promoting and rolling back the versions of a model."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Final

import mlflow
from mlflow import MlflowClient
from mlflow.entities.logged_model import LoggedModel
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models.model import MLMODEL_FILE_NAME

from registry.version import search_filter
from training.tags import FINGERPRINT, FORMER, OWN

if TYPE_CHECKING:
    from training.data import TrainingData
    from training.forest import Recipe, Trained

STAGE: Final = "Production"
ALIAS: Final = "production"


class Publisher:
    """A registered model in one MLflow store.

    Args:
        tracking_uri: the tracking server, or the database of an embedded store.
        name: the registered model.
        artifacts: the folder where a store without a server keeps its artifacts; None leaves that to the server.
        alias: of the version in production.
        stage: of the version in production; empty if only the alias counts.

    Raises:
        MlflowException: the store cannot be used.
    """

    def __init__(
        self, tracking_uri: str, name: str, artifacts: Path | None = None, *, alias: str = ALIAS, stage: str = STAGE
    ) -> None:
        mlflow.set_tracking_uri(tracking_uri)
        mlflow.set_registry_uri(tracking_uri)
        self.client = MlflowClient(tracking_uri, tracking_uri)
        self.name = name
        self._artifacts = artifacts
        self._alias = alias
        self._stage = stage

    def versions(self) -> list[ModelVersion]:
        """All versions of the registered model, newest first."""
        found = self.client.search_model_versions(search_filter(self.name))
        mine = [version for version in found if version.name == self.name]
        return sorted(mine, key=lambda version: int(version.version), reverse=True)

    def version(self, number: str) -> ModelVersion:
        """One version as the registry has it now; MlflowException if there is none of that number."""
        return self.client.get_model_version(self.name, number)

    def production(self) -> ModelVersion | None:
        """The version in production: with the alias, or where no version has that, in the stage."""
        aliased = self._aliased()
        if aliased is not None:
            return self.version(aliased)
        staged = (version for version in self.versions() if self._stage and version.current_stage == self._stage)
        return next(staged, None)

    def find(self, fingerprint: str) -> str | None:
        """The newest version with this fingerprint whose model can still be read."""
        for version in self.versions():
            files = f"models:/{version.name}/{version.version}"
            if version.tags.get(FINGERPRINT) == fingerprint and _has_files(files):
                return str(version.version)
        return None

    def find_logged(self, fingerprint: str) -> str | None:
        """The newest logged model with this fingerprint that can still be read, registered or not."""
        found = self.client.search_logged_models(
            [self._experiment()],
            filter_string=f"tags.`{FINGERPRINT}` = '{fingerprint}'",
            order_by=[{"field_name": "creation_time", "ascending": False}],
        )
        return next((str(model.model_id) for model in found if _has_files(model.model_uri)), None)

    def log(self, trained: "Trained", data: "TrainingData", recipe: "Recipe") -> str:
        """Log a forest with all that belongs to it, and return the id of the logged model. It is not yet registered."""
        # Imported late: who registers or promotes needs no scikit-learn, which takes seconds to import.
        from training.record import Recorder

        return Recorder(self.client, self._experiment(), self.name).log(trained, data, recipe)

    def register(self, model: str) -> str:
        """Make a version of a logged model, or find the one that it is already.

        The version has the logged model's tags of Canopy's as they are now.

        Args:
            model: the logged model's id.

        Returns:
            The version's number. It is not yet promoted.
        """
        logged: LoggedModel = self.client.get_logged_model(model)
        tags = {key: value for key, value in logged.tags.items() if key.startswith(OWN)}
        for version in self.versions():
            if version.model_id == model or version.source in {logged.model_uri, logged.artifact_location}:
                for key, value in tags.items():
                    self.client.set_model_version_tag(self.name, version.version, key, value)
                return str(version.version)
        self._ensure_name()
        made = self.client.create_model_version(
            self.name, source=logged.model_uri, run_id=logged.source_run_id, tags=tags, model_id=model
        )
        return str(made.version)

    def publish(self, trained: "Trained", data: "TrainingData", recipe: "Recipe") -> str:
        """Log a forest with all that belongs to it and register it as a new version.

        Returns:
            The version's number. It is not yet promoted.
        """
        return self.register(self.log(trained, data, recipe))

    def promote(self, version: str) -> bool:
        """Give a version the alias of production, and its stage, in which no other version stays.

        The version that was in production until then is noted in the tag ``FORMER``.

        Returns:
            Whether anything changed.
        """
        now = self.version(version)
        if self._alias in now.aliases and (not self._stage or now.current_stage == self._stage):
            return False
        former = self.production()
        if former is not None and former.version != now.version:
            self.client.set_model_version_tag(self.name, version, FORMER, former.version)
        self.restore(version)
        return True

    def restore(self, version: str) -> None:
        """Promote a version that was in production before, without noting what it replaces."""
        self.client.set_registered_model_alias(self.name, self._alias, version)
        if not self._stage:
            return
        with warnings.catch_warnings():
            # Stages are deprecated in favour of aliases; the reference system reads its model by stage.
            warnings.simplefilter("ignore", FutureWarning)
            self.client.transition_model_version_stage(self.name, version, self._stage, archive_existing_versions=True)

    def _aliased(self) -> str | None:
        try:
            aliases = self.client.get_registered_model(self.name).aliases
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None
        version = aliases.get(self._alias)
        return None if version is None else str(version)

    def _experiment(self) -> str:
        """The experiment of the model; a store whose folder has been moved gets another, for its paths are absolute."""
        for name in (self.name, f"{self.name} in {self._artifacts}"):
            experiment = self.client.get_experiment_by_name(name)
            if experiment is None:
                return str(self.client.create_experiment(name, self._artifacts and self._artifacts.as_uri()))
            if self._keeps_artifacts(experiment.artifact_location):
                return str(experiment.experiment_id)
        raise ValueError(f"the experiments of {self.name} keep their artifacts elsewhere than in {self._artifacts}")

    def _keeps_artifacts(self, location: str) -> bool:
        """Whether artifacts may go to ``location``: to a server, an object store, or the folder that is ours now."""
        local = location.startswith(("file:", "/"))
        return self._artifacts is None or not local or location == self._artifacts.as_uri()

    def _ensure_name(self) -> None:
        try:
            self.client.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise


def _has_files(uri: str) -> bool:
    """Whether the model of a URI can be read."""
    try:
        files = mlflow.artifacts.list_artifacts(artifact_uri=uri)
    except (MlflowException, OSError):
        return False
    return any(Path(file.path).name == MLMODEL_FILE_NAME for file in files)
