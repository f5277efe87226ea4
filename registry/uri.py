"""The forms of a model URI."""

import re
from dataclasses import dataclass
from typing import Literal

from registry.errors import BadModelURI

_URI = re.compile(r"models:/(?P<name>[^/@]+)(?:/(?P<place>[^/@]+)|@(?P<alias>[^/@]+))")


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
        """Parse a URI.

        Raises:
            BadModelURI: it has none of the accepted forms.
        """
        match = _URI.fullmatch(text)
        if match is None:
            raise BadModelURI(f"{text!r} is not models:/NAME/STAGE, models:/NAME@ALIAS or models:/NAME/VERSION")
        name, place, alias = match["name"], match["place"], match["alias"]
        if alias is not None:
            return cls(name, "alias", alias)
        if place.isdecimal():
            return cls(name, "version", place)
        return cls(name, "latest" if place.lower() == "latest" else "stage", place)
