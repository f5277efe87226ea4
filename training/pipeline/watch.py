"""Waiting until servers serve a version, and watching what comes of it."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from training.pipeline.servers import Counts, State, Unreachable, ask, resolve

logger = logging.getLogger("canopy.training")

LEAST_ERRORS: Final = 5
"""Fewer errors than these say nothing of a version, whatever share they are."""

_PAUSE: Final = 1.0
"""Time from one look at the servers to the next, in s."""

_GRACE: Final = 30.0
"""How long a server may take to come back at the end of the watch, in s."""


class Verdict(NamedTuple):
    """What has come of it.

    Attributes:
        good: whether the version may stay.
        reason: why, or why not.
        before: predictions and errors of the former version.
        after: those of the new one.
    """

    good: bool
    reason: str
    before: Counts = Counts()
    after: Counts = Counts()


Look = Callable[[Sequence[str]], Mapping[str, State | Unreachable]]
"""Looks at the servers of some addresses: where each is → what it says, or that it does not answer."""


class Clock(NamedTuple):
    """Time, in s."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


CLOCK: Final = Clock()
"""The system's."""


def look(servers: Sequence[str]) -> dict[str, State | Unreachable]:
    """Ask all servers. A name that leads nowhere is told as a server that does not answer."""
    try:
        addresses = resolve(servers)
    except Unreachable as error:
        return {", ".join(servers): error}
    found: dict[str, State | Unreachable] = {}
    for address in addresses:
        try:
            found[address.url] = ask(address)
        except Unreachable as error:
            found[address.url] = error
    return found


def added(before: Mapping[str, Counts], after: Mapping[str, Counts]) -> Counts:
    """What servers have answered between two counts; one that is in a single count says nothing."""
    parts = [after[server].since(before[server]) for server in after if server in before]
    return Counts(sum(part.requests for part in parts), sum(part.errors for part in parts))


def missing(found: Mapping[str, State | Unreachable], model: str) -> str:
    """Why some server does not serve a version with all its workers; empty if all do."""
    return "; ".join(filter(None, (_missing(server, said, model) for server, said in found.items())))


def await_served(servers: Sequence[str], model: str, within: float, ask: Look = look, clock: Clock = CLOCK) -> Verdict:
    """Wait until all servers serve a version with all their workers.

    Args:
        servers: their addresses.
        model: NAME/VERSION.
        within: seconds to wait.
        ask: looks at the servers.
        clock: the time.
    """
    give_up = clock.now() + within
    while lack := missing(ask(servers), model):
        if clock.now() >= give_up:
            return Verdict(False, f"{model} is not served after {within:g} s: {lack}")
        clock.sleep(_PAUSE)
    return Verdict(True, f"{model} is served by all servers")


def watch(
    servers: Sequence[str],
    model: str,
    before: Counts,
    seconds: float,
    rise: float,
    ask: Look = look,
    clock: Clock = CLOCK,
) -> Verdict:
    """Watch servers that serve a new version: has their share of errors risen?

    It ends as soon as that is so. At the end all have to serve the version still.

    Args:
        servers: their addresses.
        model: NAME/VERSION, which they serve.
        before: predictions and errors under the former version.
        seconds: how long to watch.
        rise: by how much the share of errors may rise, 0 to 1.
        ask: looks at the servers.
        clock: the time.
    """
    end = clock.now() + seconds
    start = _counts(ask(servers))
    while True:
        found = ask(servers)
        after = added(start, _counts(found))
        if after.errors >= LEAST_ERRORS and after.rate > before.rate + rise:
            return Verdict(
                False, f"errors have risen: {_told(before, after)}, more than {rise:.2%} above", before, after
            )
        if clock.now() >= end:
            break
        clock.sleep(_PAUSE)
    # One that is being replaced just now has a moment's time.
    last = await_served(servers, model, _GRACE, ask, clock)
    if not last.good:
        return Verdict(False, last.reason, before, after)
    if not after.requests:
        logger.warning("nobody asked for a prediction in %g s: nothing is known of the errors of %s", seconds, model)
        return Verdict(True, f"nobody asked in {seconds:g} s, so that errors could not be told", before, after)
    return Verdict(True, f"errors have not risen: {_told(before, after)}", before, after)


def _missing(server: str, said: State | Unreachable, model: str) -> str:
    if isinstance(said, Unreachable):
        return str(said)
    if said.models == {model}:
        return ""
    serves = " and ".join(sorted(said.models)) or "nothing"
    return f"{server} serves {serves}" + (f" ({said.trouble})" if said.trouble else "")


def _counts(found: Mapping[str, State | Unreachable]) -> dict[str, Counts]:
    return {server: said.counts for server, said in found.items() if isinstance(said, State)}


def _told(before: Counts, after: Counts) -> str:
    return (
        f"{after.errors} of {after.requests} predictions ({after.rate:.2%}), "
        f"before {before.errors} of {before.requests} ({before.rate:.2%})"
    )
