"""A real browser: headless Chromium, driven by the DevTools protocol (https://chromedevtools.github.io/devtools-protocol/)."""

import base64
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.helpers.support import PATIENCE

_ON_PIPES = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""
"""Has a program find two descriptors where Chromium expects its pipes."""


class Page:
    """A page in a browser.

    Attributes:
        complaints: what the browser has had to say: exceptions, refused loads, breaches of the content security policy.
    """

    def __init__(self, read: int, write: int) -> None:
        self.complaints: list[str] = []
        self._read, self._write = read, write
        self._unread = b""
        self._asked = 0
        self._session: str | None = None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401 - as the protocol has them
        """Send a command and wait for its result."""
        number = self._send(method, parameters)
        while True:
            message = self._receive()
            if message.get("id") == number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result
            if "method" in message:
                self._note(message["method"], message["params"])

    def open(self, address: str) -> None:
        """Go to an address."""
        assert "errorText" not in self.ask("Page.navigate", url=address)

    def run(self, script: str) -> Any:  # noqa: ANN401 - JSON
        """The value of an expression of JavaScript, or what it promises."""
        done = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait until an expression is true; a page that is still to come has nothing yet."""
        give_up = time.monotonic() + PATIENCE
        while not self.run(f"(() => {{ try {{ return Boolean({condition}) }} catch {{ return false }} }})()"):
            assert time.monotonic() < give_up, f"it never came to {condition}: {self.run('document.body.innerText')}"
            time.sleep(0.05)

    def text(self, selector: str) -> str:
        """What can be read in the first element of a kind."""
        said: str = self.run(f"document.querySelector({json.dumps(selector)}).innerText")
        return said

    def write(self, selector: str, text: str) -> None:
        """Write into an input, as if by hand, instead of what it has."""
        self.run(f"(field => {{ field.focus(); field.select() }})(document.querySelector({json.dumps(selector)}))")
        self.ask("Input.insertText", text=text)

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press a key: its name, its code on Windows, and what it writes."""
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, text=text)

    def look(self, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Set the size of the window, and the colours that its user prefers."""
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.ask("Emulation.setEmulatedMedia", features=scheme)
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def picture(self) -> bytes:
        """What the window shows, as PNG."""
        return base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"])

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            readable, _, _ = select.select([self._read], [], [], PATIENCE)
            assert readable, "the browser does not answer"
            received = os.read(self._read, 1 << 16)
            assert received, "the browser has ended"
            self._unread += received
        message, _, self._unread = self._unread.partition(b"\0")
        parsed: dict[str, Any] = json.loads(message)
        return parsed

    def _send(self, method: str, parameters: dict[str, Any]) -> int:
        self._asked += 1
        command = {"id": self._asked, "method": method, "params": parameters}
        if self._session is not None:
            command["sessionId"] = self._session
        os.write(self._write, json.dumps(command).encode() + b"\0")
        return self._asked

    def _note(self, event: str, told: dict[str, Any]) -> None:
        match event:
            case "Log.entryAdded":
                self.complaints.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")
            case "Runtime.exceptionThrown":
                self.complaints.append(str(told["exceptionDetails"]))


@contextmanager
def browsing() -> Iterator[Page]:
    """A browser with an empty page, closed at the end."""
    to_browser, ours = os.pipe()
    theirs, from_browser = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        log = Path(folder) / "log"
        command = [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
            *("--remote-debugging-pipe", "--force-color-profile=srgb", f"--user-data-dir={folder}/profile"),
        ]
        started = [sys.executable, "-c", _ON_PIPES, str(to_browser), str(from_browser), *command]
        with log.open("wb") as said:
            process = subprocess.Popen(started, pass_fds=(to_browser, from_browser), stdout=said, stderr=said)
        os.close(to_browser)
        os.close(from_browser)
        try:
            yield Page(theirs, ours)
        finally:
            os.close(ours)  # at which it ends
            os.close(theirs)
            try:
                process.wait(PATIENCE)
            finally:
                process.kill()
                process.wait()
