"""A skops file read as data: a zip archive with ``schema.json``, which describes objects, and an .npy file an array.

skops itself loads a file only under a scikit-learn that can take its arrays; here only the description is read, see
``skops/io/_general.py``, ``_numpy.py`` and ``_sklearn.py`` for what the nodes of each loader have in them.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forest.files.stored import Named, Stored, Unreadable, guarded, known

_MOST_TIMES: Final = 100
"""How many times its size a file may unpack to."""

_MOST_ITEMS: Final = 1 << 20
"""Objects of an array. A forest has thousands of trees."""

_DEEPEST: Final = 50
"""Levels of nodes. A forest has ten."""


def read_skops(path: Path) -> tuple[Any, int]:
    """Read a file that skops has written.

    Returns:
        What it has in it, and how many bytes that is.

    Raises:
        Unreadable: it is no such file, damaged, or has more in it than a forest.
        OSError: it cannot be read.
    """
    content = path.read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = _unpacked(archive, len(content))
            return _Reading(archive).value(json.loads(archive.read("schema.json")), 0), size
    except Unreadable:
        raise
    except (
        *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError),
        *(KeyError, ValueError, TypeError, AttributeError, OverflowError),
    ) as error:
        raise Unreadable(f"it is no skops file, or damaged: {error}") from None


def _unpacked(archive: zipfile.ZipFile, size: int) -> int:
    """How many bytes a file of so many unpacks to."""
    found = sum(member.file_size for member in archive.infolist())
    if found > _MOST_TIMES * size:
        raise Unreadable(f"it unpacks to more than {_MOST_TIMES} times its size")
    return found


class _Reading:
    """The nodes of one file; one with the id of an earlier one is the same."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._known: dict[Any, Any] = {}

    def value(self, node: dict[str, Any], depth: int) -> Any:  # noqa: ANN401 - whatever it describes
        """What a node describes."""
        if depth > _DEEPEST:
            raise Unreadable(f"its parts are more than {_DEEPEST} deep in each other")
        if (id_ := node.get("__id__")) is not None and id_ in self._known:
            return self._known[id_]
        if (read := _READ.get(node["__loader__"])) is None:
            # Names and loaders are the file's own words.
            known(node["__module__"], node["__class__"])
            raise Unreadable("it has a part that a forest has not")
        found = read(self, node, depth + 1)
        if id_ is not None:
            self._known[id_] = found
        return found

    def instance(self, node: dict[str, Any], depth: int) -> Stored:
        """An object with attributes."""
        name = known(node["__module__"], node["__class__"]).name
        return Stored(name, (), self.value(node["content"], depth))

    def tree(self, node: dict[str, Any], depth: int) -> Stored:
        """One of scikit-learn's trees."""
        args = self.value(node["__reduce__"]["args"], depth)
        return Stored("Tree", tuple(args), self.value(node["content"], depth))

    def mapping(self, node: dict[str, Any], depth: int) -> dict[str, Any]:
        """A dictionary; only the attributes of objects are looked at, whose keys are text as those of JSON are."""
        return {key: self.value(value, depth) for key, value in node["content"].items()}

    def sequence(self, node: dict[str, Any], depth: int) -> list[Any]:
        """A list, or what is left of a set."""
        return [self.value(item, depth) for item in node["content"]]

    def array(self, node: dict[str, Any], depth: int) -> NDArray[Any]:
        """An array, or one of numpy's numbers as an array without dimensions."""
        if node["type"] == "json":
            shape = tuple(self.value(node["shape"], depth))
            items = [self.value(item, depth) for item in node["content"]]
            for _ in shape[1:]:  # each is a list of those of the next dimension
                if sum(map(len, items)) > _MOST_ITEMS:  # a few lists that have each other many times in them
                    raise ValueError("an array of too many objects")
                items = [item for each in items for item in each]
            objects = np.empty(len(items), dtype=object)
            for place, item in enumerate(items):
                objects[place] = item
            return objects.reshape(shape)
        return self._npy(self._archive.read(node["file"]))

    def unread(self, node: dict[str, Any], _: int) -> Stored:
        """What has no part in a prediction, and is only named."""
        return Stored(known(node["__module__"], node["__class__"]).name)

    def _npy(self, content: bytes) -> NDArray[Any]:
        """An array out of an .npy file, without taking its word for its size."""

        def make() -> NDArray[Any]:
            file = io.BytesIO(content)
            version = np.lib.format.read_magic(file)
            headers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
            shape, fortran, type_ = headers[version](file)
            if type_.hasobject:
                raise ValueError("it has objects in it")
            return np.frombuffer(content, type_, offset=file.tell()).reshape(shape, order="F" if fortran else "C")

        made: NDArray[Any] = guarded(make)
        return made


_READ: Final[dict[str, Callable[[_Reading, dict[str, Any], int], Any]]] = {
    "ObjectNode": _Reading.instance,
    "TreeNode": _Reading.tree,
    "RandomStateNode": lambda _reading, _node, _depth: Stored("RandomState"),
    **dict.fromkeys(("RandomGeneratorNode", "LossNode", "PartialNode", "FunctionNode", "SliceNode"), _Reading.unread),
    "DictNode": _Reading.mapping,
    "DefaultDictNode": lambda reading, node, depth: reading.value(node["content"]["main"], depth),
    "ListNode": _Reading.sequence,
    "TupleNode": lambda reading, node, depth: tuple(reading.sequence(node, depth)),
    "JsonNode": lambda _reading, node, _depth: json.loads(node["content"]),
    "NdArrayNode": _Reading.array,
    "DTypeNode": lambda reading, node, depth: reading.array(node["content"], depth).dtype,
    "MaskedArrayNode": _Reading.unread,  # of what a search tried
    "TypeNode": lambda _reading, node, _depth: Named(str(node["__class__"])),
}
"""What reads the node of which loader."""
