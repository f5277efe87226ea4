"""What the server follows: an MLflow server whose artifacts are in an S3 store, with three versions of a model."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tests.helpers.object_store import BUCKET, object_store
from tests.helpers.tracking_server import tracking_server
from tests.soak.relay import Relay, relay
from training.__main__ import main as train

NAME: Final = "BestModelRF"
TREES: Final = ("3", "5", "7")
"""Of each version."""


@dataclass(frozen=True, slots=True)
class Registry:
    """Both servers, each behind a relay.

    Attributes:
        tracking: before the MLflow server.
        store: before the S3 store.
        labels: by version, scikit-learn's own label of each row of the sample.
        environment: variables that lead to the store.
    """

    tracking: Relay
    store: Relay
    labels: dict[int, list[int]]
    environment: Mapping[str, str]
    _client: Any

    async def promote(self, version: int) -> None:
        """Give a version the alias that is served."""
        await asyncio.to_thread(self._client.set_registered_model_alias, NAME, "production", str(version))


@asynccontextmanager
async def registry(folder: Path) -> AsyncIterator[Registry]:
    """Run both, and train."""
    where = ("--no-serve-artifacts", "--default-artifact-root", f"s3://{BUCKET}/soak")
    with object_store(folder) as s3, tracking_server(folder, *where, environment=s3) as server:
        await asyncio.to_thread(server.wait)
        labels, client = await asyncio.to_thread(_train, server.uri, s3, folder)
        s3_port = urlsplit(s3["MLFLOW_S3_ENDPOINT_URL"]).port
        assert s3_port is not None
        async with relay(server.port) as tracking, relay(s3_port) as store:
            environment = {**s3, "MLFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{store.port}"}
            made = Registry(tracking, store, labels, environment, client)
            await made.promote(1)
            yield made


def _train(uri: str, s3: Mapping[str, str], folder: Path) -> tuple[dict[int, list[int]], Any]:
    """Train all versions; returns the labels that are logged with each, and MLflow's client.

    This process's environment is to lead to the store, and MLflow to be kept from leaking: ``isolated_mlflow``.
    """
    os.environ.update(s3)
    import mlflow

    client = mlflow.MlflowClient(uri, uri)
    labels = {}
    for version, trees in enumerate(TREES, 1):
        assert train(["--tracking-uri", uri, "--trees", trees, "--depth", "8"]) == 0
        run = client.get_model_version(NAME, str(version)).run_id
        target = folder / f"labels-{version}"
        target.mkdir()
        file = client.download_artifacts(run, "expected/sample_labels.json", str(target))
        labels[version] = json.loads(Path(file).read_text())["labels"]
    return labels, client
