"""What other protocols ask besides predictions: whether and what is served; a file for each. It decodes no rows."""

from serving.protocols.mlflow import mlflow_routes
from serving.protocols.v1 import v1_routes
from serving.protocols.v2 import v2_routes
from serving.routing import Route
from serving.service import Service


def protocol_routes(service: Service) -> list[Route]:
    """The routes of all of them."""
    return [*v2_routes(service), *v1_routes(service), *mlflow_routes(service)]


__all__ = ["protocol_routes"]
