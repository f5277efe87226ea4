"""What clients of ``mlflow models serve`` ask: https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/."""

from importlib.metadata import PackageNotFoundError, version
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from serving.codecs.invocations import Invocations
from serving.errors import ModelNotReady
from serving.operation import JSON, OBJECT, Body, Operation, always
from serving.routing import Route
from serving.service import Service

_PACKAGES = ("mlflow-skinny", "mlflow")


def mlflow_routes(service: Service) -> list[Route]:
    """``/ping`` and ``/health``, which SageMaker and MLflow ask, and ``/version``."""
    codec = Invocations()

    async def health(_request: Request) -> Response:
        if service.ready:
            return Response("\n", media_type="text/plain")  # MLflow's own calls that JSON, which it is not
        return codec.error(ModelNotReady())

    async def mlflow(_request: Request) -> Response:
        return Response(_version(), media_type="text/plain")

    return [
        Route("/ping", health, about=always(_health("ping", "Whether it serves, as SageMaker asks."))),
        Route("/health", health, about=always(_health("health", "Whether it serves, as MLflow asks."))),
        Route("/version", mlflow, about=always(_VERSION)),
    ]


_TAG: Final = "MLflow"
_VERSION: Final = Operation(
    "version", "The MLflow whose protocol this is.", _TAG, {"text/plain": Body({"type": "string"})}
)


def _health(name: str, summary: str) -> Operation:
    return Operation(
        name, summary, _TAG, {"text/plain": Body({"type": "string"})}, error={JSON: Body(OBJECT)}, statuses=(503,)
    )


def _version() -> str:
    """That of the MLflow whose protocol this is."""
    for package in _PACKAGES:
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return ""
