"""What the clients of a soak saw, what of it may be, and the secrets that must be nowhere in it."""

import base64
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import quote

Excuse = Literal["refused", "broken", "not ready", "crossing"]
"""What a client may meet for a while: nobody listens; its connection breaks, once; 503 from a server that starts or
drains; or its request and the server's farewell cross on the wire, which HTTP cannot avoid."""

CROSSINGS: Final = 0.01
"""Part of the kept connections that may cross a farewell each time that the server stops."""


class Fault(Exception):
    """What must not be."""


@dataclass(eq=False, slots=True)
class Window:
    """A time in which something may be.

    Attributes:
        kinds: what may be.
        began: seconds of the monotonic clock.
        ended: likewise; None while it is open.
        excused: clients that have made use of it for a broken connection.
    """

    kinds: frozenset[Excuse]
    began: float
    ended: float | None = None
    excused: set[int] = field(default_factory=set)

    def over(self, moment: float) -> bool:
        """Whether it had ended before a moment."""
        return self.ended is not None and self.ended < moment


class Ledger:
    """Keeps count of all that is seen.

    Args:
        labels: by version, the label of each row that is asked for.
        secrets: what nobody may be told.

    Attributes:
        answered: right answers, by version.
        excused: how often each excuse was needed.
        faults: what must not be, in the order in which it was seen.
        stops: how often each of the kept connections was said farewell to.
    """

    def __init__(self, labels: Mapping[int, Sequence[int]], secrets: Sequence[str]) -> None:
        self.answered: Counter[int] = Counter()
        self.excused: Counter[Excuse] = Counter()
        self.faults: list[str] = []
        self.stops = 0
        self._labels = labels
        self._secrets = {form for secret in secrets for form in forms(secret)}
        self._windows: list[Window] = []
        self._settled: tuple[float, int] | None = None

    @contextmanager
    def excusing(self, *kinds: Excuse, linger: float = 0) -> Iterator[None]:
        """A time in which something may be, and some seconds more."""
        window = Window(frozenset(kinds), time.monotonic())
        self._windows.append(window)
        try:
            yield
        finally:
            window.ended = time.monotonic() + linger

    def settled(self, version: int | None) -> None:
        """From now on all answers are of one version; None if they may be of another again."""
        self._settled = None if version is None else (time.monotonic(), version)

    def answer(self, row: int, version: int, label: int, began: float) -> None:
        """A client was answered: the label must be that of the version which is named."""
        if version not in self._labels:
            self.fault(f"an answer names version {version}, which nobody promoted")
        elif label != self._labels[version][row]:
            self.fault(f"row {row} got label {label}; version {version} says {self._labels[version][row]}")
        elif self._settled is not None and began >= self._settled[0] and version != self._settled[1]:
            self.fault(f"version {version} answers; all workers serve {self._settled[1]}")
        else:
            self.answered[version] += 1

    def open(self, kind: Excuse, began: float) -> bool:
        """Whether something may be, or might have been since some moment."""
        return any(kind in window.kinds and not window.over(began) for window in self._windows)

    def loss(self, kind: Excuse, client: int, began: float, detail: str) -> None:
        """A client was not answered: something must excuse it."""
        now = time.monotonic()
        for window in self._windows:
            if kind not in window.kinds or window.over(began):
                continue
            if kind != "broken" or client not in window.excused:
                window.excused.add(client)
                self.excused[kind] += 1
                return
        self.fault(f"client {client} after {now - began:.3f} s: {detail}")

    def read(self, where: str, text: str) -> None:
        """Something was said: no secret may be in it."""
        for secret in self._secrets:
            if secret in text:
                self.fault(f"{where} tells a secret: {text.replace(secret, '<secret>')[:2000]}")

    def fault(self, what: str) -> None:
        """Something was seen that must not be."""
        self.faults.append(what)

    def judge(self, clients: int) -> None:
        """Raise for what was seen.

        Raises:
            Fault: of the first fault, or of more crossings than chance explains.
        """
        if self.faults:
            raise Fault(f"{self.faults[0]}" + (f" (and {len(self.faults) - 1} more)" if self.faults[1:] else ""))
        allowed = 1 + CROSSINGS * self.stops * clients
        if self.excused["crossing"] > allowed:
            raise Fault(
                f"{self.excused['crossing']} requests were lost on kept connections in {self.stops} stops with "
                f"{clients} clients; {allowed:g} may cross a farewell"
            )


def forms(secret: str) -> set[str]:
    """What a secret may look like when it is told."""
    return {secret, quote(secret, safe=""), repr(secret)[1:-1], *encoded(secret)}


def encoded(secret: str) -> Iterator[str]:
    """In base64 with whatever stands before it; the ends depend on the neighbours."""
    for before in range(3):
        yield base64.b64encode(b"x" * before + secret.encode()).decode()[4:].rstrip("=")[:-1]
