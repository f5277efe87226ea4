"""What each step of the command line does: whether the answer is yes, and what is told.

Each imports what it needs itself: MLflow and scikit-learn take seconds, and most steps do without one of them.
"""

import argparse
import logging
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from registry.tracking.store import sqlite_file
from training.pipeline import servers
from training.pipeline.servers import Counts
from training.pipeline.watch import Verdict, added, await_served, watch

if TYPE_CHECKING:
    from training.publish import Publisher

logger = logging.getLogger("canopy.training")

Answer = tuple[bool, dict[str, Any]]


def _fetch(args: argparse.Namespace) -> Answer:
    from training import data

    source = data.load(args.data)
    classes = {str(label): count for label, count in sorted(Counter(source.data.labels.tolist()).items())}
    reason = f"{len(source.data)} rows of {source.source}"
    return True, {"digest": source.digest, "rows": len(source.data), "classes": classes, "reason": reason}


def _train(args: argparse.Namespace) -> Answer:
    from training import data, forest, record

    source = data.load(args.data)
    if args.digest not in {None, source.digest}:
        raise ValueError(f"{source.source} has changed since it was fetched: fetch it again")
    recipe = forest.Recipe(trees=args.trees, depth=args.depth, seed=args.seed)
    publisher = _publisher(args)
    model = publisher.find_logged(record.fingerprint(source, recipe))
    if model is not None:
        return True, {"model": model, "trained": False, "reason": f"{model} is this very forest: nothing to train"}
    model = publisher.log(forest.train(source.data, recipe), source, recipe)
    return True, {"model": model, "trained": True, "reason": f"logged {model}"}


def _evaluate(args: argparse.Namespace) -> Answer:
    from training.pipeline.evaluation import evaluate

    return True, msgspec.to_builtins(evaluate(_publisher(args), args.model))


def _register(args: argparse.Namespace) -> Answer:
    version = _publisher(args).register(args.model)
    return True, {"version": version, "name": args.name, "reason": f"{args.model} is {args.name}/{version}"}


def _judge(args: argparse.Namespace) -> Answer:
    from training.pipeline import release

    decision = release.judge(_publisher(args), args.version, args.metric, args.margin, again=args.again)
    return decision.promote, {"reason": decision.reason}


def _promote(args: argparse.Namespace) -> Answer:
    from training.pipeline import release

    publisher = _publisher(args)
    decision = release.judge(publisher, args.version, args.metric, args.margin, again=args.again)
    made = release.promote(publisher, args.version, decision)
    return made.promote, {"reason": made.reason, "former": release.former_version(publisher, args.version)}


def _measure(args: argparse.Namespace) -> Answer:
    return True, msgspec.to_builtins(servers.count(args.servers))


def _await(args: argparse.Namespace) -> Answer:
    return _told(await_served(args.servers, args.version, args.within))


def _watch(args: argparse.Namespace) -> Answer:
    before = Counts()
    if args.before:
        earlier, later = (msgspec.json.decode(text, type=dict[str, Counts]) for text in args.before)
        before = added(earlier, later)
    return _told(watch(args.servers, args.version, before, args.seconds, args.rise))


def _roll_back(args: argparse.Namespace) -> Answer:
    from training.pipeline import release

    publisher = _publisher(args)
    done = release.roll_back(publisher, args.version, args.reason)
    return done.promote, {"reason": done.reason, "former": release.former_version(publisher, args.version)}


STEPS: Final[dict[str, Callable[[argparse.Namespace], Answer]]] = {
    "fetch": _fetch,
    "train": _train,
    "evaluate": _evaluate,
    "register": _register,
    "judge": _judge,
    "promote": _promote,
    "measure": _measure,
    "await": _await,
    "watch": _watch,
    "roll-back": _roll_back,
}
"""The steps by name."""


def _publisher(args: argparse.Namespace) -> "Publisher":
    from training.publish import Publisher

    # Beside the file of an SQLite store; MLflow's default is the current directory.
    file = sqlite_file(args.tracking_uri)
    artifacts = file and file.resolve().parent / "artifacts"
    stage = "" if args.stage == "none" else args.stage
    return Publisher(args.tracking_uri, args.name, artifacts, alias=args.alias, stage=stage)


def _told(verdict: Verdict) -> Answer:
    counts = {"before": msgspec.to_builtins(verdict.before), "after": msgspec.to_builtins(verdict.after)}
    return verdict.good, {"reason": verdict.reason, **counts}
