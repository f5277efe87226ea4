import re
from pathlib import Path

import pytest

from registry import ModelNotFound, ModelURI, StoreUnavailable
from registry.tracking.resolve import locate, resolve
from registry.version import FORMAT, TAG, read_tag
from tests.helpers.isolation import MLFLOW_WARNS
from tests.registry.conftest import NAME, READY
from tests.registry.stub import answering
from tests.registry.support import Place, way

pytestmark = MLFLOW_WARNS

KINDS = [
    pytest.param("models:/Forest/Production", id="stage"),
    pytest.param("models:/Forest@production", id="alias"),
    pytest.param("models:/Forest/1", id="version"),
    pytest.param("models:/Forest/latest", id="latest"),
]


@pytest.mark.parametrize(
    ("uri", "number"),
    [
        pytest.param("models:/BestModelRF/Production", "1", id="stage"),
        pytest.param("models:/BestModelRF/production", "1", id="stage-in-lower-case"),
        pytest.param("models:/BestModelRF/Staging", "9", id="another-stage"),
        pytest.param("models:/BestModelRF/None", "10", id="stage-none-of-several-versions"),
        pytest.param("models:/BestModelRF@production", "1", id="alias"),
        pytest.param("models:/BestModelRF@candidate", "9", id="another-alias"),
        pytest.param("models:/BestModelRF/7", "7", id="version"),
        pytest.param("models:/BestModelRF/latest", "10", id="latest-by-number-not-by-text"),
    ],
)
def test_each_form_finds_its_version(place: Place, uri: str, number: str) -> None:
    """A stage, an alias, a version number and latest each find the version that the registry has for it."""
    assert str(resolve(ModelURI.parse(uri), way(place.tracking_uri))) == f"{NAME}/{number}"


def test_a_versions_own_uri_finds_it_again(place: Place) -> None:
    """The URI that a version gives of itself is a model URI and means that version."""
    version = resolve(ModelURI.parse(f"models:/{NAME}@candidate"), way(place.tracking_uri))
    assert version.uri == f"models:/{NAME}/9"
    assert resolve(ModelURI.parse(version.uri), way(place.tracking_uri)) == version


@pytest.mark.parametrize(
    ("uri", "named"),
    [
        pytest.param(
            "models:/Elsewhere/Production", ["Elsewhere", "stage Production", "BestModelRF"], id="model-by-stage"
        ),
        pytest.param(
            "models:/Elsewhere@production", ["Elsewhere", "alias production", "BestModelRF"], id="model-by-alias"
        ),
        pytest.param("models:/Elsewhere/1", ["Elsewhere", "version 1", "BestModelRF"], id="model-by-version"),
        pytest.param("models:/Elsewhere/latest", ["Elsewhere", "latest", "BestModelRF"], id="model-by-latest"),
        pytest.param("models:/Empty/Production", ["Empty", "Production", "versions: none"], id="stage-of-no-versions"),
        pytest.param("models:/Empty/latest", ["Empty", "latest", "versions: none"], id="latest-of-no-versions"),
        pytest.param(
            "models:/BestModelRF/Archived",
            [
                "BestModelRF",
                "Archived",
                "1 in Production as production, 2 in None,",
                "9 in Staging as candidate, 10 in None",
            ],
            id="stage",
        ),
        pytest.param("models:/BestModelRF@nobody", [NAME, "alias nobody", "9 in Staging as candidate"], id="alias"),
        pytest.param("models:/BestModelRF/11", ["BestModelRF", "version 11", "10 in None"], id="version"),
    ],
)
def test_what_the_registry_lacks_is_not_found(place: Place, uri: str, named: list[str]) -> None:
    """A missing model, stage, alias or version raises ModelNotFound, in one line that names it and the remedy."""
    with pytest.raises(ModelNotFound) as raised:
        resolve(ModelURI.parse(uri), way(place.tracking_uri))
    message = str(raised.value)
    assert "\n" not in message
    assert "`make train`" in message
    assert [part for part in named if part not in message] == []


def test_an_unknown_stage_is_not_found_and_the_known_ones_are_named(place: Place) -> None:
    """A stage that MLflow does not know raises ModelNotFound, in one line that names it and those that there are."""
    with pytest.raises(ModelNotFound, match=r"^.*\bLive\b.*Staging, Production, Archived.*$"):
        resolve(ModelURI.parse("models:/BestModelRF/Live"), way(place.tracking_uri))


@pytest.mark.parametrize("uri", KINDS)
def test_a_missing_sqlite_file_is_not_found_and_not_made(tmp_path: Path, uri: str) -> None:
    """Without the store's file, ModelNotFound names the file and the remedy, and no empty store appears."""
    file = tmp_path / "absent" / "mlflow.db"
    with pytest.raises(ModelNotFound) as raised:
        resolve(ModelURI.parse(uri), way(f"sqlite:///{file}"))
    message = str(raised.value)
    assert "\n" not in message
    assert "`make train`" in message
    assert str(file) in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("uri", KINDS)
def test_an_unreachable_server_is_unavailable(closed_port: int, uri: str) -> None:
    """A server that cannot be reached raises StoreUnavailable, in one line that names its address."""
    with pytest.raises(StoreUnavailable) as raised:
        resolve(ModelURI.parse(uri), way(f"http://127.0.0.1:{closed_port}"))
    message = str(raised.value)
    assert "\n" not in message
    assert f"http://127.0.0.1:{closed_port}" in message


@pytest.mark.parametrize("uri", KINDS)
def test_an_unreachable_servers_password_stays_secret(closed_port: int, uri: str) -> None:
    """What is said of a server that cannot be reached names its address but neither its user nor its password."""
    with pytest.raises(StoreUnavailable) as raised:
        resolve(ModelURI.parse(uri), way(f"http://warden:sesame@127.0.0.1:{closed_port}"))
    message = str(raised.value)
    assert f"http://127.0.0.1:{closed_port}" in message
    assert "warden" not in message
    assert "sesame" not in message


@pytest.mark.parametrize(
    "status",
    [pytest.param(200, id="no-mlflow"), pytest.param(401, id="unauthorized"), pytest.param(503, id="overloaded")],
)
@pytest.mark.parametrize("uri", KINDS)
def test_a_server_that_gives_no_answer_is_unavailable(status: int, uri: str) -> None:
    """A server that refuses, fails or is no MLflow raises StoreUnavailable, in one line without the password."""
    with answering(status) as stub, pytest.raises(StoreUnavailable) as raised:
        resolve(ModelURI.parse(uri), way(f"http://warden:sesame@127.0.0.1:{stub.port}"))
    message = str(raised.value)
    assert "\n" not in message
    assert f"http://127.0.0.1:{stub.port}" in message
    assert "sesame" not in message


@pytest.mark.parametrize("code", ["RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"])
@pytest.mark.parametrize("uri", KINDS)
def test_a_server_that_has_nothing_at_all_is_told(uri: str, code: str) -> None:
    """A server that answers even the question for its models so raises ModelNotFound, and no other exception."""
    page = f'{{"error_code": "{code}", "message": "no"}}'.encode()
    with answering(404, page) as stub, pytest.raises(ModelNotFound, match=r"no model Forest .* only none at all"):
        resolve(ModelURI.parse(uri), way(f"http://127.0.0.1:{stub.port}"))


@pytest.mark.parametrize("uri", KINDS)
def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path, uri: str) -> None:
    """An SQLite store whose file holds something else raises StoreUnavailable, in one line that names it."""
    file = tmp_path / "mlflow.db"
    file.write_text("This is a letter, not a database.\n" * 10)
    with pytest.raises(StoreUnavailable, match=rf"^.*{re.escape(str(file))}.*$") as raised:
        resolve(ModelURI.parse(uri), way(f"sqlite:///{file}"))
    assert "\n" not in str(raised.value)


def test_a_kind_of_store_that_mlflow_lacks_is_unavailable() -> None:
    """An address of an unknown kind raises StoreUnavailable, which names it without its password."""
    with pytest.raises(StoreUnavailable, match="carrier-pigeon://loft") as raised:
        resolve(ModelURI.parse("models:/Forest/1"), way("carrier-pigeon://warden:sesame@loft"))
    assert "sesame" not in str(raised.value)


def test_a_version_tells_what_was_compiled_and_where_its_files_are(place: Place) -> None:
    """Both ways give where a version comes from, when it was made, its compiled artifact, and the root of its files."""
    config = way(place.tracking_uri)
    version = resolve(ModelURI.parse(f"models:/{READY}@production"), config)
    assert version.source.startswith("models:/m-")
    assert version.created > 1_600_000_000_000
    assert version.compiled is not None
    assert (version.compiled.path, version.compiled.format) == ("canopy/forest.canopy", FORMAT)
    assert locate(version, config).endswith(f"{version.source.removeprefix('models:/')}/artifacts")


def test_a_tag_that_cannot_be_read_is_ignored_and_told_once(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """Nonsense in the tag counts as no tag, and the log says so once, not at each poll."""
    from mlflow import MlflowClient

    read_tag.cache_clear()
    MlflowClient(place.tracking_uri, place.tracking_uri).set_model_version_tag(
        NAME, "5", TAG, '{"path": "/etc/passwd"}'
    )
    uri = ModelURI.parse(f"models:/{NAME}/5")
    assert [resolve(uri, way(place.tracking_uri)).compiled for _ in range(2)] == [None, None]
    (record,) = [record for record in caplog.records if record.name == "canopy.registry"]
    assert f"{NAME}/5: its tag {TAG} is ignored" in record.getMessage()
