"""Who may import whom, and what the rooms may be called."""

import ast
import graphlib
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = PROJECT["tool"]["setuptools"]["packages"]
MODULES = PROJECT["tool"]["setuptools"]["py-modules"]
ROOMS = [*PACKAGES, *MODULES]

ALLOWED = {
    "batcher": set[str](),
    "preprocessing": {"preprocessing.native"},
    "preprocessing.native": set[str](),
    "redaction": set[str](),
    "dataset": {"preprocessing"},
    "forest": {
        "forest.checks",
        "forest.files",
        "forest.libraries.scikit_learn",
        "forest.libraries.xgboost",
        "forest.links",
        "forest.native",
    },
    "forest.files": {
        "forest",
        "forest.libraries.catboost",
        "forest.libraries.lightgbm",
        "forest.libraries.scikit_learn",
        "forest.libraries.xgboost",
    },
    "forest.checks": {"forest", "forest.files", "forest.libraries.scikit_learn", "forest.links"},
    "forest.libraries": set[str](),
    "forest.libraries.catboost": {"forest", "forest.files", "forest.links"},
    # Its wrappers are scikit-learn's estimators.
    "forest.libraries.lightgbm": {"forest", "forest.files", "forest.libraries.scikit_learn", "forest.links"},
    "forest.libraries.meta_estimators": {"forest", "forest.files", "forest.libraries.scikit_learn", "forest.links"},
    "forest.libraries.pipelines": {
        "forest",
        "forest.files",
        "forest.libraries.lightgbm",
        "forest.libraries.scikit_learn",
        "forest.libraries.xgboost",
        "forest.links",
    },
    "forest.libraries.scikit_learn": {
        "forest",
        "forest.files",
        "forest.libraries.meta_estimators",
        "forest.libraries.pipelines",
        "forest.links",
    },
    "forest.libraries.xgboost": {"forest", "forest.files", "forest.links"},
    "forest.links": {"forest", "forest.native"},
    "forest.native": set[str](),
    "service_links": set[str](),
    "settings": {"preprocessing", "redaction", "service_links"},
    "startup": set[str](),
    # Its own words; only the command line, and what the words of others are taken from, know the rooms.
    "registry": {
        "preprocessing",
        "redaction",
        "registry.caching.cache",
        "registry.preparing",
        "registry.updates.refresh_signal",
        "settings",
        "startup",
    },
    "registry.tracking": {"registry"},
    "registry.artifacts": {"redaction", "registry", "registry.tracking"},
    "registry.opening": {"forest", "preprocessing", "registry"},
    "registry.caching": {"registry", "registry.opening.kernel", "registry.tracking.store"},
    "registry.preparing": {
        "forest",
        "forest.checks.answers",
        "forest.files.folder",
        "preprocessing",
        "redaction",
        "registry",
        "registry.artifacts",
        "registry.caching",
        "registry.opening",
        "registry.tracking",
    },
    "registry.updates": {"registry", "registry.caching", "registry.tracking", "workers.threads"},
    "training": {
        "dataset",
        "forest",
        "forest.checks",
        "forest.files",
        "preprocessing",
        "redaction",
        "registry",
        "registry.caching.lock",
        "registry.tracking.store",
        "settings",
        "startup",
    },
    "training.pipeline": {
        "dataset",
        "redaction",
        "registry",
        "registry.tracking.store",
        "settings",
        "startup",
        "training",
    },
    "serving": {
        "batcher",
        "forest",
        "preprocessing",
        "serving.codecs",
        "serving.fastpath",
        "serving.http",
        "serving.metrics",
        "serving.openapi",
        "serving.page",
        "serving.protocols",
    },
    "serving.codecs": {
        "preprocessing",
        "serving.errors",
        "serving.exchange",
        "serving.model",
        "serving.operation",
        "serving.table",
    },
    "serving.protocols": {
        "preprocessing",
        "serving.codecs",
        "serving.errors",
        "serving.model",
        "serving.operation",
        "serving.routing",
        "serving.service",
        "serving.table",
    },
    "serving.openapi": {
        "preprocessing",
        "serving.errors",
        "serving.model",
        "serving.operation",
        "serving.routing",
        "serving.service",
    },
    "serving.grpc": {
        "batcher",
        "preprocessing",
        "serving.codecs",
        "serving.errors",
        "serving.exchange",
        "serving.metrics",
        "serving.model",
        "serving.operation",
        "serving.protocols",
        "serving.service",
        "serving.table",
    },
    "serving.metrics": {"batcher", "serving.codecs", "serving.errors", "serving.model"},
    "serving.http": {"serving.errors", "serving.memory", "serving.metrics", "serving.service"},
    "serving.fastpath": {"batcher", "serving", "serving.codecs", "serving.http", "serving.metrics"},
    "serving.page": {"serving.operation", "serving.routing"},
    "workers": set[str](),
    "workers.serving": {
        "batcher",
        "preprocessing",
        "redaction",
        "registry",
        "registry.caching",
        "registry.opening",
        "registry.preparing.confinement",
        "registry.updates",
        "serving",
        "serving.grpc",
        "settings",
        "startup",
        "workers",
    },
    "loadtest": {
        "dataset",
        "loadtest.generators",
        "loadtest.http",
        "loadtest.locust",
        "loadtest.reports",
        "loadtest.searching",
        "loadtest.system",
        "preprocessing",
    },
    "loadtest.system": {"workers.limits"},
    "loadtest.generators": {"dataset", "loadtest.system", "preprocessing", "serving.grpc"},
    "loadtest.figures": {"loadtest.reports", "loadtest.searching", "loadtest.system"},
    "loadtest.http": {
        "dataset",
        "forest",
        "loadtest.generators",
        "loadtest.reports",
        "loadtest.system",
        "preprocessing",
    },
    "loadtest.reports": {"loadtest.generators", "loadtest.system"},
    "loadtest.sizing": {"forest.checks.arguments", "loadtest.reports", "loadtest.system"},
    "loadtest.locust": {"dataset", "loadtest.reports", "loadtest.system"},
    "loadtest.searching": {"loadtest.crowd", "loadtest.locust", "loadtest.reports", "loadtest.system"},
    "canopy": set[str](),
    "server": {
        "redaction",
        "registry",
        "registry.updates.refresh_signal",
        "settings",
        "startup",
        "workers",
        "workers.serving",
    },
}
"""What each room may import of the others, besides its own: a room without the rooms within it, or a module."""

FORBIDDEN = {
    "batcher": {"starlette", "uvicorn", "mlflow", "sklearn", "numpy"},
    "preprocessing": {"starlette", "uvicorn", "mlflow", "sklearn", "pandas"},
    "forest": {"starlette", "uvicorn", "mlflow", "pandas"},
    "dataset": {"starlette", "uvicorn", "mlflow", "sklearn", "pandas"},
    "redaction": {"starlette", "uvicorn", "mlflow", "sklearn", "numpy"},
    "registry": {"starlette", "uvicorn"},
    "registry.artifacts": {"mlflow", "sklearn", "numpy"},
    "registry.caching": {"mlflow", "sklearn", "numpy", "requests", "boto3"},
    "registry.updates": {"mlflow", "sklearn", "numpy", "requests", "boto3"},
    "serving": {"mlflow", "sklearn", "pandas"},
    "serving.http": {"numpy", "orjson"},
    "serving.fastpath": {"numpy", "orjson"},
    "serving.page": {"numpy", "orjson", "flask_swagger_ui"},
    "loadtest": {"starlette", "uvicorn", "mlflow", "sklearn", "pandas"},
    "settings": {"starlette", "uvicorn", "mlflow", "sklearn", "numpy"},
    "startup": {"starlette", "uvicorn", "mlflow", "sklearn", "numpy"},
    "workers": {"starlette", "uvicorn", "httptools", "mlflow", "sklearn", "numpy"},
}
"""Third parties that a room, with the rooms within it, must not know."""

EXCEPTED = {
    "workers.serving": {"uvicorn", "starlette", "numpy"},
    # What a pipeline is asked with; only the child process and a slower engine ask one.
    "forest.libraries.pipelines": {"pandas"},
}
"""Third parties that a room may know, though the one around it may not."""


def modules(room: str) -> Iterator[Path]:
    """The source files of a room, without those of rooms within it."""
    folder = ROOT.joinpath(*room.split("."))
    yield from folder.glob("*.py") if folder.is_dir() else [folder.with_suffix(".py")]


def tree(room: str) -> Iterator[Path]:
    """The source files of a room and of those within it."""
    for each in ROOMS:
        if within(each, room):
            yield from modules(each)


def home(name: str) -> str | None:
    """The room that a dotted name of ours lies in."""
    return max((room for room in ROOMS if within(name, room)), key=len, default=None)


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


def allowed(name: str, room: str) -> bool:
    """Whether a room may import a name of another."""
    return any(name == each or (within(name, each) and home(name) == home(each)) for each in ALLOWED[room] | {room})


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    """The rooms depend on each other in one direction, as docs/architecture.md has them."""
    forbidden = set[str]().union(*(names for outer, names in FORBIDDEN.items() if within(room, outer)))
    forbidden -= EXCEPTED.get(room, set())
    for path in modules(room):
        for name in imports(path):
            if home(name) is not None:
                assert allowed(name, room), f"{path} imports {name}"
            assert name.partition(".")[0] not in forbidden, f"{path} imports {name}"


def test_no_modules_import_each_other_in_a_circle() -> None:
    """However long; what is imported when it is called counts too."""
    files = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for room in ROOMS for path in modules(room)}
    names = {name.removesuffix(".__init__"): path for name, path in files.items()}
    graph = {
        name: {found for each in imports(path) if (found := _module(each, names)) not in {None, name}}
        for name, path in names.items()
    }
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names them


def _module(name: str, known: Iterable[str]) -> str | None:
    """The module that a dotted name is, or is in; a compiled one is none of those that may import others."""
    compiled = {each["name"] for each in PROJECT["tool"]["setuptools"]["ext-modules"]}
    found = max((each for each in {*known, *compiled} if within(name, each)), key=len, default=None)
    return None if found in compiled else found


def test_no_folder_has_more_than_a_reader_can_take_in() -> None:
    """Fourteen files of its own at most; rooms within it have theirs."""
    folders = [*(ROOT.joinpath(*room.split(".")) for room in PACKAGES), ROOT / "tests", *(ROOT / "tests").rglob("*/")]
    for folder in folders:
        files = [path for path in folder.iterdir() if path.suffix in {".py", ".pyi", ".pyx"}]
        assert len(files) <= 14, folder


@pytest.mark.parametrize("room", ["registry", "training"])
def test_only_the_command_line_of_a_room_reads_the_settings(room: str) -> None:
    """Rooms are handed what they need."""
    readers = {path.name for path in tree(room) if any(within(name, "settings") for name in imports(path))}
    assert readers == {"__main__.py"}


@pytest.mark.parametrize("room", [room for room in ROOMS if "." not in room and room not in {"settings", "server"}])
def test_no_room_reads_the_environment(room: str) -> None:
    """Settings come from one place; only a command line reads it, or a process that starts another hands it on."""
    readers = {path.name for path in tree(room) if "environ" in path.read_text().replace("environment", "")}
    others = {
        "loadtest": {"process.py"},
        "registry": {"__main__.py", "child.py"},
        "workers": {"trial.py"},
    }
    assert readers <= others.get(room, {"__main__.py"})


def test_no_room_shadows_another_module() -> None:
    """No room has the name of a standard module or of one that an installed distribution brings."""
    installed = importlib.metadata.packages_distributions()
    for room in [*MODULES, *(room for room in PACKAGES if "." not in room), "tests"]:
        assert room not in sys.stdlib_module_names
        assert set(installed.get(room, ["canopy-serve"])) == {"canopy-serve"}


def test_every_room_is_packaged_and_drawn() -> None:
    """The list of packages, the rules above and the folders agree."""
    folders = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (path for top in ROOT.iterdir() if top.name[0] != "." for path in top.rglob("__init__.py"))
    }
    rooms = {each for each in folders if each.partition(".")[0] not in {"tests", "build"}}
    files = {path.stem for path in ROOT.glob("*.py")}
    assert (rooms, files) == (set(PACKAGES), set(MODULES))
    assert set(ROOMS) == set(ALLOWED)
    drawn = (ROOT / "docs" / "architecture.md").read_text()
    assert not [room for room in PACKAGES if f"`{room.replace('.', '/')}/`" not in drawn]


def test_every_compiled_module_is_built_typed_and_optional() -> None:
    """Each .pyx in a room is an optional extension module of the same name, and has a .pyi; no other is built.

    So is each module whose types stand in a .pxd beside it. What is written in C is built into the kernel.
    """
    extensions = PROJECT["tool"]["setuptools"]["ext-modules"]
    sources = {each["name"]: each["sources"] for each in extensions}
    written = [path.relative_to(ROOT) for room in ROOMS for path in ROOT.joinpath(*room.split(".")).glob("*.pyx")]
    assert written
    walks = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "forest" / "native" / "walks").glob("*.c"))
    built_in = {"forest.native._kernel": walks}
    headers = [path.relative_to(ROOT) for room in ROOMS for path in ROOT.joinpath(*room.split(".")).glob("*.pxd")]
    plain = [path.with_suffix(".py") for path in headers if (ROOT / path).with_suffix(".py").is_file()]
    assert plain
    names = {".".join(path.with_suffix("").parts): str(path) for path in [*written, *plain]}
    assert sources == {name: [path, *built_in.get(name, [])] for name, path in names.items()}
    assert all((ROOT / path).with_suffix(".pyi").is_file() for path in written)
    assert all(each["optional"] for each in extensions)


@pytest.mark.parametrize(
    "group", ["runtime", "serve", "train", "trees", "catboost", "loadtest", "ray", "dev", "clients", "airflow"]
)
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


def test_the_slim_image_has_a_part_of_what_every_server_has() -> None:
    """Its group names no package that the runtime's does not, and its lock file pins none to another version."""
    runtime = {re.split(r"[<>=]", each)[0] for each in PROJECT["project"]["dependencies"]}
    group = {each for each in PROJECT["dependency-groups"]["serve"] if isinstance(each, str)}
    assert group < runtime
    pinned = {
        name: set(re.findall(r"^[\w.-]+==[^ ;\\]+", (ROOT / "requirements" / f"{name}.txt").read_text(), re.MULTILINE))
        for name in ("runtime", "serve")
    }
    assert pinned["serve"] < pinned["runtime"]


def test_no_template_mark_is_left_in_the_documents() -> None:
    """What a reader sees is finished."""
    for path in ROOT.glob("*.md"):
        assert "@@" not in path.read_text(), path


def test_only_the_preset_knows_the_forest_cover_table() -> None:
    """Every other table is served as well as this one, which one line registers."""
    words = re.compile(r"wilderness|soil|\b54\b|cover[ _-]?type|forest[ _-]cover|\buci\b", re.IGNORECASE)
    home = ROOT / "preprocessing" / "covertype.py"
    registration = "from preprocessing.covertype import PRESET"
    serving = [room for room in ROOMS if room.partition(".")[0] not in {"dataset", "loadtest", "training"}]
    found = {
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for room in serving
        for path in modules(room)
        for line in path.read_text().splitlines()
        if path != home and words.search(line)
    }
    assert found == {f"preprocessing/__init__.py: {registration}"}
