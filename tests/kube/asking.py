"""Clients that ask for predictions until they are ended, and tell every second what became of all that they have asked.

It runs in the cluster, from a ConfigMap, and so imports nothing that is not Python's own:
``python asking.py HOST PORT CLIENTS``. Every other client keeps its connection, the rest make one for each request. It
prints a line of JSON a second; ``tests.kube.cluster.Counts`` is its form.
"""

import http.client
import json
import sys
import threading
import time
from collections import Counter
from typing import Final

EXAMPLE: Final = b'{"features": [3000.0, 45.0, 10.0, 100.0, 20.0, 200.0, 220.0, 230.0, 180.0, 150.0, 0, 0]}'
PAUSE: Final = 0.05
"""Seconds between two requests of a client."""

CONNECT_TIMEOUT: Final = 5.0
TIMEOUT: Final = 30.0
"""Seconds to wait for a connection, and for an answer."""


class Tally:
    """What became of the requests.

    Attributes:
        answered: by the model that answered.
        refused: 503, which says that the request was not accepted.
        unreached: no connection was accepted.
        lost: a connection was accepted, and then there was no answer, or another one; by what there was.
    """

    def __init__(self) -> None:
        self.answered = Counter[str]()
        self.refused = 0
        self.unreached = 0
        self.lost = Counter[str]()
        self._lock = threading.Lock()

    def ask(self, connection: http.client.HTTPConnection) -> None:
        """Ask once, over a new connection if there is none."""
        try:
            if connection.sock is None:
                connection.connect()
                connection.sock.settimeout(TIMEOUT)  # type: ignore[attr-defined] # it is none no more
        except OSError:
            with self._lock:
                self.unreached += 1
            return
        try:
            connection.request("POST", "/predict", EXAMPLE, {"Content-Type": "application/json"})
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            with self._lock:
                self.lost[repr(error)] += 1
            return
        with self._lock:
            if response.status == http.HTTPStatus.OK:
                self.answered[response.headers["Canopy-Model"]] += 1
            elif response.status == http.HTTPStatus.SERVICE_UNAVAILABLE:
                self.refused += 1
            else:
                self.lost[f"{response.status} {body!r}"] += 1

    def line(self) -> str:
        """All of it as a line of JSON."""
        with self._lock:
            names = ("answered", "refused", "unreached", "lost")
            return json.dumps({name: getattr(self, name) for name in names})


def ask_on(tally: Tally, host: str, port: int, *, keep: bool) -> None:
    """Ask until the process ends."""
    connection = http.client.HTTPConnection(host, port, timeout=CONNECT_TIMEOUT)
    while True:
        tally.ask(connection)
        if not keep:
            connection.close()
        time.sleep(PAUSE)


def main() -> None:
    """Start the clients and tell of them."""
    host, port, clients = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    tally = Tally()
    for client in range(clients):
        arguments = {"keep": client % 2 == 0}
        threading.Thread(target=ask_on, args=(tally, host, port), kwargs=arguments, daemon=True).start()
    while True:
        time.sleep(1)
        sys.stdout.write(tally.line() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
