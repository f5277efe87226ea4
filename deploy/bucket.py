"""Make the bucket of the artifacts, unless it is there: ``python bucket.py NAME``.

Reads the variables that MLflow reads too: ``MLFLOW_S3_ENDPOINT_URL`` and boto3's ``AWS_…``.
"""

import os
import sys

import boto3
from botocore.exceptions import ClientError


def main(name: str) -> None:
    """Make a bucket.

    Raises:
        ClientError: the store refuses.
        BotoCoreError: the store cannot be reached.
    """
    store = boto3.client("s3", endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"])
    try:
        store.create_bucket(Bucket=name)
    except ClientError as error:
        # The store is ours alone, and so is whatever bucket has this name.
        if error.response["Error"]["Code"] not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
            raise


if __name__ == "__main__":
    main(sys.argv[1])
