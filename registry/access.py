"""How to get in: the address of the tracking server or store, and what MLflow's variables say of it."""

import configparser
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from redaction import learn, misses_encoding, one_line
from registry.errors import BadAccess

_TIMEOUT: Final = 10.0
_TRUE: Final = {"true", "1"}
_S3_ENDPOINTS: Final = ("MLFLOW_S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")


@dataclass(frozen=True, slots=True)
class Access:
    """The way to a registry and to its artifacts. Its secrets are in no text that it gives of itself.

    Attributes:
        tracking_uri: the tracking server, or the database of an embedded store; may have a password in it.
        username: of the tracking server's basic authentication; empty for none.
        password: to the user name.
        token: a bearer token for the tracking server; empty for none.
        workspace: of the tracking server; empty for its default.
        plugin: whether requests are to be signed by a plugin of MLflow's, which only MLflow can do.
        verify: whether the tracking server's certificate is checked.
        authorities: file of certificate authorities to trust; empty for the usual ones.
        certificate: file of a client's certificate with its key; empty for none.
        timeout: of a connection, and of each read from it, in seconds.
        s3_endpoint: of the S3 store; empty for AWS.
        s3_verify: whether its certificate is checked.
        s3_authorities: file of certificate authorities to trust with it; empty for the usual ones.
        s3_addressing: ``virtual``, ``path`` or ``auto``.
        proxies: address of the proxy by scheme; ``no`` lists the hosts that need none.
    """

    tracking_uri: str = field(repr=False)
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    workspace: str = ""
    plugin: bool = False
    verify: bool = True
    authorities: str = ""
    certificate: str = ""
    timeout: float = _TIMEOUT
    s3_endpoint: str = field(default="", repr=False)
    s3_verify: bool = True
    s3_authorities: str = ""
    s3_addressing: str = "auto"
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)

    @classmethod
    def read(cls, tracking_uri: str, environment: Mapping[str, str]) -> "Access":
        """Take from an environment what MLflow's client would. From then on no message tells its secrets.

        Raises:
            BadAccess: a value is bad.
        """
        learn({**environment, "MLFLOW_TRACKING_URI": tracking_uri})
        username, password = _credentials(tracking_uri, environment)
        common = environment.get("REQUESTS_CA_BUNDLE") or environment.get("CURL_CA_BUNDLE", "")
        return cls(
            tracking_uri,
            username,
            password,
            environment.get("MLFLOW_TRACKING_TOKEN", ""),
            workspace=environment.get("MLFLOW_WORKSPACE", "").strip(),
            plugin=bool(environment.get("MLFLOW_TRACKING_AUTH")) or _flag(environment, "MLFLOW_TRACKING_AWS_SIGV4"),
            verify=not _flag(environment, "MLFLOW_TRACKING_INSECURE_TLS"),
            authorities=environment.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or common,
            certificate=environment.get("MLFLOW_TRACKING_CLIENT_CERT_PATH", ""),
            timeout=_seconds(environment, "MLFLOW_HTTP_REQUEST_TIMEOUT", _TIMEOUT),
            s3_endpoint=next(filter(None, map(environment.get, _S3_ENDPOINTS)), ""),
            s3_verify=not _flag(environment, "MLFLOW_S3_IGNORE_TLS"),
            s3_authorities=environment.get("AWS_CA_BUNDLE") or common,
            s3_addressing=environment.get("MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE") or "auto",
            proxies=_proxies(environment),
        )

    @property
    def address(self) -> str:
        """The tracking server or store, for people to read: without secrets."""
        return one_line(self.tracking_uri)

    @property
    def light(self) -> bool:
        """Whether our own HTTP client can speak to the registry; else it takes MLflow's."""
        return self.tracking_uri.startswith(("http://", "https://")) and not self.plugin


def _credentials(tracking_uri: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """User name and password, from the address before the variables before the file that ``mlflow login`` writes."""
    if tracking_uri.startswith(("http://", "https://")):
        try:
            parts = urlsplit(tracking_uri)
            if not parts.hostname or parts.port == 0:
                raise ValueError("it names no server")  # noqa: TRY301 - told like urllib's own errors
        except ValueError as error:
            reason: object = error  # which may have a part of the password, for a port
            if misses_encoding(tracking_uri):
                reason = "percent-encode / ? # [ ] and @ in its user name and password"
            raise BadAccess(f"MLFLOW_TRACKING_URI: {tracking_uri!r} is no address: {reason}") from None
        if parts.username:
            return unquote(parts.username), unquote(parts.password or "")
    names = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
    filed: Mapping[str, str] = {}
    file = Path(environment.get("HOME", "/"), ".mlflow", "credentials")
    if file.is_file():
        parser = configparser.ConfigParser()
        try:
            parser.read(file)
        except (configparser.Error, OSError, UnicodeDecodeError) as error:
            raise BadAccess(f"{file} cannot be read: {error}") from None
        filed = dict(parser["mlflow"]) if "mlflow" in parser else {}
    username, password = (environment.get(name) or filed.get(name.lower(), "") for name in names)
    return username, password


def _flag(environment: Mapping[str, str], name: str) -> bool:
    return environment.get(name, "").strip().lower() in _TRUE


def _seconds(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name) or str(default)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds <= 86_400:
        raise BadAccess(f"{name}: {text!r} is no number of seconds above 0")
    return seconds


def _proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """As ``urllib.request.getproxies`` finds them: those written in small letters come first."""
    found: dict[str, str] = {}
    for small in (False, True):
        for name, value in environment.items():
            if name.lower().endswith("_proxy") and (name == name.lower()) is small:
                found[name.lower().removesuffix("_proxy")] = value
    return {scheme: value for scheme, value in found.items() if value}
