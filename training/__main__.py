"""Train the forest-cover forest, register it with MLflow and promote it to production.

Running it again with the same data and parameters trains nothing: it makes sure that the version which it finds is
promoted. Exit status: 0, the wanted version is registered and promoted; 1, it is not (the last line says why); 2, the
options are wrong.
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import redaction
from registry.caching.lock import locked
from registry.tracking.store import sqlite_file
from settings import EMBEDDED_STORE, MODEL_NAME, STORE
from startup import MENDED, tame_mlflow

if TYPE_CHECKING:
    from training.forest import Recipe

logger = logging.getLogger("canopy.training")


def parser(prog: str = "python -m training") -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog=prog,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument(
        "--data",
        default="sample",
        metavar="sample|full|PATH",
        help="train on the bundled sample, on the full data set (downloaded by scikit-learn), or on a CSV file "
        "(default %(default)s)",
    )
    made.add_argument("--trees", type=_count, default=100, help="number of trees (default %(default)s)")
    made.add_argument("--depth", type=_count, default=20, help="greatest depth of a tree (default %(default)s)")
    made.add_argument("--seed", type=int, default=42, help="seed of the split and the forest (default %(default)s)")
    made.add_argument("--name", default=MODEL_NAME, help="registered model (default %(default)s)")
    made.add_argument(
        "--tracking-uri",
        default=os.environ.get("MLFLOW_TRACKING_URI") or EMBEDDED_STORE,
        help=f"MLflow tracking server or store (default: MLFLOW_TRACKING_URI, else SQLite in {STORE.name}/)",
    )
    made.add_argument(
        "--export",
        type=Path,
        metavar="FOLDER",
        help="write the forest (forest.pkl) and its held-out rows (rows.npy) into a folder; nothing is registered",
    )
    again = made.add_mutually_exclusive_group()
    again.add_argument("--force", action="store_true", help="train even if the same forest is registered already")
    again.add_argument("--if-missing", action="store_true", help="do nothing if any version of the model is registered")
    return made


def main(arguments: Sequence[str] | None = None, prog: str = "python -m training") -> int:
    """Run the command line and return the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        mended = redaction.start(os.environ, given)
    except redaction.BadVariable as error:
        sys.stderr.write(f"training: {error}\n")
        return 2
    args = parser(prog).parse_args(given)
    tame_mlflow(os.environ)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logger.setLevel(logging.INFO)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # its retries end in an error that we report
    for name in mended:
        logger.warning(MENDED, name)
    try:
        _run(args)
    except KeyboardInterrupt:
        logger.error("training was interrupted")  # noqa: TRY400 - nobody needs a traceback of it
        return 1
    except Exception as error:
        logger.debug("traceback", exc_info=True)
        reason = redaction.one_line(f"{type(error).__name__}: {error}")
        logger.error("training failed: %s", reason)  # noqa: TRY400 - one line, for a scheduler's log
        return 1
    return 0


def _run(args: argparse.Namespace) -> None:
    if args.export is not None:
        _export(args)
        return
    if args.tracking_uri != EMBEDDED_STORE:
        _train(args)
        return
    STORE.mkdir(exist_ok=True)
    # Two processes that create the database at once would spoil it.
    with locked(STORE / "lock", waiting="another training is under way: waiting for it"):
        _train(args)


def _export(args: argparse.Namespace) -> None:
    from training import data, forest

    trained = forest.train(data.load(args.data).data, _recipe(args))
    forest.export(trained, args.export)
    logger.info("wrote a forest and its held-out rows to %s: %s", args.export, _scores(trained.metrics))


def _train(args: argparse.Namespace) -> None:
    # Imported late: help and usage errors need not wait for MLflow and scikit-learn.
    from training import data, forest, publish, record

    # Beside the file of an SQLite store; MLflow's default is the current directory.
    file = sqlite_file(args.tracking_uri)
    publisher = publish.Publisher(args.tracking_uri, args.name, file and file.resolve().parent / "artifacts")
    if args.if_missing:
        if publisher.versions():
            return
        logger.info("no %s yet: training one", args.name)
    source = data.load(args.data)
    recipe = _recipe(args)
    version = None if args.force else publisher.find(record.fingerprint(source, recipe))
    if version is None:
        trained = forest.train(source.data, recipe)
        version = publisher.publish(trained, source, recipe)
        logger.info("registered %s version %s: %s", args.name, version, _scores(trained.metrics))
    else:
        logger.info("%s version %s is this very forest: nothing to train", args.name, version)
    changed = "promoted" if publisher.promote(version) else "found in place:"
    logger.info("%s %s version %s, stage %s, alias %s", changed, args.name, version, publish.STAGE, publish.ALIAS)


def _recipe(args: argparse.Namespace) -> "Recipe":
    from training.forest import Recipe

    return Recipe(trees=args.trees, depth=args.depth, seed=args.seed)


def _scores(metrics: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number of at least 1")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
