"""Tables in documents, between marks that say what measures them.

::

    <!-- figures: NAME -->
    | a table | ... |

    `make ...`, commit 1234567, processor, 2 cores, 2026-11-26
    <!-- /figures -->

Where no command here can measure a table again, ``<!-- figures: none, REASON -->`` stands above it.
"""

import re
from typing import Final

_BEGIN: Final = "<!-- figures: {} -->"
_END: Final = "<!-- /figures -->"
_BLOCK: Final = re.compile(
    r"^<!-- figures: (?P<name>[a-z0-9-]+) -->\n(?P<content>.*?)^<!-- /figures -->$", re.MULTILINE | re.DOTALL
)
_NONE: Final = re.compile(r"^<!-- figures: none, (?P<reason>.+) -->$")
_NUMBER: Final = re.compile(r"^[~<]?\d[\d,.]*")
_ROW: Final = re.compile(r"^\|.*\|$")


class BadMarks(ValueError):
    """A document has no such marks, or has them twice."""


def blocks(text: str) -> dict[str, str]:
    """Name → what stands between its marks.

    Raises:
        BadMarks: a name comes twice, or a mark has no other end.
    """
    found = [(each["name"], each["content"]) for each in _BLOCK.finditer(text)]
    names = [name for name, _ in found]
    if len(set(names)) != len(names):
        raise BadMarks(f"figures come twice: {', '.join(sorted({name for name in names if names.count(name) > 1}))}")
    begun = len(re.findall(r"^<!-- figures: (?!none,)", text, re.MULTILINE))
    if not len(found) == begun == text.count(_END):
        raise BadMarks("a mark of figures has no other end")
    return dict(found)


def replaced(text: str, name: str, content: str) -> str:
    """The document with something else between the marks of a name.

    Raises:
        BadMarks: there are none.
    """
    if name not in blocks(text):
        raise BadMarks(f"there is no {_BEGIN.format(name)}")
    begin = f"{_BEGIN.format(name)}\n"
    head, _, rest = text.partition(begin)
    return f"{head}{begin}{content.rstrip()}\n{_END}{rest.partition(_END)[2]}"


def unmarked(text: str) -> list[str]:
    """The head of each table that looks like figures and has no marks, nor a reason why it has none.

    It does if more than half of its cells begin with a number, those of the first column left out.
    """
    without = _BLOCK.sub("", text)
    lines = without.splitlines()
    found = []
    for at, line in enumerate(lines):
        if _ROW.match(line) and not (at and _ROW.match(lines[at - 1])):
            end = next((row for row in range(at, len(lines)) if not _ROW.match(lines[row])), len(lines))
            above = next((each for each in reversed(lines[:at]) if each.strip()), "")
            if _is_figures(lines[at + 2 : end]) and not _NONE.match(above):
                found.append(line)
    return found


def _is_figures(rows: list[str]) -> bool:
    cells = [cell.strip() for row in rows for cell in row.strip("|").split("|")[1:]]
    filled = [cell for cell in cells if cell not in ("", "-")]
    return sum(_NUMBER.match(cell) is not None for cell in filled) * 2 > len(filled)
