"""Objects of an S3 store, by boto3's client, made as MLflow makes it: it finds keys, regions and endpoints alike."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

import redaction
from registry.config import RegistryConfig
from registry.errors import Absent, StoreUnavailable

_KEYS: Final = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_REMEDIES: Final = {
    "AccessDenied": f"let the user of {_KEYS} read it (s3:GetObject), or set those of another",
    "InvalidAccessKeyId": f"set {_KEYS} to those of a user of this store",
    "SignatureDoesNotMatch": "correct AWS_SECRET_ACCESS_KEY",
    "ExpiredToken": f"renew {_KEYS} and AWS_SESSION_TOKEN",
    "InvalidToken": "renew or unset AWS_SESSION_TOKEN",
    "RequestTimeTooSkewed": "set this machine's clock",
    "NoSuchBucket": "see whether MLFLOW_S3_ENDPOINT_URL leads to the store that the model was written to",
}
"""What to do about an error code of the store's."""

_ELSE: Final = "see whether the store is up and MLFLOW_S3_ENDPOINT_URL is right"


@contextmanager
def read(config: RegistryConfig, root: str, path: str, chunk: int) -> Iterator[Iterator[bytes]]:
    """Open a file below ``s3://BUCKET/KEY``; yields its content in chunks.

    Raises:
        Absent: there is no such key.
        StoreUnavailable: the store cannot be used, or refuses.
    """
    parts = urlsplit(root)
    owner = {"ExpectedBucketOwner": config.s3_owner} if config.s3_owner else {}
    try:
        client = _client(config)
        answer = client.get_object(Bucket=parts.netloc, Key=f"{parts.path}/{path}".removeprefix("/"), **owner)
    except (BotoCoreError, ClientError, ValueError) as error:  # an endpoint that is no address is a ValueError
        raise _told(error, f"{root}/{path}") from None
    try:
        with closing(answer["Body"]) as body:
            yield body.iter_chunks(chunk)
    except BotoCoreError as error:  # while the content was read
        raise _told(error, f"{root}/{path}") from None


def _told(error: Exception, address: str) -> Absent | StoreUnavailable:
    if _code(error) == "NoSuchKey":
        return Absent(f"there is no {address}")
    return StoreUnavailable(f"{address} cannot be read: {type(error).__name__}: {error}; {remedy(error) or _ELSE}")


def remedy(error: BaseException) -> str | None:
    """What to do about an exception of boto3's; None if it is none, or there is no saying."""
    match error:
        case ClientError():
            return _REMEDIES.get(_code(error))
        case NoCredentialsError() | PartialCredentialsError():
            return f"set {_KEYS}"
        case BotoCoreError():
            return _ELSE
        case _:
            return None


def _code(error: BaseException) -> str:
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def _client(config: RegistryConfig) -> Any:  # noqa: ANN401 - boto3 is untyped
    """See ``mlflow.store.artifact.s3_artifact_repo``, whose arguments these are, but for the time-out."""
    signature = config.s3_signature if config.s3_signature.lower() != "unsigned" else UNSIGNED
    options = Config(
        signature_version=signature,
        s3={"addressing_style": config.s3_addressing},
        connect_timeout=config.timeout,
        read_timeout=config.timeout,
    )
    verify = None if config.s3_verify else False
    session = boto3.session.Session()  # the default one would remember another environment's configuration
    if signature is not UNSIGNED and (credentials := session.get_credentials()) is not None:
        keys = credentials.get_frozen_credentials()
        redaction.add(keys.secret_key, keys.token)
    return session.client("s3", config=options, endpoint_url=config.s3_endpoint or None, verify=verify)
