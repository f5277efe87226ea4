"""Compare and time a compiled model of every kind beside its library: ``python -m training.kinds``.

Each is trained on the bundled sample, read from a file as any other, compiled, and held against its library on rows
that were held out and on rows that stand on its thresholds; then both answer for the former in turns, on one thread. It
prints a table in Markdown, and what was compared with which versions. Exit status: 0; 1, a model's answers differ, or
no library is installed; 2, the options are wrong.
"""

import argparse
import importlib
import importlib.util
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import joblib
import numpy as np
from numpy.typing import NDArray

from dataset import load_sample
from forest import CompiledEngine, Ensemble, Parity, compare, compile_forest, read_model, threshold_rows
from forest.checks.arguments import above_zero, positive
from forest.checks.bar import Bar
from forest.checks.bench import Asked, Timing, markdown, measure
from forest.checks.library import library_engine
from forest.checks.rivals import RIVALS, rivals

SIZES: Final = (1, 8, 128, 1024)
SEED: Final = 42
_HELD_OUT: Final = 4000


class Size(NamedTuple):
    """How large the models are, and what they are compared on.

    Attributes:
        rows: that they are trained on.
        trees: of a forest, or rounds of boosting.
        compared: rows on which each is held against its library.
    """

    rows: int = 16_000
    trees: int = 100
    compared: int = 20_000


class Kind(NamedTuple):
    """A kind of model.

    Attributes:
        module: where its class is.
        name: of the class.
        options: of the model, but its number of trees.
        trees: what the class calls that number; None if it is one tree.
        shape: what the options make of it, for people.
        classes: how many classes it tells apart; 0 if it answers with a number.
        around: the class of what stands around it, with its module; None if nothing does.
    """

    module: str
    name: str
    options: dict[str, Any]
    trees: str | None = "n_estimators"
    shape: str = ""
    classes: int = 7
    around: str | None = None

    @property
    def title(self) -> str:
        """What it is called."""
        return self.name if self.around is None else self.around.rpartition(".")[2]

    @property
    def library(self) -> str:
        """What has to be installed."""
        return self.module.partition(".")[0]

    def fit(self, matrix: NDArray[np.float64], labels: NDArray[np.int64], size: Size) -> Any:  # noqa: ANN401
        """A fitted model; a number is learned as the label's, and two classes as whether it is the most frequent."""
        trees = {} if self.trees is None else {self.trees: size.trees}
        model = getattr(importlib.import_module(self.module), self.name)(**self.options, **trees)
        if self.around is not None:
            module, _, name = self.around.rpartition(".")
            model = getattr(importlib.import_module(module), name)(model)
        learned = {2: labels == np.bincount(labels).argmax(), 0: labels.astype(np.float64)}.get(self.classes, labels)
        return model.fit(matrix, learned)


_FOREST: Final[dict[str, Any]] = {"random_state": SEED, "n_jobs": -1}
_BOOSTED: Final[dict[str, Any]] = {"random_state": SEED, "n_jobs": 1}
_QUIET: Final[dict[str, Any]] = {**_BOOSTED, "verbose": -1}
_SILENT: Final[dict[str, Any]] = {"random_seed": SEED, "thread_count": 1, "verbose": 0, "allow_writing_files": False}
KINDS: Final = (
    Kind("sklearn.ensemble", "RandomForestClassifier", {**_FOREST, "max_depth": 20}, shape="depth 20"),
    Kind("sklearn.ensemble", "ExtraTreesClassifier", {**_FOREST, "max_depth": 20}, shape="depth 20"),
    Kind("sklearn.ensemble", "RandomForestRegressor", {**_FOREST, "max_depth": 12}, shape="depth 12", classes=0),
    Kind("sklearn.tree", "DecisionTreeClassifier", {"random_state": SEED, "max_depth": 20}, None, "depth 20"),
    Kind("sklearn.ensemble", "GradientBoostingClassifier", {"random_state": SEED}, shape="depth 3", classes=2),
    Kind("sklearn.ensemble", "GradientBoostingRegressor", {"random_state": SEED}, shape="depth 3", classes=0),
    Kind("sklearn.ensemble", "HistGradientBoostingClassifier", {"random_state": SEED}, "max_iter", "31 leaves"),
    Kind("sklearn.ensemble", "HistGradientBoostingRegressor", {"random_state": SEED}, "max_iter", "31 leaves", 0),
    Kind("sklearn.ensemble", "IsolationForest", _FOREST, shape="256 rows", classes=0),
    Kind(
        *("sklearn.ensemble", "RandomForestClassifier", {**_FOREST, "max_depth": 12}, "n_estimators"),
        *("depth 12, sigmoid, 5 folds", 7, "sklearn.calibration.CalibratedClassifierCV"),
    ),
    Kind(
        *("sklearn.ensemble", "HistGradientBoostingClassifier", {"random_state": SEED}, "max_iter", "31 leaves", 2),
        "sklearn.model_selection.FixedThresholdClassifier",
    ),
    Kind("xgboost", "XGBClassifier", {**_BOOSTED, "max_depth": 6}, shape="depth 6"),
    Kind("xgboost", "XGBRegressor", {**_BOOSTED, "max_depth": 6}, shape="depth 6", classes=0),
    Kind("lightgbm", "LGBMClassifier", _QUIET, shape="31 leaves"),
    Kind("lightgbm", "LGBMRegressor", _QUIET, shape="31 leaves", classes=0),
    Kind("catboost", "CatBoostClassifier", _SILENT, "iterations", "depth 6"),
    Kind("catboost", "CatBoostRegressor", _SILENT, "iterations", "depth 6", 0),
)
"""The kinds, by the names of their classes."""


class Timed(NamedTuple):
    """A model's figures.

    Attributes:
        title: what the model is, with its size.
        library: its library, with the version.
        timings: by batch size.
        parity: what came of the comparison.
    """

    title: str
    library: str
    timings: list[Timing]
    parity: Parity


def time_kind(kind: Kind, size: Size, seconds: float, beside: Sequence[str] = ()) -> Timed:
    """Train, compile, compare and time a model.

    Args:
        kind: of the model.
        size: of the model.
        seconds: time for each engine, batch size and round.
        beside: other runtimes to time; those that cannot take the model are told of on stderr.

    Raises:
        UnsupportedModel: it cannot be compiled.
        ImportError: its library, or the kernel, is missing.
    """
    sample = load_sample()
    order = np.random.default_rng(SEED).permutation(len(sample))
    train, held_out = order[_HELD_OUT:][: size.rows], order[:_HELD_OUT]
    labels = sample.labels.astype(np.int64) - 1
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model.joblib")
        joblib.dump(kind.fit(sample.rows[train], labels[train], size), file)
        forest, model = read_model(file), joblib.load(file)
    arrays = compile_forest(forest)
    compiled, library = CompiledEngine(arrays), library_engine(model, forest)
    rows = np.ascontiguousarray(sample.rows[held_out], dtype=forest.dtype)
    parity = compare(compiled, library, _to_compare(forest, rows, size.compared))
    others: dict[str, Asked] = {forest.library: library}
    others |= rivals(beside, model, forest, lambda reason: _tell(f"{kind.title}: {reason}"))
    with Bar(kind.title, "round") as bar:
        timings = measure(compiled, others, rows, sizes=SIZES, seconds=seconds, progress=bar)
    title = f"`{kind.title}`: {_trees(len(arrays.trees))}, {kind.shape}, {arrays.nodes:,} nodes"
    version = importlib.import_module(kind.library).__version__
    return Timed(title, f"{forest.library} {version}", timings, parity)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    given = _parser().parse_args(arguments)
    found: list[Timed] = []
    for kind in KINDS:
        if kind.title not in given.kinds:
            continue
        if importlib.util.find_spec(kind.library) is None:
            _tell(f"{kind.title}: left out, for {kind.library} is not installed")
            continue
        found.append(time_kind(kind, Size(given.rows, given.trees, given.compared), given.seconds, given.rivals))
    if not found:
        return 1
    sys.stdout.write(f"{markdown({each.title: each.timings for each in found})}\n")
    for name in given.rivals:
        known = {each.title: _beside(each.timings, name) for each in found if name in each.timings[0].others}
        if known:
            sys.stdout.write(f"\nThe same beside {name}:\n\n{markdown(known)}\n")
    sys.stdout.write(f"\n{_compared(found)}\n")
    return 1 if any(each.parity.different for each in found) else 0


def _to_compare(forest: Ensemble, rows: NDArray[Any], count: int) -> NDArray[Any]:
    """(count, n_features): the rows as far as there are some, then such as stand on the thresholds."""
    real = rows[:count]
    return np.concatenate([real, threshold_rows(forest, count - len(real), seed=SEED)[: count - len(real)]])


def _compared(found: Sequence[Timed]) -> str:
    """What was compared with what, and how many rows differ."""
    lines = [
        f"{each.title} against {each.library}: {each.parity.different:,} of {each.parity.rows:,} rows differ"
        for each in found
    ]
    return "\n".join(lines)


def _trees(count: int) -> str:
    return "1 tree" if count == 1 else f"{count:,} trees"


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _beside(timings: Sequence[Timing], name: str) -> list[Timing]:
    """The same timings, beside one other runtime only."""
    return [Timing(each.batch, each.compiled, {name: each.others[name]}) for each in timings]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.kinds", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [kind.title for kind in KINDS]
    parser.add_argument(
        "--kinds", nargs="+", choices=names, default=names, metavar="CLASS", help=f"only these of {', '.join(names)}"
    )
    size = Size()
    parser.add_argument(
        "--rows", type=positive, default=size.rows, metavar="N", help="rows to train on (default: %(default)s)"
    )
    parser.add_argument(
        "--trees", type=positive, default=size.trees, metavar="N", help="trees, or rounds (default: %(default)s)"
    )
    parser.add_argument(
        "--compared",
        type=positive,
        default=size.compared,
        metavar="N",
        help="rows on which compiled model and library are compared (default: %(default)s)",
    )
    parser.add_argument(
        "--seconds",
        type=above_zero,
        default=0.3,
        metavar="S",
        help="time for each engine, size and round (default: %(default)s)",
    )
    parser.add_argument(
        "--rivals",
        nargs="+",
        choices=list(RIVALS),
        default=[],
        metavar="NAME",
        help=f"time other runtimes as well, where they are installed and take the model: {', '.join(RIVALS)}",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
