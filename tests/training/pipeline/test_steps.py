from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Store
from tests.helpers.isolation import MLFLOW_WARNS
from tests.training.pipeline.conftest import Step
from training.pipeline import __main__ as command
from training.publish import Publisher

pytestmark = MLFLOW_WARNS

Trained = Callable[..., str]


def production(store: Store) -> str | None:
    """The number of the version in production."""
    version = Publisher(store.tracking_uri, "Small").production()
    return None if version is None else str(version.version)


def test_a_better_version_takes_the_place_of_the_former_and_a_rollback_gives_it_back(
    step: Step, trained: Trained, workplace: Store
) -> None:
    """Every step may be done twice; what was rolled back once is promoted again only if told."""
    assert step("promote", trained(1, 1))[0] == 0
    assert production(workplace) == "1"
    assert trained(4, 8) == trained(4, 8) == "2"
    assert step("judge", 2)[0] == 0
    assert production(workplace) == "1"
    status, told = step("promote", 2, "--margin", 0.01)
    assert (status, told["former"], production(workplace)) == (0, "1", "2")
    assert step("promote", 2)[0] == 0

    for _ in range(2):
        status, told = step("roll-back", 2, "--reason", "too slow")
        assert (status, told["former"], production(workplace)) == (0, "1", "1")
    assert trained(4, 8) == "2"
    status, told = step("promote", 2)
    assert (status, production(workplace)) == (3, "1")
    assert "was rolled back (too slow)" in told["reason"]
    assert step("promote", 2, "--again")[0] == 0
    assert production(workplace) == "2"


def test_a_version_that_is_not_better_stays_out_of_production(step: Step, trained: Trained, workplace: Store) -> None:
    """The exit status is 3, and the reason has both scores and the rows."""
    assert step("promote", trained(4, 8))[0] == 0
    status, told = step("promote", trained(1, 1))
    assert status == 3
    assert told["reason"].startswith("not better: accuracy 0.")
    assert told["reason"].endswith("of version 1 on the same 300 rows")
    assert production(workplace) == "1"


@pytest.mark.slow
def test_a_version_is_not_judged_by_what_was_true_of_another_one(step: Step, trained: Trained) -> None:
    """Where production has changed since the evaluation, or there was none, it has to be evaluated first."""
    assert step("promote", trained(1, 1))[0] == 0
    late = trained(2, 3)
    assert step("promote", trained(4, 8))[0] == 0
    status, told = step("promote", late)
    assert status == 1
    assert "was held against version 1, but version 3 is in production now: evaluate it again" in told["error"]
    unseen = step("register", trained(3, 3, registered=False))[1]["version"]
    status, told = step("judge", unseen)
    assert status == 1
    assert "was not evaluated" in told["error"]


def test_rows_that_production_was_fitted_on_do_not_count(step: Step, trained: Trained) -> None:
    """With another seed most held-out rows are known to the version in production: too few are left to compare on."""
    assert step("promote", trained(1, 1))[0] == 0
    model = trained(4, 8, seed=7, registered=False)
    status, told = step("evaluate", model)
    assert status == 1
    assert "too few to compare on (at least 200): train with the seed" in told["error"]


@pytest.mark.slow
def test_a_version_with_nobody_before_it_cannot_be_rolled_back(step: Step, trained: Trained, workplace: Store) -> None:
    """That is said, and it stays; one that is not in production is left alone."""
    assert step("promote", trained(1, 1))[0] == 0
    status, told = step("roll-back", 1)
    assert status == 1
    assert "there is none to go back to" in told["error"]
    assert step("roll-back", trained(2, 3))[0] == 3
    assert production(workplace) == "1"


@pytest.mark.slow
def test_data_that_have_changed_since_they_were_fetched_are_refused(step: Step, plots: Path) -> None:
    """The digest that fetch tells is that of the rows, whatever the file."""
    status, told = step("fetch", "--data", plots)
    assert (status, told["rows"], sum(told["classes"].values())) == (0, 1500, 1500)
    status, other = step("train", "--data", "sample", "--digest", told["digest"])
    assert status == 1
    assert "sample has changed since it was fetched" in other["error"]


@pytest.mark.parametrize(
    "words",
    [
        pytest.param([], id="no-step"),
        pytest.param(["leap"], id="unknown-step"),
        pytest.param(["promote", "1", "--margin", "1.5"], id="margin-above-one"),
        pytest.param(["promote", "1", "--metric", "luck"], id="unknown-metric"),
        pytest.param(["watch", "M/1"], id="no-servers"),
        pytest.param(["watch", "M/1", "--servers", "127.0.0.1:8000"], id="no-scheme"),
        pytest.param(["watch", "M/1", "--servers", "http://a", "--seconds", "nan"], id="no-number"),
    ],
)
def test_wrong_options_are_refused_with_status_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The usage is shown, and nothing is done."""
    with pytest.raises(SystemExit) as raised:
        command.main(words)
    assert raised.value.code == 2
    assert "usage: python -m training.pipeline" in capsys.readouterr().err
