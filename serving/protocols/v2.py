"""What clients of the Open Inference Protocol ask, and Triton's of its model repository.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md and
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_model_repository.md
"""

from collections.abc import Callable
from importlib import metadata as packages
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from preprocessing import InvalidBody, InvalidRow, MalformedJSON
from serving.codecs.tensors import TensorInfo, input_infos, output_infos
from serving.errors import DEFAULT_RETRY_AFTER, BodyTooLarge, ModelNotReady, RequestError, plain_error
from serving.model import Model
from serving.operation import ERROR, JSON, OBJECT, Body, Operation, always, json_operation
from serving.routing import Endpoint, Route, json_response, read_body, telling
from serving.service import Service
from serving.table import Table

NAME: Final = "canopy-serve"
EXTENSIONS: Final = ("binary_tensor_data", "model_repository(index)")
PLATFORM: Final = "canopy_forest"
"""Metadata's word for what computes."""

_LABEL = "/v2"


def in_service(service: Service, name: str, number: str | None) -> tuple[Model, Table]:
    """The model that is served, and its table.

    Args:
        service: what serves.
        name: of the model.
        number: a version; None for whichever is served.

    Raises:
        NotServed: it is another one.
        ModelNotReady: there is none yet.
    """
    service.check_served(name, number)
    model, table = service.handle.model, service.table
    if model is None or table is None:
        raise ModelNotReady
    return model, table


def v2_routes(service: Service) -> list[Route]:
    """Health, metadata and the index of the repository."""

    def server(_request: Request) -> dict[str, Any]:
        return {"name": NAME, "version": packages.version(NAME), "extensions": EXTENSIONS}

    def live(_request: Request) -> dict[str, Any]:
        return {"live": True}

    def metadata(request: Request) -> dict[str, Any]:
        model, table = in_service(service, request.path_params["model"], request.path_params.get("version"))
        return {
            "name": model.name,
            "versions": [model.version],
            "platform": PLATFORM,
            "inputs": [_tensor(info) for info in input_infos(table.schema)],
            "outputs": [_tensor(info) for info in output_infos(model)],
        }

    async def ready(_request: Request) -> Response:
        return _readiness({"ready": service.ready})

    async def model_ready(request: Request) -> Response:
        try:
            service.check_served(request.path_params["model"], request.path_params.get("version"))
        except RequestError as error:
            return plain_error(error)
        return _readiness({"name": service.name, "ready": service.ready})

    async def index(request: Request) -> Response:
        try:
            ready_only = _ready_only(await read_body(request, service.max_body_bytes))
        except (BodyTooLarge, InvalidBody) as error:
            return plain_error(error)
        return json_response(_index(service, ready_only=ready_only))

    def route(path: str, endpoint: Endpoint, about: Operation, method: str = "GET") -> Route:
        return Route(path, endpoint, methods=[method], label=_LABEL, error=plain_error, about=always(about))

    def tells(tell: Callable[[Request], object]) -> Endpoint:
        return telling(tell, json_response, plain_error)

    model = "/v2/models/{model}"
    number = "/versions/{version}"
    return [
        route("/v2", tells(server), _about("serverMetadata", "What server this is.")),
        route("/v2/health/live", tells(live), _about("serverLive", "Whether the process lives.")),
        route("/v2/health/ready", ready, _about("serverReady", "Whether it serves.", 503)),
        route(model, tells(metadata), _about("modelMetadata", "What the model takes and gives.", 404, 503)),
        route(f"{model}/ready", model_ready, _about("modelReady", "Whether the model is served.", 404, 503)),
        route(
            f"{model}{number}",
            tells(metadata),
            _about("modelMetadataOfVersion", "What a version of it takes and gives.", 404, 503),
        ),
        route(
            f"{model}{number}/ready",
            model_ready,
            _about("modelReadyOfVersion", "Whether a version of it is served.", 404, 503),
        ),
        route("/v2/repository/index", index, _INDEX, "POST"),
    ]


_TAG: Final = "Open Inference Protocol"
_ERRORS: Final = {JSON: Body({"anyOf": [ERROR, OBJECT]})}

_INDEX: Final = Operation(
    "repositoryIndex",
    "The model that is served, as Triton's repository tells it.",
    _TAG,
    {JSON: Body({"type": "array", "items": OBJECT})},
    {JSON: Body({"type": "object", "properties": {"ready": {"type": "boolean"}}}, {})},
    needs_body=False,
    error=_ERRORS,
    statuses=(413,),
)


def _about(name: str, summary: str, *statuses: int) -> Operation:
    return json_operation(name, summary, _TAG, error=_ERRORS, statuses=statuses)


def _readiness(document: dict[str, Any]) -> Response:
    """200 if it is ready; the protocol leaves open what else it is."""
    if document["ready"]:
        return json_response(document)
    return json_response(document, 503, {"Retry-After": str(DEFAULT_RETRY_AFTER)})


def _tensor(info: TensorInfo) -> dict[str, Any]:
    tensor: dict[str, Any] = {"name": info.name, "datatype": info.datatype, "shape": info.shape}
    if info.categories:
        tensor["parameters"] = {"categories": msgspec.json.encode(info.categories).decode()}
    return tensor


def _ready_only(body: bytes) -> bool:
    """Whether only models that are ready are asked for.

    Raises:
        InvalidBody: the body is not ``{"ready": …}``.
    """
    if not body.strip():
        return False
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedJSON(str(error)) from None
    ready = content.get("ready", False) if isinstance(content, dict) else None
    if not isinstance(ready, bool):
        raise InvalidRow("$", "expected an object with `ready`, true or false")
    return ready


def _index(service: Service, *, ready_only: bool) -> list[dict[str, str]]:
    """What is served; older versions are not."""
    model = service.handle.model
    if model is None or not service.ready:
        if ready_only:
            return []
        state = service.state()
        reason = state["update_failure"] or state["status"]
        return [{"name": service.name, "version": "", "state": "UNAVAILABLE", "reason": reason}]
    return [{"name": model.name, "version": model.version, "state": "READY", "reason": ""}]
