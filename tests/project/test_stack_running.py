"""The stack on a real Docker Engine: ``make stack-test`` starts it, with three replicas, and runs these."""

import json
import math
import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from tests.conftest import ROOT
from tests.helpers.stack import (
    BALANCER,
    HOST,
    PATIENCE,
    SERVER,
    STACK,
    address,
    answered,
    answers,
    ask,
    containers,
    figures,
    healthy,
    inspect,
    load,
    prometheus,
    run,
    scraped,
    stack,
)
from tests.helpers.support import until

OBSERVE = ROOT / "deploy" / "observe"

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module", autouse=True)
def _there_is_one() -> None:
    """Fail without a stack to ask, and say how to get one."""
    assert STACK, "make stack-test starts the stack that this asks"


@pytest.fixture
def inference() -> Iterator[str]:
    """The server that stands alone, well before and afterwards."""
    (container,) = containers("inference")
    until(lambda: healthy(container) and answers(), seconds=PATIENCE)
    yield container
    if inspect(container, ".State.Status") != "running":
        run("docker", "start", container)
    until(answers, seconds=PATIENCE)


@pytest.fixture
def replicas() -> Iterator[list[str]]:
    """The replicas behind the balancer, well before and afterwards."""
    found = containers("replica")
    until(lambda: all(map(healthy, found)), seconds=PATIENCE)
    yield found
    for container in set(found) & set(stack("ps", "--all", "-q", "replica").split()):
        if inspect(container, ".State.Status") != "running":
            run("docker", "start", container)


@pytest.mark.usefixtures("inference")
def test_a_prediction_succeeds_from_this_machine() -> None:
    """What the README asks is answered, by the compiled forest that training has registered."""
    status, body, model = ask()
    assert (status, json.loads(body)) == (200, {"prediction": [2]})
    assert model.startswith("BestModelRF/")


def test_the_limits_are_in_force(inference: str) -> None:
    """The control group of the server, read inside of it, has half a CPU and 256 MiB."""
    read = "cd /sys/fs/cgroup; cat cpu.max memory.max 2>/dev/null ||"
    read += " cat cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us memory/memory.limit_in_bytes"
    quota, period, memory = map(int, run("docker", "exec", inference, "sh", "-c", read).split())
    assert quota / period == 0.5
    assert memory == 256 << 20
    files = int(run("docker", "exec", inference, "sh", "-c", "ulimit -n"))
    assert files > 10_200


def test_a_server_is_confined(inference: str) -> None:
    """It is not root, cannot write to its image, has no capability, and knows no key of the store."""
    look = "id -u; grep CapEff /proc/self/status; touch /app/file 2>&1; env"
    user, capabilities, refusal, *environment = run("docker", "exec", inference, "sh", "-c", f"{look} || true").split(
        "\n"
    )
    assert user != "0"
    assert int(capabilities.split()[1], 16) == 0
    assert "Read-only file system" in refusal
    assert not any("SECRET" in line or "AWS_" in line for line in environment)


def test_locust_in_its_container_sees_no_failure(inference: str) -> None:
    """Some hundred users are answered by the small server, which neither dies nor is short of memory."""
    command = "--host http://inference:8000 --users 300 --rate 100 --time 15s --processes 1"
    stack("run", "--rm", "--no-deps", "-T", "locust", *command.split())
    assert inspect(inference, ".State.OOMKilled") == "false"


def test_a_promoted_version_reaches_the_servers(inference: str, replicas: list[str]) -> None:
    """Another forest, trained and promoted in the stack, is soon served by all, though none could compile it."""
    before, restarts = ask()[2], inspect(inference, ".RestartCount")
    command = f"python -m training --trees 20 --seed {time.time_ns() % 9999}"
    stack("run", "--rm", "--no-deps", "-T", "train", *command.split())
    until(lambda: ask()[2] != before, seconds=PATIENCE)
    now = ask()[2]
    until(lambda: all(ask(address(one), 8000)[2] == now for one in replicas), seconds=PATIENCE)
    assert inspect(inference, ".RestartCount") == restarts


def test_a_stop_under_load_loses_nothing(inference: str) -> None:
    """While ``docker stop`` drains the server, whoever has connected is answered in full; later ones find nobody."""
    with load(address(inference), 8000) as seen:
        run("docker", "stop", inference)
    assert seen.bad == []
    assert inspect(inference, ".State.ExitCode") == "0"


def test_a_killed_server_is_started_again(inference: str) -> None:
    """The engine restarts a server whose process was killed, and it serves as before."""
    restarts = int(inspect(inference, ".RestartCount"))
    os.kill(int(inspect(inference, ".State.Pid")), signal.SIGKILL)
    until(lambda: int(inspect(inference, ".RestartCount")) == restarts + 1 and answers(), seconds=PATIENCE)


def test_the_balancer_spreads_requests_evenly(replicas: list[str]) -> None:
    """Of three replicas none gets ten in a hundred more than another."""
    before = [answered(one) for one in replicas]
    with load(HOST, BALANCER) as seen:
        until(lambda: seen.good > 3000, seconds=PATIENCE)
    counts = [answered(one) - was for one, was in zip(replicas, before, strict=True)]
    assert seen.bad == []
    assert max(counts) <= 1.1 * min(counts), counts


def test_prometheus_finds_every_server(inference: str, replicas: list[str]) -> None:
    """It scrapes the server that stands alone, each replica and the balancer, and has read the rules of the alerts."""
    stack("up", "--detach", "--no-deps", "prometheus")
    until(lambda: len(scraped()) == len(replicas) + 2, seconds=PATIENCE)
    assert {f"{address(one)}:8000" for one in (inference, *replicas)} < scraped()
    (group,) = prometheus("rules")["groups"]
    assert {rule["health"] for rule in group["rules"]} <= {"ok", "unknown"}


@pytest.mark.usefixtures("inference", "replicas")
def test_prometheus_answers_what_the_dashboard_and_the_alerts_ask() -> None:
    """While clients ask, every query of the dashboard has a figure to show, and every rule of an alert is valid."""
    stack("up", "--detach", "--no-deps", "prometheus")
    dashboard = json.loads((OBSERVE / "grafana" / "provisioning" / "dashboards" / "canopy.json").read_text())
    queries = [as_grafana_asks(target["expr"]) for panel in dashboard["panels"] for target in panel["targets"]]
    with load(HOST, SERVER), load(HOST, BALANCER):
        until(lambda: bool(scraped()), seconds=PATIENCE)
        for query in queries:
            until(lambda asked=query: any(map(math.isfinite, figures(asked))), seconds=PATIENCE)  # type: ignore[misc]
        for variable in dashboard["templating"]["list"]:
            metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]).groups()  # type: ignore[union-attr]
            assert len(figures(f"count by ({label}) ({metric})")) > 1
        for group in yaml.safe_load((OBSERVE / "alerts.yaml").read_text())["groups"]:
            for rule in group["rules"]:
                prometheus("query", query=rule["expr"])


def as_grafana_asks(expression: str) -> str:
    """A query of the dashboard, its variables set as for all servers and a graph of some minutes."""
    asked = expression.replace("$__rate_interval", "1m").replace("$instance", ".*")
    assert "$" not in asked
    return asked


def test_a_stopped_replica_is_drained(replicas: list[str]) -> None:
    """Clients of the balancer do not notice that a replica is stopped, and its process ends in order."""
    with load(HOST, BALANCER) as seen:
        run("docker", "stop", replicas[0])
    assert (seen.bad, seen.refused) == ([], 0)
    assert inspect(replicas[0], ".State.ExitCode") == "0"


def test_fewer_and_more_replicas_go_unnoticed(replicas: list[str]) -> None:
    """Under load one replica is taken away and another comes, which gets its part; no request fails."""
    with load(HOST, BALANCER) as seen:
        for number in (len(replicas) - 1, len(replicas)):
            stack("up", "--detach", "--no-deps", "--no-recreate", "--scale", f"replica={number}", "replica")
            assert len(containers("replica")) == number
        (newcomer,) = set(containers("replica")) - set(replicas)
        until(lambda: healthy(newcomer) and answered(newcomer) > 50, seconds=PATIENCE)
    too_early = [said for said in seen.bad if "the model is still being loaded" in said]
    assert (seen.bad, seen.refused) == (too_early, 0)
    assert not too_early or balancer_version() < (3, 1)  # which takes a replica to be up before it has asked it


def balancer_version() -> tuple[int, ...]:
    """HAProxy's; that of the stand-in is older than the stack's own."""
    (container,) = containers("balancer")
    said = run("docker", "exec", container, "haproxy", "-v")
    return tuple(map(int, re.findall(r"version (\d+)\.(\d+)", said)[0]))


def test_a_killed_replica_costs_no_request(replicas: list[str]) -> None:
    """What was on the wire to a replica that is killed is asked again of another: a prediction changes nothing."""
    with load(HOST, BALANCER) as seen:
        os.kill(int(inspect(replicas[1], ".State.Pid")), signal.SIGKILL)
        so_far = seen.good
        until(lambda: seen.good > so_far + 500, seconds=PATIENCE)
    assert (seen.bad, seen.refused) == ([], 0)


@pytest.mark.usefixtures("replicas")
def test_replicas_are_measured(tmp_path: Path) -> None:
    """Within their limits, one and then three answer a crowd without a failure, and Locust's users after it."""
    result = tmp_path / "result.json"
    few = "--rounds 1 --users 30 --seconds 2 --warm-up 1 --crowd 100 --rate 50 --time 10s --processes 1"
    knobs = shlex.split(STACK.removesuffix("scripts/stack.sh"))
    run("/usr/bin/env", *knobs, sys.executable, "-m", "loadtest.replicas", *few.split(), "--json", str(result))
    document = json.loads(result.read_bytes())
    assert [turn["number"] for turn in document["turns"]] == [1, 3]
    for turn in document["turns"]:
        assert turn["rate"] > 0
        assert 0 < turn["shift"]["replicas"]["cpu"] < 0.3 * 1.2
        assert len(turn["shift"]["answered"]) == turn["number"]
    assert document["seen"]["whole"]["requests"] > 100
