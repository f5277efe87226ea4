"""Names of models, and of folders, with signs that have a meaning in addresses, filters and shells."""

import shlex
from contextlib import suppress
from pathlib import Path

import pytest

from registry import EngineChoice, ModelNotFound, ModelURI, Preparation, TrustedFormats
from registry.caching.cache import Cache
from registry.errors import too_large
from registry.opening.engines import open_engine
from registry.opening.plain import plain
from registry.preparing.prepare import prepare
from registry.tracking.resolve import resolve
from registry.updates.child import prepare_in_child
from tests.helpers.isolation import MLFLOW_WARNS
from tests.registry.support import Place, way

pytestmark = MLFLOW_WARNS

NAMES = [
    pytest.param("Best Model (RF)", id="brackets"),
    pytest.param("fraud@eu", id="at"),
    pytest.param("a%20b", id="percent-escape"),
    pytest.param("50%", id="percent"),
    pytest.param("Bob's", id="quote"),
    pytest.param("""a"b'c`d\\""", id="all-quotes"),
    pytest.param("ä+#;&=$(x)", id="others"),
    pytest.param(".hidden", id="dot"),
]


def register(place: Place, name: str, of: str) -> str:
    """Register another model's files under a name, without a compiled forest, and call them champion."""
    import mlflow
    from mlflow.exceptions import MlflowException

    mlflow.set_tracking_uri(place.tracking_uri)  # an SQLite store resolves a model's source by it
    client = mlflow.MlflowClient(place.tracking_uri, place.tracking_uri)
    source = client.get_model_version(of, "1").source
    with suppress(MlflowException):  # it is there already
        client.create_registered_model(name)
        client.create_model_version(name, source, model_id=source.removeprefix("models:/"))
        client.set_registered_model_alias(name, "champion", "1")
    return f"models:/{name}@champion"


@pytest.mark.parametrize("name", NAMES)
def test_a_model_of_any_name_is_compiled(sqlite_place: Place, tmp_path: Path, name: str) -> None:
    """Whatever MLflow lets a model be called, it is downloaded, compiled and opened from a folder of the cache's."""
    assert_compiled(sqlite_place, tmp_path, name)


def test_a_model_of_any_name_is_downloaded_from_a_tracking_server(server_place: Place, tmp_path: Path) -> None:
    """MLflow would take the first of these names for an alias, were it asked by the name and the number."""
    for name in ("fraud@eu", "a%20b"):
        assert_compiled(server_place, tmp_path, name)


def assert_compiled(place: Place, folder: Path, name: str) -> None:
    """A model of that name can be prepared and opened; its version's own URI finds it again."""
    uri = ModelURI.parse(register(place, name, "Permuted"))
    prepared = prepare(uri, way(place.tracking_uri), Preparation(), Cache(folder))
    assert (prepared.version.name, prepared.version.number) == (name, "1")
    assert open_engine(prepared).name == "compiled"
    assert (
        prepare(ModelURI.parse(prepared.version.uri), way(place.tracking_uri), Preparation(), Cache(folder)) == prepared
    )


@pytest.mark.parametrize(
    ("of", "choice"),
    [
        pytest.param("Permuted", "compiled", id="compiled"),
        pytest.param("PermutedPickle", "sklearn", id="pickle"),
        pytest.param("Permuted", "sklearn", id="skops"),
        pytest.param("Plain", "pyfunc", id="pyfunc"),
    ],
)
def test_a_folder_of_any_name_may_be_the_cache(
    sqlite_place: Place, tmp_path: Path, of: str, choice: EngineChoice
) -> None:
    """MLflow's loaders, which take a path for a part of an address, find what is in it; so does that of skops files."""
    uri = ModelURI.parse(f"models:/{of}/1")
    both: list[TrustedFormats] = ["any", "skops"]
    for trusted in both if of == "Permuted" else both[:1]:
        cache = Cache(tmp_path / "a%20b" / "c?#%28" / trusted)
        prepared = prepare(uri, way(sqlite_place.tracking_uri), Preparation(choice, trusted), cache)
        assert open_engine(prepared).name == choice
    assert not list(tmp_path.glob("a b*")), "something went where the name is decoded"


@pytest.mark.slow
async def test_a_child_is_told_such_names(sqlite_place: Place, tmp_path: Path) -> None:
    """What it has prepared in such a folder can be opened by the process that has started it."""
    uri = ModelURI.parse(register(sqlite_place, "Best Model (RF)", "Plain"))
    prepared = await prepare_in_child(uri, way(sqlite_place.tracking_uri), Preparation("pyfunc"), tmp_path / "a%20b")
    assert prepared.folder.is_relative_to(tmp_path / "a%20b")
    assert open_engine(prepared).name == "pyfunc"


@pytest.mark.parametrize("name", NAMES)
def test_what_a_model_of_any_name_lacks_is_told(place: Place, name: str) -> None:
    """Its versions are listed, and no others'; the remedy can be pasted into a shell."""
    register(place, name, "Permuted")
    with pytest.raises(ModelNotFound, match=r"1 in None as champion: promote") as raised:
        resolve(ModelURI.parse(f"models:/{name}@nobody"), way(place.tracking_uri))
    (arguments,) = shlex.split(str(raised.value).partition("ARGS=")[2].partition(" where these")[0])
    assert shlex.split(arguments)[:2] == ["--name", name]
    command = str(too_large(f"models:/{name}/1", None)).partition("by `")[2].rpartition(" --cache FOLDER`")[0]
    assert shlex.split(command)[-1] == f"models:/{name}/1"


def test_a_plain_path_leads_to_the_same_folder(tmp_path: Path) -> None:
    """Also once another folder has taken its place; a path that nobody can misread stays as it is."""
    assert plain(tmp_path / "not there") == str(tmp_path / "not there")
    folder = tmp_path / "a%20b" / "c%41d"
    for content in ("first", "second"):
        (folder / "model").mkdir(parents=True)
        (folder / "model" / "file").write_text(content)
        path = plain(folder / "model" / "file")
        assert "%" not in path
        assert Path(path).read_text() == content
        assert "%" not in plain(folder)
        folder.rename(tmp_path / content)
    with pytest.raises(FileNotFoundError):
        plain(folder)
