"""The slim image without an image: processes from which every package is hidden that requirements/serve.txt has not."""

import importlib.metadata
import os
import re
from functools import cache
from pathlib import Path

from tests.conftest import ROOT


def slim(folder: Path) -> dict[str, str]:
    """Variables that hide the packages from a process, and from those that it starts.

    Args:
        folder: for a module that every interpreter imports when it starts, see ``site``; made if it is not there.
    """
    folder.mkdir(exist_ok=True)
    hidden = f"import sys\nsys.modules.update(dict.fromkeys({sorted(_others())}))\n"
    (folder / "sitecustomize.py").write_text(hidden)
    return {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}


@cache
def _others() -> set[str]:
    """The top-level modules of installed packages that the slim image has not."""
    locked = (ROOT / "requirements" / "serve.txt").read_text()
    there = {_canonical(name) for name in re.findall(r"^([\w.-]+)==", locked, re.MULTILINE)} | {"canopy-serve"}
    found = importlib.metadata.packages_distributions().items()
    return {module for module, packages in found if there.isdisjoint(map(_canonical, packages))}


def _canonical(package: str) -> str:
    """The name as the core metadata specification compares it."""
    return re.sub(r"[-_.]+", "-", package).lower()
