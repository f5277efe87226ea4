"""Let Locust's users ask a server: in Locust's web interface, or for a limited time without it.

If nothing answers at the host, and the host is this machine, a server is started there and ended afterwards.
"""

import argparse
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final
from urllib.parse import urlsplit

from loadtest.locust.generator import PROFILES, Crowd
from loadtest.locust.shapes import SHAPES
from loadtest.system.machine import allow_connections
from loadtest.system.options import Options
from loadtest.system.ports import LOOPBACK, reserved_port
from loadtest.system.process import serving

_HERE = {"127.0.0.1", "localhost"}

WEB_PORTS: Final = range(8089, 8109)
"""Where the web interface may be unless a port is asked for: Locust's own and the next ones, for several runs."""


def main(arguments: Sequence[str] | None = None, prog: str = "python -m loadtest") -> int:
    """Run the command line; the exit status is Locust's: 1 if a request failed."""
    parser = Options(prog, __doc__)
    parser.add_argument("--host", type=_url, default="http://127.0.0.1:8000", help="the server")
    parser.add_argument("--users", type=int, default=1000, help="most users at a time")
    parser.crowd(
        PROFILES,
        time="",
        rate=100,
        profile="CoverUser",
        processes=len(os.sched_getaffinity(0)),
        time_help="run so long without the web interface: 90, 2m, 1h",
    )
    parser.add_argument("--shape", choices=["", *SHAPES], default="", help="how their number changes")
    parser.add_argument("--web-host", default=LOOPBACK, help="address of the web interface: who sees it starts runs")
    parser.add_argument("--web-port", type=int, help=f"of the web interface; without it {WEB_PORTS[0]} or the next")
    parser.add_argument("locust_options", nargs="*", help="more options of Locust and the locustfile, behind --")
    args = parser.parse_args(arguments)

    shape = args.shape or ("hold" if args.time else "")
    crowd = Crowd(args.host, args.users, args.rate, args.time, args.profile, args.processes, shape)
    with ExitStack() as stack:
        try:
            where = ["--headless", "--only-summary"] if args.time else _interface(args.web_host, args.web_port, stack)
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
        locust = stack.enter_context(crowd.running(*where, *args.locust_options))
        while True:
            try:
                return locust.wait()
            except KeyboardInterrupt:
                continue  # Locust has heard it too, and ends in order


def _url(text: str) -> str:
    if urlsplit(text).scheme != "http" or not urlsplit(text).hostname:
        raise argparse.ArgumentTypeError(f"{text} is not like http://127.0.0.1:8000")
    return text.rstrip("/")


def _interface(host: str, port: int | None, stack: ExitStack) -> list[str]:
    """Locust's options for its web interface, whose port is kept for it.

    Raises:
        RuntimeError: the port is in use.
    """
    wanted = WEB_PORTS if port is None else [port]
    try:
        found = stack.enter_context(reserved_port(wanted, host))
    except OSError as error:
        raise RuntimeError(
            f"no web interface at {host}, port {wanted[0]}: {error.strerror}; choose another --web-port"
        ) from None
    if found != wanted[0]:
        sys.stderr.write(f"loadtest: port {wanted[0]} is in use, the web interface is at http://{host}:{found}\n")
    return ["--web-host", host, "--web-port", str(found)]


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
