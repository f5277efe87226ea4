"""Tables for people: the same cells as text, as Markdown, and to be put into a page."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """A table of ready-made cells.

    Attributes:
        title: what it shows.
        columns: their names.
        rows: of as many cells.
        words: how many columns, from the left, are words; the others are numbers.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1

    def text(self) -> str:
        """For a terminal."""
        lines = [self.columns, *self.rows]
        widths = [max(len(line[at]) for line in lines) for at in range(len(self.columns))]
        return "".join(["\n", self.title, "\n", *(self._line(line, widths) for line in lines)])

    def markdown(self) -> str:
        """For a document, under its title."""
        return f"**{self.title}**\n\n{self.grid()}"

    def grid(self) -> str:
        """For a document that has a title of its own."""
        rule = ["---"] * self.words + ["---:"] * (len(self.columns) - self.words)
        lines = [self.columns, rule, *self.rows]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)

    def _line(self, cells: Sequence[str], widths: Sequence[int]) -> str:
        aligned = (
            cell.ljust(width) if at < self.words else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "  ".join(aligned).rstrip() + "\n"


def number(value: float | None, digits: int = 0) -> str:
    """A number with thousands apart; without one a dash."""
    return "-" if value is None else f"{value:,.{digits}f}"
