"""HTTP: the application, uvicorn's server and connections, and what answers the requests."""

from serving.admin import Reload
from serving.app import CountedResponses, create_app
from serving.codecs import Codec, make_codecs, places
from serving.exchange import Answer, Query
from serving.fastpath.hotpath import HotConnection, HotPath
from serving.http.context import ConnectionContext, ConnectionLimits
from serving.http.protocol import Connection
from serving.http.read_budget import ReadBudget
from serving.http.server import DrainingServer
from serving.inference import infer, is_short, warm_up
from serving.metrics.content import CONTENT
from serving.metrics.shared import SharedMetrics
from serving.model import Model, ModelHandle
from serving.service import Service
from serving.table import Table

__all__ = [
    "CONTENT",
    "Answer",
    "Codec",
    "Connection",
    "ConnectionContext",
    "ConnectionLimits",
    "CountedResponses",
    "DrainingServer",
    "HotConnection",
    "HotPath",
    "Model",
    "ModelHandle",
    "Query",
    "ReadBudget",
    "Reload",
    "Service",
    "SharedMetrics",
    "Table",
    "create_app",
    "infer",
    "is_short",
    "make_codecs",
    "places",
    "warm_up",
]
