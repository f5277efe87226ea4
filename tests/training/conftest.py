"""Where tests train in this process: each in a folder and a store of its own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Store
from tests.helpers.isolation import isolated_mlflow


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[None]:
    """Work in a folder of the test's own and leave no trace of what MLflow does."""
    with isolated_mlflow(tmp_path):
        yield


@pytest.fixture
def workplace(elsewhere: None, tmp_path: Path, store: Store) -> Store:  # noqa: ARG001 - the test works there
    """A copy of the trained store that a test may change."""
    shutil.copy(store.folder / "mlflow.db", tmp_path)
    return Store(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path)
