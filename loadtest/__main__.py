"""Let Locust's users ask a server: in Locust's web interface, or for a limited time without it.

If nothing answers at the host, and the host is this machine, a server is started there and ended afterwards.
"""

import argparse
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from urllib.parse import urlsplit

from loadtest.generator import PROFILES, Crowd
from loadtest.machine import allow_connections
from loadtest.process import serving
from loadtest.shapes import SHAPES

_HERE = {"127.0.0.1", "localhost"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status is Locust's: 1 if a request failed."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtest", description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--host", type=_url, default="http://127.0.0.1:8000", help="the server")
    parser.add_argument("--users", type=int, default=1000, help="most users at a time")
    parser.add_argument("--rate", type=float, default=100, help="users that arrive a second")
    parser.add_argument("--time", default="", help="run so long without the web interface: 90, 2m, 1h")
    parser.add_argument("--profile", choices=PROFILES, default="CoverUser", help="what the users ask")
    parser.add_argument("--shape", choices=["", *SHAPES], default="", help="how their number changes")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)), help="generators")
    parser.add_argument("--web-port", type=int, default=8089, help="of the web interface")
    parser.add_argument("locust_options", nargs="*", help="more options of Locust and the locustfile, behind --")
    args = parser.parse_args(arguments)

    shape = args.shape or ("hold" if args.time else "")
    crowd = Crowd(args.host, args.users, args.rate, args.time, args.profile, args.processes, shape)
    where = ["--headless", "--only-summary"] if args.time else ["--web-port", str(args.web_port)]
    with ExitStack() as stack:
        try:
            allow_connections(args.users)
            if not _answers(args.host):
                here = urlsplit(args.host)
                if here.hostname not in _HERE:
                    sys.stderr.write(f"loadtest: nothing answers at {args.host}\n")
                    return 2
                sys.stderr.write(f"loadtest: starting a server at {args.host}\n")
                stack.enter_context(serving([], port=here.port or 80))
        except RuntimeError as error:
            sys.stderr.write(f"loadtest: {error}\n")
            return 2
        locust = subprocess.Popen(crowd.command(*where, *args.locust_options))  # noqa: S603 - our own Locust
        while True:
            try:
                return locust.wait()
            except KeyboardInterrupt:
                continue  # Locust has heard it too, and ends in order


def _url(text: str) -> str:
    if urlsplit(text).scheme != "http" or not urlsplit(text).hostname:
        raise argparse.ArgumentTypeError(f"{text} is not like http://127.0.0.1:8000")
    return text.rstrip("/")


def _answers(host: str) -> bool:
    try:
        with urllib.request.urlopen(f"{host}/health/live", timeout=5):  # noqa: S310 - the user's own server
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
