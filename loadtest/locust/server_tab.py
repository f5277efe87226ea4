"""The tab Server in Locust's web interface; importing this imports Locust.

The interface has a place for tables of one's own: their titles come with the page, their rows with the statistics that
it fetches every two seconds while users ask. The process that serves the page looks at the server for them.
"""

import json
import urllib.request
from typing import Final

import gevent
from flask import Response, request
from locust.env import Environment
from locust.web import WebUI

from loadtest.locust.server_view import COLUMNS, ServerView
from loadtest.reports.activity import Snapshot, read

_KEY: Final = "server"

_SECONDS: Final = 1.0
"""Between two looks."""


def add_tab(environment: Environment, web_ui: WebUI) -> None:
    """Add the tab, and keep looking at the server from now on."""
    assert web_ui.app is not None  # noqa: S101 - its constructor has made it
    view = ServerView()
    structure = [{"key": key, "title": title} for key, title in COLUMNS.items()]
    web_ui.template_args["extended_tabs"] = [{"key": _KEY, "title": "Server"}]
    web_ui.template_args["extended_tables"] = [{"key": _KEY, "structure": structure}]

    @web_ui.app.after_request
    def extend(response: Response) -> Response:
        if request.path.endswith("/stats/requests") and response.status_code == 200 and response.is_json:
            extended = [{"key": _KEY, "data": view.rows()}]
            response.set_data(json.dumps({**response.get_json(), "extended_stats": extended}))
        return response

    gevent.spawn(_watch, environment, view)


def _watch(environment: Environment, view: ServerView) -> None:
    host = None
    while True:
        if environment.host != host:  # it can be changed where a run is started
            host = environment.host
            view.lose("another server")
        try:
            view.add(_look(host or ""))
        except OSError as error:
            view.lose(f"{host} cannot be reached ({getattr(error, 'reason', error)})")
        except (ValueError, LookupError, TypeError):
            view.lose(f"{host}/stats is not Canopy's")
        gevent.sleep(_SECONDS)


def _look(host: str) -> Snapshot:
    """Look at the server; Locust has patched the sockets, so that others run meanwhile."""
    with urllib.request.urlopen(f"{host}/stats", timeout=5) as answer:  # noqa: S310 - the user's own server
        return read(json.load(answer))
