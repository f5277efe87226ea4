"""Canopy on a Ray cluster of one machine: started, scaled up and down, and one node killed, all under load.

Run by an interpreter that has Ray: ``make ray-test`` does, in a network of its own, whose only address is the loopback.
The settings are those of the environment. It prints a line of JSON for each phase, and ends with 1 if a request failed.

usage: python tests/ray/faults.py
"""

import asyncio
import json
import os
import socket
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import aiohttp

os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_AUTH_MODE="disabled")

import ray
from ray import serve
from ray.cluster_utils import Cluster

ROOT: Final = Path(__file__).resolve().parents[2]
APPLICATION: Final = ROOT / "deploy" / "ray"
PORT: Final = 8000
ADDRESS: Final = f"http://127.0.0.1:{PORT}"
ROW: Final = [3000.0, 45.0, 10.0, 100.0, 20.0, 200.0, 220.0, 230.0, 180.0, 150.0, 0, 0]
USERS: Final = 24
PATIENCE: Final = 120.0
PORTS: Final = (
    "metrics_agent_port",
    "runtime_env_agent_port",
    "dashboard_agent_listen_port",
    "metrics_export_port",
    "object_manager_port",
    "node_manager_port",
)
"""Ports that Ray would wait for its own processes to choose, for 15 s at most."""


def prepare_process() -> None:
    """Let this process, and those of Ray's that it starts, find the application."""
    sys.path.insert(0, str(APPLICATION))
    os.environ["PYTHONPATH"] = str(APPLICATION)


def node(cpus: int) -> dict[str, Any]:
    """What a node of the cluster is started with."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in PORTS]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        ports = {name: each.getsockname()[1] for name, each in zip(PORTS, sockets, strict=True)}
    return {"num_cpus": cpus, "object_store_memory": 80 << 20, "include_dashboard": False, **ports}


def replicas() -> int:
    """How many serve."""
    deployments = serve.status().applications["canopy"].deployments
    return int(deployments["Canopy"].replica_states.get("RUNNING", 0))


class Load:
    """Users who ask one after the other, each for the same row, which has one right answer."""

    def __init__(self, session: aiohttp.ClientSession, right: Any) -> None:  # noqa: ANN401 - JSON
        self.answers: Counter[str] = Counter()
        self._session = session
        self._right = right

    async def while_(self, work: Awaitable[object]) -> dict[str, int]:
        """Ask while something is done; returns how often each answer came."""
        before = self.answers.copy()
        done = asyncio.Event()
        users = [asyncio.create_task(self._user(done)) for _ in range(USERS)]
        try:
            await work
        finally:
            done.set()
            await asyncio.gather(*users)
        return dict(self.answers - before)

    async def _user(self, done: asyncio.Event) -> None:
        while not done.is_set():
            try:
                async with self._session.post("/predict", json={"features": ROW}) as response:
                    answer = await response.json()
                    kind = (
                        "right" if response.status == 200 and answer == self._right else f"{response.status} {answer}"
                    )
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                kind = f"{type(error).__name__}: {error}"
            self.answers[kind] += 1


async def until(what: Callable[[], bool]) -> None:
    """Wait for something to become so.

    Raises:
        TimeoutError: it does not.
    """
    async with asyncio.timeout(PATIENCE):
        while not await asyncio.to_thread(what):  # noqa: ASYNC110 - Ray is asked, and tells nobody
            await asyncio.sleep(0.2)


def scale(count: int) -> None:
    """Have so many replicas, one a node at most."""
    from replica import Canopy

    options = {"num_replicas": count, "max_replicas_per_node": 1}
    serve.run(Canopy.options(**options).bind(), name="canopy")  # type: ignore[attr-defined]  # Ray's decorator adds it


async def scaled(count: int) -> None:
    """Scale, and go on for a while."""
    await asyncio.to_thread(scale, count)
    await until(lambda: replicas() == count)
    await asyncio.sleep(3)


async def killed(cluster: Cluster) -> None:
    """Kill a node with one of three replicas, as a machine that fails."""
    victim = next(iter(cluster.worker_nodes))
    await asyncio.to_thread(cluster.remove_node, victim, allow_graceful=False)
    await asyncio.sleep(10)


async def faults(cluster: Cluster) -> bool:
    """All phases; returns whether no request failed."""
    started = time.monotonic()
    await asyncio.to_thread(scale, 1)
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(ADDRESS, timeout=timeout) as session:
        await until(lambda: replicas() == 1)
        async with session.post("/predict", json={"features": ROW}) as response:
            right = await response.json()
            assert response.status == 200, right
            first = {"model": response.headers["canopy-model"], "seconds": round(time.monotonic() - started, 1)}
        print(json.dumps({"phase": "first answer"} | first), flush=True)  # noqa: T201
        load = Load(session, right)
        for phase, work in (
            ("1 to 3 replicas", scaled(3)),
            ("a node is killed", killed(cluster)),
            ("to 1 replica", scaled(1)),
        ):
            print(json.dumps({"phase": phase, "answers": await load.while_(work)}), flush=True)  # noqa: T201
    return set(load.answers) == {"right"}


def main() -> int:
    """Run it; returns the exit status."""
    prepare_process()
    cluster = Cluster(initialize_head=True, head_node_args=node(2))
    try:
        for _ in range(2):
            cluster.add_node(**node(1))
        ray.init(address=cluster.address, logging_level="WARNING", log_to_driver=False)
        serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": PORT})
        return int(not asyncio.run(faults(cluster)))
    finally:
        ray.shutdown()
        cluster.shutdown()


if __name__ == "__main__":
    sys.exit(main())
