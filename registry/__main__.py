"""The command line: ``python -m registry prepare``, what the server runs to fetch and compile its model."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, get_args

import msgspec

from registry.child import Done, Failed
from registry.errors import RegistryError
from registry.prepare import prepare
from registry.prepared import EngineChoice
from registry.uri import ModelURI
from settings import EMBEDDED_STORE, STORE, start_logging, tame_mlflow


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status: 0, or 1 if the model cannot be had, for the reason that is printed."""
    given = _parser().parse_args(arguments)
    start_logging(given.log_level)
    tame_mlflow(os.environ)
    with _own_output() as result:
        try:
            outcome = _prepare(given)
        except RegistryError as error:
            outcome = Failed(type(error).__name__, str(error))
        except KeyboardInterrupt:
            return 130
        result.write(msgspec.json.encode(outcome) + b"\n")
    return int(isinstance(outcome, Failed))


def _own_output() -> BinaryIO:
    """Keep the standard output for the result; whatever else is printed, by a library's C code too, goes to the log."""
    sys.stdout.flush()
    result = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return result


def _prepare(given: argparse.Namespace) -> Done | Failed:
    given.folder.mkdir(parents=True, exist_ok=True)
    prepared = prepare(ModelURI.parse(given.uri), given.tracking_uri, given.engine, given.folder)
    return Done(prepared.version.name, prepared.version.number, prepared.engine)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m registry", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    add = commands.add_parser(
        "prepare",
        help="fetch a model and compile it",
        description="Fetch a registered model and compile it if it is a forest, else keep it as it is. Prints one line "
        "of JSON: what was prepared, or why it was not.",
        allow_abbrev=False,
    )
    add.add_argument("uri", metavar="URI", help="models:/NAME/STAGE, models:/NAME@ALIAS or models:/NAME/VERSION")
    add.add_argument("folder", metavar="FOLDER", type=Path, help="where to put the files")
    add.add_argument(
        "--tracking-uri",
        default=os.environ.get("MLFLOW_TRACKING_URI") or EMBEDDED_STORE,
        help=f"MLflow tracking server or store (default: MLFLOW_TRACKING_URI, else SQLite in {STORE.name}/)",
    )
    add.add_argument("--engine", default="auto", choices=_choices(), help="the engine to prepare for (default: auto)")
    add.add_argument("--log-level", default="info", help="least severity to log (default: %(default)s)")
    return parser


def _choices() -> list[str]:
    return [name for part in get_args(EngineChoice) for name in (get_args(part) or [part])]


if __name__ == "__main__":
    sys.exit(main())
