"""HTTP, for a process that has no memory to spare for more: urllib3, with a time-out and a remedy for every failure."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from registry.access import Access
from registry.errors import StoreUnavailable

# Who calls tries again, with pauses between.
_RETRIES = urllib3.Retry(total=None, connect=0, read=0, redirect=3, status=0, other=0)
_NO_REDIRECTS = _RETRIES.new(redirect=False)

Response = urllib3.BaseHTTPResponse


@dataclass(frozen=True, slots=True)
class Peer:
    """A server, and how it is spoken to.

    Attributes:
        title: what it is, for messages: "the MLflow server http://..."; without secrets.
        address: the variable that leads to it.
        trust: the variable that names the certificate authorities to trust with it.
        verify: whether its certificate is checked.
        authorities: file of certificate authorities; empty for the usual ones.
        certificate: file of our certificate with its key; empty for none.
        timeout: of a connection and of each read from it, in seconds.
        proxies: see ``Access``.
    """

    title: str
    address: str
    trust: str
    verify: bool
    authorities: str
    certificate: str
    timeout: float
    proxies: Mapping[str, str]

    @classmethod
    def tracking(cls, access: Access) -> "Peer":
        """The tracking server."""
        return cls(
            f"the MLflow server {access.address}",
            "MLFLOW_TRACKING_URI",
            "MLFLOW_TRACKING_SERVER_CERT_PATH",
            access.verify,
            access.authorities,
            access.certificate,
            access.timeout,
            access.proxies,
        )

    @classmethod
    def s3(cls, access: Access, endpoint: str) -> "Peer":
        """An S3 store."""
        return cls(
            f"the S3 store {endpoint}",
            "MLFLOW_S3_ENDPOINT_URL",
            "AWS_CA_BUNDLE",
            access.s3_verify,
            access.s3_authorities,
            "",
            access.timeout,
            access.proxies,
        )

    def unavailable(self, reason: object) -> StoreUnavailable:
        """The error that says why it cannot be used."""
        return StoreUnavailable(f"{self.title} cannot be used: {reason}")


@contextmanager
def opened(
    peer: Peer,
    url: str,
    headers: Mapping[str, str],
    *,
    body: bytes | None = None,
    redirects: bool = True,
) -> Iterator[Response]:
    """Ask for a URL, by POST if there is a body; yields the response, whose content is still to be read.

    Raises:
        StoreUnavailable: the server gives no answer, or stops in the middle of it.
    """
    method = "GET" if body is None else "POST"
    timeout = urllib3.Timeout(connect=peer.timeout, read=peer.timeout)
    retries = _RETRIES if redirects else _NO_REDIRECTS
    try:
        pool = _pool(peer, url)
        response = pool.request(
            method, url, body=body, headers=headers, preload_content=False, retries=retries, timeout=timeout
        )
    except (HTTPError, OSError, ValueError) as error:  # a bad address is a ValueError, a missing CA file an OSError
        raise peer.unavailable(_why(error, peer, url)) from None
    try:
        yield response
    except HTTPError as error:  # while the content was read
        raise peer.unavailable(_why(error, peer, url)) from None
    finally:
        response.close()
        pool.clear()


def _pool(peer: Peer, url: str) -> urllib3.PoolManager:
    parts = urlsplit(url)
    tls: dict[str, object] = {}
    if parts.scheme == "https":
        if peer.authorities or not peer.verify:
            authorities = peer.authorities
        else:
            import certifi

            authorities = certifi.where()
        tls = {"cert_reqs": "CERT_REQUIRED", "ca_certs": authorities} if peer.verify else {"cert_reqs": "CERT_NONE"}
        if peer.certificate:
            tls["cert_file"] = peer.certificate
    proxy = peer.proxies.get(parts.scheme) or peer.proxies.get("all")
    if proxy and not _bypassed(parts.hostname or "", peer.proxies):
        return urllib3.ProxyManager(proxy if "://" in proxy else f"http://{proxy}", **tls)  # type: ignore[arg-type]
    return urllib3.PoolManager(**tls)  # type: ignore[arg-type]


def _bypassed(host: str, proxies: Mapping[str, str]) -> bool:
    from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined] # typeshed has it not

    return bool(proxy_bypass_environment(host, dict(proxies)))


def _why(error: Exception, peer: Peer, url: str) -> str:
    """What went wrong, and what to do about it."""
    if isinstance(error, MaxRetryError) and error.reason is not None:
        error = error.reason
    host = urlsplit(url).hostname
    match error:
        case NameResolutionError():
            return f"the name {host} is not known; correct {peer.address}"
        case ProxyError():
            return f"the proxy fails ({error.original_error}); correct HTTP_PROXY, HTTPS_PROXY or NO_PROXY"
        case NewConnectionError():
            refused = isinstance(error.__cause__, ConnectionRefusedError)
            reason = "it refuses the connection" if refused else str(error.__cause__ or error)
            return f"{reason}; start it, or correct {peer.address}"
        case ConnectTimeoutError() | ReadTimeoutError():
            return (
                f"no answer within {peer.timeout:g} s; see whether it is up and {peer.address} is right, or raise "
                "MLFLOW_HTTP_REQUEST_TIMEOUT"
            )
        case SSLError():
            return f"TLS fails ({error}); name the authority of its certificate in {peer.trust}, or correct the address"
        case _:
            return f"{type(error).__name__}: {error}; see whether it is up and {peer.address} is right"
