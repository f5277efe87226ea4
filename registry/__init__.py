"""The MLflow registry: from a model URI to a version and the engine that serves it."""

from registry.child import prepare_in_child
from registry.engines import open_engine
from registry.errors import BadModelURI, ModelNotFound, RegistryError, SchemaMismatch, StoreUnavailable, UnusableModel
from registry.prepare import Prepared, prepare
from registry.resolve import ModelVersion, resolve
from registry.uri import ModelURI

__all__ = [
    "BadModelURI",
    "ModelNotFound",
    "ModelURI",
    "ModelVersion",
    "Prepared",
    "RegistryError",
    "SchemaMismatch",
    "StoreUnavailable",
    "UnusableModel",
    "open_engine",
    "prepare",
    "prepare_in_child",
    "resolve",
]
