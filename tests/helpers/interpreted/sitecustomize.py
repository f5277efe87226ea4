"""With this folder in PYTHONPATH, each process interprets what is compiled for speed, as where there is no compiler."""

import importlib.util
import sys
import tomllib
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path

_ROOT = Path(__file__).parents[3]
_EXTENSIONS = tomllib.loads((_ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["ext-modules"]

INTERPRETED = {each["name"]: each["sources"][0] for each in _EXTENSIONS if each["sources"][0].endswith(".py")}
"""The modules that are compiled and need not be, and their files."""


class _Plain:
    @staticmethod
    def find_spec(name: str, _path: Sequence[str] | None = None, _target: object = None) -> ModuleSpec | None:
        if name == "preprocessing.native._rows":
            raise ImportError("it is as if it had not been built")
        if name in INTERPRETED:
            return importlib.util.spec_from_file_location(name, _ROOT / INTERPRETED[name])
        return None


sys.meta_path.insert(0, _Plain)
