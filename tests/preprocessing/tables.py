"""Tables of every kind, and rows of them."""

from typing import Any, Literal

from hypothesis import strategies as st

from preprocessing import Field, Schema
from preprocessing.schema import FLOAT32_MAX

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
"""What somebody may call a category: quotation marks, blanks and dots are in them."""

FIELD_NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"\\/'), min_size=1, max_size=8)
"""What somebody may call a field."""


@st.composite
def fields(draw: st.DrawFn, name: str) -> Field:
    """A field of any kind."""
    kinds: list[Literal["number", "integer", "boolean"]] = ["number", "integer", "boolean"]
    kind = draw(st.sampled_from([*kinds, None]))
    if kind is not None:
        return Field(name, kind, missing=draw(st.booleans()))
    categories = tuple(draw(st.lists(NAMES, min_size=1, max_size=40, unique=True)))
    known = draw(st.lists(NAMES.filter(lambda text: text not in categories), max_size=3, unique=True))
    aliases = {alias: draw(st.integers(0, len(categories) - 1)) for alias in known}
    encodings: list[Literal["one-hot", "ordinal"]] = ["one-hot", "ordinal"]
    encoding = draw(st.sampled_from(encodings))
    missing = encoding == "ordinal" and draw(st.booleans())
    # The names of indicators might be those of other fields.
    width = len(categories) if encoding == "one-hot" else 1
    columns = tuple(f"{name} {number}/" for number in range(width))
    return Field(name, "category", missing, categories, aliases, encoding, columns)


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    """A table."""
    names = draw(st.lists(FIELD_NAMES, min_size=1, max_size=12, unique=True))
    return Schema(tuple(draw(fields(name)) for name in names))


def values(field: Field) -> st.SearchStrategy[Any]:
    """What a row may have for a field."""
    whole = st.integers(-(2**24), 2**24)
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "number": st.floats(-FLOAT32_MAX, FLOAT32_MAX, width=32) | whole,
        "integer": whole | whole.map(float),
        "boolean": st.booleans() | st.sampled_from([0, 1, 0.0, 1.0]),
        "category": st.integers(0, len(field.categories) - 1 if field.categories else 0),
    }
    return kinds[field.type] | st.none() if field.missing else kinds[field.type]


def rows(schema: Schema) -> st.SearchStrategy[list[Any]]:
    """A row of a table, as JSON has it."""
    return st.tuples(*map(values, schema.fields)).map(list)
