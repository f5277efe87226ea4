"""A version's files, fetched by MLflow's own client."""

import hashlib
import shutil
from pathlib import Path

import mlflow
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.models_artifact_repo import ModelsArtifactRepository

from registry.artifacts.fetch import check
from registry.config import RegistryConfig
from registry.errors import Absent
from registry.preparing.folder import copy_model
from registry.version import ArtifactRef, CompiledArtifactRef, ModelVersion


def download(version: ModelVersion, config: RegistryConfig, folder: Path) -> None:
    """Download the files of a version into a folder, which is made.

    Raises:
        Exception: whatever MLflow and its clients raise.
    """
    if version.folder:
        copy_model(version, folder)
        return
    _set_uris(config)
    folder.mkdir()
    # ``mlflow.artifacts.download_artifacts`` would take models:/fraud@eu/1 for the file 1 of what is called eu.
    ModelsArtifactRepository(version.uri).download_artifacts("", str(folder))


def _set_uris(config: RegistryConfig) -> None:
    mlflow.set_tracking_uri(config.tracking_uri)
    mlflow.set_registry_uri(config.tracking_uri)


def download_file(config: RegistryConfig, location: str, file: CompiledArtifactRef | ArtifactRef, path: Path) -> None:
    """Do what ``fetch`` does, for artifacts that only MLflow's client can read.

    Raises:
        UnusableModel: the file is damaged or gone.
    """
    folder = path.with_name("download")
    folder.mkdir()
    _set_uris(config)
    try:
        Path(get_artifact_repository(location).download_artifacts(file.path, str(folder))).replace(path)
    except Exception as error:
        raise Absent(f"{location}/{file.path} cannot be downloaded: {type(error).__name__}: {error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    check(file, path.stat().st_size, digest, location)
