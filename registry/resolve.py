"""A model URI → the version that it means now."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from registry.errors import ModelNotFound, StoreUnavailable
from registry.store import sqlite_file
from registry.uri import ModelURI


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version of a registered model.

    Attributes:
        name: the registered model.
        number: the version, as the registry writes it: "1", "2", ...
    """

    name: str
    number: str

    def __str__(self) -> str:
        return f"{self.name}/{self.number}"

    @property
    def uri(self) -> str:
        """The version's own model URI."""
        return f"models:/{self.name}/{self.number}"


def resolve(uri: ModelURI, tracking_uri: str) -> ModelVersion:
    """Ask the registry which version ``uri`` means.

    Args:
        uri: what to look for.
        tracking_uri: the tracking server, or the database of an embedded store.

    Raises:
        ModelNotFound: there is no such model, version, stage or alias.
        StoreUnavailable: the server or store cannot be used.
    """
    if (path := sqlite_file(tracking_uri)) is not None and not path.is_file():
        raise ModelNotFound(f"there is no model yet, nor a store at {path}: {_remedy(uri, tracking_uri)}")
    from mlflow import MlflowClient

    with _translated(uri, tracking_uri):
        return ModelVersion(uri.name, _find(MlflowClient(tracking_uri, tracking_uri), uri, tracking_uri))


def _find(client: Any, uri: ModelURI, tracking_uri: str) -> str:  # noqa: ANN401 - mlflow is imported late
    if uri.kind == "version":
        return str(client.get_model_version(uri.name, uri.selector).version)
    if uri.kind == "alias":
        return str(client.get_model_version_by_alias(uri.name, uri.selector).version)
    with warnings.catch_warnings():
        # Stages are deprecated in favour of aliases, but registries use them and Canopy serves both.
        warnings.simplefilter("ignore", FutureWarning)
        found = client.get_latest_versions(uri.name, stages=None if uri.kind == "latest" else [uri.selector])
    if found:
        return str(max((version.version for version in found), key=int))
    versions = client.search_model_versions(f"name='{uri.name}'")
    there = ", ".join(f"{v.version} in {v.current_stage}" for v in sorted(versions, key=lambda v: int(v.version)))
    raise ModelNotFound(
        f"{uri.name} has no version in stage {uri.selector} (it has {there or 'none'}): promote one, or "
        + _remedy(uri, tracking_uri)
    )


def _remedy(uri: ModelURI, tracking_uri: str) -> str:
    return (
        "run `make train`, which trains, registers and promotes one "
        f"(with ARGS='--name {uri.name} --tracking-uri {tracking_uri}' where these are not its defaults)"
    )


@contextmanager
def _translated(uri: ModelURI, tracking_uri: str) -> Iterator[None]:
    """Turn what MLflow and its database layer raise into our errors."""
    from mlflow.exceptions import MlflowException
    from mlflow.tracking.registry import UnsupportedModelRegistryStoreURIException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (UnsupportedModelRegistryStoreURIException, SQLAlchemyError, OSError, ImportError) as error:
        raise _unavailable(tracking_uri, error) from None
    except MlflowException as error:
        # A missing alias is reported as an invalid parameter.
        missing_alias = uri.kind == "alias" and error.error_code == "INVALID_PARAMETER_VALUE"
        if error.error_code == "RESOURCE_DOES_NOT_EXIST" or missing_alias:
            raise ModelNotFound(
                f"the registry has no {uri.name} with {uri.kind} {uri.selector}: register or promote it, or "
                + _remedy(uri, tracking_uri)
            ) from None
        if error.error_code == "INVALID_PARAMETER_VALUE":
            raise ModelNotFound(f"the registry refuses {uri.kind} {uri.selector} of {uri.name}: {error}") from None
        raise _unavailable(tracking_uri, error) from None


def _unavailable(tracking_uri: str, error: Exception) -> StoreUnavailable:
    return StoreUnavailable(f"the MLflow store {tracking_uri} cannot be used (check MLFLOW_TRACKING_URI): {error}")
