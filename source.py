"""Where a worker gets its model from, and whom it tells what came of it."""

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import registry
import registry.child
from settings import Settings
from workers import Superior

logger = logging.getLogger("canopy")


class Source(Protocol):
    """What a worker serves by."""

    async def attend(self, dismissed: Callable[[], None]) -> None:
        """Run beside the worker; calls ``dismissed`` when it is wanted no more."""

    async def model(self) -> registry.Prepared:
        """Await the model.

        Raises:
            RegistryError: there is none.
        """

    async def serving(self, description: str) -> None:
        """The worker serves it."""

    async def failed(self, reason: str) -> None:
        """The worker cannot, and ends."""

    def beat(self) -> None:
        """The worker is well; called once a second."""


class OwnSource:
    """For a worker that is alone: it prepares its model itself, and the log hears of it."""

    def __init__(self, settings: Settings, uri: registry.ModelURI) -> None:
        self._settings = settings
        self._uri = uri

    async def attend(self, dismissed: Callable[[], None]) -> None:
        """See ``Source``; signals say so."""

    async def model(self) -> registry.Prepared:
        """See ``Source``."""
        return await prepare(self._settings, self._uri)

    async def serving(self, description: str) -> None:
        """See ``Source``."""
        logger.info(description)

    async def failed(self, reason: str) -> None:
        """See ``Source``."""
        logger.error(reason)

    def beat(self) -> None:
        """See ``Source``; nobody listens."""


class SupervisedSource(Superior):
    """For one of several workers: the supervisor has the model prepared, and hears of it."""

    async def model(self) -> registry.Prepared:
        """See ``Source``."""
        return registry.Prepared.decode(await self.task())


async def prepare(settings: Settings, uri: registry.ModelURI) -> registry.Prepared:
    """Have the model prepared in a new folder, which goes with this process's temporary folder.

    Raises:
        RegistryError: it cannot be had.
    """
    folder = Path(tempfile.mkdtemp(prefix="canopy-model-"))
    access = registry.Access.read(settings.tracking_uri, {})
    return await registry.child.prepare_in_child(uri, access, settings.engine, folder)
