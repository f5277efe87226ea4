"""A store of models of many kinds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.isolation import isolated_mlflow


@pytest.fixture(scope="module")
def store_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the module's store is."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def tracking(store_folder: Path) -> Iterator[str]:
    """A store, which MLflow logs into."""
    import mlflow

    with isolated_mlflow(store_folder):
        uri = f"sqlite:///{store_folder / 'mlflow.db'}"
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        if mlflow.get_experiment_by_name("models") is None:
            mlflow.create_experiment("models", (store_folder / "files").as_uri())
        mlflow.set_experiment("models")
        yield uri
