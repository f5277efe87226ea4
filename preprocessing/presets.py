"""Tables that need no description, because Canopy knows them."""

from collections.abc import Mapping
from dataclasses import dataclass

from preprocessing.schema import Schema


@dataclass(frozen=True, slots=True)
class Preset:
    """A table that Canopy knows.

    Attributes:
        schema: the table.
        aliases: what else its columns are called → their names in ``schema.expanded``.
        statements: a word that ``--schema`` takes → the table, with columns in the order that the word stands for.
        title: what the table is called in a sentence.
        caveat: what to know of a model without column names that is assumed to have this table's, and what to do.
    """

    schema: Schema
    aliases: Mapping[str, str]
    statements: Mapping[str, Schema]
    title: str
    caveat: str

    def index(self) -> dict[str, int]:
        """Whatever a column may be called → where it stands in ``schema.expanded``."""
        index = {name: position for position, name in enumerate(self.schema.expanded)}
        return index | {alias: index[name] for alias, name in self.aliases.items()}
