"""HTTP: the application, uvicorn's server and connections, and what answers the requests."""

from serving.admin import Reload
from serving.app import Measured, create_app
from serving.board import Board
from serving.codecs import CODECS, Codec
from serving.common import Common, ConnectionLimits
from serving.hotpath import HotConnection, HotPath
from serving.inbox import Inbox
from serving.inference import Answer, infer, warm_up
from serving.metrics import CONTENT
from serving.model import Model, ModelHandle
from serving.protocol import Connection
from serving.server import DrainingServer
from serving.service import Service
from serving.table import Query, Table

__all__ = [
    "CODECS",
    "CONTENT",
    "Answer",
    "Board",
    "Codec",
    "Common",
    "Connection",
    "ConnectionLimits",
    "DrainingServer",
    "HotConnection",
    "HotPath",
    "Inbox",
    "Measured",
    "Model",
    "ModelHandle",
    "Query",
    "Reload",
    "Service",
    "Table",
    "create_app",
    "infer",
    "warm_up",
]
