"""The command line of a question: what several of them ask for is spelt, measured and explained once."""

import argparse
from collections.abc import Sequence
from pathlib import Path


class Options(argparse.ArgumentParser):
    """A parser whose help tells each default, with the options that questions share.

    Args:
        prog: what the program is called.
        description: what it is for.
    """

    def __init__(self, prog: str, description: str | None) -> None:
        super().__init__(prog=prog, description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)

    def crowd(
        self,
        profiles: Sequence[str],
        *,
        time: str,
        rate: float = 400,
        profile: str = "ReferenceUser",
        processes: int = 2,
        time_help: str = "how long they ask, with their arrival: 90s, 2m, 1h",
    ) -> None:
        """How Locust's users come and what they ask, but for how many they are."""
        self.add_argument("--rate", type=float, default=rate, metavar="USERS/S", help="users that arrive a second")
        self.add_argument("--time", default=time, help=time_help)
        self.add_argument("--profile", choices=profiles, default=profile, help="what the users ask")
        self.add_argument("--processes", type=int, default=processes, metavar="N", help="generators")

    def limits(self, cpu: float, memory: float, whose: str) -> None:
        """What the server may have."""
        self.add_argument("--cpu", type=float, default=cpu, metavar="CORES", help=f"limit of {whose}")
        self.add_argument("--memory", type=float, default=memory, metavar="MIB", help=f"limit of {whose}")

    def rounds(self, number: int, seconds: float, of: str, each: str = "of a round") -> None:
        """How often and for how long something is measured."""
        self.add_argument("--rounds", type=int, default=number, metavar="N", help=of)
        self.add_argument("--seconds", type=float, default=seconds, metavar="S", help=each)

    def results(
        self, json: Path | None = None, *, html: Path | None = None, plots: bool = False, tables: bool = False
    ) -> None:
        """Where to keep what was found.

        Args:
            json: the default of every figure's file.
            html: the default of the file of tables and plots.
            plots: whether there is such a file.
            tables: whether there is one of tables.
        """
        self.add_argument("--json", metavar="FILE", type=Path, default=json, help="write every figure there")
        if plots:
            self.add_argument("--html", metavar="FILE", type=Path, default=html, help="write tables and plots there")
        if tables:
            self.add_argument("--markdown", metavar="FILE", type=Path, help="write the tables there, to be pasted")

    def server_options(self) -> None:
        """What is handed on to the servers that are measured."""
        self.add_argument("server_options", nargs="*", help="options of server.py, behind --")
