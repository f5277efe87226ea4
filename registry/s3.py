"""Objects of an S3 store, by signed requests: boto3's client takes more memory than all else that fetching needs."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import quote, urlsplit

import botocore.session
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError

import redaction
from registry.access import Access
from registry.errors import StoreUnavailable
from registry.fetch import Absent
from registry.web import Peer, Response, opened

KEYS: Final = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
REMEDIES: Final = {
    "AccessDenied": f"let the user of {KEYS} read it (s3:GetObject), or set those of another",
    "InvalidAccessKeyId": f"set {KEYS} to those of a user of this store",
    "SignatureDoesNotMatch": "correct AWS_SECRET_ACCESS_KEY",
    "ExpiredToken": f"renew {KEYS} and AWS_SESSION_TOKEN",
    "InvalidToken": "renew or unset AWS_SESSION_TOKEN",
    "RequestTimeTooSkewed": "set this machine's clock",
    "NoSuchBucket": "see whether MLFLOW_S3_ENDPOINT_URL leads to the store that the model was written to",
}
"""What to do about an error code of the store's."""

_CODE: Final = re.compile(rb"<Code>([A-Za-z0-9]+)</Code>")
_DNS_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_LONGEST: Final = 1 << 16


@contextmanager
def read(access: Access, address: str, chunk: int) -> Iterator[Iterator[bytes]]:
    """Open ``s3://BUCKET/KEY``; yields its content in chunks.

    Raises:
        Absent: there is no such key.
        StoreUnavailable: the store cannot be used, or refuses.
    """
    bucket, _, key = address.removeprefix("s3://").partition("/")
    credentials, region = _session(address)
    url = _url(access, bucket, key, region)
    with _asked(access, url, credentials, region) as response:
        elsewhere = response.headers.get("x-amz-bucket-region", region)
        if response.status == 200:
            yield response.stream(chunk, decode_content=False)
            return
        if elsewhere == region or access.s3_endpoint:
            raise _refused(response, access, address, url)
    url = _url(access, bucket, key, elsewhere)
    with _asked(access, url, credentials, elsewhere) as response:
        if response.status != 200:
            raise _refused(response, access, address, url)
        yield response.stream(chunk, decode_content=False)


def _session(address: str) -> tuple[Any, str]:
    """Credentials and region, from wherever the AWS libraries look for them."""
    try:
        session = botocore.session.Session()
        credentials = session.get_credentials()
        if credentials is None:
            raise StoreUnavailable(f"there are no credentials to read {address} with; set {KEYS}")
        keys = credentials.get_frozen_credentials()
        redaction.add(keys.secret_key, keys.token)
        return keys, session.get_config_variable("region") or "us-east-1"
    except BotoCoreError as error:
        raise StoreUnavailable(f"there are no credentials to read {address} with: {error}; set {KEYS}") from None


def _url(access: Access, bucket: str, key: str, region: str) -> str:
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    endpoint = urlsplit(access.s3_endpoint or f"https://s3.{region}.{domain}")
    fitting = not access.s3_endpoint and _DNS_NAME.fullmatch(bucket) and access.s3_addressing != "path"
    path = quote(key, safe="/~")
    if fitting or access.s3_addressing == "virtual":
        return endpoint._replace(netloc=f"{bucket}.{endpoint.netloc}", path=f"/{path}").geturl()
    return endpoint._replace(path=f"{endpoint.path.rstrip('/')}/{bucket}/{path}").geturl()


def _peer(access: Access, url: str) -> Peer:
    parts = urlsplit(url)
    return Peer.s3(access, f"{parts.scheme}://{parts.netloc}")


@contextmanager
def _asked(access: Access, url: str, credentials: Any, region: str) -> Iterator[Response]:  # noqa: ANN401
    request = AWSRequest("GET", url, headers={"Accept-Encoding": "identity"})
    S3SigV4Auth(credentials, "s3", region).add_auth(request)
    with opened(_peer(access, url), url, dict(request.headers.items()), redirects=False) as response:
        yield response


def _refused(response: Response, access: Access, address: str, url: str) -> StoreUnavailable | Absent:
    found = _CODE.search(response.read(_LONGEST))
    code = found[1].decode() if found else ""
    if code == "NoSuchKey":
        return Absent(f"there is no {address}")
    if remedy := REMEDIES.get(code):
        return _peer(access, url).unavailable(f"it answers {code} for {address}; {remedy}")
    return _peer(access, url).unavailable(
        f"it answers {response.status} {code} for {address}; see whether MLFLOW_S3_ENDPOINT_URL leads to an S3 store"
    )
