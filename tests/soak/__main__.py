"""Soak the whole product: promote, roll back, kill, stop, slow and lost registries, full and spoilt disks, under load.

Every answer is held against the version that it names, and nothing may be lost but what HTTP cannot avoid. What is
drawn depends on the seed alone, when it happens on the machine too. It runs as root, for it makes a small file system.
"""

import argparse
import asyncio
import secrets
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from urllib.parse import quote

from dataset import load_sample
from loadtest.churn import duration
from loadtest.system.ports import LOOPBACK
from tests.helpers.isolation import isolated_mlflow
from tests.soak.campaign import EVENTS, Campaign
from tests.soak.clients import Clients
from tests.soak.disk import NoDisk, disk
from tests.soak.ledger import Fault, Ledger
from tests.soak.product import Product
from tests.soak.registry import NAME, registry

HURRIED, PAUSING = 6, 24
"""Clients of each kind."""

ROWS = 2000
"""Of the sample, which are asked for."""


async def soak(seconds: float, seed: int, workers: int, faults: Sequence[str], folder: Path) -> list[str]:
    """Run a soak; returns what has happened, and the faults raise.

    Args:
        seconds: how long, at least; everything happens once.
        seed: of all that is drawn.
        workers: of the server.
        faults: what may happen, of EVENTS.
        folder: an empty one.
    """
    draw = Random(seed)  # noqa: S311 - what happens is no secret
    password, token, key, admin = (secrets.token_urlsafe(24) for _ in range(4))
    way = draw.choice(["hot", "asgi"])
    async with AsyncExitStack() as stack:
        small = stack.enter_context(disk(folder / "disk"))
        followed = await stack.enter_async_context(registry(folder))
        environment = {**followed.environment, "AWS_SECRET_ACCESS_KEY": key, "CANOPY_ADMIN_TOKEN": admin}
        user = ""
        match credentials := draw.choice(["password", "token", "address"]):
            case "password":
                environment |= {"MLFLOW_TRACKING_USERNAME": "warden", "MLFLOW_TRACKING_PASSWORD": password}
            case "token":
                environment |= {"MLFLOW_TRACKING_TOKEN": token}
            case "address":
                user = f"warden:{quote(password)}@"
        environment |= {"MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}
        labels = {version: each[:ROWS] for version, each in followed.labels.items()}
        ledger = Ledger(labels, [password, token, key, admin])
        options = ["--workers", str(workers), "--http", way, "--cache", str(small.cache)]
        options += ["--tracking-uri", f"http://{user}{LOOPBACK}:{followed.tracking.port}"]
        options += ["--model-uri", f"models:/{NAME}@production", "--model-poll-seconds", "0.5"]
        options += ["--prepare-timeout-seconds", "20", "--hang-timeout-seconds", "10"]
        product = stack.enter_context(Product(options, environment, folder / "canopy.log", ledger))
        rows = load_sample().rows[:ROWS].tolist()
        # With draws of their own, so that what happens does not depend on how often they ask.
        clients = Clients(LOOPBACK, product.port, rows, ledger, Random(seed))  # noqa: S311 - nor is what they ask
        campaign = Campaign(followed, small, product, clients, ledger, draw, workers, admin)
        sys.stdout.write(f"soak: seed {seed}, {workers} workers, {way}, credentials by {credentials}\n")
        await product.start()
        beside = [asyncio.create_task(clients.ask(HURRIED, PAUSING)), asyncio.create_task(product.watch())]
        running = asyncio.create_task(campaign.run(seconds, faults))
        try:
            done, _ = await asyncio.wait([running, *beside], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in [running, *beside]:
                task.cancel()
            await asyncio.gather(running, *beside, return_exceptions=True)
        await product.stop()
        product.read_log()
        ledger.judge(len(clients.everybody))
        told = [f"{count:>10,} x right, of version {version}" for version, count in sorted(ledger.answered.items())]
        told += [f"{count:>10,} x {kind}" for kind, count in ledger.excused.items()]
        return told


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    The exit status is 1, and the last line has the seed, if something is as it must not be, and 2 without a disk.
    """
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak", description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--time", type=duration, default="10m", metavar="T", help="at least: 90s, 10m, 1h")
    parser.add_argument("--seed", type=int, help="of what happens; without it a new one")
    parser.add_argument("--workers", type=int, default=2, help="of the server")
    parser.add_argument("--faults", nargs="+", choices=EVENTS, default=list(EVENTS), help="what may happen")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep every log in this folder")
    args = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whatever ends it, nothing is left behind
    seed = secrets.randbelow(1_000_000) if args.seed is None else args.seed
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        try:
            with isolated_mlflow(folder):
                told = asyncio.run(soak(args.time, seed, args.workers, args.faults, folder.resolve()))
        except NoDisk as error:
            sys.stderr.write(f"soak: {error}\n")
            return 2
        except Fault as fault:
            sys.stdout.write(f"soak: seed {seed}, {args.workers} workers: {fault}\n")
            return 1
        sys.stdout.write("\n".join([*told, f"soak: seed {seed}, {args.workers} workers: no fault"]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
