"""How to get in: the address of the tracking server or store, and what MLflow's variables say of it.

What the libraries that MLflow asks by read for themselves, they read for us as well: requests the proxies, the bundle
of certificate authorities and ``.netrc``; boto3 keys, regions, endpoints and ``~/.aws``. Here is what MLflow adds.
"""

import configparser
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from redaction import learn, misses_encoding, one_line
from registry.errors import BadRegistryConfig

_TIMEOUT: Final = 10.0
_TRUE: Final = {"true", "1"}
_FALSE: Final = {"false", "0"}


@dataclass(frozen=True, slots=True)
class RegistryConfig:
    """The way to a registry and to its artifacts. Its secrets are in no text that it gives of itself.

    Attributes:
        tracking_uri: the tracking server, or the database of an embedded store; may have a password in it.
        username: of the tracking server's basic authentication; empty for none.
        password: to the user name.
        token: a bearer token for the tracking server; empty for none.
        workspace: of the tracking server; empty for its default.
        plugin: whether requests are to be signed by a plugin of MLflow's, which only MLflow can do.
        verify: whether the tracking server's certificate is checked; or a file or folder of certificate authorities to
            check it by.
        certificate: file of a client's certificate with its key; empty for none.
        redirects: whether redirects are followed.
        timeout: of a connection, and of each read from it, in seconds.
        retries: how often a request is tried again that fails in a way that may pass; none unless that is asked for,
            for who calls tries again, with pauses between.
        backoff: the second retry waits for twice so many seconds, each further one for twice as long.
        jitter: seconds that are added to that at random, at most.
        retry_after: whether a server's Retry-After is respected.
        s3_endpoint: of the S3 store; empty for what boto3 finds.
        s3_verify: whether its certificate is checked.
        s3_addressing: ``virtual``, ``path`` or ``auto``.
        s3_signature: version of the signature; ``unsigned`` for none.
        s3_owner: the account that has to own the bucket; empty for any.
    """

    tracking_uri: str = field(repr=False)
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    workspace: str = ""
    plugin: bool = False
    verify: bool | str = True
    certificate: str = ""
    redirects: bool = True
    timeout: float = _TIMEOUT
    retries: int = 0
    backoff: float = 2
    jitter: float = 1
    retry_after: bool = True
    s3_endpoint: str = field(default="", repr=False)
    s3_verify: bool = True
    s3_addressing: str = "auto"
    s3_signature: str = "s3v4"
    s3_owner: str = ""

    @classmethod
    def read(cls, tracking_uri: str, environment: Mapping[str, str]) -> "RegistryConfig":
        """Take from an environment what MLflow's client would. From then on no message tells its secrets.

        A variable that is empty counts as not set.

        Raises:
            BadRegistryConfig: a value is bad.
        """
        learn({**environment, "MLFLOW_TRACKING_URI": tracking_uri})
        _check(tracking_uri)
        username, password = _credentials()
        return cls(
            tracking_uri,
            environment.get("MLFLOW_TRACKING_USERNAME") or username,
            environment.get("MLFLOW_TRACKING_PASSWORD") or password,
            environment.get("MLFLOW_TRACKING_TOKEN", ""),
            workspace=environment.get("MLFLOW_WORKSPACE", "").strip(),
            plugin=bool(environment.get("MLFLOW_TRACKING_AUTH")) or _flag(environment, "MLFLOW_TRACKING_AWS_SIGV4"),
            verify=_verify(environment),
            certificate=environment.get("MLFLOW_TRACKING_CLIENT_CERT_PATH", ""),
            redirects=environment.get("MLFLOW_ALLOW_HTTP_REDIRECTS", "true").lower() in _TRUE,
            timeout=_number(environment, "MLFLOW_HTTP_REQUEST_TIMEOUT", _TIMEOUT, least=0.001, most=86_400),
            retries=int(_number(environment, "MLFLOW_HTTP_REQUEST_MAX_RETRIES", 0, most=10)),
            backoff=_number(environment, "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", 2, most=120),
            jitter=_number(environment, "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", 1, most=120),
            retry_after=_flag(environment, "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER", default=True),
            s3_endpoint=environment.get("MLFLOW_S3_ENDPOINT_URL", ""),
            s3_verify=not _flag(environment, "MLFLOW_S3_IGNORE_TLS"),
            s3_addressing=environment.get("MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE") or "auto",
            s3_signature=environment.get("MLFLOW_EXPERIMENTAL_S3_SIGNATURE_VERSION") or "s3v4",
            s3_owner=environment.get("MLFLOW_S3_EXPECTED_BUCKET_OWNER", ""),
        )

    @property
    def address(self) -> str:
        """The tracking server or store, for people to read: without secrets."""
        return one_line(self.tracking_uri)

    @property
    def light(self) -> bool:
        """Whether the registry is asked over HTTP, which takes little; else MLflow itself has to ask it."""
        return self.tracking_uri.startswith(("http://", "https://")) and not self.plugin


def _check(tracking_uri: str) -> None:
    if tracking_uri.startswith(("http://", "https://")):
        try:
            parts = urlsplit(tracking_uri)
            if not parts.hostname or parts.port == 0:
                raise ValueError("it names no server")  # noqa: TRY301 - told like urllib's own errors
        except ValueError as error:
            reason: object = error  # which may have a part of the password, for a port
            if misses_encoding(tracking_uri):
                reason = "percent-encode / ? # [ ] and @ in its user name and password"
            raise BadRegistryConfig(f"MLFLOW_TRACKING_URI: {tracking_uri!r} is no address: {reason}") from None


def _credentials() -> tuple[str, str]:
    """User name and password from the file that ``mlflow login`` writes."""
    try:
        file = Path("~/.mlflow/credentials").expanduser()
        parser = configparser.ConfigParser()
        parser.read(file)
        username = parser.get("mlflow", "mlflow_tracking_username", fallback="")
        return username, parser.get("mlflow", "mlflow_tracking_password", fallback="")
    except RuntimeError:  # there is no home to look in
        return "", ""
    except (configparser.Error, OSError, UnicodeDecodeError) as error:
        raise BadRegistryConfig(f"{file} cannot be read: {type(error).__name__}; correct or remove it") from None


def _verify(environment: Mapping[str, str]) -> bool | str:
    insecure = _flag(environment, "MLFLOW_TRACKING_INSECURE_TLS")
    authorities = environment.get("MLFLOW_TRACKING_SERVER_CERT_PATH", "")
    if insecure and authorities:
        raise BadRegistryConfig(
            "MLFLOW_TRACKING_INSECURE_TLS and MLFLOW_TRACKING_SERVER_CERT_PATH are both set: unset one of them"
        )
    return authorities or not insecure


def _flag(environment: Mapping[str, str], name: str, *, default: bool = False) -> bool:
    text = environment.get(name, "").lower()
    if text and text not in _TRUE | _FALSE:
        raise BadRegistryConfig(f"{name}: {text!r} is neither true nor false")
    return text in _TRUE if text else default


def _number(environment: Mapping[str, str], name: str, default: float, *, least: float = 0, most: float) -> float:
    text = environment.get(name) or str(default)
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not least <= number <= most:
        raise BadRegistryConfig(f"{name}: {text!r} is no number from {least:g} to {most:g}")
    return number
