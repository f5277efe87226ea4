"""One file of a version's artifacts, fetched in little memory and checked on the way."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

from registry.config import RegistryConfig
from registry.errors import Absent, UnusableModel
from registry.tracking.record import RegistryRefused
from registry.tracking.rest import anonymous, authorization, base, no_mlflow, refuse
from registry.version import ArtifactRef, CompiledArtifactRef
from registry.web import opened, unavailable

CHUNK: Final = 1 << 18
_PROXY: Final = "/api/2.0/mlflow-artifacts/artifacts"

Chunks = AbstractContextManager[Iterator[bytes]]


class Unsupported(Exception):
    """Artifacts are where only MLflow's own client can read them."""


def fetch(config: RegistryConfig, location: str, file: CompiledArtifactRef | ArtifactRef, path: Path) -> None:
    """Fetch a file and see that it is what training has logged.

    Args:
        config: the way to the tracking server, and to the store of the artifacts.
        location: address of the root of the artifacts.
        file: the file; its ``path`` is relative to the root.
        path: where to put it; nothing is there yet.

    Raises:
        Unsupported: nothing here can read from that address.
        UnusableModel: the file is damaged or gone.
        StoreUnavailable: the server or store cannot be used.
        OSError: the file cannot be written.
    """
    scheme = location.partition(":")[0] if ":" in location else "file"
    if scheme not in _OPEN:
        raise Unsupported(scheme)
    digest, size = hashlib.sha256(), 0
    with _OPEN[scheme](config, location.rstrip("/"), file.path) as chunks, path.open("xb") as out:
        for chunk in chunks:
            digest.update(chunk)
            size += len(chunk)
            if size > file.size:
                break
            out.write(chunk)
        out.flush()
        os.fsync(out.fileno())
    check(file, size, digest.hexdigest(), location)


def check(file: CompiledArtifactRef | ArtifactRef, size: int, digest: str, location: str) -> None:
    """See whether a file is what training has logged.

    Raises:
        UnusableModel: it is not.
    """
    if size != file.size:
        more = "more" if size > file.size else f"{size:,}"
        raise UnusableModel(f"{location}/{file.path} is damaged: it has {more} bytes, not {file.size:,}")
    if digest != file.sha256:
        raise UnusableModel(f"{location}/{file.path} is damaged: its checksum does not fit")


@contextmanager
def _proxied(config: RegistryConfig, root: str, path: str) -> Iterator[Iterator[bytes]]:
    """By way of the tracking server, or of another MLflow server that the address names."""
    if not config.light:
        raise Unsupported("mlflow-artifacts")
    parts, server = urlsplit(root), urlsplit(base(config))
    folder = f"{server.path}{_PROXY}/{parts.path.strip('/')}".rstrip("/")
    with _plain(config, server._replace(netloc=parts.netloc or server.netloc, path=folder).geturl(), path) as chunks:
        yield chunks


@contextmanager
def _plain(config: RegistryConfig, root: str, path: str) -> Iterator[Iterator[bytes]]:
    """From a web server. The tracking server's password is for no other."""
    ours, theirs = urlsplit(config.tracking_uri), urlsplit(root)
    known = (ours.scheme, ours.hostname, ours.port) == (theirs.scheme, theirs.hostname, theirs.port)
    if known:
        root = theirs._replace(netloc=ours.netloc).geturl()
    url = f"{root}/{path}"
    with opened(config, url, authorization(config) if known and config.light else anonymous()) as response:
        if response.status_code in (401, 403) and not known:
            raise unavailable(
                config,
                f"it keeps the files at {theirs.hostname}, which refuses us and is not told the tracking server's "
                "password; name a user for that machine in ~/.netrc",
            )
        if response.status_code == 404:
            raise Absent(f"there is no {url}")
        if response.status_code != 200:
            try:
                refuse(response, config, response.raw.read(CHUNK, decode_content=True))
            except RegistryRefused as error:
                raise Absent(f"there is no {url}: {error}") from None
        if response.headers.get("Content-Type", "").startswith("text/html"):
            raise no_mlflow(config, response.status_code)  # a page to log in at
        yield response.iter_content(CHUNK)


def _s3(config: RegistryConfig, root: str, path: str) -> Chunks:
    from registry.artifacts.s3 import read

    return read(config, root, path, CHUNK)


@contextmanager
def _local(_config: RegistryConfig, root: str, path: str) -> Iterator[Iterator[bytes]]:
    """As ``mlflow.utils.file_utils.local_file_uri_to_path`` reads an address, which a path is to it as well."""
    place = Path(url2pathname(urlsplit(root).path if root.startswith("file:") else root), path)
    try:
        file = place.open("rb")
    except OSError as error:
        raise Absent(f"there is no {place} that can be read: {error.strerror}") from None
    with file:
        yield iter(lambda: file.read(CHUNK), b"")


_OPEN: Final[dict[str, Callable[[RegistryConfig, str, str], Chunks]]] = {
    "mlflow-artifacts": _proxied,
    "http": _plain,
    "https": _plain,
    "s3": _s3,
    "file": _local,
}
"""How to open a file, by the scheme of the address of its root."""
