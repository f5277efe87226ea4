"""Which of the schema's columns each of a model's is: as the model names them, as a user states, or as is assumed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

from preprocessing import covertype
from registry.errors import BadColumns, SchemaMismatch

Stated: TypeAlias = tuple[str, ...] | None
"""The schema's names in the order that a model without names of its own has them in; None if nobody states it."""

_STATEMENTS: Final = {"": None, "ours": covertype.COLUMNS, "uci": covertype.UCI_COLUMNS}
_LONGEST_FILE: Final = 1 << 16
_INDEX: Final = {name: position for position, name in enumerate(covertype.COLUMNS)}


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a model.

    Attributes:
        order: for each of them its index in ``covertype.COLUMNS``; None if they are the schema's in the schema's order.
        known: how that is known.
    """

    order: tuple[int, ...] | None = None
    known: Literal["named", "stated", "assumed"] = "named"


class Told(NamedTuple):
    """What a part of a model says of the model's columns.

    Attributes:
        names: of the columns, in the model's order; None if it names none.
        width: how many there are; None if it does not say.
    """

    names: Sequence[object] | None
    width: int | None = None


def read_stated(text: str) -> Stated:
    """Read what a user states.

    Args:
        text: ``ours``; ``uci``, the order of UCI's file and of ``fetch_covtype``; or a file that has the names of the
            54 columns, the schema's, UCI's or ``fetch_covtype``'s, one a line. Empty states nothing.

    Raises:
        BadColumns: it is none of these, or the file cannot be read or has other names.
    """
    if text in _STATEMENTS:
        return _STATEMENTS[text]
    try:
        with Path(text).open(encoding="utf-8-sig") as file:
            lines = file.read(_LONGEST_FILE).splitlines()
    except (OSError, ValueError) as error:  # a name with a null character in it is a ValueError, and so is no UTF-8
        reason = error.strerror if isinstance(error, OSError) else error
        raise BadColumns(f"{text!r} is neither ours, nor uci, nor a file that can be read: {reason}") from None
    found: dict[str, int] = {}
    faults = []
    for number, line in enumerate(lines, 1):
        if not (name := line.strip()):
            continue
        column = covertype.UCI_ALIASES.get(name, name)
        if column not in _INDEX:
            faults.append(f"line {number}: {name[:80]!r} is no column that is known")
        elif column in found:
            faults.append(f"line {number}: {name} is the column of line {found[column]} again")
        else:
            found[column] = number
    if missing := [name for name in covertype.COLUMNS if name not in found]:
        faults.append(f"missing {', '.join(missing)}")
    if faults:
        raise BadColumns(f"{text} has to have the names of the {len(_INDEX)} columns, one a line: {'; '.join(faults)}")
    return tuple(found)


def settle(told: Mapping[str, Told], stated: Stated = None) -> Columns:
    """Find out which of the schema's columns each of a model's is.

    Names that are numbers, as pandas gives them to a table without a header, say nothing.

    Args:
        told: by each part of the model that may say something.
        stated: what the user says.

    Raises:
        SchemaMismatch: the columns are others than the schema's, or what is said does not agree.
    """
    for who, (names, width) in told.items():
        if not _named(names) and width not in (None, len(_INDEX)):
            raise SchemaMismatch(
                f"the model takes {width} unnamed columns, as {who} has it; the schema has {len(_INDEX)}: ten numbers "
                "and an indicator for each wilderness area and soil type"
            )
    orders = {who: column_order(names) for who, (names, _) in told.items() if names is not None and _named(names)}
    if not orders:
        return Columns(None if stated is None else column_order(stated), "assumed" if stated is None else "stated")
    (first, order), *others = orders.items()
    for who, other in others:
        if other != order:
            raise SchemaMismatch(
                f"the model contradicts itself: {_difference(order, other, first, f'to {who}')}; log it again, with a "
                "signature inferred from the table that it was fitted on"
            )
    if stated is not None and (other := column_order(stated)) != order:
        raise SchemaMismatch(
            f"the model's own names contradict --columns (CANOPY_COLUMNS): {_difference(order, other, first, 'there')}"
            "; a model that names its columns needs no --columns"
        )
    return Columns(order)


def column_order(names: Sequence[object]) -> tuple[int, ...] | None:
    """Find the schema's column for each column of a model.

    Args:
        names: the model's column names, in the model's order: those of the schema in any order, or UCI's own, or
            those of ``fetch_covtype``.

    Returns:
        54 indices into ``covertype.COLUMNS``, or None if the order is the schema's own.

    Raises:
        SchemaMismatch: the columns are others; the message has both lists, what is unknown and what is missing.
    """
    order = [_INDEX.get(covertype.UCI_ALIASES.get(str(name), str(name))) for name in names]
    known = [position for position in order if position is not None]
    if len(known) < len(order) or sorted(known) != list(range(len(_INDEX))):
        unknown = [name for name, position in zip(names, order, strict=True) if position is None]
        missing = [name for name, position in _INDEX.items() if position not in order]
        twice = {position for position in known if known.count(position) > 1}
        repeated = [name for name, position in zip(names, order, strict=True) if position in twice]
        raise SchemaMismatch(
            f"the model's columns are not the schema's: unknown {unknown}, missing {missing}"
            + (f", given twice {repeated}" if repeated else "")
        )
    return None if known == sorted(known) else tuple(known)


def assumption(model: object) -> str:
    """What to tell of a model whose columns are assumed to be the schema's."""
    ours, uci = (", ".join(areas) for areas in (covertype.WILDERNESS_AREAS, covertype.UCI_WILDERNESS_AREAS))
    return (
        f"{model} does not name its columns: they are taken to stand in Canopy's order, wilderness areas {ours}. If it "
        f"was fitted on UCI's order ({uci}), as fetch_covtype has it, its answers are wrong: set --columns uci "
        "(CANOPY_COLUMNS), or name a file with its columns there. If the order is Canopy's, --columns ours says so and "
        "ends this warning"
    )


def _named(names: Sequence[object] | None) -> bool:
    """Whether these are names; numbers are not."""
    return names is not None and not (len(names) and all(str(name).isdecimal() for name in names))


def _difference(order: tuple[int, ...] | None, other: tuple[int, ...] | None, who: str, whom: str) -> str:
    """The first column of which two orders differ."""
    ours = range(len(_INDEX))
    pairs = zip(order or ours, other or ours, strict=True)
    number, (one, another) = next((at, pair) for at, pair in enumerate(pairs, 1) if pair[0] != pair[1])
    return f"column {number} is {covertype.COLUMNS[one]} to {who}, {covertype.COLUMNS[another]} {whom}"
