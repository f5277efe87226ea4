"""HTTP as MLflow's client speaks it, by the same library, with a time-out and a remedy for every failure."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry
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

from registry.config import RegistryConfig
from registry.errors import StoreUnavailable

_TRANSIENT: Final = {408, 429, 500, 502, 503, 504}
"""Statuses on which MLflow tries again."""

_VARIABLE: Final = "MLFLOW_TRACKING_URI"
_FILES: Final = "MLFLOW_TRACKING_SERVER_CERT_PATH, MLFLOW_TRACKING_CLIENT_CERT_PATH or REQUESTS_CA_BUNDLE"
UNSENDABLE: Final = (
    "no header can carry its user, password or token; correct MLFLOW_TRACKING_TOKEN, MLFLOW_TRACKING_USERNAME and "
    f"MLFLOW_TRACKING_PASSWORD, or set them instead of writing them into {_VARIABLE}"
)


@contextmanager
def opened(
    config: RegistryConfig, url: str, headers: Mapping[str, str], *, body: bytes | None = None
) -> Iterator[requests.Response]:
    """Ask for a URL, by POST if there is a body; yields the response, whose content is still to be read.

    Proxies, the usual certificate authorities and ``.netrc`` are requests' business, as in ``mlflow.utils.rest_utils``,
    whose arguments these are.

    Raises:
        StoreUnavailable: the server gives no answer, or stops in the middle of it.
    """
    with _session(config) as session:
        try:
            response = session.request(
                "GET" if body is None else "POST",
                url,
                data=body,
                headers=headers,
                stream=True,
                timeout=config.timeout,
                allow_redirects=config.redirects,
                verify=config.verify,
                cert=config.certificate or None,
            )
        except (HTTPError, OSError, ValueError) as error:  # a bad address is a ValueError, a missing CA file an OSError
            raise unavailable(config, _why(error, config, url)) from None
        try:
            with response:
                yield response
        except (HTTPError, requests.RequestException) as error:  # while the content was read
            raise unavailable(config, _why(error, config, url)) from None


def unavailable(config: RegistryConfig, reason: object) -> StoreUnavailable:
    """The error that says why the tracking server cannot be used."""
    return StoreUnavailable(f"the MLflow server {config.address} cannot be used: {reason}")


def _session(config: RegistryConfig) -> requests.Session:
    session = requests.Session()
    count = config.retries
    retries = Retry(
        count,
        connect=count,
        read=count,
        redirect=count,
        status=count,
        status_forcelist=_TRANSIENT,
        allowed_methods=None,
        backoff_factor=config.backoff,
        backoff_jitter=config.jitter,
        respect_retry_after_header=config.retry_after,
        raise_on_status=False,  # what the last answer says is told
    )
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retries))
    return session


def _why(error: Any, config: RegistryConfig, url: str) -> str:  # noqa: ANN401 - requests is untyped
    """What went wrong, and what to do about it."""
    if isinstance(error, OSError) and not isinstance(error, requests.RequestException):
        return f"{error}; correct {_FILES}"
    if isinstance(error, requests.RequestException) and error.args and isinstance(error.args[0], Exception):
        error = error.args[0]
    if isinstance(error, MaxRetryError) and error.reason is not None:
        error = error.reason
    match error:
        case NameResolutionError():
            return f"the name {urlsplit(url).hostname} is not known; correct {_VARIABLE}"
        case ProxyError():
            return f"the proxy fails ({error.original_error}); correct HTTP_PROXY, HTTPS_PROXY or NO_PROXY"
        case NewConnectionError():
            refused = isinstance(error.__cause__, ConnectionRefusedError)
            reason = "it refuses the connection" if refused else str(error.__cause__ or error)
            return f"{reason}; start it, or correct {_VARIABLE}"
        case ConnectTimeoutError() | ReadTimeoutError():
            return (
                f"no answer within {config.timeout:g} s; see whether it is up and {_VARIABLE} is right, or raise "
                "MLFLOW_HTTP_REQUEST_TIMEOUT"
            )
        case SSLError():
            return (
                f"TLS fails ({error}); name the authority of its certificate in MLFLOW_TRACKING_SERVER_CERT_PATH, or "
                "correct the address"
            )
        case requests.exceptions.InvalidHeader() | UnicodeError():  # whose words have the secret in them
            return UNSENDABLE
        case _:
            return f"{type(error).__name__}: {error}; see whether it is up and {_VARIABLE} is right"
