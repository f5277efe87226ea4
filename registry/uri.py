"""The forms of a model URI."""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlparse

from registry.errors import BadModelURI


@dataclass(frozen=True, slots=True)
class ModelURI:
    """What ``models:/NAME/STAGE``, ``models:/NAME@ALIAS``, ``models:/NAME/VERSION`` or ``models:/NAME/latest`` means.

    Attributes:
        name: the registered model.
        kind: how the version is chosen.
        selector: the stage, alias or version number; ``latest`` for the newest version.
    """

    name: str
    kind: Literal["stage", "alias", "version", "latest"]
    selector: str

    def __str__(self) -> str:
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


def _bad(text: str) -> BadModelURI:
    return BadModelURI(f"{text!r} is not models:/NAME/STAGE, models:/NAME@ALIAS or models:/NAME/VERSION")
