"""Measure the tables and plots of the documents anew and write them there: ``make figures``.

All of them take hours, on a machine that does nothing else meanwhile. The model that servers are asked for is trained
first, unless it is there from an earlier run, into a store of its own. A benchmark that fails leaves its tables as they
are. Exit status: 0; 1, one failed; 2, nothing was run.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from loadtest.figures.catalogue import FIGURES, Figures
from loadtest.figures.command import ROOT, Command, Failed, Result, named
from loadtest.figures.markers import BadMarks, replaced
from loadtest.system.machine import describe
from loadtest.system.options import Options

_FOLDER: Final = ROOT / ".canopy" / "figures"
_IDLE: Final = 0.5
"""Load average of the last minute, up to which a machine is taken to be idle."""


class NotNow(RuntimeError):
    """The figures would be of something else than they say; the message has the remedy."""


def check_idle() -> None:
    """See to it that nothing else runs.

    Raises:
        NotNow: the machine is busy.
    """
    load, _, _ = os.getloadavg()
    if load > _IDLE:
        raise NotNow(
            f"the machine is busy (load average {load:.2f}, at most {_IDLE:g}):"
            " end what runs and wait a minute, or --force"
        )


def commit(*, force: bool) -> str:
    """What is measured, in short.

    Args:
        force: take a tree with changes too, and say so.

    Raises:
        NotNow: it has changes that are in no commit, documents left aside.
    """
    changed = [line for line in _git("status", "--porcelain").splitlines() if not line.endswith(".md")]
    if changed and not force:
        raise NotNow(f"the tree has changes that no commit has ({changed[0].strip()}, …): commit them, or --force")
    return f"{_git('rev-parse', '--short=7', 'HEAD').strip()}{' with changes' if changed else ''}"


def content(figures: Figures, results: Sequence[Result], data: str, conditions: str) -> str:
    """What stands between a table's marks.

    Args:
        figures: the table.
        results: of its commands.
        data: what models were trained on.
        conditions: commit, machine and date.
    """
    commands = " and ".join(f"`{command.shown(data)}`" for command in figures.commands)
    model = f", the model of `make train DATA={named(data)}`" if figures.model else ""
    return f"{figures.render(results).grid()}\n{commands}, {conditions}{model}\n"


def main(arguments: Sequence[str] | None = None, prog: str = "python -m loadtest.figures") -> int:
    """Run the command line."""
    parser = Options(prog, __doc__)
    parser.add_argument(
        "--only", nargs="+", choices=FIGURES, default=list(FIGURES), metavar="NAME", help="these tables"
    )
    parser.add_argument("--data", default="full", help="what models are trained on: sample, full or a CSV file")
    parser.add_argument("--list", action="store_true", help="tell what there is, and run nothing")
    parser.add_argument("--force", action="store_true", help="on a busy machine, and of a tree with changes")
    args = parser.parse_args(arguments)
    if args.list:
        for name in args.only:
            commands = "; ".join(command.shown(args.data) for command in FIGURES[name].commands)
            sys.stdout.write(f"{name:22}{FIGURES[name].document:26}{commands}\n")
        return 0
    try:
        revision = commit(force=args.force)
        if not args.force:
            check_idle()
    except NotNow as error:
        sys.stderr.write(f"figures: {error}\n")
        return 2
    store = f"sqlite:///{_FOLDER / Path(args.data).name}.db"
    _FOLDER.mkdir(parents=True, exist_ok=True)
    data = ["--data", args.data]
    trained = subprocess.run(  # noqa: S603 - our own training
        ["/usr/bin/env", f"MLFLOW_TRACKING_URI={store}", sys.executable, "-m", "training", "--if-missing", *data],
        cwd=ROOT,
        check=False,
    )
    if trained.returncode:
        sys.stderr.write("figures: there is no model to measure\n")
        return 2
    machine = describe()
    conditions = f"commit {revision}, {machine['processor']}, {machine['cores']} cores, {datetime.now(UTC):%Y-%m-%d}"
    return int(bool(measure(args.only, args.data, store, conditions)))


def measure(names: Sequence[str], data: str, store: str, conditions: str) -> list[str]:
    """Run what measures some tables, each command once, and write each table as soon as it can be.

    Args:
        names: of the tables.
        data: what models are trained on.
        store: address of the store with the model.
        conditions: commit, machine and date.

    Returns:
        The names of those that are as they were.
    """
    done: dict[str, Result | Failed] = {}
    left = []
    for name in names:
        figures = FIGURES[name]
        try:
            results = [_once(command, data, store, done) for command in figures.commands]
            new = content(figures, results, data, conditions)
            document = ROOT / figures.document
            drawn = {} if figures.draw is None else figures.draw(results)
            document.write_text(replaced(document.read_text(), name, new))
            for picture, text in drawn.items():
                (document.parent / picture).write_text(text)
        except (Failed, BadMarks, LookupError, TypeError, ValueError) as error:
            left.append(name)
            sys.stderr.write(f"figures: {name} stays as it is: {type(error).__name__}: {error}\n")
        else:
            sys.stderr.write(f"figures: wrote {name} in {figures.document}\n")
    return left


def _once(command: Command, data: str, store: str, done: dict[str, Result | Failed]) -> Result:
    shown = command.shown(data)
    if shown not in done:
        sys.stderr.write(f"figures: {shown}\n")
        try:
            done[shown] = command.run(data, store, _FOLDER / f"{len(done)}-{command.target}.json")
        except Failed as error:
            done[shown] = error
    found = done[shown]
    if isinstance(found, Failed):
        raise found
    return found


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S603, S607


if __name__ == "__main__":
    sys.exit(main())
