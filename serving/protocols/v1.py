"""What clients of the V1 protocol ask.

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol and
https://www.tensorflow.org/tfx/serving/api_rest#model_status_api
"""

from typing import Any

from starlette.requests import Request

from serving.errors import ModelNotReady, plain_error
from serving.operation import ERROR, JSON, Body, always, json_operation
from serving.routing import Route, json_response, telling
from serving.service import Service

_LABEL = "/v1"


def v1_routes(service: Service) -> list[Route]:
    """The list of models, and the state of the one that is served."""

    def models(_request: Request) -> dict[str, Any]:
        return {"models": [service.name]}

    def model(request: Request) -> dict[str, Any]:
        """As KServe tells it, and as TensorFlow Serving does."""
        service.check_served(request.path_params["model"], request.path_params.get("version"))
        served = service.handle.model
        if served is None or not service.ready:
            raise ModelNotReady
        status = {
            "version": served.version,
            "state": "AVAILABLE",
            "status": {"error_code": "OK", "error_message": ""},
        }
        return {"name": service.name, "ready": True, "model_version_status": [status]}

    return [
        Route(
            path,
            telling(endpoint, json_response, plain_error),
            label=_LABEL,
            error=plain_error,
            about=always(json_operation(name, summary, "V1", error={JSON: Body(ERROR)}, statuses=statuses)),
        )
        for path, endpoint, name, summary, statuses in (
            ("/v1/models", models, "modelsV1", "The model that is served.", ()),
            ("/v1/models/{model}", model, "modelV1", "Whether the model is served.", (404, 503)),
            (
                "/v1/models/{model}/versions/{version}",
                model,
                "modelOfVersionV1",
                "Whether a version of it is served.",
                (404, 503),
            ),
        )
    ]
