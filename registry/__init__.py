"""The MLflow registry: from a model URI to a version and the engine that serves it.

Here are only the words for it. ``registry.updates.finder`` finds what is prepared already, ``registry.updates.child``
has it prepared by another process, which runs ``registry.preparing.prepare``; ``registry.opening.engines`` opens it.
"""

from registry.columns import Columns, Stated, read_stated
from registry.config import RegistryConfig
from registry.errors import (
    BadColumns,
    BadModelURI,
    BadRegistryConfig,
    CacheUnusable,
    ModelNotFound,
    NeedsFullImage,
    RegistryError,
    SchemaMismatch,
    StoreUnavailable,
    TooLarge,
    UntrustedFormat,
    UnusableModel,
    VersionMismatch,
)
from registry.preparation import Preparation
from registry.prepared import EngineChoice, OtherVersions, Prepared, TrustedFormats
from registry.uri import ModelURI
from registry.version import CompiledArtifactRef, ModelVersion

__all__ = [
    "BadColumns",
    "BadModelURI",
    "BadRegistryConfig",
    "CacheUnusable",
    "Columns",
    "CompiledArtifactRef",
    "EngineChoice",
    "ModelNotFound",
    "ModelURI",
    "ModelVersion",
    "NeedsFullImage",
    "OtherVersions",
    "Preparation",
    "Prepared",
    "RegistryConfig",
    "RegistryError",
    "SchemaMismatch",
    "Stated",
    "StoreUnavailable",
    "TooLarge",
    "TrustedFormats",
    "UntrustedFormat",
    "UnusableModel",
    "VersionMismatch",
    "read_stated",
]
