"""What a watcher needs: finding versions, in one store and for one model URI."""

from typing import Protocol

from registry.prepared import Prepared
from registry.version import ModelVersion, Unresolved


class Finder(Protocol):
    """Finds versions, in one store and for one model URI.

    No call takes for ever, whatever hangs: each has a time limit of its own, after which it raises.
    """

    async def resolve(self) -> ModelVersion | Unresolved:
        """The version that the URI means now, unless only ``prepare`` can tell.

        Raises:
            ModelNotFound: there is none.
            StoreUnavailable: the store cannot be used.
        """

    async def prepare(self, version: ModelVersion | Unresolved) -> Prepared:
        """Have a version ready to be opened, at once if it is in the cache.

        Args:
            version: what ``resolve`` has returned.

        Raises:
            RegistryError: it cannot be had.
        """

    async def keep(self, prepared: Prepared) -> None:
        """Remember a version that is served as the last known one."""

    async def restore(self, prepared: Prepared) -> None:
        """Have a version that is served ready again, for it cannot be opened any more; others may have it open.

        Raises:
            RegistryError: it cannot be had.
        """

    async def last_known(self) -> Prepared | None:
        """What was served last for the URI, by whichever process, if it is still in the cache.

        Raises:
            CacheUnusable: the cache does not answer.
        """

    async def discard(self, prepared: Prepared) -> None:
        """Take a version that cannot be served out of the cache."""
