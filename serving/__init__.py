"""HTTP: the Starlette application and what it answers with."""

from serving.app import create_app
from serving.inference import Answer, Inference
from serving.model import Model, ModelHandle
from serving.protocol import Connection
from serving.server import DrainingServer
from serving.service import Service

__all__ = ["Answer", "Connection", "DrainingServer", "Inference", "Model", "ModelHandle", "Service", "create_app"]
