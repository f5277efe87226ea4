from collections.abc import Callable, Mapping, Sequence

import pytest

from training.pipeline.servers import Counts, State, Unreachable
from training.pipeline.watch import Clock, added, await_served, watch

NEW, OLD = "Forest/5", "Forest/4"
QUIET = Counts(10_000, 0)


class Time:
    """Virtual time: sleeping is all that makes it pass."""

    def __init__(self) -> None:
        self.now = 0.0
        self.clock = Clock(lambda: self.now, self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds


def state(*models: str, requests: int = 0, errors: int = 0, trouble: str | None = None) -> State:
    """What a server says."""
    return State(frozenset(models), Counts(requests, errors), trouble)


def asking(
    time: Time, says: Callable[[float], State | Unreachable]
) -> Callable[[Sequence[str]], Mapping[str, State | Unreachable]]:
    """A look at one server, which says something by the time."""
    return lambda servers: dict.fromkeys(servers, says(time.now))


def test_waiting_ends_when_all_workers_serve_the_version() -> None:
    """Until then some worker serves the former one; that costs ten seconds here."""
    time = Time()
    look = asking(time, lambda now: state(NEW) if now >= 10 else state(NEW, OLD))
    assert await_served(["a"], NEW, 60, look, time.clock).good
    assert time.now == 10


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        pytest.param(state(OLD), "a serves Forest/4", id="former"),
        pytest.param(state(OLD, trouble="it is spoilt"), "a serves Forest/4 (it is spoilt)", id="refused"),
        pytest.param(state(trouble="it is draining"), "a serves nothing (it is draining)", id="not-ready"),
        pytest.param(Unreachable("a does not answer"), "a does not answer", id="away"),
    ],
)
def test_a_version_that_is_not_served_is_told_with_the_reason(said: State | Unreachable, reason: str) -> None:
    """After the time that was given, the words say which server does what."""
    time = Time()
    verdict = await_served(["a"], NEW, 30, asking(time, lambda _: said), time.clock)
    assert not verdict.good
    assert verdict.reason == f"{NEW} is not served after 30 s: {reason}"
    assert time.now == 30


@pytest.mark.parametrize(
    ("before", "every", "good"),
    [
        pytest.param(QUIET, 0, True, id="none"),
        pytest.param(QUIET, 200, True, id="fewer-than-allowed"),
        pytest.param(QUIET, 50, False, id="more-than-allowed"),
        pytest.param(Counts(1000, 20), 50, True, id="as-many-as-before"),
        pytest.param(Counts(0, 0), 10, False, id="nobody-asked-before"),
    ],
)
def test_a_version_whose_errors_rise_may_not_stay(before: Counts, every: int, good: bool) -> None:
    """Of a hundred requests a second every so-manieth fails; one percent more than before is allowed."""
    time = Time()

    def says(now: float) -> State:
        requests = 5000 + int(now * 100)
        return state(NEW, requests=requests, errors=40 + (int(now * 100) // every if every else 0))

    verdict = watch(["a"], NEW, before, 60, 0.01, asking(time, says), time.clock)
    assert verdict.good is good
    assert verdict.before == before
    assert (time.now == 60) is good
    assert ("errors have risen" in verdict.reason) is not good


def test_a_few_errors_of_few_requests_say_nothing() -> None:
    """Four failures of four may be chance."""
    time = Time()
    look = asking(time, lambda now: state(NEW, requests=min(4, int(now)), errors=min(4, int(now))))
    assert watch(["a"], NEW, QUIET, 60, 0.01, look, time.clock).good


def test_that_nobody_has_asked_is_told() -> None:
    """The version stays, but nothing is claimed of its errors."""
    time = Time()
    verdict = watch(["a"], NEW, QUIET, 60, 0.01, asking(time, lambda _: state(NEW, requests=7)), time.clock)
    assert verdict.good
    assert verdict.reason == "nobody asked in 60 s, so that errors could not be told"


@pytest.mark.parametrize("back", [pytest.param(70, id="in-time"), pytest.param(100, id="too-late")])
def test_a_server_that_is_away_at_the_end_has_to_come_back(back: int) -> None:
    """It may be replaced just then, for which it has half a minute."""
    time = Time()

    def says(now: float) -> State | Unreachable:
        return state(NEW, requests=int(now)) if now < 50 or now >= back else Unreachable("a is away")

    verdict = watch(["a"], NEW, QUIET, 60, 0.01, asking(time, says), time.clock)
    assert verdict.good is (back == 70)
    assert "a is away" in verdict.reason or verdict.good


def test_only_what_servers_have_counted_since_is_added() -> None:
    """A server that has started anew counts from 0, and one that came or went meanwhile does not count."""
    before = {"a": Counts(100, 10), "anew": Counts(500, 50), "gone": Counts(9, 9)}
    after = {"a": Counts(150, 11), "anew": Counts(20, 2), "came": Counts(1000, 1000)}
    assert added(before, after) == Counts(70, 3)
