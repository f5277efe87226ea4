"""What the frameworks do unless they are told otherwise."""

import inspect
import re

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Router

from tests.conftest import ROOT, Start
from tests.helpers.support import Client


@pytest.mark.parametrize("framework", [Starlette, Router, uvicorn.Config])
def test_every_parameter_of_a_framework_is_decided(framework: type) -> None:
    """docs/http.md names each: a new one, which a newer version may bring, is to be looked at."""
    decided = set(re.findall(r"`(\w+)`", (ROOT / "docs" / "http.md").read_text()))
    assert set(inspect.signature(framework).parameters) - decided == set()


def test_variables_of_uvicorns_set_nothing(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Platforms set WEB_CONCURRENCY; who is trusted to speak for others is nobody."""
    monkeypatch.setenv("WEB_CONCURRENCY", "auto")
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    with start() as server:
        assert Client(server).predict(3).status == 200
