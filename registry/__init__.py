"""The MLflow registry: from a model URI to a version and the engine that serves it.

What computes is not imported here, for a process that only has a model prepared: ``registry.prepare`` prepares one in
the process itself, and ``registry.engines`` opens what was prepared.
"""

from registry.child import prepare_in_child
from registry.errors import BadModelURI, ModelNotFound, RegistryError, SchemaMismatch, StoreUnavailable, UnusableModel
from registry.prepared import EngineChoice, Prepared
from registry.resolve import ModelVersion, resolve
from registry.uri import ModelURI

__all__ = [
    "BadModelURI",
    "EngineChoice",
    "ModelNotFound",
    "ModelURI",
    "ModelVersion",
    "Prepared",
    "RegistryError",
    "SchemaMismatch",
    "StoreUnavailable",
    "UnusableModel",
    "prepare_in_child",
    "resolve",
]
