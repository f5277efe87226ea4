"""HTTP: the application, uvicorn's server and connections, and what answers the requests."""

from serving.admin import Reload
from serving.app import Measured, create_app
from serving.codecs import CODECS, Codec
from serving.fastpath.hotpath import HotConnection, HotPath
from serving.http.common import Common, ConnectionLimits
from serving.http.inbox import Inbox
from serving.http.protocol import Connection
from serving.http.server import DrainingServer
from serving.inference import Answer, infer, warm_up
from serving.metrics.board import Board
from serving.metrics.content import CONTENT
from serving.model import Model, ModelHandle
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
