"""The steps of training, one by one: python -m training.pipeline STEP.

What one step hands to the next is in the tracking server; only numbers and ids go through the caller. Each prints one
line of JSON, and tells people the same on the standard error. All may be run again: what is done is found in place.

Exit status: 0, done; 3, what was asked is not to be done, or is not so, and "reason" says why; 1, it failed, and
"error" says why; 2, the options are wrong.
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

import msgspec

import redaction
from registry.outcome import own_output
from settings import EMBEDDED_STORE, MODEL_NAME, STORE
from startup import MENDED, start_logging, tame_mlflow

logger = logging.getLogger("canopy.training")

REFUSED = 3
"""The exit status of a step whose answer is no."""


def main(arguments: Sequence[str] | None = None, prog: str = "python -m training.pipeline") -> int:
    """Run the command line and return the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        mended = redaction.start(os.environ, given)
    except redaction.BadVariable as error:
        sys.stderr.write(f"training: {error}\n")
        return 2
    args = parser(prog).parse_args(given)
    tame_mlflow(os.environ)
    start_logging("info")
    for name in mended:
        logger.warning(MENDED, name)
    with own_output() as output:
        status, answer = _answer(args)
        output.write(msgspec.json.encode(answer) + b"\n")
    return status


def _answer(args: argparse.Namespace) -> tuple[int, dict[str, Any]]:
    # Imported late: help and usage errors need not wait for MLflow and scikit-learn.
    from training.pipeline.steps import STEPS

    try:
        done, answer = STEPS[args.step](args)
    except KeyboardInterrupt:
        return 1, {"error": f"{args.step} was interrupted"}
    except Exception as error:
        logger.debug("traceback", exc_info=True)
        reason = redaction.one_line(f"{type(error).__name__}: {error}")
        logger.error("%s failed: %s", args.step, reason)  # noqa: TRY400 - one line, for a scheduler's log
        return 1, {"error": reason}
    logger.info("%s: %s", args.step, answer.get("reason", "done"))
    return (0 if done else REFUSED), answer


def parser(prog: str) -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog=prog, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    steps = made.add_subparsers(dest="step", metavar="STEP", required=True)
    store, data, servers, version, verdict = _store(), _data(), _servers(), _version(), _verdict()

    def add(name: str, meaning: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        return steps.add_parser(name, help=meaning, description=meaning, parents=parents, allow_abbrev=False)

    add("fetch", "read the data, downloading them if need be, and tell their digest", data)
    train = add("train", "train on the data, or find the model that was, and log it; it is not registered", data, store)
    train.add_argument("--digest", help="what fetch has told: data that have changed since are refused")
    train.add_argument("--trees", type=_count, default=100, help="number of trees (default %(default)s)")
    train.add_argument("--depth", type=_count, default=20, help="greatest depth of a tree (default %(default)s)")
    train.add_argument("--seed", type=int, default=42, help="seed of the split and the forest (default %(default)s)")
    for name, meaning in (
        ("evaluate", "hold a logged model against the version in production, on the same held-out rows"),
        ("register", "make a version of a logged model, or find the one that it is"),
    ):
        add(name, meaning, store).add_argument(
            "model", metavar="MODEL", help="the logged model's id, as train tells it"
        )
    add(
        "judge", "tell whether a version is better than the one in production; changes nothing", version, verdict, store
    )
    add("promote", "promote a version if it is better than the one in production", version, verdict, store)
    add("measure", "tell how many predictions servers have answered, and how many with an error", servers)
    waiting = add("await", "wait until servers serve a version with all their workers", version, servers)
    waiting.add_argument("--within", type=_amount, default=300, metavar="SECONDS", help="longest wait (default 300)")
    watch = add("watch", "watch servers that serve a version: has their share of errors risen?", version, servers)
    watch.add_argument("--seconds", type=_amount, default=300, metavar="SECONDS", help="how long (default 300)")
    watch.add_argument(
        "--rise",
        type=_share,
        default=0.01,
        help="by how much the share of errors may rise, 0 to 1 (default %(default)s)",
    )
    watch.add_argument(
        "--before",
        nargs=2,
        metavar=("EARLIER", "LATER"),
        help="what measure has printed twice while the former version was served (default: it had no errors)",
    )
    back = add("roll-back", "take a version out of production and put back the one that it replaced", version, store)
    back.add_argument("--reason", default="by hand", help="noted with the version (default: %(default)s)")
    return made


def _store() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("--name", default=MODEL_NAME, help="registered model (default %(default)s)")
    options.add_argument(
        "--tracking-uri",
        default=os.environ.get("MLFLOW_TRACKING_URI") or EMBEDDED_STORE,
        help=f"MLflow tracking server or store (default: MLFLOW_TRACKING_URI, else SQLite in {STORE.name}/)",
    )
    options.add_argument("--alias", default="production", help="of the version in production (default %(default)s)")
    options.add_argument(
        "--stage",
        choices=["Production", "Staging", "none"],
        default="Production",
        help="of the version in production, where no other has the alias; none: only the alias counts "
        "(default %(default)s)",
    )
    return options


def _data() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument(
        "--data",
        default="sample",
        metavar="sample|full|PATH",
        help="the bundled sample, the full data set (downloaded by scikit-learn), or a CSV file (default %(default)s)",
    )
    return options


def _servers() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument(
        "--servers",
        nargs="+",
        required=True,
        type=_address,
        metavar="ADDRESS",
        help="each server's, such as http://10.0.0.7:8000, or a host name that stands for all of them; no balancer's",
    )
    return options


def _version() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("version", metavar="VERSION", help="its number; NAME/NUMBER for await and watch")
    return options


def _verdict() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument(
        "--metric",
        choices=["accuracy", "balanced_accuracy", "f1_macro"],
        default="accuracy",
        help="the score that counts (default %(default)s)",
    )
    options.add_argument(
        "--margin", type=_share, default=0.0, help="by how much it has to be better, 0 to 1 (default %(default)s)"
    )
    options.add_argument("--again", action="store_true", help="promote it though it was rolled back once")
    return options


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number of at least 1")
    return int(text)


def _amount(text: str) -> float:
    return _number(text, float("inf"), "a number of seconds")


def _share(text: str) -> float:
    return _number(text, 1.0, "a share of 0 to 1")


def _number(text: str, most: float, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= most or value == float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return value


def _address(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"{text!r} does not begin with http:// or https://")
    return text


if __name__ == "__main__":
    sys.exit(main())
