import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.utils.models import _parse_model_uri

from registry import BadModelURI, ModelURI, RegistryError
from registry.uri import folder_uri


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("models:/Forest/Production", ModelURI("Forest", "stage", "Production"), id="stage"),
        pytest.param("models:/Forest/staging", ModelURI("Forest", "stage", "staging"), id="stage-keeps-its-case"),
        pytest.param("models:/Forest@champion", ModelURI("Forest", "alias", "champion"), id="alias"),
        pytest.param("models:/Forest@12", ModelURI("Forest", "alias", "12"), id="alias-of-digits"),
        pytest.param("models:/Forest/12", ModelURI("Forest", "version", "12"), id="version"),
        pytest.param("models:/Forest/latest", ModelURI("Forest", "latest", "latest"), id="latest"),
        pytest.param("models:/Forest/Latest", ModelURI("Forest", "latest", "Latest"), id="latest-in-any-case"),
        pytest.param("models:/2/2", ModelURI("2", "version", "2"), id="name-of-digits"),
        pytest.param("models:/My forest.v2/3", ModelURI("My forest.v2", "version", "3"), id="name-with-space-and-dot"),
        pytest.param(
            "models:/fraud@eu@champion", ModelURI("fraud@eu", "alias", "champion"), id="alias-of-name-with-at"
        ),
        pytest.param("models:/fraud@eu/1", ModelURI("fraud@eu", "version", "1"), id="version-of-name-with-at"),
        pytest.param("models:/Forest/a@b", ModelURI("Forest", "stage", "a@b"), id="stage-with-at"),
        pytest.param("models:/50%20#;/1", ModelURI("50%20#;", "version", "1"), id="name-with-signs-of-addresses"),
        pytest.param("file:///mnt/models", ModelURI("models", "folder", "/mnt/models"), id="folder"),
        pytest.param("file:///mnt/models/", ModelURI("models", "folder", "/mnt/models"), id="folder-with-slash-behind"),
        pytest.param("file:///a%20b/c#d", ModelURI("c#d", "folder", "/a b/c#d"), id="folder-with-signs-of-addresses"),
        pytest.param(" MODELS:/Forest/1", ModelURI("Forest", "version", "1"), id="as-addresses-may-be-written"),
    ],
)
def test_each_accepted_form_parses_to_its_kind(text: str, expected: ModelURI) -> None:
    """Each accepted form parses to the model's name, the kind of choice and what is chosen."""
    assert ModelURI.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("Forest", id="bare-name"),
        pytest.param("Forest/Production", id="no-scheme"),
        pytest.param("models:/", id="nothing-behind-the-scheme"),
        pytest.param("models:/Forest", id="no-choice"),
        pytest.param("models:/Forest/", id="empty-stage"),
        pytest.param("models:/Forest@", id="empty-alias"),
        pytest.param("models://Forest/1", id="two-slashes"),
        pytest.param("models:/Forest/1/", id="slash-behind"),
        pytest.param("models:/Forest/Production/1", id="stage-and-version"),
        pytest.param("models:/@champion", id="alias-of-no-name"),
        pytest.param("models:/Forest?/1", id="question-mark"),
        pytest.param("models://[/1", id="no-address"),
        pytest.param("runs:/0123/model", id="a-run"),
        pytest.param("/models/forest", id="a-path"),
        pytest.param("file:///", id="the-root-folder"),
        pytest.param("file:models/forest", id="a-relative-path"),
        pytest.param("file://elsewhere/models/forest", id="a-folder-of-another-machine"),
        pytest.param("file:///models/forest?x=1", id="a-folder-and-a-question-mark"),
        pytest.param("file:///models/%00", id="a-folder-whose-name-no-system-knows"),
        pytest.param("file:///models/%ff", id="a-folder-whose-name-is-no-text"),
        pytest.param("s3://bucket/model", id="a-bucket"),
    ],
)
def test_everything_else_is_refused_with_the_accepted_forms(text: str) -> None:
    """What has none of the accepted forms raises BadModelURI, whose message quotes it and names the forms."""
    with pytest.raises(BadModelURI) as raised:
        ModelURI.parse(text)
    message = str(raised.value)
    assert repr(text) in message
    for form in ("models:/NAME/STAGE", "models:/NAME@ALIAS", "models:/NAME/VERSION", "file:///FOLDER"):
        assert form in message


def test_a_bad_uri_is_both_a_registry_error_and_a_value_error() -> None:
    """Callers may catch a bad URI as an error of the registry or as a bad value."""
    assert issubclass(BadModelURI, RegistryError)
    assert issubclass(BadModelURI, ValueError)


@given(
    st.lists(
        st.text(min_size=1).filter(lambda name: not {"/", "\0"} & set(name) and name not in {".", ".."}), min_size=1
    )
)
def test_a_folder_is_read_as_it_is_written(names: list[str]) -> None:
    """Whatever its path, its address means it, and is read again as it is written."""
    path = "/" + "/".join(names)
    try:
        address = folder_uri(path)
    except UnicodeError:  # a path that is no text
        return
    read = ModelURI.parse(address)
    assert read == ModelURI(names[-1], "folder", path)
    assert ModelURI.parse(str(read)) == read


def by_mlflow(text: str) -> ModelURI | None:
    """What MLflow reads in a URI; None if it is no registered model's, or no URI."""
    try:
        read = _parse_model_uri(text)
    except (MlflowException, ValueError):
        return None
    if not read.name:  # a logged model's, or one without a name, of which no registry has any
        return None
    if read.version or read.alias:
        return ModelURI(read.name, "version" if read.version else "alias", read.version or read.alias)
    return ModelURI(read.name, "stage" if read.stage else "latest", read.stage or "latest")


PIECES = st.sampled_from(
    ["models", ":", "/", "@", "?", "#", "%20", " ", "\n", "latest", "LATEST", "1", "²", "[", "name"]
)


@given(
    st.one_of(st.lists(PIECES).map("".join), st.lists(PIECES).map(lambda parts: "models:/" + "".join(parts)), st.text())
)
@example("models:/fraud@eu@champion")
def test_a_uri_is_read_as_mlflow_reads_it(text: str) -> None:
    """Whatever is written, both read the same registered model in it, or none; and so in how it is written again."""
    expected = by_mlflow(text)
    try:
        read = ModelURI.parse(text)
    except BadModelURI:
        assert expected is None
        return
    assert expected == (read if read.kind != "latest" else ModelURI(read.name, "latest", "latest"))
    assert ModelURI.parse(str(read)) == read
