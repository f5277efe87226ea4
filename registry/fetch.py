"""One file of a version's artifacts, fetched in little memory and checked on the way."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from registry.access import Access
from registry.errors import UnusableModel
from registry.record import Refused
from registry.rest import authorization, base, no_mlflow, refuse
from registry.version import Logged
from registry.web import Peer, opened

CHUNK: Final = 1 << 18
_PROXY: Final = "/api/2.0/mlflow-artifacts/artifacts"

Chunks = AbstractContextManager[Iterator[bytes]]


class Unsupported(Exception):
    """Artifacts are where only MLflow's own client can read them."""


class Absent(UnusableModel):
    """The file is not there."""


def fetch(access: Access, location: str, file: Logged, path: Path) -> None:
    """Fetch a file and see that it is what training has logged.

    Args:
        access: the way to the tracking server, and to the store of the artifacts.
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
    with _OPEN[scheme](access, f"{location.rstrip('/')}/{file.path}") as chunks, path.open("xb") as out:
        for chunk in chunks:
            digest.update(chunk)
            size += len(chunk)
            if size > file.size:
                break
            out.write(chunk)
        out.flush()
        os.fsync(out.fileno())
    check(file, size, digest.hexdigest(), location)


def check(file: Logged, size: int, digest: str, location: str) -> None:
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
def _proxied(access: Access, address: str) -> Iterator[Iterator[bytes]]:
    """By way of the tracking server, or of another MLflow server that the address names, which gets no password."""
    if not access.light:
        raise Unsupported(address.partition(":")[0])
    parts = urlsplit(address)
    server = urlsplit(base(access))
    if parts.netloc:
        server = server._replace(netloc=parts.netloc.rpartition("@")[2])
    url = f"{server.geturl()}{_PROXY}/{quote(unquote(parts.path).lstrip('/'))}"
    with _plain(access, url) as chunks:
        yield chunks


@contextmanager
def _plain(access: Access, address: str) -> Iterator[Iterator[bytes]]:
    """From a web server; the tracking server's password is for no other."""
    ours, theirs = urlsplit(access.tracking_uri), urlsplit(address)
    same = (ours.scheme, ours.hostname, ours.port) == (theirs.scheme, theirs.hostname, theirs.port)
    headers = authorization(access) if same and access.light else {"Accept-Encoding": "identity"}
    with _got(access, address, headers) as chunks:
        yield chunks


@contextmanager
def _got(access: Access, url: str, headers: dict[str, str]) -> Iterator[Iterator[bytes]]:
    peer = Peer.tracking(access)
    with opened(peer, url, headers) as response:
        if response.status != 200:
            text = response.read(CHUNK)
            if response.status == 404:
                raise Absent(f"there is no {url}")
            try:
                refuse(response, peer, text)
            except Refused as error:
                raise Absent(f"there is no {url}: {error}") from None
        if response.headers.get("Content-Type", "").startswith("text/html"):
            raise no_mlflow(peer, response.status)  # a page to log in at
        yield response.stream(CHUNK, decode_content=True)


def _s3(access: Access, address: str) -> Chunks:
    from registry.s3 import read

    return read(access, address, CHUNK)


@contextmanager
def _local(_access: Access, address: str) -> Iterator[Iterator[bytes]]:
    path = Path(unquote(urlsplit(address).path) if address.startswith("file:") else address)
    try:
        file = path.open("rb")
    except OSError as error:
        raise Absent(f"there is no {path} that can be read: {error.strerror}") from None
    with file:
        yield iter(lambda: file.read(CHUNK), b"")


_OPEN: Final[dict[str, Callable[[Access, str], Chunks]]] = {
    "mlflow-artifacts": _proxied,
    "http": _plain,
    "https": _plain,
    "s3": _s3,
    "file": _local,
}
"""How to open a file, by the scheme of its address."""
