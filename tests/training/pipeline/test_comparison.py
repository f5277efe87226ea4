import pytest

from training.pipeline.comparison import Comparison, decide

SCORES = {"accuracy": 0.812, "balanced_accuracy": 0.5, "f1_macro": 0.4}


def against(production: float, **more: bool) -> Comparison:
    """A candidate with an accuracy of 0.812, held against version 4 on a thousand rows."""
    return Comparison(1000, SCORES, "4", {**SCORES, "accuracy": production}, **more)


@pytest.mark.parametrize(
    ("comparison", "margin", "promote", "reason"),
    [
        pytest.param(against(0.81), 0.0, True, "better by 0.002: accuracy 0.8120 against 0.8100", id="better"),
        pytest.param(against(0.81), 0.002, True, "better by 0.002", id="by-just-the-margin"),
        pytest.param(
            against(0.81), 0.003, False, "not better by the margin of 0.003, but by 0.002", id="by-too-little"
        ),
        pytest.param(against(0.812), 0.0, False, "not better: accuracy 0.8120 against 0.8120", id="equal"),
        pytest.param(against(0.9), 0.0, False, "of version 4 on the same 1000 rows", id="worse"),
        pytest.param(against(0.812, same=True), 0.0, False, "it is version 4, which is in production", id="itself"),
        pytest.param(Comparison(1000, SCORES), 0.5, True, "no version is in production", id="the-first"),
    ],
)
def test_a_version_is_promoted_if_it_is_better_by_the_margin(
    comparison: Comparison, margin: float, promote: bool, reason: str
) -> None:
    """The margin itself is enough, and the reason has both scores."""
    decision = decide(comparison, "accuracy", margin)
    assert decision.promote is promote
    assert reason in decision.reason


def test_the_score_that_counts_can_be_chosen() -> None:
    """By another score the same two models may be the other way round."""
    comparison = Comparison(1000, SCORES, "4", {**SCORES, "accuracy": 0.9, "f1_macro": 0.3})
    assert not decide(comparison, "accuracy", 0.0).promote
    assert decide(comparison, "f1_macro", 0.05).promote
