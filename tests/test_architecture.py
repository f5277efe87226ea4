"""Who may import whom, and what the rooms may be called."""

import ast
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = PROJECT["tool"]["setuptools"]["packages"]
ROOMS = [*(name for name in PACKAGES if "." not in name), *PROJECT["tool"]["setuptools"]["py-modules"]]

ALLOWED = {
    "batcher": set[str](),
    "preprocessing": set[str](),
    "forest": set[str](),
    "dataset": {"preprocessing.covertype"},
    "redaction": set[str](),
    "registry": {"forest", "preprocessing", "redaction", "settings", "threads"},
    "training": {"dataset", "preprocessing", "forest", "redaction", "registry.store", "registry.version", "settings"},
    "loadtest": {"dataset", "preprocessing.covertype"},
    "serving": {"batcher", "preprocessing", "forest"},
    "workers": set[str](),
    "service_links": set[str](),
    "settings": {"preprocessing", "redaction", "service_links"},
    "threads": set[str](),
    "trial": {"redaction", "registry", "serving", "settings"},
    "delivery": {"registry", "threads", "trial"},
    "source": {"delivery", "registry", "settings", "threads", "workers"},
    "worker": {"batcher", "preprocessing", "serving", "registry", "settings", "source", "threads", "workers"},
    "canopy": set[str](),
    "server": {"redaction", "registry", "settings", "source", "worker", "workers"},
}
"""What each room may import of the others; a room stands for all that is in it."""

FORBIDDEN = {
    "batcher": {"starlette", "uvicorn", "mlflow", "sklearn", "numpy"},
    "preprocessing": {"starlette", "uvicorn", "mlflow", "sklearn", "pandas"},
    "forest": {"starlette", "uvicorn", "mlflow", "pandas"},
    "dataset": {"starlette", "uvicorn", "mlflow", "sklearn", "pandas"},
    "redaction": {"starlette", "uvicorn", "mlflow", "sklearn", "numpy"},
    "registry": {"starlette", "uvicorn"},
    "serving": {"mlflow", "sklearn", "pandas"},
    "loadtest": {"starlette", "uvicorn", "mlflow", "sklearn", "pandas"},
    "settings": {"starlette", "uvicorn", "mlflow", "sklearn", "numpy"},
    "workers": {"starlette", "uvicorn", "httptools", "mlflow", "sklearn", "numpy"},
}
"""Third parties that a room must not know."""


def modules(room: str) -> Iterator[Path]:
    """The source files of a room."""
    folder = ROOT / room
    yield from folder.rglob("*.py") if folder.is_dir() else [ROOT / f"{room}.py"]


def imports(path: Path) -> Iterator[str]:
    """Every module, or name in a module, that a file imports anywhere, as a dotted name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(name: str, whole: str) -> bool:
    """Whether a dotted name is ``whole`` or lies in it."""
    return name == whole or name.startswith(whole + ".")


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    """The rooms depend on each other in one direction, as docs/architecture.md has them."""
    for path in modules(room):
        for name in imports(path):
            top = name.partition(".")[0]
            if top in ROOMS and top != room:
                assert any(within(name, allowed) for allowed in ALLOWED[room]), f"{path} imports {name}"
            assert top not in FORBIDDEN.get(room, ()), f"{path} imports {name}"


@pytest.mark.parametrize("room", ["registry", "training"])
def test_only_the_command_line_of_a_room_reads_the_settings(room: str) -> None:
    """Rooms are handed what they need."""
    readers = {path.name for path in modules(room) if any(within(name, "settings") for name in imports(path))}
    assert readers == {"__main__.py"}


@pytest.mark.parametrize("room", [room for room in ROOMS if room not in {"settings", "server"}])
def test_no_room_reads_the_environment(room: str) -> None:
    """Settings come from one place; only a command line reads it, or a process that starts another hands it on."""
    readers = {path.name for path in modules(room) if "environ" in path.read_text().replace("environment", "")}
    others = {"loadtest": {"process.py"}, "registry": {"__main__.py", "child.py"}, "trial": {"trial.py"}}
    assert readers <= others.get(room, {"__main__.py"})


def test_no_room_shadows_another_module() -> None:
    """No room has the name of a standard module or of one that an installed distribution brings."""
    installed = importlib.metadata.packages_distributions()
    for room in [*ROOMS, "tests"]:
        assert room not in sys.stdlib_module_names
        assert set(installed.get(room, ["canopy-serve"])) == {"canopy-serve"}


def test_every_room_is_packaged_and_drawn() -> None:
    """The list of packages, the rules above and the folders agree."""
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    files = {"canopy", "delivery", "service_links", "settings", "server", "source", "threads", "trial", "worker"}
    assert folders | files == set(ROOMS) == set(ALLOWED)


def test_every_compiled_module_is_built_typed_and_optional() -> None:
    """Each .pyx in a room is an optional extension module of the same name, and has a .pyi; no other is built."""
    extensions = PROJECT["tool"]["setuptools"]["ext-modules"]
    sources = {each["name"]: each["sources"] for each in extensions}
    written = [path.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("*.pyx")]
    assert written
    assert sources == {".".join(path.with_suffix("").parts): [str(path)] for path in written}
    assert all((ROOT / path).with_suffix(".pyi").is_file() for path in written)
    assert all(each["optional"] for each in extensions)


@pytest.mark.parametrize("group", ["runtime", "train", "loadtest", "dev"])
def test_lock_files_are_hashed_and_name_no_address(group: str) -> None:
    """Each pinned package has hashes; no file says where it came from."""
    text = (ROOT / "requirements" / f"{group}.txt").read_text()
    assert "://" not in text
    assert "--index" not in text
    entries = text.replace("\\\n", " ").splitlines()
    assert entries
    for entry in entries:
        assert "==" in entry.partition(" ")[0], entry
        assert "--hash=sha256:" in entry, entry


def test_no_template_mark_is_left_in_the_documents() -> None:
    """What a reader sees is finished."""
    for path in ROOT.glob("*.md"):
        assert "@@" not in path.read_text(), path


def test_only_the_preset_knows_the_forest_cover_table() -> None:
    """Every other table is served as well as this one, which one line registers."""
    words = re.compile(r"wilderness|soil|\b54\b|cover[ _-]?type|forest[ _-]cover|\buci\b", re.IGNORECASE)
    home = ROOT / "preprocessing" / "covertype.py"
    registration = "from preprocessing.covertype import PRESET"
    serving = [room for room in ROOMS if room not in {"dataset", "loadtest", "training"}]
    found = {
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for room in serving
        for path in modules(room)
        for line in path.read_text().splitlines()
        if path != home and words.search(line)
    }
    assert found == {f"preprocessing/__init__.py: {registration}"}
