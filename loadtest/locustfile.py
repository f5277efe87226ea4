"""Locust's users: ``python -m loadtest`` and ``python -m loadtest.crowd`` run them, or ``locust -f`` this file.

Importing this imports Locust, and that patches the standard library for gevent: only Locust itself should.
"""

import functools
import random
import signal
import time
from argparse import Namespace
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import gevent
import orjson
from locust import User, between, constant, events, runners, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment

from dataset import Covertype, load_sample
from loadtest.generators.answers import Answers, read_expected
from loadtest.generators.closed_loop import encode_request
from loadtest.locust.connection import Connection
from loadtest.locust.generator import JOINING, ROUTE
from loadtest.locust.server_tab import add_tab
from loadtest.locust.shaped import Shaped
from loadtest.locust.shapes import SHAPES
from preprocessing import covertype

# Seconds of silence after which a generator counts as lost, and with the last of them the run stops. Locust's own three
# are soon over where server and generators want the same cores, for one that gets ready does not listen meanwhile.
runners.HEARTBEAT_LIVENESS = 30

_GATHERING = {"", "hold"}
"""Shapes in which the crowd gathers once, and is then whole."""

_FIGURES = (
    "num_requests",
    "num_failures",
    "total_response_time",
    "max_response_time",
    "response_times",
    "num_reqs_per_sec",
)
"""Of each stage, what the result has: Locust's own names."""


class WrongAnswer(Exception):
    """A response that is not what it should be."""


class _Stage:
    """Where the run stands.

    Attributes:
        name: what requests that are sent now are called.
    """

    name = JOINING


class Visitor(User):
    """Posts ready-made requests over one connection, and holds every answer against what it should be."""

    abstract = True
    wait_time = between(1, 2)
    answers: ClassVar[Answers]
    in_sample: ClassVar[bool]
    requests: ClassVar[list[bytes]]
    server: ClassVar[tuple[str, int]]

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._connection = Connection(*self.server)

    @classmethod
    def prepare(cls, host: str) -> None:
        """Make all requests, so that the run itself costs little.

        Raises:
            ValueError: the host is not an http URL.
        """
        url = urlsplit(host)
        if url.scheme != "http" or not url.hostname:
            raise ValueError(f"the host must be like http://127.0.0.1:8000, not {host}")
        cls.server = url.hostname, url.port or 80
        cls.requests = [encode_request(url.netloc, row) for row in cls.rows()]

    @classmethod
    def rows(cls) -> list[list[float]]:
        """The rows to draw from."""
        raise NotImplementedError

    @task
    def predict(self) -> None:
        """Ask for one row."""
        position = random.randrange(len(self.requests))  # noqa: S311 - no secret
        fault: Exception | None = None
        name, length, start = _Stage.name, 0, time.perf_counter()
        try:
            reply = self._connection.ask(self.requests[position])
        except Exception as error:  # whatever went wrong, the request failed
            fault = error
        seconds = time.perf_counter() - start
        if fault is None:
            length = len(reply.body)
            row = position if self.in_sample else None
            if (said := self.answers.fault(reply.status, reply.body, reply.model, row)) is not None:
                fault = WrongAnswer(said)
        self.environment.events.request.fire(
            request_type="POST",
            name=name,
            response_time=seconds * 1000,
            response_length=length,
            exception=fault,
            context={},
        )

    def on_stop(self) -> None:
        """Leave."""
        self._connection.close()


class CoverUser(Visitor):
    """Asks for real places, each of them a row of the bundled sample."""

    in_sample = True

    @classmethod
    def rows(cls) -> list[list[float]]:
        """The bundled sample."""
        rows: list[list[float]] = _sample().rows.tolist()
        return rows


class ReferenceUser(Visitor):
    """The reference system's profile: numbers that never change, random codes."""

    in_sample = False

    @classmethod
    def rows(cls) -> list[list[float]]:
        """The example with every pair of codes."""
        numbers = covertype.EXAMPLE[: len(covertype.NUMERIC)]
        codes = (
            (area, soil) for area in range(len(covertype.WILDERNESS_AREAS)) for soil in range(len(covertype.SOIL_TYPES))
        )
        return [[*numbers, area, soil] for area, soil in codes]


class HurriedUser(ReferenceUser):
    """The same without a pause: a few of them show what Locust or a server can do."""

    wait_time = constant(0)


@events.init_command_line_parser.add_listener
def add_options(parser: LocustArgumentParser) -> None:
    """Add Canopy's options to Locust's."""
    add: Any = parser.add_argument
    add("--shape", choices=["", *SHAPES], default="", help="how the number of users changes")
    add("--bound-ms", type=float, default=1000, help="p95 at which the shape stairs ends")
    add(
        "--result",
        default="",
        metavar="FILE",
        include_in_web_ui=False,
        help="write there what a --shape measured",
    )
    add(
        "--expected",
        action="append",
        default=[],
        metavar="[NAME/VERSION=]FILE",
        env_var="CANOPY_EXPECTED",
        include_in_web_ui=False,
        help="labels that training logged with a version (expected/sample_labels.json); may be repeated",
    )
    add("--checked-share", type=float, default=1.0, help="part of CoverUser's answers that is held against --expected")


@functools.cache
def _heed_interrupts() -> gevent.signal_handler:
    """Let the event loop hear Ctrl-C, for as long as the handler that is returned is kept.

    Locust waits for a KeyboardInterrupt. Python raises that in whatever runs just then; where it is a destructor or a
    callback, the exception can only be ignored, and the run would go on. The loop raises it where Locust waits.
    """
    hub = gevent.get_hub()
    return gevent.signal_handler(signal.SIGINT, hub.handle_system_error, KeyboardInterrupt, KeyboardInterrupt())


@events.init.add_listener
def set_up(environment: Environment, **_: object) -> None:
    """Heed Ctrl-C, read what answers to expect, take the shape that was asked for, and add to the web interface."""
    _heed_interrupts()
    options = _options(environment)
    expected = dict(read_expected(argument, _sample()) for argument in options.expected)
    Visitor.answers = Answers(expected, options.checked_share)
    if options.shape:
        environment.shape_class = Shaped(environment, options)
    if environment.web_ui is not None:
        add_tab(environment, environment.web_ui)


@events.test_start.add_listener
def start(environment: Environment, **_: object) -> None:
    """Get ready; the crowd begins to gather."""
    _Stage.name = JOINING if _options(environment).shape in _GATHERING else ROUTE
    if not isinstance(environment.runner, runners.MasterRunner):
        for profile in environment.user_classes:
            if issubclass(profile, Visitor):
                profile.prepare(environment.host or "")


@events.spawning_complete.add_listener
def everybody_is_here(**_: object) -> None:
    """From now on the crowd is whole."""
    _Stage.name = ROUTE


@events.quitting.add_listener
def write_result(environment: Environment, **_: object) -> None:
    """Write what was measured, as ``loadtest.locust.generator`` reads it."""
    runner, shape, path = environment.runner, environment.shape_class, _options(environment).result
    if not path or not isinstance(shape, Shaped) or runner is None or isinstance(runner, runners.WorkerRunner):
        return
    document = {
        "users": shape.most_users,
        "failures": {f"{error.error}": error.occurrences for error in runner.stats.errors.values()},
        "stages": {
            stage: {figure: getattr(entry, figure) for figure in _FIGURES}
            for (stage, _), entry in runner.stats.entries.items()
        },
    }
    Path(path).write_bytes(orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS))


@functools.cache
def _sample() -> Covertype:
    return load_sample()


def _options(environment: Environment) -> Namespace:
    options: Namespace | None = environment.parsed_options
    assert options is not None  # noqa: S101 - there always is a command line
    return options
