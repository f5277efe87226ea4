"""HTTP: the application, uvicorn's server and connections, and what answers the requests."""

from serving.app import create_app
from serving.board import Board
from serving.hotpath import HotConnection, HotPath
from serving.inference import Answer, Inference
from serving.metrics import CONTENT
from serving.model import Model, ModelHandle
from serving.protocol import Connection, ConnectionLimits
from serving.server import DrainingServer
from serving.service import Service

__all__ = [
    "CONTENT",
    "Answer",
    "Board",
    "Connection",
    "ConnectionLimits",
    "DrainingServer",
    "HotConnection",
    "HotPath",
    "Inference",
    "Model",
    "ModelHandle",
    "Service",
    "create_app",
]
