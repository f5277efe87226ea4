"""Whether the forest kernel was built; asked without importing it, for that costs numpy's memory."""

from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Final

_FOREST: Final = str(Path(__file__).resolve().parents[2] / "forest" / "native")


@cache
def built() -> bool:
    """Whether compiled forests can be served by this installation."""
    return all(PathFinder.find_spec(name, [_FOREST]) is not None for name in ("_kernel", "_layout", "_links"))
