"""The faults, and what the server must be like during and after each of them."""

import asyncio
import os
import signal
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from loadtest.system.ports import LOOPBACK
from tests.helpers.support import lives
from tests.soak.clients import Clients
from tests.soak.disk import Disk
from tests.soak.ledger import Fault, Ledger
from tests.soak.product import PATIENCE, Product
from tests.soak.registry import TREES, Registry

LINGER: Final = 5.0
"""Seconds in which clients notice what has happened to their connections."""


@dataclass(slots=True)
class Campaign:
    """A soak.

    Attributes:
        registry: what is followed.
        disk: where the cache is.
        product: the server.
        clients: who ask it.
        ledger: where all that is seen goes.
        draw: decides what happens next.
        workers: how many the server has.
        admin_token: lets a look for a new version be asked for.
        promoted: the version that is to be served.
        told: what has happened so far, a line each.
    """

    registry: Registry
    disk: Disk
    product: Product
    clients: Clients
    ledger: Ledger
    draw: Random
    workers: int
    admin_token: str
    promoted: int = 1
    told: list[str] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)

    async def run(self, seconds: float, faults: Sequence[str]) -> None:
        """Let everything happen once, and then more of it until the time is over.

        Args:
            seconds: the time.
            faults: what may happen, of EVENTS.

        Raises:
            Fault: something is as it must not be.
        """
        await self.settle()
        until = time.monotonic() + seconds
        events = list(faults)
        self.draw.shuffle(events)
        while events or time.monotonic() < until:
            name = events.pop() if events else self.draw.choice(faults)
            self.tell(name)
            await EVENTS[name](self)
            await self.settle()
            await asyncio.sleep(self.draw.uniform(0, 1))

    def tell(self, what: str) -> None:
        """Note what happens, and say so."""
        line = f"{time.monotonic() - self._began:7.1f} s  {what}"
        self.told.append(line)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    async def settle(self) -> None:
        """Wait until the promoted version is served, nothing is amiss and everybody is answered.

        Raises:
            Fault: it does not come to that.
        """
        served = [self.promoted] * self.workers
        await self.product.comes_to(lambda: self.product.versions() == served, f"serve version {self.promoted}")
        await self.product.comes_to(lambda: self._trouble() is None, "be without trouble")
        self.ledger.settled(self.promoted)
        await self.clients.all_are_answered(PATIENCE)
        self.ledger.judge(len(self.clients.everybody))

    # What happens.

    async def promote(self) -> None:
        """Another version is promoted; nobody notices but by its name."""
        await self._promote(self._another())
        if self.draw.random() < 0.5:
            await asyncio.to_thread(self._reload)

    async def roll_back(self) -> None:
        """A version is promoted and taken back, before or after it is served."""
        before, another = self.promoted, self._another()
        await self._promote(another)
        if self.draw.random() < 0.5:
            await self.settle()
        else:
            await asyncio.sleep(self.draw.uniform(0, 2))
        await self._promote(before)

    async def kill(self) -> None:
        """A worker is killed, or all of the server: connections break, once, and what is alone is away for a while."""
        if self.workers > 1 and self.draw.random() < 0.7:
            victim = self.draw.choice(self.product.workers)
            with self.ledger.excusing("broken", linger=LINGER):
                os.kill(victim, signal.SIGKILL)
                await self.product.comes_to(lambda: self._whole_without(victim), "replace a killed worker")
            return
        with self.ledger.excusing("refused", "broken", "not ready", linger=LINGER):
            await self.product.kill()
            await self.product.start()

    async def freeze(self) -> None:
        """A worker hangs, and is replaced: its connections break, once."""
        if self.workers == 1:
            return
        victim = self.draw.choice(self.product.workers)
        with self.ledger.excusing("broken", linger=LINGER):
            os.kill(victim, signal.SIGSTOP)
            await self.product.comes_to(lambda: self._whole_without(victim), "replace a worker that hangs")

    async def restart(self) -> None:
        """The server is stopped and started again; a version may be promoted meanwhile."""
        self.ledger.stops += 1
        with self.ledger.excusing("refused", "not ready", "crossing", linger=LINGER):
            if self.draw.random() < 0.3:
                await self._promote(self._another())
            await self.product.stop()
            await asyncio.sleep(self.draw.uniform(0, 1))
            await self.product.start()

    async def slow(self) -> None:
        """The registry, or the store, sends a byte now and then: it is told, and forgotten when all is well again."""
        peer = self.draw.choice([self.registry.tracking, self.registry.store])
        another = self._another()
        self.disk.forget(another)
        await peer.be("dripping")
        await self._promote(another)
        await self.product.comes_to(lambda: self._trouble() is not None, "tell that its registry is slow")
        await peer.be("plain")

    async def down(self) -> None:
        """The registry or both are gone; a start meanwhile serves what was served last."""
        if self.draw.random() < 0.5:
            await self.registry.store.be("down")
        await self.registry.tracking.be("down")
        await self.product.comes_to(lambda: self._trouble() is not None, "tell that its registry is gone")
        if self.draw.random() < 0.5:
            self.tell("  and restart meanwhile")
            await self.restart_as_it_is()
        await self.registry.store.be("plain")
        await self.registry.tracking.be("plain")

    async def restart_as_it_is(self) -> None:
        """The server is stopped and started again, and nothing else."""
        self.ledger.stops += 1
        with self.ledger.excusing("refused", "not ready", "crossing", linger=LINGER):
            await self.product.stop()
            await self.product.start()

    async def full(self) -> None:
        """No room is left for another version: the old one stays, and it is told why, until there is room."""
        before, another = self.promoted, self._another()
        self.disk.forget(another)
        self.disk.fill()
        await self._promote(another)
        await self.product.comes_to(lambda: "space" in (self._trouble() or ""), "tell that the disk is full")
        if self.product.versions() != [before] * self.workers:
            raise Fault(f"with a full disk {self.product.versions()} are served instead of {before}")
        self.disk.free()

    async def empty(self) -> None:
        """Somebody empties the cache; what is lost is made again when it is needed."""
        self.disk.empty()
        await self.draw.choice([self.kill, self.restart_as_it_is, self.promote])()

    async def flip(self) -> None:
        """A bit flips in what is prepared: nobody gets an answer of it, now or later."""
        version = self.draw.choice([self.promoted, self._another()])
        self.disk.flip(version, self.draw)
        await self.clients.all_are_answered(PATIENCE)
        if version == self.promoted:
            await self.restart_as_it_is()
        else:
            await self._promote(version)

    async def overwrite(self) -> None:
        """Somebody copies something else over what is served."""
        self.disk.overwrite(self.promoted)
        await self.clients.all_are_answered(PATIENCE)
        await self.draw.choice([self.kill, self.restart_as_it_is, self.promote])()

    def _another(self) -> int:
        return self.draw.choice([version for version in range(1, len(TREES) + 1) if version != self.promoted])

    async def _promote(self, version: int) -> None:
        self.ledger.settled(None)
        self.promoted = version
        self.tell(f"  version {version}")
        await self.registry.promote(version)

    def _reload(self) -> None:
        wanted = urllib.request.Request(
            f"http://{LOOPBACK}:{self.product.port}/admin/reload",
            method="POST",
            headers={"Authorization": f"Bearer {self.admin_token}"},
        )
        with urllib.request.urlopen(wanted, timeout=PATIENCE) as response:  # noqa: S310 - our own
            self.ledger.read("/admin/reload", f"{response.headers}{response.read().decode()}")

    def _trouble(self) -> str | None:
        update_error: str | None = self.product.state()["update_failure"]
        return update_error

    def _whole_without(self, victim: int) -> bool:
        return not lives(victim) and len(self.product.workers) == self.workers and len(self.product.versions()) > 0


EVENTS: Final[dict[str, Callable[[Campaign], Awaitable[None]]]] = {
    "promote": Campaign.promote,
    "roll back": Campaign.roll_back,
    "kill": Campaign.kill,
    "freeze a worker": Campaign.freeze,
    "restart": Campaign.restart,
    "slow registry": Campaign.slow,
    "registry down": Campaign.down,
    "full disk": Campaign.full,
    "emptied cache": Campaign.empty,
    "flipped bit": Campaign.flip,
    "overwritten forest": Campaign.overwrite,
}
