"""What is loaded where only skops is trusted: nothing that could run code."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry import EngineChoice, ModelURI, Preparation, Prepared, UntrustedFormat
from registry.caching.cache import Cache
from registry.errors import UnusableModel
from registry.opening.engines import open_engine
from registry.preparing.compiling import compile_model
from registry.preparing.prepare import prepare
from registry.tracking.resolve import resolve
from tests.helpers.isolation import MLFLOW_WARNS
from tests.registry.conftest import READY
from tests.registry.support import FORESTS, Place, way

pytestmark = MLFLOW_WARNS

REMEDY = r"serialization_format='skops'.*CANOPY_TRUSTED_FORMATS"


def trusting(place: Place, folder: Path, name: str, choice: EngineChoice = "auto") -> Prepared:
    """The first version of a model, prepared by who trusts only skops."""
    uri, config = ModelURI.parse(f"models:/{name}/1"), way(place.tracking_uri)
    return prepare(uri, config, Preparation(choice, "skops"), Cache(folder))


@pytest.mark.parametrize("name", [param for param in FORESTS if "Pickle" not in str(param.values)])
def test_a_skops_forest_is_compiled(sqlite_place: Place, tmp_path: Path, name: str) -> None:
    """A forest in the format that cannot run code is served as ever."""
    made = trusting(sqlite_place, tmp_path, name)
    assert (made.engine, made.formats) == ("compiled", "skops")


def test_a_skops_forest_is_served_by_scikit_learn(sqlite_place: Place, tmp_path: Path) -> None:
    """The engine that loads it again, in the process that serves, does so by the same rules."""
    made = trusting(sqlite_place, tmp_path, "Permuted", "sklearn")
    assert open_engine(made).name == "sklearn"
    (made.model / "MLmodel").write_text((made.model / "MLmodel").read_text().replace(": skops", ": cloudpickle"))
    with pytest.raises(UntrustedFormat, match=REMEDY):
        open_engine(made)


def test_a_compiled_forest_is_fetched_whatever_it_was_compiled_from(server_place: Place, tmp_path: Path) -> None:
    """The compiled artifact cannot run code."""
    assert trusting(server_place, tmp_path, READY).engine == "compiled"


@pytest.mark.parametrize(
    ("name", "choice"),
    [
        pytest.param("PermutedPickle", "auto", id="pickle"),
        pytest.param("PermutedPickle", "sklearn", id="pickle-by-scikit-learn"),
        pytest.param("Permuted", "pyfunc", id="skops-by-pyfunc"),
        pytest.param("Plain", "auto", id="python-code"),
        pytest.param("Logistic", "auto", id="no-forest"),
    ],
)
def test_what_may_run_code_is_refused(sqlite_place: Place, tmp_path: Path, name: str, choice: EngineChoice) -> None:
    """Any other model raises UntrustedFormat, in one line with the remedy, and leaves nothing in the cache."""
    with pytest.raises(UntrustedFormat, match=REMEDY):
        trusting(sqlite_place, tmp_path, name, choice)
    assert list(tmp_path.glob("[!.]*/[!.]*")) == []


class Trap:
    """An object whose pickle creates a file when it is loaded."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.file,)


@pytest.fixture
def trap(tmp_path: Path) -> Callable[..., Path]:
    """Write a model that is a trap in all its files; ``trap(**flavour)`` returns its folder."""

    def write(**flavour: Any) -> Path:  # noqa: ANN401 - YAML
        folder = tmp_path / "model"
        (folder / "code").mkdir(parents=True)
        (folder / "code" / "sitecustomize.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')")
        content = pickle.dumps(Trap(tmp_path / "sprung"))
        for name in ("model.pkl", "model.skops"):
            (folder / name).write_bytes(content)
        flavours = {"sklearn": {"pickled_model": "model.pkl", "serialization_format": "cloudpickle"} | flavour}
        (folder / "MLmodel").write_text(json.dumps({"flavors": flavours}))  # JSON is YAML
        return folder

    return write


@pytest.mark.parametrize(
    "flavour",
    [
        pytest.param({}, id="pickle"),
        pytest.param({"serialization_format": "skops"}, id="pickle-that-says-skops"),
        pytest.param({"serialization_format": "skops", "pickled_model": "model.skops"}, id="pickle-by-skops-name"),
        pytest.param(
            {"serialization_format": "skops", "pickled_model": "model.skops", "code": "code"}, id="code-of-its-own"
        ),
        pytest.param({"serialization_format": "skops", "pickled_model": "../other.skops"}, id="file-of-others"),
        pytest.param({"serialization_format": None}, id="no-format"),
    ],
)
def test_no_trap_springs(
    sqlite_place: Place,
    tmp_path: Path,
    trap: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    flavour: dict[str, object],
) -> None:
    """Whatever a model says of itself, none of its code runs and it is refused."""
    version = resolve(ModelURI.parse("models:/Permuted/1"), way(sqlite_place.tracking_uri))
    folder = trap(**flavour)
    monkeypatch.setattr("registry.preparing.compiling.download", lambda _uri, _config, into: folder.rename(into))
    made = tmp_path / "made"
    made.mkdir()
    with pytest.raises(UnusableModel):
        compile_model(version, way(sqlite_place.tracking_uri), Preparation(formats="skops"), made)
    assert not (tmp_path / "sprung").exists()


def test_the_trap_would_spring(
    sqlite_place: Place, tmp_path: Path, trap: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where any format is trusted the pickle's code does run: the test above can fail."""
    version = resolve(ModelURI.parse("models:/Permuted/1"), way(sqlite_place.tracking_uri))
    folder = trap()
    monkeypatch.setattr("registry.preparing.compiling.download", lambda _uri, _config, into: folder.rename(into))
    made = tmp_path / "made"
    made.mkdir()
    with pytest.raises(UnusableModel):
        compile_model(version, way(sqlite_place.tracking_uri), Preparation("sklearn"), made)
    assert (tmp_path / "sprung").exists()
