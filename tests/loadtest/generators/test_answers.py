"""Right answers are told from wrong ones."""

import json
from pathlib import Path

import pytest

from dataset import Covertype
from loadtest.generators.answers import ANY_VERSION, Answers, read_expected
from tests.conftest import Store

LABELS = [2, 7]


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        pytest.param(200, b'{"prediction":[2]}', None, id="as the server writes it"),
        pytest.param(200, b'{ "prediction" : [2], "more": 1 }', None, id="written otherwise"),
        pytest.param(503, b'{"prediction":[2]}', "status 503", id="refused"),
        pytest.param(200, b'{"error":"no"}', "not one label among the classes", id="a failure dressed as success"),
        pytest.param(200, b'{"prediction":[8]}', "not one label among the classes", id="no class"),
        pytest.param(200, b'{"prediction":[true]}', "not one label among the classes", id="no number"),
        pytest.param(200, b'{"prediction":[2,2]}', "not one label among the classes", id="two labels"),
        pytest.param(200, b'{"prediction":2}', "not one label among the classes", id="no list"),
        pytest.param(200, b"[2]", "not one label among the classes", id="no object"),
        pytest.param(200, b"<html>", "not one label among the classes", id="no JSON"),
        pytest.param(200, b'{"prediction":[3]}', "not the expected label", id="another label"),
    ],
)
def test_only_the_right_label_in_the_right_shape_passes(status: int, body: bytes, fault: str | None) -> None:
    """Whatever else comes is a failure, and says which."""
    assert Answers({ANY_VERSION: LABELS}).fault(status, body, "", 0) == fault


def test_each_version_is_held_against_its_own_labels() -> None:
    """Canopy-Model decides; a version without labels, and a row of one's own, are held against none."""
    answers = Answers({"Forest/1": [2], "Wälder/2": [3]})
    two = b'{"prediction":[2]}'
    assert answers.fault(200, two, "Forest/1", 0) is None
    assert answers.fault(200, two, "W%C3%A4lder/2", 0) == "not the expected label"
    assert answers.fault(200, two, "Forest/3", 0) is None
    assert answers.fault(200, two, "Wälder/2", None) is None


def test_a_share_of_the_answers_is_held_against_the_labels() -> None:
    """A tenth finds about a tenth of what is wrong, and none nothing."""
    wrong = [Answers({ANY_VERSION: [1]}, share) for share in (0.1, 0)]
    found, nothing = ([each.fault(200, b'{"prediction":[2]}', "", 0) for _ in range(2000)] for each in wrong)
    assert 100 < sum(fault is not None for fault in found) < 300
    assert not any(nothing)


def test_what_training_logged_is_read(store: Store, sample: Covertype) -> None:
    """The run's artifact holds a label for each row of the bundled sample."""
    (path,) = store.folder.rglob("expected/sample_labels.json")
    version, labels = read_expected(f"BestModelRF/1={path}", sample)
    assert version == "BestModelRF/1"
    assert len(labels) == len(sample)
    assert set(labels) <= set(range(1, 8))
    assert read_expected(str(path), sample) == (ANY_VERSION, labels)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param("", "not a file of expected labels", id="empty"),
        pytest.param('{"labels": [1]}', "not a file of expected labels", id="of no sample"),
        pytest.param(json.dumps({"sample_sha256": "0", "labels": [1]}), "another sample", id="of another sample"),
    ],
)
def test_labels_of_something_else_are_refused(content: str, said: str, tmp_path: Path, sample: Covertype) -> None:
    """Labels that belong to other rows would make right answers wrong."""
    path = tmp_path / "labels.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=said):
        read_expected(str(path), sample)
