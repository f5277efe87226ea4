"""The forms of a model URI."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, Literal
from urllib.parse import quote, unquote, urlparse, urlsplit

from registry.errors import BadModelURI

FORMS: Final = "models:/NAME/STAGE, models:/NAME@ALIAS, models:/NAME/VERSION or file:///FOLDER"


@dataclass(frozen=True, slots=True)
class ModelURI:
    """What ``models:/NAME/STAGE``, ``models:/NAME@ALIAS``, ``models:/NAME/VERSION`` or ``models:/NAME/latest`` means.

    So does ``file:///FOLDER``: the one model in a folder, of which no registry is asked.

    Attributes:
        name: the registered model; of a folder, its own name.
        kind: how the version is chosen.
        selector: the stage, alias or version number; ``latest`` for the newest version; the path of a folder.
    """

    name: str
    kind: Literal["stage", "alias", "version", "latest", "folder"]
    selector: str

    def __str__(self) -> str:
        if self.kind == "folder":
            return folder_uri(self.selector)
        return f"models:/{self.name}{'@' if self.kind == 'alias' else '/'}{self.selector}"

    @classmethod
    def parse(cls, text: str) -> "ModelURI":
        """Parse a URI as MLflow does, see ``_parse_model_uri`` in ``mlflow.store.artifact.utils.models``.

        That takes a text for a URI indeed: the scheme may be in capitals, and what follows a question mark is none of
        the path.

        Raises:
            BadModelURI: it has none of the accepted forms.
        """
        try:
            parsed = urlparse(text, allow_fragments=False)
        except ValueError:
            raise _bad(text) from None
        if parsed.scheme == "file":
            return _folder(text)
        if parsed.scheme != "models" or not parsed.path.startswith("/"):
            raise _bad(text)
        name, *rest = parsed.path.lstrip("/").split("/")
        if not rest:
            name, _, alias = name.rpartition("@")
            if not name or not alias.strip():
                raise _bad(text)
            return cls(name, "alias", alias)
        place = rest[0]
        if len(rest) > 1 or not name.strip() or not place.strip():
            raise _bad(text)
        if place.isdigit():
            return cls(name, "version", place)
        return cls(name, "latest" if place.lower() == "latest" else "stage", place)


def folder_uri(path: str) -> str:
    """The address of a folder on this machine, whose path is absolute (RFC 8089)."""
    return f"file://{quote(path)}"


def _folder(text: str) -> ModelURI:
    parts = urlsplit(text, allow_fragments=False)
    try:
        path = unquote(parts.path, errors="strict")
        path.encode()
    except UnicodeError:  # it could be told to nobody
        raise _bad(text) from None
    name = PurePosixPath(path).name
    if parts.netloc or parts.query or "\0" in path or not path.startswith("/") or name in {"", ".."}:
        raise _bad(text)
    return ModelURI(name, "folder", str(PurePosixPath(path)))


def _bad(text: str) -> BadModelURI:
    return BadModelURI(f"{text!r} is not {FORMS}")
