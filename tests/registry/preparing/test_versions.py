"""Models of other versions of scikit-learn, as the registry serves them, and what it refuses."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
from numpy.typing import NDArray

from forest import Prediction
from forest.checks import answers
from registry import (
    EngineChoice,
    OtherVersions,
    Preparation,
    Prepared,
    TrustedFormats,
    UnusableModel,
    VersionMismatch,
)
from registry.opening.engines import open_engine
from registry.preparing.compiling import compile_model
from registry.version import ModelVersion
from tests.forest.files.archives import Archived, forest_of
from tests.helpers.isolation import MLFLOW_WARNS
from tests.registry.specimens import OWN
from tests.registry.support import way

pytestmark = [
    *MLFLOW_WARNS,
    # These were fitted without names, and pyfunc gives them a frame.
    pytest.mark.filterwarnings("ignore:X has feature names"),
]

VERSION = ModelVersion("Small", "1")


Served = Callable[..., Prepared]


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Served:
    """Prepare the model in a folder, which a download would bring."""

    def prepare(
        model: Path, choice: EngineChoice = "auto", others: OtherVersions = "refuse", formats: TrustedFormats = "any"
    ) -> Prepared:
        monkeypatch.setattr(
            "registry.preparing.compiling.download", lambda _uri, _config, into: shutil.copytree(model, into)
        )
        folder = tmp_path / "made"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return compile_model(VERSION, way("sqlite:///x"), Preparation(choice, formats, others), folder)

    return prepare


def logged(folder: Path, content: bytes, version: str | None = None, **python_function: object) -> Path:
    """The folder of a model as MLflow's sklearn flavour writes it."""
    flavours: dict[str, dict[str, Any]] = {
        "python_function": {
            "loader_module": "mlflow.sklearn",
            "model_path": "model.pkl",
            "predict_fn": "predict",
            **python_function,
        },
        "sklearn": {"pickled_model": "model.pkl", "serialization_format": "cloudpickle"},
    }
    if version is not None:
        flavours["sklearn"]["sklearn_version"] = version
    model = folder / "logged"
    model.mkdir()
    (model / "model.pkl").write_bytes(content)
    (model / "MLmodel").write_text(json.dumps({"flavors": flavours}))  # JSON is YAML
    return model


@pytest.mark.parametrize("version", ["1.1", "1.2", "1.3", "1.4", "1.8", "1.9"])
@pytest.mark.parametrize("says", [pytest.param(True, id="told"), pytest.param(False, id="untold")])
def test_a_forest_of_any_version_is_served_as_its_version_served_it(
    served: Served, tmp_path: Path, version: str, says: bool
) -> None:
    """The compiled forest has the labels and all bits of its own version, and there is no warning."""
    expected = forest_of(version, "plain.pkl")
    made = served(logged(tmp_path, expected.content, expected.version if says else None))
    assert (made.engine, made.warning) == ("compiled", "")
    found = open_engine(made).predict(expected.rows)
    assert found.probabilities is not None
    assert found.probabilities.tobytes() == expected.probabilities.tobytes()
    assert found.labels.astype(str).tolist() == expected.labels.tolist()


def other_model() -> bytes:
    """A model of another version that has no trees."""
    import pickle

    from sklearn.neighbors import KNeighborsClassifier

    model = KNeighborsClassifier(1).fit(np.eye(5), np.arange(5))
    return pickle.dumps(model).replace(sklearn.__version__.encode(), b"1.3.2")


@pytest.mark.parametrize("choice", ["auto", "compiled", "sklearn", "pyfunc"])
@pytest.mark.parametrize("says", [pytest.param(True, id="told"), pytest.param(False, id="untold")])
def test_what_only_another_version_can_compute_is_refused(
    served: Served, tmp_path: Path, choice: EngineChoice, says: bool
) -> None:
    """The message has both versions and the remedies, whether MLflow or only the pickle says which version it was."""
    model = logged(tmp_path, other_model(), "1.3.2" if says else None)
    with pytest.raises(UnusableModel) as raised:
        open_engine(served(model, choice))
    message = str(raised.value)
    if choice in ("auto", "pyfunc") or says:
        assert isinstance(raised.value, VersionMismatch)
        for part in ("1.3.2", sklearn.__version__, "CANOPY_OTHER_VERSIONS", "save it by"):
            assert part in message


@pytest.mark.parametrize("choice", ["auto", "pyfunc"])
def test_it_is_served_with_a_warning_if_that_is_wanted(served: Served, tmp_path: Path, choice: EngineChoice) -> None:
    """The warning has both versions."""
    made = served(logged(tmp_path, other_model(), "1.3.2"), choice, "serve")
    assert made.engine == "pyfunc"
    assert "1.3.2" in made.warning
    assert sklearn.__version__ in made.warning
    assert open_engine(made).predict(np.eye(5, dtype=np.float32)).labels.tolist() == [0, 1, 2, 3, 4]


def test_a_forest_that_is_read_needs_no_permission(served: Served, tmp_path: Path) -> None:
    """With scikit-learn's engine asked for, a forest of another version is refused; compiled, it is served."""
    expected = forest_of("1.8", "plain.pkl")
    model = logged(tmp_path, expected.content, expected.version)
    with pytest.raises(VersionMismatch, match=rf"1\.8.*{sklearn.__version__}"):
        served(model, "sklearn")
    assert served(model).engine == "compiled"


def test_counts_are_never_served(served: Served, tmp_path: Path) -> None:
    """Not even if models of other versions may be: scikit-learn's engine on a forest of 1.3 answers with counts."""
    expected = forest_of("1.3", "plain.pkl")
    model = logged(tmp_path, expected.content, expected.version)
    with pytest.raises(UnusableModel, match="no distribution: they sum to"):
        served(model, "sklearn", "serve")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"loader_module": "mlflow.pyfunc.model"}, "what mlflow.pyfunc.model loads", id="loader"),
        pytest.param({"model_path": "other.pkl"}, "other.pkl, not with model.pkl", id="file"),
        pytest.param({"predict_fn": "predict_proba"}, "predict_proba, and not with labels", id="probabilities"),
        pytest.param({"predict_fn": "predict_log_proba"}, "pyfunc_predict_fn='predict'", id="logarithms"),
    ],
)
@pytest.mark.parametrize("choice", ["compiled", "sklearn"])
def test_another_answer_of_mlflows_is_not_the_forests(
    served: Served, tmp_path: Path, choice: EngineChoice, changes: dict[str, object], reason: str
) -> None:
    """Where MLflow would answer with something else than the forest's labels, the forest's are not served."""
    expected = forest_of("1.9", "plain.pkl")
    with pytest.raises(UnusableModel, match=reason):
        served(logged(tmp_path, expected.content, expected.version, **changes), choice)


def test_what_gives_no_labels_is_refused_by_every_engine(served: Served, tmp_path: Path) -> None:
    """Pyfunc would answer with a row of probabilities for a label."""
    expected = forest_of("1.9", "plain.pkl")
    with pytest.raises(UnusableModel, match="not with labels: log it with"):
        served(logged(tmp_path, expected.content, expected.version, predict_fn="predict_proba"))


def own(matrix: NDArray[np.float32]) -> Any:  # noqa: ANN401 - sklearn is untyped
    """A forest of this version, which others are made from."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(3, max_depth=4, random_state=0).fit(matrix, (matrix.sum(axis=1) > 0).astype(int))


def lower(forest: Any, threshold: float = 0.2) -> Callable[[Any], NDArray[Any]]:  # noqa: ANN401
    """A ``predict`` with a lower threshold for one class."""
    return lambda rows: np.asarray(forest.predict_proba(np.asarray(rows))[:, 1] > threshold, dtype=int)


def a_subclass(forest: Any) -> Any:  # noqa: ANN401
    """A class of its own, pickled with the model."""
    from sklearn.ensemble import RandomForestClassifier

    class Cautious(RandomForestClassifier):  # type: ignore[misc] # sklearn is untyped
        def predict(self, X: Any) -> NDArray[Any]:  # noqa: ANN401, N803
            return np.asarray(self.predict_proba(np.asarray(X))[:, 1] > 0.2, dtype=int)

    made = Cautious()
    made.__dict__.update(forest.__dict__)
    return made


def of_the_same_name(forest: Any) -> Any:  # noqa: ANN401
    """A subclass that is called as its base is."""
    made = a_subclass(forest)
    type(made).__name__ = type(made).__qualname__ = "RandomForestClassifier"
    return made


def on_the_instance(forest: Any) -> Any:  # noqa: ANN401
    """``predict`` set on the forest itself."""
    forest.predict = lower(forest)
    return forest


def on_a_tree(forest: Any) -> Any:  # noqa: ANN401
    """``predict_proba`` set on one of its trees."""
    tree = forest.estimators_[1]
    forest.estimators_[1].predict_proba = lambda rows, check_input=True: tree.tree_.predict(rows)[:, ::-1]  # noqa: ARG005
    return forest


def another_tree(forest: Any) -> Any:  # noqa: ANN401
    """One of its trees is of another class."""
    from sklearn.tree import ExtraTreeClassifier

    rows = np.random.default_rng(0).normal(size=(50, 5)).astype(np.float32)
    forest.estimators_[1] = ExtraTreeClassifier(random_state=0).fit(rows, (rows[:, 0] > 0).astype(int))
    return forest


MADE_OTHERWISE = [
    pytest.param(a_subclass, id="subclass"),
    pytest.param(of_the_same_name, id="subclass-of-the-same-name"),
    pytest.param(on_the_instance, id="set-on-the-forest"),
    pytest.param(on_a_tree, id="set-on-a-tree"),
    pytest.param(another_tree, id="another-tree"),
]


@pytest.mark.parametrize("change", MADE_OTHERWISE)
def test_a_model_answers_as_its_own_predict_does(
    served: Served, tmp_path: Path, matrix: NDArray[np.float32], change: Callable[[Any], Any]
) -> None:
    """What is a forest but for a method of its own is served by pyfunc, which calls that, with a warning."""
    import cloudpickle

    rows = (matrix[:400, :5] - matrix[:400, :5].mean(axis=0)) / matrix[:400, :5].std(axis=0)
    model = change(own(rows))
    made = served(logged(tmp_path, cloudpickle.dumps(model), sklearn.__version__))
    assert made.engine == "pyfunc"
    assert "by pyfunc" in made.warning
    assert open_engine(made).predict(rows).labels.tolist() == model.predict(rows).tolist()


@pytest.mark.parametrize("choice", ["compiled", "sklearn"])
@pytest.mark.parametrize("change", MADE_OTHERWISE)
def test_the_engines_of_forests_refuse_it(
    served: Served, tmp_path: Path, matrix: NDArray[np.float32], change: Callable[[Any], Any], choice: EngineChoice
) -> None:
    """Asked for by name, they say why not."""
    import cloudpickle

    model = logged(tmp_path, cloudpickle.dumps(change(own(matrix[:400, :5]))), sklearn.__version__)
    with pytest.raises(UnusableModel, match=r"of its own|not DecisionTreeClassifier"):
        served(model, choice)


def with_example(model: Path, expected: Archived, **changes: Any) -> Path:  # noqa: ANN401
    """Log an input example with the model, and what it answered, as training does."""
    data = expected.rows.astype(float).tolist()
    (model / "input_example.json").write_text(json.dumps({"columns": list("abcde"), "data": data}))
    mlmodel = json.loads((model / "MLmodel").read_text())
    mlmodel["saved_input_example_info"] = {
        "artifact_path": "input_example.json",
        "type": "dataframe",
        "pandas_orient": "split",
    }
    (model / "MLmodel").write_text(json.dumps(mlmodel))
    (model / answers.FOLDER).mkdir()
    said = {"labels": expected.labels.astype(int), "probabilities": expected.probabilities} | changes
    answers.write(model / answers.FOLDER, Prediction(**said))
    return model


def test_the_logged_answers_are_held_against_the_engines(served: Served, tmp_path: Path) -> None:
    """Where the answers for the input example were logged, another answer is refused."""
    expected = forest_of("1.3", "plain.pkl")
    model = with_example(logged(tmp_path, expected.content, expected.version), expected)
    assert served(model).engine == "compiled"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"labels": np.full(12, 3)}, id="labels"),
        pytest.param({"probabilities": np.full((12, 4), 0.25)}, id="probabilities"),
    ],
)
@pytest.mark.parametrize("choice", ["auto", "sklearn"])
def test_other_answers_than_were_logged_are_refused(
    served: Served, tmp_path: Path, choice: EngineChoice, changes: dict[str, Any]
) -> None:
    """By every engine: the model is not the one that was logged."""
    expected = forest_of("1.9", "plain.pkl")
    model = with_example(logged(tmp_path, expected.content, expected.version), expected, **changes)
    with pytest.raises(UnusableModel, match="not as it was logged: it answers its input example with"):
        served(model, choice)


def test_the_schema_has_columns_again() -> None:
    """The fixture above touches nothing but these tests."""
    from preprocessing import covertype

    assert list(covertype.COLUMNS) == OWN
