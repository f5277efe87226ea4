"""What Ray Serve costs: one replica, and the bare server with one worker, asked by the same crowd in turn.

``make bench-ray`` runs it. RAY_SERVE_ENABLE_HA_PROXY=1 RAY_SERVE_THROUGHPUT_OPTIMIZED=1 measures Ray's faster way.

usage: python tests/ray/price.py
"""

import asyncio
import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import ray
from ray import serve
from ray.cluster_utils import Cluster

from dataset import load_sample
from loadtest.generators.closed_loop import encode_request, run_crowd
from loadtest.system.process import serving
from tests.ray.faults import PORT, node, prepare_process, scale

USERS: Final = 64
SECONDS: Final = 10
ROWS: Final = 2000
HOST: Final = "127.0.0.1"


def measure(port: int) -> float:
    """Right answers a second.

    Raises:
        RuntimeError: a request failed.
    """
    requests = [encode_request(HOST, row) for row in load_sample().rows[:ROWS].tolist()]
    tally = asyncio.run(run_crowd(HOST, port, requests, users=USERS, seconds=SECONDS, warm_up=5))
    if tally.failures:
        raise RuntimeError(str(tally.failures))
    return tally.answered / tally.seconds


def main() -> None:
    """Measure both, and print them with their ratio."""
    with serving([]) as server:
        bare = measure(server.port)
    prepare_process()
    cluster = Cluster(initialize_head=True, head_node_args=node(2))
    try:
        ray.init(address=cluster.address, logging_level="WARNING", log_to_driver=False)
        serve.start(proxy_location="HeadOnly", http_options={"host": HOST, "port": PORT})
        scale(1)
        replica = measure(PORT)
    finally:
        ray.shutdown()
        cluster.shutdown()
    print(f"bare {bare:,.0f} a second, in Ray Serve {replica:,.0f}: 1 : {bare / replica:.0f}")  # noqa: T201


if __name__ == "__main__":
    main()
