"""What the generators themselves can do."""

import json
import math
from pathlib import Path

import pytest

from loadtest import ceiling
from loadtest.ceiling import Ceiling, closed_loop_alone, constant, locust_alone
from loadtest.locust.connection import Connection
from loadtest.locust.generator import Crowd


def test_the_constant_server_answers_like_ours() -> None:
    """Over one connection, again and again, and so that every check takes it for a right answer."""
    with constant(load=1) as server:
        connection = Connection(server.host, server.port)
        replies = [connection.ask(b"POST /predict HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}") for _ in range(3)]
        connection.close()
    assert [(reply.status, reply.body, reply.last) for reply in replies] == [(200, b'{"prediction":[2]}', False)] * 3


def test_the_closed_loop_has_a_limit() -> None:
    """Whatever it is on this machine, it is found without a failure."""
    found = closed_loop_alone(16, 0.5)
    assert (found.users, found.failures) == (16, 0)
    assert found.rate > 0
    assert 0 < found.mean_ms <= found.p99_ms * 10
    assert found.server_cpu > 0


def test_locust_has_a_limit() -> None:
    """Users that never pause find it; those that pause cannot."""
    hurried = locust_alone(Crowd("", users=10, rate=100, time="2", profile="HurriedUser"))
    assert (hurried.generator, hurried.users, hurried.failures) == ("Locust, HurriedUser, 1 processes", 10, 0)
    assert hurried.rate > 0


def test_all_generators_are_in_the_table(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each in its own row, and every figure is kept; a failure is no success."""

    def fake(crowd: Crowd) -> Ceiling:
        return Ceiling(crowd.profile, crowd.users, int(crowd.users == 7), 1234.5, math.nan, 9.0, 0.5)

    monkeypatch.setattr(ceiling, "locust_alone", fake)
    files = ["--json", str(tmp_path / "c.json"), "--markdown", str(tmp_path / "c.md")]
    assert ceiling.main(["--connections", "4", "--seconds", "0.2", "--users", "50", *files]) == 0
    out = capsys.readouterr().out
    assert "closed loop" in out
    assert "| HurriedUser | 200 | 1,234 | nan | 9.0 | 0 | 0.50 |" in (tmp_path / "c.md").read_text()
    document = json.loads((tmp_path / "c.json").read_text())
    assert [each["users"] for each in document["ceilings"]] == [4, 200, 50]
    assert document["ceilings"][1]["mean_ms"] is None
    assert "processor" in document["machine"]
    assert ceiling.main(["--connections", "4", "--seconds", "0.2", "--users", "7"]) == 1
