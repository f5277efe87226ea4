"""The MLflow registry: from a model URI to a version and the engine that serves it."""

from registry.errors import BadModelURI, ModelNotFound, RegistryError, SchemaMismatch, StoreUnavailable, UnusableModel
from registry.load import load
from registry.resolve import ModelVersion, resolve
from registry.uri import ModelURI

__all__ = [
    "BadModelURI",
    "ModelNotFound",
    "ModelURI",
    "ModelVersion",
    "RegistryError",
    "SchemaMismatch",
    "StoreUnavailable",
    "UnusableModel",
    "load",
    "resolve",
]
