"""The command line: ``python -m registry prepare``, which the server runs to have its model in the cache.

So may an init container, or a job with more memory than the servers have, that shares their cache folder.
"""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

import redaction
from registry import outcome
from registry.caching.cache import Cache
from registry.columns import WORDS, Stated, read_stated
from registry.config import RegistryConfig
from registry.errors import BadColumns, RegistryError
from registry.preparation import Preparation
from registry.prepared import EngineChoice, OtherVersions, TrustedFormats
from registry.preparing.confinement import die_with_parent, prefer_oom_kill, use_one_thread
from registry.preparing.prepare import prepare
from registry.updates import refresh_signal
from registry.uri import FORMS, ModelURI
from settings import EMBEDDED_STORE, STORE
from startup import MENDED, start_logging, tame_mlflow

logger = logging.getLogger("canopy.registry")


def main(arguments: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run the command; returns the exit status: 0, 1 if the model cannot be had, or 2 for a bad option or variable.

    ``prog`` is what the help calls the command, if not ``python -m registry COMMAND``.
    """
    words = sys.argv[1:] if arguments is None else arguments
    try:
        mended = redaction.start(os.environ, words)
    except redaction.BadVariable as error:
        sys.stderr.write(f"registry: {error}\n")
        return 2
    given = _parser(prog).parse_args(words)
    if given.parent is not None:
        die_with_parent(given.parent)
    refresh_signal.ignore()
    prefer_oom_kill()
    use_one_thread(os.environ)
    start_logging(given.log_level)
    for name in mended:
        logger.warning(MENDED, name)
    tame_mlflow(os.environ)
    said: outcome.Done | outcome.Failed
    with outcome.own_output() as result:
        try:
            said = _prepare(given)
        except RegistryError as error:
            said = outcome.Failed(type(error).__name__, str(error))
        except KeyboardInterrupt:
            return 130
        except Exception as error:  # who has started this falls back on what it has, for a reason in words
            logger.exception("traceback")
            said = outcome.Failed("UnusableModel", f"{given.uri}: {type(error).__name__}: {error}")
        result.write(outcome.write(said))
    return int(isinstance(said, outcome.Failed))


def _prepare(given: argparse.Namespace) -> outcome.Done:
    uri, config = ModelURI.parse(given.uri), RegistryConfig.read(given.tracking_uri, os.environ)
    how = Preparation(given.engine, given.trusted_formats, given.other_versions, given.schema)
    limits = {"memory": given.memory, "look_timeout": given.look_timeout}
    prepared = prepare(uri, config, how, Cache(given.cache), anew=given.anew, **limits)
    if given.parent is None:  # a server tells its own log, when it serves it
        for warning in prepared.warnings:
            logger.warning(warning)
    return outcome.Done(prepared)


def _parser(prog: str | None = None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m registry", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    add = commands.add_parser(
        "prepare",
        prog=prog,
        help="fetch a model, or compile it, into the cache",
        description="See to it that a registered model is in the folder of prepared models: fetched, if training has "
        "compiled it, else compiled here if it is a forest, else kept as it is. Prints one line of JSON: what was "
        "prepared and where, or why it was not.",
        allow_abbrev=False,
    )
    add.add_argument("uri", metavar="URI", help=FORMS)
    add.add_argument(
        "--cache",
        type=Path,
        metavar="FOLDER",
        default=os.environ.get("CANOPY_CACHE") or STORE / "models",
        help=f"the folder of prepared models (default: CANOPY_CACHE, else models in {STORE.name}/)",
    )
    add.add_argument(
        "--tracking-uri",
        metavar="URI",
        default=os.environ.get("MLFLOW_TRACKING_URI") or EMBEDDED_STORE,
        help=f"MLflow tracking server or store (default: MLFLOW_TRACKING_URI, else SQLite in {STORE.name}/)",
    )
    add.add_argument(
        "--engine",
        default=os.environ.get("CANOPY_ENGINE") or "auto",
        type=_among(EngineChoice),
        choices=_words(EngineChoice),
        help="the engine to prepare for, the same as the servers' (default: CANOPY_ENGINE, else auto)",
    )
    add.add_argument(
        "--trusted-formats",
        default=os.environ.get("CANOPY_TRUSTED_FORMATS") or "any",
        type=_among(TrustedFormats),
        choices=_words(TrustedFormats),
        help="model files that may be loaded: any, or only skops, which cannot run code",
    )
    add.add_argument(
        "--other-versions",
        default=os.environ.get("CANOPY_OTHER_VERSIONS") or "refuse",
        type=_among(OtherVersions),
        choices=_words(OtherVersions),
        help="models of another minor version of scikit-learn that cannot be compiled: refuse, or serve",
    )
    add.add_argument(
        "--schema",
        default=os.environ.get("CANOPY_SCHEMA") or "",
        type=_stated,
        metavar="|".join(["FILE", *WORDS]),
        help="what rows and columns the model has, the same as the servers' (default: CANOPY_SCHEMA, else what the "
        "model tells)",
    )
    add.add_argument(
        "--memory", type=int, metavar="BYTES", help="most memory of its own to take for a model that is not compiled"
    )
    add.add_argument(
        "--look-timeout", type=float, metavar="SECONDS", help="longest time to ask the registry what the URI means"
    )
    add.add_argument("--anew", action="store_true", help="replace what is in the cache already, for it is spoilt")
    add.add_argument(
        "--log-level", default="info", metavar="LEVEL", help="least severity to log (default: %(default)s)"
    )
    add.add_argument("--parent", type=int, help=argparse.SUPPRESS)
    return parser


def _among(type_: object) -> Callable[[str], str]:
    """A check for argparse, which holds no default, and so no variable, against an option's choices."""

    def check(text: str) -> str:
        if text not in _words(type_):
            raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(_words(type_))}")
        return text

    return check


def _stated(text: str) -> Stated:
    try:
        return read_stated(text)
    except BadColumns as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _words(type_: object) -> list[str]:
    """The words of a Literal, or of a union of some."""
    return [name for part in get_args(type_) for name in (get_args(part) or [part])]


if __name__ == "__main__":
    sys.exit(main())
