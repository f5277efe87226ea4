"""What clients of ``mlflow models serve`` ask: https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/."""

from importlib.metadata import PackageNotFoundError, version

from starlette.requests import Request
from starlette.responses import Response

from serving.codecs.invocations import Invocations
from serving.errors import ModelNotReady
from serving.routing import Route
from serving.service import Service

_PACKAGES = ("mlflow-skinny", "mlflow")


def mlflow_routes(service: Service) -> list[Route]:
    """``/ping`` and ``/health``, which SageMaker and MLflow ask, and ``/version``."""
    codec = Invocations()

    async def health(_request: Request) -> Response:
        if service.ready:
            return Response("\n", media_type="application/json")  # as MLflow's own
        return codec.error(ModelNotReady())

    async def told(_request: Request) -> Response:
        return Response(_version(), media_type="text/plain")

    return [Route("/ping", health), Route("/health", health), Route("/version", told)]


def _version() -> str:
    """That of the MLflow whose protocol this is."""
    for package in _PACKAGES:
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return ""
