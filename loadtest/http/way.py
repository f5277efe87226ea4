"""How a server is asked, and how it serves."""

from typing import Final, NamedTuple

HTTP: Final = ("hot", "asgi")
"""The server's ways of HTTP."""

GRPC: Final = "grpc"
"""Stands among the formats for the protocol that wrk does not speak."""


class Question(NamedTuple):
    """What is asked, whoever answers.

    Attributes:
        format: a name in ``FORMATS``, or GRPC.
        rows: of a request.
        close: whether each request has a connection of its own, as ``Connection: close`` asks for.
    """

    format: str
    rows: int = 1
    close: bool = False

    def __str__(self) -> str:
        rows = f", {self.rows} rows" if self.rows > 1 else ""
        return f"{self.format}{rows}{', close' if self.close else ''}"


class Kind(NamedTuple):
    """A server of Canopy's.

    Attributes:
        http: its way of HTTP.
        workers: how many processes serve.
    """

    http: str
    workers: int = 1

    def options(self) -> list[str]:
        """Of ``server.py``."""
        return ["--http", self.http, "--workers", str(self.workers)]

    def __str__(self) -> str:
        return f"{self.http}, {self.workers} workers" if self.workers > 1 else self.http


class Way(NamedTuple):
    """A question to a server."""

    kind: Kind
    question: Question

    def __str__(self) -> str:
        workers = f", {self.kind.workers} workers" if self.kind.workers > 1 else ""
        return f"{self.kind.http} {self.question}{workers}"


class Case(NamedTuple):
    """A question to a server by so many at once."""

    connections: int
    way: Way


def cases(
    kinds: list[Kind], formats: list[str], rows: list[int], connections: list[int], closing: list[int]
) -> list[Case]:
    """All that is to be measured, in the order of the table.

    Args:
        kinds: the servers. gRPC has none of their ways of HTTP, and is asked of the first one only.
        formats: of the questions.
        rows: of a request.
        connections: that are kept.
        closing: how many at a time have a connection for each request; gRPC is not asked so.
    """
    found = []
    for close, counts in ((False, connections), (True, closing)):
        questions = [
            Question(name, number, close) for number in rows for name in formats if not (close and name == GRPC)
        ]
        for count in counts:
            for question in questions:
                asked = kinds[:1] if question.format == GRPC else kinds
                found += [Case(count, Way(kind, question)) for kind in asked]
    return found
