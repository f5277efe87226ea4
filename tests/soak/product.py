"""The server under test, which comes and goes, and what it says of itself."""

import asyncio
import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

from loadtest.system.ports import LOOPBACK, reserved_port
from loadtest.system.process import ServerProcess, serving
from tests.helpers.support import children, lives
from tests.soak.ledger import Fault, Ledger

PATIENCE: Final = 180.0
"""Seconds after which something that is waited for never comes."""

PAGES: Final = ("/", "/health/live", "/health/ready", "/stats", "/metrics", "/nowhere")
"""What anybody may read."""


class Product:
    """A server at one address, which may be started again and again; to enter.

    Args:
        options: of ``server.py``.
        environment: variables to set.
        log: where it says what it has to say.
        ledger: where what it answers goes.
    """

    def __init__(self, options: Sequence[str], environment: Mapping[str, str], log: Path, ledger: Ledger) -> None:
        self._how = (options, environment)
        self._log = log
        self._ledger = ledger
        self._stack = ExitStack()
        self._running = ExitStack()
        self.server: ServerProcess
        self.port = 0

    def __enter__(self) -> "Product":
        self.port = self._stack.enter_context(reserved_port())
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()
        self._stack.close()

    @property
    def workers(self) -> list[int]:
        """The processes that serve, of several workers; a child that fetches is one of one worker only."""
        return children(self.server.process.pid)

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        options, environment = self._how
        with self._log.open("ab") as log:
            how: dict[str, Any] = {"environment": environment, "log": log, "port": self.port, "ready_within": None}
            self.server = self._running.enter_context(serving([*options, "--log-level", "debug"], **how))
        await self.comes_to(lambda: self.state()["status"] == "ready", "be ready")

    async def stop(self) -> None:
        """Have it drain and end, which it must do with status 0."""
        self.server.process.send_signal(signal.SIGTERM)
        await self.gone()
        if (status := self.server.process.returncode) != 0:
            raise Fault(f"a stop ended with status {status}")
        self._running.close()

    async def kill(self) -> None:
        """End it with all its processes, at once."""
        left = self.server.processes()
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await self._wait_for(lambda: not any(map(lives, left)), "be gone")
        self.server.process.wait()
        self._running.close()

    async def gone(self) -> None:
        """Wait until its process has ended."""
        await self._wait_for(lambda: self.server.process.poll() is not None, "end")

    async def comes_to(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until something that it says of itself is so; it may be silent meanwhile, but not end."""

        def so() -> bool:
            if (status := self.server.process.poll()) is not None:
                raise Fault(f"the server ended with status {status}: {self._last_words()}")
            try:
                return condition()
            except OSError:
                return False

        await self._wait_for(so, what)

    def state(self) -> dict[str, Any]:
        """What /health/ready says, whatever its status."""
        return dict(json.loads(self.page("/health/ready")))

    def versions(self) -> list[int | None]:
        """What each worker serves."""
        return [worker["model_version"] for worker in json.loads(self.page("/stats"))["workers"]]

    def page(self, path: str) -> str:
        """What it answers to a GET, whatever the status; no secret may be in it.

        Raises:
            OSError: nothing.
        """
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{self.port}{path}", timeout=10) as response:
                headers, body = response.headers, response.read()
        except urllib.error.HTTPError as error:
            headers, body = error.headers, error.read()
        text: str = body.decode()
        self._ledger.read(path, f"{headers}{text}")
        return text

    async def watch(self) -> None:
        """Read all that anybody may read, and the log, again and again until cancelled."""
        read = 0
        while True:
            for path in PAGES:
                try:
                    await asyncio.to_thread(self.page, path)
                except OSError:
                    await asyncio.sleep(0.1)
            read = self.read_log(read)
            await asyncio.sleep(0.3)

    def read_log(self, start: int = 0) -> int:
        """Read its log from some byte on, for secrets; returns where the next reading begins."""
        with self._log.open("rb") as file:
            file.seek(start)
            said = file.read()
        whole = said.rfind(b"\n") + 1
        self._ledger.read("the log", said[:whole].decode("utf-8", "replace"))
        return start + whole

    def _last_words(self) -> str:
        return " | ".join(self._log.read_text(errors="replace").splitlines()[-3:])

    async def _wait_for(self, condition: Callable[[], bool], what: str) -> None:
        give_up = time.monotonic() + PATIENCE
        while not await asyncio.to_thread(condition):
            if self._ledger.faults:
                raise Fault(self._ledger.faults[0])
            if time.monotonic() > give_up:
                raise Fault(f"the server does not {what} within {PATIENCE:g} s; it says {self._says()}")
            await asyncio.sleep(0.05)

    def _says(self) -> str:
        try:
            return str(self.state())
        except OSError as error:
            return repr(error)
