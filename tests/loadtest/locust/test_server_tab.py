"""The tab in Locust's web interface, in a real browser too."""

import html
import json
import re
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.conftest import Start
from tests.helpers.support import PATIENCE, until
from tests.loadtest.test_main import interface, locust


@contextmanager
def running(host: str, port: int) -> Iterator[str]:
    """Locust's web interface, with a run that has begun; gives its address."""
    options = ["--users", "40", "--rate", "100", "--processes", "1", "--", "--autostart"]
    with locust(f"http://{host}:{port}", *options) as process:
        yield interface(process)


def shown(address: str) -> list[dict[str, str]]:
    """The rows of the tab, as the page fetches them; none while there is no page."""
    try:
        with urllib.request.urlopen(f"{address}/stats/requests", timeout=PATIENCE) as response:  # noqa: S310 - our own
            document: dict[str, Any] = json.load(response)
    except OSError:
        return []
    (tab,) = document["extended_stats"]
    assert tab["key"] == "server"
    rows: list[dict[str, str]] = tab["data"]
    return rows


def now(rows: list[dict[str, str]], figure: str) -> float:
    """What a figure is now; zero if there is none."""
    cells = [row["now"] for row in rows if row["figure"] == figure]
    return float(cells[0].replace(",", "").replace("-", "0")) if cells else 0.0


def browse(address: str) -> list[list[str]]:
    """The cells of the table that a browser shows."""
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=6000", "--dump-dom"]
    done = subprocess.run(
        [*command, f"{address}/?tab=server"], capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    rows = re.findall(r"<tr.*?</tr>", done.stdout, re.DOTALL)
    return [
        [html.unescape(re.sub("<.*?>", "", cell)) for cell in re.findall(r"<t[hd].*?</t[hd]>", row)] for row in rows
    ]


def test_the_page_gets_the_servers_own_figures(start: Start) -> None:
    """Title and columns with the page, moving figures with the statistics; and a word when the server is gone."""
    with start("--max-wait-ms", "50", fixed=0.01) as server, running(server.host, server.port) as address:
        until(lambda: now(shown(address), "Answers a second") > 0)
        with urllib.request.urlopen(address, timeout=PATIENCE) as response:  # noqa: S310 - our own
            page = response.read().decode()
        assert '"extended_tabs": [{"key": "server", "title": "Server"}]' in page
        assert '"title": "Last minute"' in page
        rows = shown(address)
        assert now(rows, "Batch size, rows (mean)") >= 1
        assert now(rows, "CPU, % of a core") > 0
        assert {"Queue depth, rows", "Time in the queue, ms (mean)"} <= {row["figure"] for row in rows}
        until(lambda: len(shown(address)[0]["course"]) >= len(rows[0]["course"]) + 2)
        server.process.kill()
        until(lambda: len(shown(address)) == 1)
        assert "cannot be reached" in shown(address)[0]["figure"]


class Stranger(BaseHTTPRequestHandler):
    """Answers everything, /stats too, with an empty document."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    do_POST = do_GET  # noqa: N815 - likewise

    def log_message(self, *_: object) -> None:
        """Say nothing of it."""


def test_a_server_that_is_not_ours_is_said_to_be_that() -> None:
    """Its address answers, but not with Canopy's statistics."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as stranger:
        threading.Thread(target=stranger.serve_forever).start()
        try:
            with running("127.0.0.1", stranger.server_port) as address:
                until(lambda: any("is not Canopy's" in row["figure"] for row in shown(address)))
        finally:
            stranger.shutdown()


@pytest.mark.tool("chromium")
def test_a_browser_shows_figures_that_move(start: Start) -> None:
    """The tab is there, and from one look to the next its figures are others."""
    with start() as server, running(server.host, server.port) as address:
        until(lambda: now(shown(address), "Answers a second") > 0)
        first = browse(address)
        assert first[0] == ["The server says", "Now", "Most in a minute", "Last minute"]
        figures = {row[0]: row[1:] for row in first[1:]}
        assert float(figures["Open connections"][0]) > 1
        assert set(figures["Answers a second"][2]) <= set("▁▂▃▄▅▆▇█")
        second = browse(address)
    assert [row[0] for row in second] == [row[0] for row in first]
    assert [row[1:] for row in second] != [row[1:] for row in first]
