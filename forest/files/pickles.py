"""A pickle read as data: its program is followed, but whatever it would call or make is only noted down.

The opcodes are decoded by the standard library's ``pickletools``, and mean what its descriptions say. Only those are
followed that a forest's pickle has in it, and only names of ``forest.files.stored``. What the standard unpickler would
run (``__reduce__``, ``__setstate__``, an extension registry, persistent ids) does not run: there is nothing to run.
"""

import bz2
import gzip
import io
import lzma
import mmap
import pickletools
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import numpy as np
from numpy.typing import NDArray

from forest.files.stored import Named, Stored, Unreadable, array, dtype, guarded, known, what

_MOST_STEPS: Final = 1 << 22
"""A hundred a tree are usual."""

_SMALL: Final = 4096
"""Bytes that are copied out of the file; of more, views are taken."""

_MOST_TIMES: Final = 100
"""How many times its size a compressed file may unpack to. A forest's arrays shrink to a tenth."""

_CHUNK: Final = 1 << 20
_MAGIC: Final[dict[bytes, Callable[[Any], Any]]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": lzma.LZMAFile,
    b"\x5d\x00": lzma.LZMAFile,
}
_KEYS: Final = (str, int, float, bool, type(None), Stored)
"""Types of a dictionary's keys; hashing a tuple would descend into it."""


def read_pickle(path: Path) -> tuple[Any, int]:
    """Follow a file that pickle, cloudpickle or joblib has written.

    Returns:
        What it has in it, and how many bytes that is. Large arrays are views of the mapped file.

    Raises:
        Unreadable: it is no pickle, damaged, or has more in it than a forest.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        if not file.read(1):
            raise Unreadable("it is empty")
        content = _unpacked(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))
    return _Reading(_Stream(content)).run(), len(content)


def read_pickled(content: bytes) -> Any:  # noqa: ANN401 - whatever it has in it
    """Follow what ``pickle.dumps`` has made.

    Raises:
        Unreadable: it is no pickle, damaged, or has more in it than a forest.
    """
    return _Reading(_Stream(memoryview(content))).run()


def _unpacked(content: memoryview) -> memoryview:
    """The content of a file that joblib may have compressed."""
    start = bytes(content[:6])
    opener = next((opener for magic, opener in _MAGIC.items() if start.startswith(magic)), None)
    if opener is None and start[:2] not in (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"):
        return content
    most = _MOST_TIMES * len(content) + _CHUNK
    found = bytearray()
    try:
        if opener is None:
            found += zlib.decompressobj().decompress(content, most + 1)
        else:
            source = opener(io.BytesIO(content))
            while len(found) <= most and (chunk := source.read(_CHUNK)):
                found += chunk
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise Unreadable(f"it is damaged: {error}") from None
    if len(found) > most:
        raise Unreadable(f"it unpacks to more than {_MOST_TIMES} times its size")
    return memoryview(bytes(found)).toreadonly()


class _Stream:
    """What ``pickletools`` reads from; it takes no memory for what is large."""

    def __init__(self, content: memoryview) -> None:
        self._content = content
        self._at = 0

    def read(self, size: int) -> bytes | memoryview:
        """So many bytes, or as many as there are."""
        found = self._content[self._at : self._at + max(size, 0)]
        self._at += len(found)
        return found if len(found) > _SMALL else bytes(found)

    def readline(self) -> bytes:
        """The bytes up to the end of a line."""
        line = b""
        while not line.endswith(b"\n") and (part := bytes(self._content[self._at : self._at + _SMALL])):
            part = part[: part.find(b"\n") + 1] or part
            self._at += len(part)
            line += part
        return line

    def tell(self) -> int:
        """Where it is."""
        return self._at


class _Reading:
    """The pickle machine: a stack, marks in it, and a memo."""

    def __init__(self, stream: _Stream) -> None:
        self._stream = stream
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:  # noqa: ANN401 - whatever the file has in it
        """Follow the program to its end."""
        try:
            for step, (opcode, argument, _) in enumerate(pickletools.genops(cast(BinaryIO, self._stream))):
                if opcode.name == "STOP":
                    return self._stack.pop()
                self._follow(step, opcode.name)(self, argument)
        except IndexError:
            raise Unreadable("it is damaged: it takes what is not there") from None
        except Unreadable:
            raise
        # pickletools warns of text that is none, which may be made an error.
        except (ValueError, TypeError, KeyError, OverflowError, AttributeError, RecursionError, Warning) as error:
            raise Unreadable(f"it is damaged or no pickle: {error}") from None
        raise Unreadable("it has no end")

    @staticmethod
    def _follow(step: int, opcode: str) -> "Callable[[_Reading, Any], None]":
        """What follows an opcode."""
        if step > _MOST_STEPS:
            raise Unreadable(f"it takes more than {_MOST_STEPS} steps to read")
        if (follow := _FOLLOW.get(opcode)) is None:
            raise Unreadable(f"it has {opcode} in it, which a forest's pickle has not")
        return follow

    def push(self, value: Any) -> None:  # noqa: ANN401
        """Put something on the stack."""
        self._stack.append(value)

    def take(self) -> Any:  # noqa: ANN401
        """Take the last thing off the stack."""
        return self._stack.pop()

    def mark(self, _: object) -> None:
        """Remember this place of the stack."""
        self._marks.append(len(self._stack))

    def marked(self) -> list[Any]:
        """Take what is above the last mark."""
        start = self._marks.pop()
        found = self._stack[start:]
        del self._stack[start:]
        return found

    def pop(self, _: object) -> None:
        """Drop the last thing, or mark."""
        if self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        else:
            self._stack.pop()

    def drop_marked(self, _: object) -> None:
        """Drop what is above the last mark."""
        self.marked()

    def duplicate(self, _: object) -> None:
        """Put the last thing there again."""
        self.push(self._stack[-1])

    def put(self, place: int) -> None:
        """Keep the last thing."""
        self._memo[place] = self._stack[-1]

    def memoize(self, _: object) -> None:
        """Keep the last thing in the next place."""
        self._memo[len(self._memo)] = self._stack[-1]

    def get(self, place: int) -> None:
        """Put there what was kept."""
        self.push(self._memo[place])

    def make_tuple(self, size: int | None) -> None:
        """Make a tuple of the last things."""
        if size is None:
            self.push(tuple(self.marked()))
            return
        items = tuple(self._stack[len(self._stack) - size :])
        if len(items) != size or len(self._stack) < size:
            raise IndexError
        del self._stack[len(self._stack) - size :]
        self.push(items)

    def append(self, items: list[Any]) -> None:
        """Add to the list that is last."""
        target = self._stack[-1]
        if type(target) is not list:
            raise Unreadable(f"it adds to {what(target)} as to a list")
        target.extend(items)

    def set_items(self, items: list[Any]) -> None:
        """Set keys and values of the dictionary that is last."""
        target = self._stack[-1]
        if type(target) is not dict:
            raise Unreadable(f"it sets items of {what(target)} as of a dictionary")
        target.update(_pairs(items))

    def name(self, names: str) -> None:
        """Put there what has a name."""
        module, _, name = names.partition(" ")
        self.push(known(module, name))

    def name_on_stack(self, _: object) -> None:
        """Put there what has the name on the stack."""
        name, module = self._stack.pop(), self._stack.pop()
        self.push(known(module, name))

    def call(self, _: object) -> None:
        """Note down a call, or what an object is made of."""
        args, called = self._stack.pop(), self._stack.pop()
        if type(args) is not tuple or type(called) is not Named:
            raise Unreadable(f"it calls {what(called)}")
        match called.name, args:
            case "_reconstructor", (Named(name), Named("object"), None):
                self.push(Stored(name))
            case "encode", (str() as text, "latin1"):
                self.push(text.encode("latin1"))
            case ("OrderedDict", ()) | ("defaultdict", (Named("OrderedDict"),)):
                self.push({})
            case "bytes", ():  # no bytes, of protocols 0 to 2
                self.push(b"")
            case (("_reconstructor" | "encode" | "object" | "OrderedDict" | "defaultdict"), _):
                raise Unreadable(f"it calls {called.name}")
            case name, _:
                self.push(Stored(name, args))

    def build(self, _: object) -> None:
        """Note down the state of an object."""
        state, target = self._stack.pop(), self._stack[-1]
        if type(target) is not Stored or target.state is not None or state is None:
            raise Unreadable(f"it changes {what(target)}")
        # As it is now: what the program does to a dictionary later is not done to the object.
        target.state = dict(state) if type(state) is dict else state
        if target.name == "NumpyArrayWrapper":
            self._stack[-1] = self._array(target.state)

    def _array(self, state: Any) -> NDArray[Any]:  # noqa: ANN401
        """The array that joblib has put into the stream, behind its description."""
        if type(state) is not dict or not {"shape", "order", "dtype"} <= state.keys():
            raise Unreadable("an array in it has no description")
        type_, shape = dtype(state["dtype"]), state["shape"]
        if type_.hasobject:
            return array(_Reading(self._stream).run())
        if state.get("numpy_array_alignment_bytes") is not None:
            self._stream.read(self._stream.read(1)[0])

        def make() -> NDArray[Any]:
            if type(shape) is not tuple or any(type(length) is not int or length < 0 for length in shape):
                raise ValueError("its shape is none")
            size = type_.itemsize
            for length in shape:
                size *= length
            return np.frombuffer(self._stream.read(size), type_).reshape(shape, order=state["order"])

        made: NDArray[Any] = guarded(make)
        return made


def _pairs(items: list[Any]) -> dict[Any, Any]:
    keys, values = items[::2], items[1::2]
    if len(keys) != len(values) or any(type(key) not in _KEYS for key in keys):
        raise Unreadable("a dictionary in it has odd keys")
    return dict(zip(keys, values, strict=True))


_CONSTANTS: Final = (
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"),
)

_FOLLOW: Final[dict[str, Callable[[_Reading, Any], None]]] = {
    **dict.fromkeys(_CONSTANTS, _Reading.push),
    **dict.fromkeys(("PROTO", "FRAME"), lambda _reading, _: None),
    "NONE": lambda reading, _: reading.push(None),
    "NEWTRUE": lambda reading, _: reading.push(True),
    "NEWFALSE": lambda reading, _: reading.push(False),
    "EMPTY_LIST": lambda reading, _: reading.push([]),
    "EMPTY_DICT": lambda reading, _: reading.push({}),
    "EMPTY_TUPLE": lambda reading, _: reading.push(()),
    "LIST": lambda reading, _: reading.push(reading.marked()),
    "DICT": lambda reading, _: reading.push(_pairs(reading.marked())),
    "TUPLE": lambda reading, _: reading.make_tuple(None),
    "TUPLE1": lambda reading, _: reading.make_tuple(1),
    "TUPLE2": lambda reading, _: reading.make_tuple(2),
    "TUPLE3": lambda reading, _: reading.make_tuple(3),
    "APPEND": lambda reading, _: reading.append([reading.take()]),
    "APPENDS": lambda reading, _: reading.append(reading.marked()),
    "SETITEM": lambda reading, _: reading.set_items([reading.take(), reading.take()][::-1]),
    "SETITEMS": lambda reading, _: reading.set_items(reading.marked()),
    "MARK": _Reading.mark,
    "POP": _Reading.pop,
    "POP_MARK": _Reading.drop_marked,
    "DUP": _Reading.duplicate,
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _Reading.put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Reading.get),
    "MEMOIZE": _Reading.memoize,
    "GLOBAL": _Reading.name,
    "STACK_GLOBAL": _Reading.name_on_stack,
    **dict.fromkeys(("REDUCE", "NEWOBJ"), _Reading.call),
    "BUILD": _Reading.build,
}
"""What follows which opcode."""
