"""Following a model URI, in virtual time."""

import asyncio
import itertools
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from batcher.testing import run_virtually
from registry import ModelNotFound, ModelVersion, Prepared, RegistryError, StoreUnavailable, TooLarge, UnusableModel
from registry.updates.watch import Watcher
from registry.version import UNRESOLVED, Unresolved
from tests.helpers.support import COLUMNS


def version(number: int) -> ModelVersion:
    """A version."""
    return ModelVersion("Forest", str(number))


class World:
    """A store, a cache and a server that do as they are told, and the watcher between them.

    Attributes:
        now: what the URI means: a version's number, or what asking raises.
        unusable: versions that cannot be prepared.
        refused: versions that cannot be served.
        resolves: whether the version is known before it is prepared.
        hanging: what never comes to an end: "resolve", "prepare 2", "serve 2", ...
        known: what was served last.
        warnings: what there is to be told of versions.
        log: what happened, with its second.
    """

    def __init__(self, *, poll: float = 30.0, startup_timeout: float = 0.0) -> None:
        self.now: int | Exception = 1
        self.unusable: set[int] = set()
        self.refused: set[int] = set()
        self.resolves = True
        self.hanging: set[str] = set()
        self.known: Prepared | None = None
        self.warnings: dict[int, str] = {}
        self.log: list[tuple[float, str]] = []
        self.watcher = Watcher(
            self, self._deliver, self._tell, poll=poll, startup_timeout=startup_timeout, spread=lambda seconds: seconds
        )

    def note(self, what: str) -> None:
        """Write down what happens now."""
        self.log.append((asyncio.get_running_loop().time(), what))

    async def perhaps_hang(self, what: str) -> None:
        """Hang if that is told; note if it is called off."""
        if what in self.hanging:
            self.note(f"{what} hangs")
            try:
                await asyncio.sleep(10**6)
            finally:
                self.note(f"{what} ends")

    async def resolve(self) -> ModelVersion | Unresolved:
        """See ``Finder``."""
        await self.perhaps_hang("resolve")
        if isinstance(self.now, Exception):
            raise self.now
        return version(self.now) if self.resolves else UNRESOLVED

    async def prepare(self, wanted: ModelVersion | Unresolved) -> Prepared:
        """See ``Finder``."""
        assert isinstance(self.now, int)
        wanted = version(self.now) if wanted is UNRESOLVED else wanted
        self.note(f"prepare {wanted.number}")
        await self.perhaps_hang(f"prepare {wanted.number}")
        if int(wanted.number) in self.unusable:
            raise UnusableModel(f"version {wanted.number} is broken")
        return Prepared(
            wanted, "compiled", Path(wanted.number), COLUMNS, warning=self.warnings.get(int(wanted.number), "")
        )

    async def keep(self, prepared: Prepared) -> None:
        """See ``Finder``."""
        self.known = prepared

    async def last_known(self) -> Prepared | None:
        """See ``Finder``."""
        return self.known

    async def restore(self, prepared: Prepared) -> None:
        """See ``Finder``."""
        self.note(f"restore {prepared.version.number}")
        if isinstance(self.now, Exception):
            raise self.now

    async def discard(self, prepared: Prepared) -> None:
        """See ``Finder``."""
        self.note(f"discard {prepared.version.number}")

    async def _deliver(self, prepared: Prepared) -> None:
        await self.perhaps_hang(f"serve {prepared.version.number}")
        if int(prepared.version.number) in self.refused:
            raise UnusableModel(f"version {prepared.version.number} crashes")
        self.note(f"serve {prepared.version.number}")

    def _tell(self, update_error: str | None) -> None:
        self.note(f"tell {update_error}")


def live(world: World, story: Callable[[], Coroutine[None, None, None]]) -> list[tuple[float, str]]:
    """Run a watcher in virtual time until a story about it has been told; returns what happened."""

    async def main() -> None:
        running = asyncio.create_task(world.watcher.run())
        telling = asyncio.create_task(story())
        await asyncio.wait([running, telling], return_when=asyncio.FIRST_COMPLETED)
        running.cancel()
        telling.cancel()
        if not running.cancelled() and running.done():
            running.result()

    run_virtually(main())
    return world.log


def in_turn(world: World, *steps: tuple[float, object]) -> Callable[[], Coroutine[None, None, None]]:
    """A story: at each of these seconds the URI comes to mean something else, or something is done."""

    async def story() -> None:
        for seconds, step in steps:
            await asyncio.sleep(seconds - asyncio.get_running_loop().time())
            if callable(step):
                step()
            else:
                world.now = step  # type: ignore[assignment]

    return story


def test_each_new_version_is_served_at_the_next_poll_a_former_one_too() -> None:
    """What has not changed costs a look; a rollback in the registry rolls back."""
    world = World()
    log = live(world, in_turn(world, (45, 2), (100, 1), (200, 1)))
    assert log == [
        (second, f"{what} {number}") for second, number in ((0, 1), (60, 2), (120, 1)) for what in ("prepare", "serve")
    ]


def test_what_there_is_to_know_of_a_version_is_logged_when_it_comes_into_service(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each time, but not at each look, whichever way it is found that nothing has changed."""
    world = World()
    world.resolves = False
    world.warnings[1] = "Forest/1 is odd"
    live(world, in_turn(world, (130, 2), (190, 1), (400, 1)))
    assert caplog.text.count("Forest/1 is odd") == 2
    world = World()
    world.known = Prepared(version(7), "compiled", Path("7"), COLUMNS, warning="Forest/7 is odd")
    world.now = StoreUnavailable("the store is down")
    live(world, in_turn(world, (70, 7), (200, 7)))
    assert caplog.text.count("Forest/7 is odd") == 1


@pytest.mark.parametrize("fault", [KeyError("x"), RuntimeError("odd"), RecursionError(), UnicodeError("é")])
def test_a_fault_that_nobody_has_foreseen_is_no_reason_to_end(
    fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """At the start and later, what was served last is served, and it is told, as if the store could not be used."""
    words = f"looking for a new version fails: {type(fault).__name__}: {fault}"
    world = World()
    world.now, world.known = fault, Prepared(version(7), "compiled", Path("7"), COLUMNS)
    log = live(world, in_turn(world, (10, 8), (35, fault), (61, lambda: None)))
    told = " ".join(words.split())
    assert log[:2] == [(0, f"tell {told}"), (0, "serve 7")]
    assert log[2:5] == [(15, "prepare 8"), (15, "serve 8"), (15, "tell None")]
    assert log[-1] == (45, f"tell {told}")
    assert "Traceback" in caplog.text


def test_a_fault_that_nobody_has_foreseen_may_pass_while_the_server_waits() -> None:
    """Without anything to serve it waits, as for a store that cannot be reached, and ends for a reason in words."""
    world = World(startup_timeout=10)
    world.now = KeyError("x")
    assert live(world, in_turn(world, (2, 1), (5, lambda: None)))[-1][1] == "serve 1"
    world = World()
    world.now = KeyError("x")
    with pytest.raises(StoreUnavailable, match="KeyError"):
        live(world, in_turn(world, (5, lambda: None)))


def test_a_version_that_cannot_be_made_ready_again_for_any_fault_is_told() -> None:
    """Nor does that end anything."""
    world = World()
    restore = lambda: world.watcher.restore(Prepared(version(1), "compiled", Path("1"), COLUMNS))  # noqa: E731
    log = live(world, in_turn(world, (1, KeyError("x")), (2, restore), (3, lambda: None)))
    told = "tell Forest/1 cannot be made ready again: looking for a new version fails: KeyError"
    assert any(what.startswith(told) for _, what in log)


def test_without_polling_only_a_request_makes_it_look() -> None:
    """It looks at once."""
    world = World(poll=0)
    log = live(world, in_turn(world, (10, 2), (500, lambda: world.watcher.refresh()), (501, 2)))
    assert log[2:] == [(500, "prepare 2"), (500, "serve 2")]


@pytest.mark.parametrize("resolves", [pytest.param(True, id="resolved"), pytest.param(False, id="found-by-preparing")])
def test_a_broken_version_is_tried_ever_more_rarely_and_told_once(
    resolves: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """The one before stays; when the broken one is mended it is served, and that is told."""
    world = World(poll=1000)
    world.resolves = resolves
    world.unusable.add(2)
    steps = (10, 2), (20, lambda: world.watcher.refresh()), (60, lambda: world.unusable.clear()), (400, 2)
    log = live(world, in_turn(world, *steps))
    tried = [second for second, what in log if what == "prepare 2"]
    assert tried == [20, 21, 23, 27, 35, 51, 83]
    assert [(at, what) for at, what in log if not what.startswith("prepare")] == [
        (0, "serve 1"),
        (20, "tell version 2 is broken"),
        (83, "serve 2"),
        (83, "tell None"),
    ]
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert errors == ["Forest/1 is still served: version 2 is broken"]


def test_whoever_replaces_a_broken_version_need_not_wait_for_its_next_attempt() -> None:
    """The next poll is soon enough."""
    world = World(poll=30)
    world.unusable.add(2)
    log = live(world, in_turn(world, (10, 2), (1000, 3), (1100, 3)))
    (served,) = [second for second, what in log if what == "serve 3"]
    assert 1000 < served <= 1030
    tried = [second for second, what in log if what == "prepare 2"]
    assert len(tried) < 12
    assert [what for _, what in log][-1] == "tell None"


def test_a_version_that_crashes_is_taken_out_of_the_cache() -> None:
    """It may be the cache that is spoilt: the next attempt fetches it anew."""
    world = World()
    world.refused.add(2)
    log = live(world, in_turn(world, (10, 2), (30.5, 2)))
    assert log[2:] == [(30, "prepare 2"), (30, "discard 2"), (30, "tell version 2 crashes")]
    assert world.known == Prepared(version(1), "compiled", Path("1"), COLUMNS)


def test_a_store_that_is_down_later_changes_nothing_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """When it is back, that is told as well."""
    world = World(poll=30)
    log = live(world, in_turn(world, (10, StoreUnavailable("the store is down")), (1000, 1), (1100, 1)))
    assert log[2:] == [(30, "tell the store is down"), (1021, "tell None")]
    assert caplog.text.count("the store is down") == 1


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(StoreUnavailable("the store is down"), id="store-down"),
        pytest.param(ModelNotFound("there is no such alias"), id="alias-gone"),
    ],
)
def test_at_start_the_last_known_version_is_served_with_a_warning(
    error: RegistryError, caplog: pytest.LogCaptureFixture
) -> None:
    """Until the URI can be resolved again."""
    world = World()
    world.now = error
    world.known = Prepared(version(7), "compiled", Path("7"), COLUMNS)
    log = live(world, in_turn(world, (70, 8), (100, 8)))
    assert log[:2] == [(0, f"tell {error}"), (0, "serve 7")]
    assert log[2:] == [(91, "prepare 8"), (91, "serve 8"), (91, "tell None")]
    assert f"serving Forest/7, as it was last known, for {error}" in caplog.text


def test_at_start_a_store_that_is_down_is_waited_for() -> None:
    """With ever longer pauses."""
    world = World(startup_timeout=60)
    world.now = StoreUnavailable("the store is down")
    assert live(world, in_turn(world, (20, 1), (40, 1))) == [(31, "prepare 1"), (31, "serve 1")]


def test_at_start_a_store_is_not_waited_for_for_ever() -> None:
    """After the time that was set its error is raised, and one that is no outage at once."""
    world = World(startup_timeout=60)
    world.now = StoreUnavailable("the store is down")

    async def wait() -> float:
        with pytest.raises(StoreUnavailable, match="the store is down"):
            await world.watcher.run()
        return asyncio.get_running_loop().time()

    assert run_virtually(wait()) == 60
    world = World(startup_timeout=60)
    world.unusable.add(1)
    with pytest.raises(UnusableModel, match="version 1 is broken"):
        live(world, in_turn(world, (40, 1)))
    assert world.log == [(0, "prepare 1")]


def test_at_start_what_is_spoilt_in_the_cache_is_fetched_anew() -> None:
    """Once; if it cannot be served then either, that is the end."""
    world = World()
    world.refused.add(1)
    with pytest.raises(UnusableModel, match="version 1 crashes"):
        live(world, in_turn(world, (40, 1)))
    assert [what for _, what in world.log] == ["prepare 1", "discard 1", "prepare 1"]


def test_at_start_a_version_that_crashes_leaves_the_last_known_one() -> None:
    """A restart serves what a server that went on would have served."""
    world = World()
    world.now = 2
    world.refused.add(2)
    world.known = Prepared(version(1), "compiled", Path("1"), COLUMNS)
    log = live(world, in_turn(world, (0.5, 2)))
    assert [what for _, what in log] == [
        *("prepare 2", "discard 2", "prepare 2", "tell version 2 crashes", "serve 1"),
        *("prepare 2", "discard 2"),  # the first look comes at once, and the next later
    ]


def test_a_fault_while_looking_leaves_the_old_version_in_service(caplog: pytest.LogCaptureFixture) -> None:
    """It is told, with a traceback, and does not end the watcher."""
    world = World()

    async def fail() -> ModelVersion:
        raise OSError("out of everything")

    async def story() -> None:
        resolve, world.resolve = world.resolve, fail  # type: ignore[method-assign]
        await asyncio.sleep(40)
        world.resolve, world.now = resolve, 2  # type: ignore[method-assign]
        await asyncio.sleep(40)

    async def later() -> None:
        await asyncio.sleep(1)
        await story()

    log = [what for _, what in live(world, later)]
    assert log[2] == "tell looking for a new version fails: OSError: out of everything"
    assert log[3:] == ["prepare 2", "serve 2", "tell None"]
    assert "Traceback" in caplog.text


def test_a_store_that_has_changed_is_asked_though_a_broken_version_waits_for_its_next_attempt() -> None:
    """Only the child can tell whether what an SQLite store has got meanwhile is another version."""
    world = World()
    world.unusable.add(2)
    log = live(world, in_turn(world, (20, 2), (1999, lambda: setattr(world, "resolves", False)), (2000, 3), (2040, 3)))
    (served,) = [seconds for seconds, what in log if what == "serve 3"]
    assert served <= 2030


def test_what_is_served_is_restored_beside_all_else() -> None:
    """It is served again then, from a new copy. While that fails it is told, until a look finds everything well."""
    world = World()

    def lose() -> None:
        assert world.known is not None
        world.watcher.restore(world.known)

    down = StoreUnavailable("the store is down")
    log = live(world, in_turn(world, (5, lose), (10, down), (11, lose), (12, 1), (40, 1)))
    assert log[2:] == [
        (5, "restore 1"),
        (5, "serve 1"),
        (11, "restore 1"),
        (11, "tell Forest/1 cannot be made ready again: the store is down"),
        (11, "serve 1"),
        (11, "tell the store is down"),
        (12, "tell None"),
    ]


@pytest.mark.parametrize("resolves", [pytest.param(True, id="resolved"), pytest.param(False, id="found-by-preparing")])
def test_a_version_that_hangs_while_it_is_opened_does_not_hide_the_next(resolves: bool) -> None:
    """It is called off at the first look that finds another, and what was served before serves until then."""
    world = World()
    world.resolves = resolves
    world.hanging.add("serve 2")
    log = live(world, in_turn(world, (10, 2), (95, 3), (150, 3)))
    assert [entry for entry in log if not entry[1].startswith("prepare")] == [
        (0, "serve 1"),
        (30, "serve 2 hangs"),
        (120, "serve 2 ends"),
        (120, "serve 3"),
    ]


def test_a_version_that_hangs_while_it_is_prepared_does_not_hide_the_next() -> None:
    """A store that drips its files, for one."""
    world = World()
    world.hanging.add("prepare 2")
    log = live(world, in_turn(world, (10, 2), (95, 3), (150, 3)))
    assert log[2:] == [
        (30, "prepare 2"),
        (30, "prepare 2 hangs"),
        (120, "prepare 2 ends"),
        (120, "prepare 3"),
        (120, "serve 3"),
    ]


def test_a_rollback_calls_off_what_hangs_and_opens_nothing() -> None:
    """What is served already is what the URI means again; no trouble is left."""
    world = World()
    world.hanging.add("serve 2")
    log = live(world, in_turn(world, (10, 2), (95, 1), (400, 1)))
    assert log[2:] == [(30, "prepare 2"), (30, "serve 2 hangs"), (120, "serve 2 ends")]


def test_what_hangs_is_not_begun_a_second_time() -> None:
    """However often somebody asks for a look, and the store is asked at each poll all the same."""
    world = World(poll=10)
    world.hanging.add("serve 2")
    asked = []
    resolve = world.resolve

    async def count() -> ModelVersion | Unresolved:
        asked.append(asyncio.get_running_loop().time())
        return await resolve()

    world.resolve = count  # type: ignore[method-assign]
    steps = [(second, world.watcher.refresh) for second in (25.5, 26.5, 27.5)]
    log = live(world, in_turn(world, (5, 2), *steps, (1000, 2)))
    assert [what for at, what in log if "2" in what and at < 1000] == ["prepare 2", "serve 2 hangs"]
    assert len(asked) > 90


def test_a_server_that_ends_ends_what_hangs() -> None:
    """A child that prepares, for one."""
    world = World()
    world.hanging.add("prepare 2")

    async def end() -> None:
        running = asyncio.create_task(world.watcher.run())
        await asyncio.sleep(10)
        world.now = 2
        await asyncio.sleep(40)
        running.cancel()
        await asyncio.wait([running])

    run_virtually(end())
    assert world.log[-1] == (50, "prepare 2 ends")


@pytest.mark.parametrize(
    ("hanging", "reason"),
    [
        pytest.param("resolve", "the newest version was not ready within 60 s", id="registry-never-answers"),
        pytest.param("prepare 2", "the newest version was not ready within 60 s", id="files-never-come"),
        pytest.param("serve 2", "Forest/2 was not ready within 60 s", id="version-hangs-while-it-is-opened"),
    ],
)
def test_at_start_the_last_known_version_is_served_in_time_whatever_hangs(hanging: str, reason: str) -> None:
    """It is told why, and the newest is served when it can be."""
    world = World(startup_timeout=60)
    world.now, world.known = 2, Prepared(version(1), "compiled", Path("1"), COLUMNS)
    world.hanging.add(hanging)
    log = live(world, in_turn(world, (61, world.hanging.clear), (200, 2)))
    assert (60, "serve 1") in log
    (told,) = [what for _, what in log if what.startswith("tell") and what != "tell None"]
    assert told.startswith(f"tell {reason}") or "has not told in time" in told


def test_at_start_a_registry_that_never_answers_is_not_waited_for_for_ever() -> None:
    """With nothing to serve instead, that is the end, in words."""
    world = World(startup_timeout=3)
    world.hanging.add("resolve")

    async def wait() -> float:
        with pytest.raises(StoreUnavailable, match=r"has not told in time .*CANOPY_MODEL_WAIT_SECONDS"):
            await world.watcher.run()
        return asyncio.get_running_loop().time()

    assert run_virtually(wait()) == 3


def test_at_start_the_version_that_was_served_last_may_take_its_time() -> None:
    """There is nothing else to serve, and it is the newest."""
    world = World(startup_timeout=5)
    world.known = Prepared(version(1), "compiled", Path("1"), COLUMNS)

    async def slow(prepared: Prepared) -> None:
        await asyncio.sleep(50)
        world.note(f"serve {prepared.version.number}")

    world.watcher._deliver = slow
    assert live(world, in_turn(world, (60, 1)))[-1] == (50, "serve 1")


def test_a_store_that_does_not_tell_is_asked_at_each_poll() -> None:
    """Only a version that is broken is spared, and a child that could not ask knows of none."""
    world = World(poll=30)
    world.resolves = False
    fail = StoreUnavailable("the store is down")

    async def prepare(_: object) -> Prepared:
        world.note("ask")
        raise fail

    async def story() -> None:
        await asyncio.sleep(10)
        world.prepare = prepare  # type: ignore[method-assign, assignment]
        await asyncio.sleep(2000)

    log = live(world, story)
    asked = [second for second, what in log if what == "ask"]
    assert all(later - earlier <= 31 for earlier, later in itertools.pairwise(asked))
    assert len(asked) > 60


def test_a_version_that_is_too_large_stays_in_the_cache() -> None:
    """Its files are not to blame."""
    world = World()

    async def refuse(prepared: Prepared) -> None:
        if prepared.version.number == "2":
            raise TooLarge("there is no room")

    world.watcher._deliver = refuse
    log = live(world, in_turn(world, (10, 2), (30.5, 2)))
    assert [what for _, what in log] == ["prepare 1", "prepare 2", "tell there is no room"]
