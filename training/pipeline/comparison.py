"""Whether a new version is better: a pure decision."""

from typing import Final, Literal, NamedTuple

import msgspec

Metric = Literal["accuracy", "balanced_accuracy", "f1_macro"]


class Comparison(msgspec.Struct, frozen=True):
    """What two models scored on the same rows.

    Attributes:
        rows: how many.
        candidate: metric → the new model's score, 0 to 1; more is better.
        version: the version in production; None if there was none.
        production: metric → its score.
        same: whether the new model is that version itself.
    """

    rows: int
    candidate: dict[str, float]
    version: str | None = None
    production: dict[str, float] | None = None
    same: bool = False


class Decision(NamedTuple):
    """Whether to promote, and why or why not."""

    promote: bool
    reason: str


_DIGITS: Final = 12
"""What rounding to so many digits hides is of the arithmetic, not of the models."""


def decide(comparison: Comparison, metric: Metric, margin: float) -> Decision:
    """Whether the new model is better by a margin.

    Args:
        comparison: what was found.
        metric: the score that counts.
        margin: least difference of the two scores; with 0 any that is above 0.
    """
    mine = comparison.candidate[metric]
    if comparison.production is None:
        return Decision(True, f"no version is in production; its {metric} is {mine:.4f}")
    if comparison.same:
        return Decision(False, f"it is version {comparison.version}, which is in production already")
    theirs = comparison.production[metric]
    gain = round(mine - theirs, _DIGITS)
    what = (
        f"{metric} {mine:.4f} against {theirs:.4f} of version {comparison.version} on the same {comparison.rows} rows"
    )
    if gain <= 0:
        return Decision(False, f"not better: {what}")
    if gain < margin:
        return Decision(False, f"not better by the margin of {margin:g}, but by {gain:.4g}: {what}")
    return Decision(True, f"better by {gain:.4g}: {what}")
