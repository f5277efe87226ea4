"""The registry of a tracking server, asked over its REST interface."""

import base64
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import msgspec
import requests

from registry.config import RegistryConfig
from registry.errors import StoreUnavailable
from registry.tracking.record import MISSING, RegistryRefused, RegistryVersion
from registry.version import search_filter
from registry.web import UNSENDABLE, opened, unavailable

_BASE: Final = "api/2.0/mlflow"
_SERVER_INFO: Final = "api/3.0/mlflow/server-info"
_LONGEST: Final = 16 << 20
_MANY: Final = 20

T = TypeVar("T", bound=msgspec.Struct)


class _Tag(msgspec.Struct):
    key: str
    value: str = ""


class _Version(msgspec.Struct):
    name: str
    version: str
    current_stage: str = "None"
    source: str = ""
    creation_timestamp: int = 0
    tags: list[_Tag] = []


class _One(msgspec.Struct):
    model_version: _Version


class _Several(msgspec.Struct):
    model_versions: list[_Version] = []


class _Alias(msgspec.Struct):
    alias: str
    version: str


class _Model(msgspec.Struct):
    name: str
    aliases: list[_Alias] = []


class _OneModel(msgspec.Struct):
    registered_model: _Model


class _SeveralModels(msgspec.Struct):
    registered_models: list[_Model] = []


class _Location(msgspec.Struct):
    artifact_uri: str


class _Server(msgspec.Struct):
    workspaces_enabled: bool = False


class _Error(msgspec.Struct):
    error_code: str
    message: str = ""


class RestRegistry:
    """Implements ``registry.tracking.record.Registry``; every method raises StoreUnavailable as well.

    Args:
        config: the way to the server.
    """

    def __init__(self, config: RegistryConfig) -> None:
        self._config = config

    def version(self, name: str, number: str) -> RegistryVersion:
        """See ``Registry``."""
        return _record(self._ask("model-versions/get", _One, {"name": name, "version": number}).model_version)

    def aliased(self, name: str, alias: str) -> RegistryVersion:
        """See ``Registry``."""
        return _record(self._ask("registered-models/alias", _One, {"name": name, "alias": alias}).model_version)

    def newest(self, name: str, stage: str | None) -> list[RegistryVersion]:
        """See ``Registry``."""
        body = {"name": name} if stage is None else {"name": name, "stages": [stage]}
        found = self._ask("registered-models/get-latest-versions", _Several, body=body)
        return [_record(each) for each in found.model_versions]

    def versions(self, name: str) -> list[RegistryVersion]:
        """See ``Registry``."""
        query = {"filter": search_filter(name), "max_results": "1000"}
        found = self._ask("model-versions/search", _Several, query).model_versions
        return [_record(each) for each in found if each.name == name]

    def aliases(self, name: str) -> dict[str, str]:
        """See ``Registry``."""
        model = self._ask("registered-models/get", _OneModel, {"name": name}).registered_model
        return {each.alias: each.version for each in model.aliases}

    def models(self) -> list[str]:
        """See ``Registry``."""
        found = self._ask("registered-models/search", _SeveralModels, {"max_results": str(_MANY)})
        return [each.name for each in found.registered_models]

    def location(self, name: str, number: str) -> str:
        """See ``Registry``."""
        return self._ask("model-versions/get-download-uri", _Location, {"name": name, "version": number}).artifact_uri

    def _ask(
        self, path: str, type_: type[T], query: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> T:
        if self._config.workspace:
            _check_workspaces(self._config)
        return _ask(self._config, f"{_BASE}/{path}" + (f"?{urlencode(query)}" if query else ""), type_, body)


@lru_cache  # once for a server that has them
def _check_workspaces(config: RegistryConfig) -> None:
    """A server without workspaces would give what is in none, without a word; see MLflow's WorkspaceRestStoreMixin."""
    if not _ask(config, _SERVER_INFO, _Server).workspaces_enabled:
        raise unavailable(config, "it has no workspaces; start it with --enable-workspaces, or unset MLFLOW_WORKSPACE")


def _ask(config: RegistryConfig, path: str, type_: type[T], body: Mapping[str, Any] | None = None) -> T:
    headers = authorization(config)
    if body is not None:
        headers["Content-Type"] = "application/json"
    sent = None if body is None else msgspec.json.encode(body)
    with opened(config, f"{base(config)}/{path}", headers, body=sent) as response:
        text = response.raw.read(_LONGEST, decode_content=True)
        refuse(response, config, text)
    try:
        return msgspec.json.decode(text, type=type_)
    except msgspec.DecodeError:
        raise no_mlflow(config, response.status_code) from None


def base(config: RegistryConfig) -> str:
    """The tracking server's address without a slash at its end; a user and password in it are for requests to use."""
    return config.tracking_uri.removesuffix("/")


def authorization(config: RegistryConfig) -> dict[str, str]:
    """The headers that the tracking server knows us by, but for what requests takes from the address and ``.netrc``.

    Raises:
        StoreUnavailable: user and password are no UTF-8.
    """
    headers = anonymous()
    if config.username and config.password:
        try:
            basic = base64.b64encode(f"{config.username}:{config.password}".encode()).decode()
        except UnicodeError:  # whose words have the secret in them
            raise unavailable(config, UNSENDABLE) from None
        headers["Authorization"] = f"Basic {basic}"
    elif config.token:
        headers["Authorization"] = f"Bearer {config.token}"
    if config.workspace:
        headers["X-MLFLOW-WORKSPACE"] = config.workspace
    return headers


def anonymous() -> dict[str, str]:
    """The headers for a server that is not to know us."""
    return {"Accept-Encoding": "identity", "User-Agent": "canopy"}


def refuse(response: requests.Response, config: RegistryConfig, text: bytes) -> None:
    """Raise what a status other than 200 means.

    Raises:
        RegistryRefused: the server answers that it has not, or will not.
        StoreUnavailable: it does not answer as a tracking server would.
    """
    status = response.status_code
    if status == 200:
        return
    try:
        error = msgspec.json.decode(text, type=_Error)
    except msgspec.DecodeError:
        error = _Error("", " ".join(text[:200].decode(errors="replace").split()))
    if status == 401 or (status == 403 and error.error_code):
        raise unavailable(
            config,
            f"it refuses us ({status}); set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or "
            "MLFLOW_TRACKING_TOKEN, to those of a user who may read the model",
        )
    if status == 403:
        raise unavailable(
            config,
            f"it answers 403 ({error.message}); if it does not know the host name that it is called by, start it with "
            "--allowed-hosts and that name",
        )
    if status == 407:
        raise unavailable(config, "the proxy wants to know who asks; put user and password into HTTP_PROXY")
    if status >= 500 or status == 429:
        raise unavailable(config, f"it answers {status} ({error.message}); its own log says why")
    if error.error_code in MISSING:
        raise RegistryRefused(error.error_code, error.message)
    if error.error_code:
        raise unavailable(config, f"it answers {status} ({error.error_code}: {error.message})")
    raise no_mlflow(config, status)


def no_mlflow(config: RegistryConfig, status: int) -> StoreUnavailable:
    """The error for a server that does not speak MLflow's language."""
    return unavailable(
        config,
        f"its answer ({status}) is not that of a tracking server; see whether MLFLOW_TRACKING_URI is the address of "
        "one, with the path before /api if there is any",
    )


def _record(found: _Version) -> RegistryVersion:
    return RegistryVersion(
        found.name,
        found.version,
        found.current_stage,
        found.source,
        found.creation_timestamp,
        {tag.key: tag.value for tag in found.tags},
    )
