"""A real S3 API over HTTP, in a process of its own."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtest.system.ports import reserved_port
from tests.helpers.support import PATIENCE

BUCKET = "models"


@contextmanager
def object_store(folder: Path) -> Iterator[dict[str, str]]:
    """Run a store with an empty bucket, whose log goes to a folder; yields the variables that lead there."""
    with reserved_port() as port, (folder / "s3.log").open("w") as log:
        environment = {
            "MLFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "minio",
            "AWS_SECRET_ACCESS_KEY": "minio-secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        process = subprocess.Popen([sys.executable, "-m", "moto.server", "-p", str(port)], stdout=log, stderr=log)
        try:
            make_bucket(environment)
            yield environment
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE)


def make_bucket(environment: dict[str, str]) -> None:
    """Create the bucket as soon as the store answers."""
    import boto3
    from botocore.exceptions import EndpointConnectionError

    client = boto3.client(
        "s3",
        endpoint_url=environment["MLFLOW_S3_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_DEFAULT_REGION"],
    )
    give_up = time.monotonic() + 120
    while True:
        try:
            client.create_bucket(Bucket=BUCKET)
        except EndpointConnectionError:
            assert time.monotonic() < give_up, "the store does not answer"
        else:
            return
