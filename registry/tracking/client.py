"""The registry of a store that only MLflow's own client can ask: a database, Databricks, an authentication plugin."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from registry.config import RegistryConfig
from registry.errors import StoreUnavailable
from registry.tracking.record import MISSING, RegistryRefused, RegistryVersion
from registry.version import search_filter

_MANY = 20


class ClientRegistry:
    """Implements ``registry.tracking.record.Registry``; every method raises StoreUnavailable as well.

    Args:
        config: the way to the store.
    """

    def __init__(self, config: RegistryConfig) -> None:
        self._config = config

    def version(self, name: str, number: str) -> RegistryVersion:
        """See ``Registry``."""
        with self._client() as client:
            return _record(client.get_model_version(name, number))

    def aliased(self, name: str, alias: str) -> RegistryVersion:
        """See ``Registry``."""
        with self._client() as client:
            return _record(client.get_model_version_by_alias(name, alias))

    def newest(self, name: str, stage: str | None) -> list[RegistryVersion]:
        """See ``Registry``."""
        with self._client() as client, warnings.catch_warnings():
            # Stages are deprecated in favour of aliases, but registries use them and Canopy serves both.
            warnings.simplefilter("ignore", FutureWarning)
            return list(map(_record, client.get_latest_versions(name, None if stage is None else [stage])))

    def versions(self, name: str) -> list[RegistryVersion]:
        """See ``Registry``."""
        with self._client() as client:
            return [_record(each) for each in client.search_model_versions(search_filter(name)) if each.name == name]

    def aliases(self, name: str) -> dict[str, str]:
        """See ``Registry``."""
        with self._client() as client:
            found = client.get_registered_model(name).aliases
            return {alias: str(number) for alias, number in found.items()}

    def models(self) -> list[str]:
        """See ``Registry``."""
        with self._client() as client:
            return [model.name for model in client.search_registered_models(max_results=_MANY)]

    def location(self, name: str, number: str) -> str:
        """See ``Registry``."""
        with self._client() as client:
            return str(client.get_model_version_download_uri(name, number))

    @contextmanager
    def _client(self) -> Iterator[Any]:
        """Yield MLflow's client, and turn what it and its database layer raise into our errors."""
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
        from mlflow.tracking.registry import UnsupportedModelRegistryStoreURIException
        from sqlalchemy.exc import SQLAlchemyError

        address = self._config.tracking_uri
        try:
            yield MlflowClient(address, address)
        except (UnsupportedModelRegistryStoreURIException, SQLAlchemyError, OSError, ImportError) as error:
            raise self._unavailable(error) from None
        except MlflowException as error:
            if error.error_code in MISSING:
                raise RegistryRefused(error.error_code, error.message) from None
            raise self._unavailable(error) from None

    def _unavailable(self, error: Exception) -> StoreUnavailable:
        return StoreUnavailable(
            f"the MLflow store {self._config.address} cannot be used (check MLFLOW_TRACKING_URI): {error}"
        )


def _record(found: Any) -> RegistryVersion:  # noqa: ANN401 - mlflow is untyped
    return RegistryVersion(
        found.name,
        str(found.version),
        found.current_stage or "None",
        found.source or "",
        found.creation_timestamp or 0,
        dict(found.tags),
    )
