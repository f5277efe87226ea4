import hashlib
import json
import pickle
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from dataset import Covertype
from forest import CompiledEngine, Origin, Parity, read_artifact
from preprocessing import covertype
from registry.version import FORMAT, TAG, CompiledArtifactRef
from settings import EMBEDDED_STORE
from tests.conftest import Store
from tests.helpers.isolation import MLFLOW_WARNS
from tests.training.test_data import write_uci
from training import __main__ as command
from training.data import TrainingData
from training.data import matrix as matrix_of
from training.forest import Recipe, frame
from training.forest import train as grow

pytestmark = [
    *MLFLOW_WARNS,
    pytest.mark.usefixtures("elsewhere"),
]

NAME = "BestModelRF"
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def plots(tmp_path: Path, sample: Covertype) -> Path:
    """A small CSV file in UCI's layout, with all classes in it."""
    return write_uci(sample.take(np.arange(1200)), tmp_path / "plots.csv")


@pytest.fixture
def train_here(workplace: Store, plots: Path) -> Callable[..., int]:
    """Run the command in this process, on the small file unless told otherwise, for a model that is not there yet."""

    def run(*options: str, trees: int = 2, data: str = str(plots)) -> int:
        return command.main(
            [
                "--tracking-uri",
                workplace.tracking_uri,
                "--name",
                "Small",
                "--trees",
                str(trees),
                "--data",
                data,
                *options,
            ]
        )

    return run


def client(store: Store) -> Any:  # noqa: ANN401 - mlflow is untyped
    """MLflow's client of a store, to which MLflow's functions turn too."""
    import mlflow

    mlflow.set_tracking_uri(store.tracking_uri)
    mlflow.set_registry_uri(store.tracking_uri)
    return mlflow.MlflowClient()


def test_the_versions_of_a_model_with_quotes_in_its_name_are_found(tmp_path: Path) -> None:
    """MLflow's filters know no way to write one; another model of a like name is none of them."""
    from training.publish import Publisher

    store = Store(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path)
    every = client(store)
    for name in ("Bob's", "Bob_s"):
        every.create_registered_model(name)
        every.create_model_version(name, (store.folder / "nothing").as_uri())
    assert [version.name for version in Publisher(store.tracking_uri, "Bob's").versions()] == ["Bob's"]


def stages(store: Store, name: str = "Small") -> dict[str, str]:
    """The stage of each version of a model."""
    return {str(v.version): v.current_stage for v in client(store).search_model_versions(f"name='{name}'")}


def aliased(store: Store, name: str = "Small") -> str:
    """The version with the alias production."""
    return str(client(store).get_model_version_by_alias(name, "production").version)


# What one run of the real command leaves behind.


def test_the_version_is_promoted_by_stage_and_alias(workplace: Store) -> None:
    """The trained version is in stage Production and has the alias production."""
    version = client(workplace).get_model_version(NAME, "1")
    assert version.current_stage == "Production"
    assert version.aliases == ["production"]
    assert version.status == "READY"


def test_the_run_tells_what_was_trained_and_how_well(workplace: Store, sample: Covertype) -> None:
    """The run behind the version has the data, the recipe and the scores, under the experiment of the model's name."""
    mlflow = client(workplace)
    run = mlflow.get_run(mlflow.get_model_version(NAME, "1").run_id)
    assert run.info.status == "FINISHED"
    assert mlflow.get_experiment(run.info.experiment_id).name == NAME
    assert run.data.params == {
        "source": "sample",
        "rows": "20000",
        "digest": TrainingData("sample", sample).digest,
        "trees": "10",
        "depth": "20",
        "seed": "42",
        "held_out": "0.2",
    }
    assert run.data.metrics["held_out_rows"] == 4000
    assert 0.7 < run.data.metrics["accuracy"] < 1
    assert 0.4 < run.data.metrics["balanced_accuracy"] < run.data.metrics["accuracy"]
    assert 0.4 < run.data.metrics["f1_macro"] < 1
    assert 0 < run.data.metrics["log_loss"] < 2


def test_the_version_is_tagged_with_its_fingerprint(workplace: Store, sample: Covertype) -> None:
    """The version's tags are that, the place of the expected labels and what is known of the compiled forest."""
    from training.record import fingerprint

    tags = client(workplace).get_model_version(NAME, "1").tags
    assert set(tags) == {"canopy.fingerprint", "canopy.expected", "canopy.compiled"}
    assert tags == tags | {
        "canopy.fingerprint": fingerprint(TrainingData("sample", sample), Recipe(trees=10)),
        "canopy.expected": "expected/sample_labels.json",
    }


@pytest.mark.parametrize(
    "recipe",
    [
        pytest.param(Recipe(trees=11), id="trees"),
        pytest.param(Recipe(trees=10, depth=19), id="depth"),
        pytest.param(Recipe(trees=10, seed=41), id="seed"),
        pytest.param(Recipe(trees=10, held_out=0.25), id="share-held-out"),
        pytest.param(None, id="data"),
    ],
)
def test_the_fingerprint_tells_apart_whatever_decides_the_forest(sample: Covertype, recipe: Recipe | None) -> None:
    """Another recipe or other data have another fingerprint; another name for the same data has not."""
    from training.record import fingerprint

    base = fingerprint(TrainingData("sample", sample), Recipe(trees=10))
    assert fingerprint(TrainingData("copy.csv", sample), Recipe(trees=10)) == base
    if recipe is None:
        assert fingerprint(TrainingData("sample", sample.take(np.arange(19_999))), Recipe(trees=10)) != base
    else:
        assert fingerprint(TrainingData("sample", sample), recipe) != base


def test_the_signature_and_example_have_the_schemas_columns(workplace: Store, matrix: NDArray[np.float32]) -> None:
    """Signature and example have the schema's columns in order: the one as doubles, the other with the first rows."""
    import mlflow

    client(workplace)
    info = mlflow.models.get_model_info(f"models:/{NAME}/1")
    assert info.signature.inputs.input_names() == list(covertype.COLUMNS)
    assert {type_.name for type_ in info.signature.inputs.input_types()} == {"double"}
    assert info.signature.outputs.input_types() == [np.dtype(np.uint8)]
    example = mlflow.pyfunc.load_model(f"models:/{NAME}/1").input_example
    assert list(example.columns) == list(covertype.COLUMNS)
    np.testing.assert_array_equal(example.to_numpy(), matrix[:5])


def test_the_expected_labels_are_those_of_the_loaded_model(
    workplace: Store, sample: Covertype, matrix: NDArray[np.float32]
) -> None:
    """The artifact with the expected labels has, for the bundled sample, what the registered model itself predicts."""
    import mlflow
    import pandas as pd

    run = client(workplace).get_model_version(NAME, "1").run_id
    path = mlflow.artifacts.download_artifacts(run_id=run, artifact_path="expected/sample_labels.json")
    expected = json.loads(Path(path).read_text())
    assert set(expected) == {"sample_sha256", "labels"}
    assert expected["sample_sha256"] == TrainingData("any", sample).digest
    forest = mlflow.sklearn.load_model(f"models:/{NAME}/1")
    assert len(forest.estimators_) == 10
    labels = forest.predict(pd.DataFrame(matrix, columns=list(covertype.COLUMNS)))
    assert expected["labels"] == labels.tolist()
    assert len(set(expected["labels"])) == 7


def test_the_compiled_forest_is_logged_beside_the_model(
    workplace: Store, matrix: NDArray[np.float32], tmp_path: Path
) -> None:
    """The version's tag tells its path, format, digest and size; its predictions are the model's to the last bit."""
    import mlflow
    import pandas as pd

    tags = client(workplace).get_model_version(NAME, "1").tags
    logged = msgspec.json.decode(tags[TAG], type=CompiledArtifactRef)
    assert (logged.path, logged.format) == ("canopy/forest.canopy", FORMAT)
    uri = f"models:/{NAME}/1/{logged.path}"
    file = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(tmp_path / "compiled")))
    assert hashlib.sha256(file.read_bytes()).hexdigest() == logged.sha256
    assert file.stat().st_size == logged.size
    artifact = read_artifact(file)
    assert artifact.header.origin == Origin(NAME)
    assert artifact.header.parity == Parity(rows=23_000, different=0)
    forest = mlflow.sklearn.load_model(f"models:/{NAME}/1")
    expected = forest.predict_proba(pd.DataFrame(matrix, columns=list(covertype.COLUMNS)))
    np.testing.assert_array_equal(CompiledEngine(artifact.arrays).predict(matrix).probabilities, expected)


def test_a_forest_that_is_not_compiled_is_registered_all_the_same(
    train_here: Callable[..., int], workplace: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says why, and there is no tag: who serves it compiles it, if that is possible there."""

    def refuse(*_: object, **__: object) -> Parity:
        raise ImportError("the kernel was not built")

    monkeypatch.setattr("training.record.build", refuse)
    assert train_here() == 0
    assert TAG not in client(workplace).get_model_version("Small", "1").tags
    assert "no compiled forest is logged: the kernel was not built" in caplog.text


# Running it again.


def test_running_again_trains_nothing(train_here: Callable[..., int], workplace: Store) -> None:
    """With the same data and recipe, a second run succeeds and leaves the one version as it is."""
    assert train_here() == 0
    before = client(workplace).get_model_version("Small", "1").last_updated_timestamp
    assert train_here() == 0
    assert stages(workplace) == {"1": "Production"}
    assert client(workplace).get_model_version("Small", "1").last_updated_timestamp == before


@pytest.mark.slow
def test_force_trains_again_and_promotes_the_new_version(train_here: Callable[..., int], workplace: Store) -> None:
    """With --force the same recipe makes version 2, which takes the place of version 1 in production."""
    assert train_here() == 0
    assert train_here("--force") == 0
    assert stages(workplace) == {"1": "Archived", "2": "Production"}
    assert aliased(workplace) == "2"


@pytest.mark.slow
def test_the_newest_of_equal_versions_is_kept(train_here: Callable[..., int], workplace: Store) -> None:
    """After --force, an ordinary run finds the newer of the two equal versions and changes nothing."""
    assert train_here() == 0
    assert train_here("--force") == 0
    assert train_here() == 0
    assert stages(workplace) == {"1": "Archived", "2": "Production"}


@pytest.mark.slow
def test_an_earlier_recipe_is_promoted_again_without_training(train_here: Callable[..., int], workplace: Store) -> None:
    """Running the first recipe again after a second one was promoted puts the first version back into production."""
    assert train_here(trees=2) == 0
    assert train_here(trees=3) == 0
    assert stages(workplace) == {"1": "Archived", "2": "Production"}
    assert train_here(trees=2) == 0
    assert stages(workplace) == {"1": "Production", "2": "Archived"}
    assert aliased(workplace) == "1"


@pytest.mark.parametrize("lost", [pytest.param("stage", id="stage"), pytest.param("alias", id="alias")])
@pytest.mark.filterwarnings("ignore:.*transition_model_version_stage:FutureWarning")  # a test sets what people would
def test_a_half_promoted_version_is_promoted_wholly(
    train_here: Callable[..., int], workplace: Store, lost: str
) -> None:
    """A version that lost its stage or its alias gets it back when its recipe runs again."""
    assert train_here() == 0
    if lost == "stage":
        client(workplace).transition_model_version_stage("Small", "1", "None")
    else:
        client(workplace).delete_registered_model_alias("Small", "production")
    assert train_here() == 0
    assert stages(workplace) == {"1": "Production"}
    assert aliased(workplace) == "1"


def test_models_of_other_names_are_left_alone(train_here: Callable[..., int], workplace: Store) -> None:
    """Training one model neither adds to nor moves the versions of another."""
    assert train_here() == 0
    assert stages(workplace, NAME) == {"1": "Production"}
    assert aliased(workplace, NAME) == "1"


def test_if_missing_trains_only_where_there_is_no_version(train_here: Callable[..., int], workplace: Store) -> None:
    """--if-missing trains a model that has no version, and does nothing, not even read the data, for one that has."""
    assert train_here("--if-missing") == 0
    assert stages(workplace) == {"1": "Production"}
    assert train_here("--if-missing", trees=3, data="absent.csv") == 0
    assert stages(workplace) == {"1": "Production"}


# Exporting.


@pytest.fixture
def embedded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the embedded store, which is not there yet."""
    folder = tmp_path / "embedded"
    monkeypatch.setattr(command, "STORE", folder)
    monkeypatch.setattr(command, "EMBEDDED_STORE", f"sqlite:///{folder / 'mlflow.db'}")
    return folder


def test_export_writes_the_forest_and_its_held_out_rows(
    plots: Path, tmp_path: Path, embedded: Path, sample: Covertype
) -> None:
    """--export writes the recipe's forest and the fifth of the rows that it was not fitted on, and makes no store."""
    folder = tmp_path / "new" / "export"
    assert command.main(["--export", str(folder), "--trees", "2", "--data", str(plots)]) == 0
    assert {path.name for path in folder.iterdir()} == {"forest.pkl", "rows.npy"}
    assert not embedded.exists()
    assert {path.name for path in tmp_path.iterdir()} == {plots.name, "new"}

    data = sample.take(np.arange(1200))
    expected = grow(data, Recipe(trees=2))
    rows = np.load(folder / "rows.npy")
    assert (rows.shape, rows.dtype) == ((240, 54), np.dtype(np.float32))
    np.testing.assert_array_equal(rows, matrix_of(expected.held_out))
    exported = pickle.loads((folder / "forest.pkl").read_bytes())  # noqa: S301 - written a moment ago
    probabilities = exported.predict_proba(frame(rows))
    assert probabilities.tobytes() == expected.forest.predict_proba(frame(rows)).tobytes()


def test_an_export_that_cannot_be_written_is_one_line(
    plots: Path, embedded: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A folder that cannot be made ends the command with status 1 and one line that names it."""
    folder = plots / "export"
    assert command.main(["--export", str(folder), "--trees", "1", "--data", str(plots)]) == 1
    assert caplog.messages[-1].startswith("training failed: NotADirectoryError: ")
    assert str(folder) in caplog.messages[-1]
    assert "\n" not in caplog.messages[-1]
    assert not embedded.exists()


# What it is given and what it says.


def test_a_csv_file_in_ucis_layout_is_trained_on(train_here: Callable[..., int], workplace: Store) -> None:
    """A CSV file in UCI's layout is trained on, and the run tells its name, not its folder, and its rows."""
    assert train_here() == 0
    mlflow = client(workplace)
    parameters = mlflow.get_run(mlflow.get_model_version("Small", "1").run_id).data.params
    assert parameters["source"] == "plots.csv"
    assert parameters["rows"] == "1200"


def test_the_tracking_uri_comes_from_mlflows_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the option, MLFLOW_TRACKING_URI says where to; without either, or with it empty, the embedded store."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example")
    assert command.parser().parse_args([]).tracking_uri == "http://tracking.example"
    assert command.parser().parse_args(["--tracking-uri", "sqlite:///x.db"]).tracking_uri == "sqlite:///x.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    assert command.parser().parse_args([]).tracking_uri == EMBEDDED_STORE
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert command.parser().parse_args([]).tracking_uri == EMBEDDED_STORE


def test_the_embedded_store_keeps_everything_in_its_own_folder(
    workplace: Store, plots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The embedded store's folder is made when needed and gets the artifacts too; the working folder gets nothing."""
    folder = workplace.folder / "embedded"
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    monkeypatch.setattr(command, "STORE", folder)
    monkeypatch.setattr(command, "EMBEDDED_STORE", uri)
    before = set(workplace.folder.iterdir())
    assert command.main(["--tracking-uri", uri, "--trees", "1", "--data", str(plots), "--if-missing"]) == 0
    assert set(workplace.folder.iterdir()) - before == {folder}
    assert {path.name for path in folder.iterdir()} == {"mlflow.db", "artifacts", "lock"}
    assert len(list((folder / "artifacts").rglob("MLmodel"))) == 1
    assert stages(Store(uri, folder), NAME) == {"1": "Production"}


@pytest.mark.slow
def test_a_version_whose_files_are_gone_is_trained_again(train_here: Callable[..., int], workplace: Store) -> None:
    """Only a forest that can still be read counts as trained."""
    assert train_here() == 0
    logged = client(workplace).get_model_version("Small", "1").source.removeprefix("models:/")
    (folder,) = (workplace.folder / "artifacts").rglob(logged)
    shutil.rmtree(folder)
    assert train_here() == 0
    assert stages(workplace) == {"1": "Archived", "2": "Production"}


@pytest.mark.slow
def test_a_store_that_was_moved_keeps_new_artifacts_where_it_is_now(
    train_here: Callable[..., int], workplace: Store, plots: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """In a copy of a store, what is trained anew goes beside the database, and the original is left as it is."""
    assert train_here() == 0
    before = set((workplace.folder / "artifacts").rglob("MLmodel"))
    moved = tmp_path_factory.mktemp("moved")
    shutil.copy(workplace.folder / "mlflow.db", moved)
    uri = f"sqlite:///{moved / 'mlflow.db'}"
    again = ["--tracking-uri", uri, "--name", "Small", "--trees", "2", "--data", str(plots), "--force"]
    assert command.main(again) == 0
    assert command.main(again) == 0
    assert len(list((moved / "artifacts").rglob("MLmodel"))) == 2
    assert set((workplace.folder / "artifacts").rglob("MLmodel")) == before


@pytest.mark.slow
def test_two_first_trainings_at_once_make_one_version(tmp_path: Path, plots: Path) -> None:
    """The embedded store is made by one process at a time; the second finds what the first has trained."""
    folder = tmp_path / "embedded"
    script = f"""
import pathlib, sys
from training import __main__ as command
command.STORE = pathlib.Path({str(folder)!r})
command.EMBEDDED_STORE = "sqlite:///" + str(command.STORE / "mlflow.db")
sys.exit(command.main(["--tracking-uri", command.EMBEDDED_STORE, "--trees", "1", "--data", {str(plots)!r}]))
"""
    both = [subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path) for _ in range(2)]
    assert [process.wait(timeout=600) for process in both] == [0, 0]
    assert stages(Store(f"sqlite:///{folder / 'mlflow.db'}", folder), NAME) == {"1": "Production"}


def test_a_failed_run_registers_nothing(
    train_here: Callable[..., int], workplace: Store, plots: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Data that cannot be split make the status 1, one line of explanation and no version."""
    lines = plots.read_text().splitlines()
    odd = next(line for line in lines if line.endswith(",4"))
    plots.write_text("\n".join([line for line in lines if not line.endswith(",4")] + [odd]))
    assert train_here() == 1
    assert "\n" not in caplog.messages[-1]
    assert caplog.messages[-1].startswith("training failed: ValueError: ")
    assert stages(workplace) == {}


def test_an_unreachable_server_is_told_without_its_password(caplog: pytest.LogCaptureFixture) -> None:
    """A tracking server that cannot be reached makes the status 1, and one line names it, but not its password."""
    with closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))  # not listening: connections are refused
        address = f"127.0.0.1:{held.getsockname()[1]}"
        assert command.main(["--tracking-uri", f"http://warden:sesame@{address}", "--if-missing"]) == 1
    assert "\n" not in caplog.messages[-1]
    assert address in caplog.messages[-1]
    assert "sesame" not in caplog.text


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["--trees", "0"], id="no-trees"),
        pytest.param(["--trees", "-1"], id="trees-below-none"),
        pytest.param(["--trees", "ten"], id="trees-in-words"),
        pytest.param(["--depth", "0"], id="no-depth"),
        pytest.param(["--seed", "1.5"], id="half-a-seed"),
        pytest.param(["--force", "--if-missing"], id="force-and-if-missing"),
        pytest.param(["--leaves", "3"], id="unknown-option"),
        pytest.param(["sample"], id="argument"),
    ],
)
def test_wrong_options_are_refused_with_status_2(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wrong options end the command with status 2 and its usage, before anything is read or written."""
    with pytest.raises(SystemExit) as raised:
        command.main([*options, "--tracking-uri", "sqlite:///mlflow.db"])
    assert raised.value.code == 2
    assert "usage: python -m training" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


# The exit status of the real command, as a scheduler sees it.


@pytest.mark.slow
def test_exit_status_0_means_registered_and_promoted(train: Run, workplace: Store) -> None:
    """Run once more as a process, the recipe of the store exits with 0, says that it found its forest and adds none."""
    done = train(["--tracking-uri", workplace.tracking_uri, "--trees", "10"], cwd=workplace.folder)
    assert done.returncode == 0, done.stderr
    assert "BestModelRF version 1 is this very forest: nothing to train" in done.stderr
    assert "found in place: BestModelRF version 1" in done.stderr.splitlines()[-1]
    assert stages(workplace, NAME) == {"1": "Production"}


@pytest.mark.slow
def test_exit_status_1_means_not_registered(train: Run, workplace: Store, plots: Path) -> None:
    """On a faulty CSV file the process exits with 1, names the file's line in its last one and registers nothing."""
    lines = plots.read_text().splitlines()
    lines[6] = lines[6].replace(",1,", ",2,")
    plots.write_text("\n".join(lines))
    options = ["--tracking-uri", workplace.tracking_uri, "--name", "Small", "--data", str(plots)]
    done = train(options, cwd=workplace.folder)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "training failed: DatasetError:" in last
    assert "plots.csv: line 7: " in last
    assert stages(workplace) == {}


def test_exit_status_2_means_wrong_options(train: Run, tmp_path: Path) -> None:
    """On wrong options the process exits with 2, its usage on the error stream, and writes nothing."""
    done = train(["--trees", "0", "--tracking-uri", "sqlite:///mlflow.db"], cwd=tmp_path)
    assert done.returncode == 2
    assert "usage: python -m training" in done.stderr
    assert "0 is not a number of at least 1" in done.stderr
    assert list(tmp_path.iterdir()) == []
