"""HTTP: the application, uvicorn's server and connections, and what answers the requests."""

from serving.admin import Reload
from serving.app import Measured, create_app
from serving.board import Board
from serving.common import Common, ConnectionLimits
from serving.hotpath import HotConnection, HotPath
from serving.inbox import Inbox
from serving.inference import Answer, Inference, warm_up
from serving.metrics import CONTENT
from serving.model import Model, ModelHandle
from serving.protocol import Connection
from serving.server import DrainingServer
from serving.service import Service

__all__ = [
    "CONTENT",
    "Answer",
    "Board",
    "Common",
    "Connection",
    "ConnectionLimits",
    "DrainingServer",
    "HotConnection",
    "HotPath",
    "Inbox",
    "Inference",
    "Measured",
    "Model",
    "ModelHandle",
    "Reload",
    "Service",
    "create_app",
    "warm_up",
]
