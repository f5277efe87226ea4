"""A model in a folder instead of a registry, where whoever starts the server puts one: KServe, at /mnt/models.

The folder is one that MLflow has saved a model to, with MLmodel in it. What training has logged beside a model lies
there too.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from registry.errors import ModelNotFound, RegistryError, UnusableModel
from registry.preparing import header
from registry.uri import ModelURI
from registry.version import COMPILED_FILE, SCHEMA_FILE, ArtifactRef, CompiledArtifactRef, ModelVersion

_MODEL: Final = "MLmodel"

_NONE_OF_IT: Final = shutil.ignore_patterns("lost+found", "..*")
"""What volumes have of their own: ext4's folder, and those that Kubernetes' links lead to."""

_DIGITS: Final = 16
_MOST_NAMED: Final = 10


def version_in(uri: ModelURI) -> ModelVersion:
    """The version in a folder; its number is the beginning of a checksum of all its files.

    So servers whose folders have the same files tell the same version, and one with others tells another.

    Raises:
        ModelNotFound: there is no model.
        UnusableModel: a file cannot be read.
    """
    folder = Path(uri.selector)
    try:
        there = sorted(path.name for path in folder.iterdir())
        if _MODEL not in there:
            raise ModelNotFound(_missing(uri, folder, there))
        files = _checksums(folder)
        compiled = _compiled(folder, files)
    except OSError as error:
        raise _unreadable(uri, error) from None
    return ModelVersion(uri.name, _number(files), compiled=compiled, folder=uri.selector)


def copy_model(version: ModelVersion, target: Path) -> None:
    """Copy the files of a version to a folder, which is made.

    Raises:
        UnusableModel: they are others by now.
        OSError: they cannot be copied.
    """
    shutil.copytree(version.folder, target, ignore=_NONE_OF_IT)
    if _number(_checksums(target)) != version.number:
        raise UnusableModel(
            f"the files in {version.folder} changed while they were copied: start again when all are there"
        )


def _compiled(folder: Path, files: Mapping[str, ArtifactRef]) -> CompiledArtifactRef | None:
    """The compiled forest beside a model, as a version's tag in a registry would tell of it; None if there is none."""
    file, schema = files.get(COMPILED_FILE), files.get(SCHEMA_FILE)
    if file is None or (format_ := header.format_of(folder / COMPILED_FILE)) is None:
        return None
    return CompiledArtifactRef(file.path, format_, file.sha256, file.size, schema)


def _missing(uri: ModelURI, folder: Path, there: list[str]) -> str:
    """Why there is no model, and what to do."""
    below = [path.parent.name for path in sorted(folder.glob(f"*/{_MODEL}"))]
    if below:
        return f"{uri} has no {_MODEL}, but {below[0]} in it has: name that folder"
    names = ", ".join(there[:_MOST_NAMED]) + (", ..." if len(there) > _MOST_NAMED else "")
    return f"{uri} has no {_MODEL}, but {names or 'nothing'}: name a folder that MLflow has saved a model to"


def _unreadable(uri: ModelURI, error: OSError) -> RegistryError:
    reason = f"{uri} cannot be read: {error.strerror}: {error.filename}"
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return ModelNotFound(f"{reason}; see whether it is mounted there")
    return UnusableModel(f"{reason}; let this user read it")


def _number(files: Mapping[str, ArtifactRef]) -> str:
    return hashlib.sha256(msgspec.json.encode(list(files.values()))).hexdigest()[:_DIGITS]


def _checksums(folder: Path) -> dict[str, ArtifactRef]:
    """The files of a folder, in order.

    Raises:
        OSError: one cannot be read.
    """
    found = {}
    for path in sorted(_files(folder)):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            name = path.relative_to(folder).as_posix()
            found[name] = ArtifactRef(name, digest, file.tell())
    return found


def _files(folder: Path) -> Iterator[Path]:
    """Those that ``copy_model`` copies, which follows links as well."""

    def fail(error: OSError) -> None:
        raise error

    for parent, folders, files in os.walk(folder, onerror=fail, followlinks=True):
        folders[:] = set(folders) - _NONE_OF_IT(parent, folders)
        yield from (Path(parent, name) for name in set(files) - _NONE_OF_IT(parent, files))
