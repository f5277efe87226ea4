"""Promoting a version that was found to be better, and taking it back."""

import msgspec
from mlflow.entities.model_registry import ModelVersion

from training.pipeline.comparison import Comparison, Decision, Metric, decide
from training.publish import Publisher
from training.tags import EVALUATION, FORMER, ROLLED_BACK


def judge(publisher: Publisher, version: str, metric: Metric, margin: float, *, again: bool = False) -> Decision:
    """Whether a version is to be promoted, by what its evaluation found; nothing is changed.

    Args:
        publisher: of the registered model.
        version: its number.
        metric: the score that counts.
        margin: by which it has to be better.
        again: whether it may be promoted though it was rolled back once.

    Raises:
        ValueError: it was not evaluated, or against another version than the one that is in production now.
    """
    mine, production = publisher.version(version), publisher.production()
    name = f"{publisher.name}/{version}"
    if production is not None and production.version == mine.version:
        return Decision(False, f"{name} is in production already")
    if ROLLED_BACK in mine.tags and not again:
        return Decision(False, f"{name} was rolled back ({mine.tags[ROLLED_BACK]}), and is promoted again only if told")
    comparison = _evaluation(mine, name)
    now = None if production is None else str(production.version)
    if comparison.version != now:
        raise ValueError(
            f"{name} was held against {_told(comparison.version)}, but {_told(now)} is in production now: evaluate it "
            "again"
        )
    return decide(comparison, metric, margin)


def promote(publisher: Publisher, version: str, decision: Decision) -> Decision:
    """Promote a version if that was decided; one that is half promoted already is promoted wholly, for a second try."""
    production = publisher.production()
    begun = production is not None and str(production.version) == version
    if decision.promote or begun:
        publisher.promote(version)
    if decision.promote and ROLLED_BACK in publisher.version(version).tags:
        publisher.client.delete_model_version_tag(publisher.name, version, ROLLED_BACK)
    return Decision(True, f"{publisher.name}/{version} is in production already") if begun else decision


def roll_back(publisher: Publisher, version: str, reason: str) -> Decision:
    """Take a version out of production, and put back the one that it has replaced.

    Doing it twice is no error. Where somebody has promoted another version meanwhile, that one stays.

    Args:
        publisher: of the registered model.
        version: its number.
        reason: is noted with the version.

    Returns:
        Whether the version that was replaced is in production now, and what was done.

    Raises:
        ValueError: the version has replaced none.
    """
    former = former_version(publisher, version)
    production = publisher.production()
    now = None if production is None else str(production.version)
    if now is None or now not in {version, former}:
        return Decision(False, f"{_told(now)} is in production, not version {version}: it is left there")
    if former is None:
        raise ValueError(
            f"{publisher.name}/{version} has taken no other version's place, so that there is none to go back to: "
            "promote one by hand"
        )
    if now == version:
        # First, so that no later run promotes it again if this one ends here.
        publisher.client.set_model_version_tag(publisher.name, version, ROLLED_BACK, reason)
    publisher.restore(former)
    return Decision(True, f"{publisher.name}/{former} is in production again instead of version {version}: {reason}")


def former_version(publisher: Publisher, version: str) -> str | None:
    """The version whose place a version has taken; None if it has taken none's."""
    former = publisher.version(version).tags.get(FORMER)
    return None if former is None else str(former)


def _evaluation(version: ModelVersion, name: str) -> Comparison:
    try:
        return msgspec.json.decode(version.tags.get(EVALUATION, ""), type=Comparison)
    except msgspec.DecodeError:
        raise ValueError(f"{name} was not evaluated: evaluate its logged model, and register that again") from None


def _told(version: str | None) -> str:
    return "no version" if version is None else f"version {version}"
