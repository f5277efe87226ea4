"""The command line: ``python -m forest compile | inspect | verify | bench``."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from forest.artifact import Artifact, BadArtifact, MadeBy, Origin, Parity, read, write
from forest.checks.arguments import above_zero, positive
from forest.checks.bar import Bar
from forest.checks.bench import SIZES, Asked, Called, measure, table
from forest.checks.build import reference
from forest.checks.library import library_engine
from forest.checks.parity import compare, threshold_rows
from forest.checks.rivals import RIVALS, rivals
from forest.compile import compile_forest
from forest.compiled import CompiledEngine
from forest.engine import UnsupportedModel
from forest.ensemble import Ensemble
from forest.files.installed import OtherVersion, mismatch
from forest.files.source import CLASSES, estimator_file, load_forest
from forest.walks import WALKS

_FAULTS: Final = (BadArtifact, UnsupportedModel, ImportError, OSError, ValueError)


def main(arguments: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run a command; returns the exit status: 0, or 1 for a fault or a difference, which the last line names.

    ``prog`` is what the help calls the command, if not ``python -m forest COMMAND``.
    """
    given = _parser(prog).parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = given.command
    try:
        return command(given)
    except _FAULTS as error:
        print(f"forest: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _compile(given: argparse.Namespace) -> int:
    forest, model = load_forest(given.source, given.model_class)
    with Bar("compiling", "tree") as bar:
        arrays = compile_forest(forest, progress=bar)
    parity = _compare(CompiledEngine(arrays), forest, model, _rows(given, forest))
    write(given.out, arrays, Origin(given.source.name), parity, MadeBy(forest.library, forest.version, forest.kind))
    _print_artifact(read(given.out))
    return _told(parity, forest)


def _inspect(given: argparse.Namespace) -> int:
    engine = CompiledEngine.load(given.file, given.walk)
    _print_artifact(read(given.file))
    print(f"{'walk:':<15}{engine.walk}, of {', '.join(engine.walks)}")
    return 0


def _verify(given: argparse.Namespace) -> int:
    engine = CompiledEngine.load(given.file, given.walk)
    forest, model = load_forest(given.source, given.model_class)
    return _told(_compare(engine, forest, model, _rows(given, forest)), forest)


def _bench(given: argparse.Namespace) -> int:
    engine, *walks = [CompiledEngine.load(given.file, walk) for walk in given.walk]
    forest, model = load_forest(given.source, given.model_class)
    if model is None:
        raise _not_installed(forest)
    rows = _rows(given, forest)
    if given.rows is None:
        print("rows drawn from the model's thresholds; name real ones with --rows for figures to rely on")
    others: dict[str, Asked] = {forest.library: library_engine(model, forest)}
    others |= {f"walk {other.walk}": other for other in walks}
    if given.labels:
        others["labels only"] = Called(engine.predict_labels)
    others |= rivals(given.rivals, model, forest, print)
    with Bar("measuring", "round") as bar:
        timings = measure(engine, others, rows, sizes=given.sizes, seconds=given.seconds, progress=bar)
    print(table(timings))
    print(f"the compiled model's walk is {engine.walk}, of {', '.join(engine.walks)}")
    source = estimator_file(given.source)
    print(f"{given.file.stat().st_size:,} bytes compiled, {source.stat().st_size:,} in {source.name}")
    return 0


def _not_installed(forest: Ensemble) -> UnsupportedModel:
    """Why a model's library cannot be asked."""
    if forest.library == "scikit-learn":
        return OtherVersion(mismatch(forest.version))
    return UnsupportedModel(f"{forest.library} is not installed: there is nothing to time the compiled model beside")


def _rows(given: argparse.Namespace, forest: Ensemble) -> NDArray[Any]:
    """The rows to compare or measure on."""
    if given.rows is None:
        return threshold_rows(forest, given.count)
    rows = _load_rows(given.rows, forest.dtype)
    if rows.ndim != 2 or rows.shape[1] != forest.width:
        raise ValueError(f"{given.rows}: has the shape {rows.shape}, not (n, {forest.width})")
    if not len(rows) or (np.isnan(rows).any() and not forest.takes_missing):
        raise ValueError(f"{given.rows}: has {'a NaN' if len(rows) else 'no rows'}")
    return rows


def _load_rows(path: Path, dtype: type[np.floating]) -> NDArray[Any]:
    try:
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.ndarray):
            raise TypeError("holds several arrays")  # noqa: TRY301 - told like numpy's own errors
        return np.asarray(loaded, dtype=dtype, order="C")
    except (EOFError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: is no file of rows: {error}") from None


def _compare(engine: CompiledEngine, forest: Ensemble, model: Any, rows: NDArray[Any]) -> Parity:  # noqa: ANN401
    against: Literal["library", "rule"] = "library"
    if model is None:
        against = "rule"
        print(f"{_lacking(forest)} is not installed, so that the model as it was read is what to compare with")
    with Bar("verifying", "row") as bar:
        return compare(engine, reference(forest, None if model is None else lambda: model), rows, bar, against)


def _lacking(forest: Ensemble) -> str:
    """What is not installed that could be asked: of scikit-learn only the same minor version answers alike."""
    return forest.made_by if forest.library == "scikit-learn" else forest.library


def _told(parity: Parity, forest: Ensemble) -> int:
    """Say how a comparison ended; returns the exit status."""
    against = forest.library if parity.against == "library" else f"the rule of {forest.made_by}"
    if parity.passed:
        print(f"{parity.rows:,} rows compared with {against}: equal to the last bit")
        return 0
    print(f"forest: {parity.different:,} of {parity.rows:,} rows differ from {against}", file=sys.stderr)
    return 1


def _print_artifact(artifact: Artifact) -> None:
    header, arrays = artifact.header, artifact.arrays
    columns = "not named" if header.columns is None else ", ".join(header.columns)
    against = header.library if header.parity.against == "library" else "the rule of its version"
    facts = {
        "model": header.kind,
        "trees": f"{len(arrays.trees):,}",
        "nodes": f"{header.nodes:,}",
        "depth": f"{header.depth:,}",
        "leaves": f"{len(arrays.leaves):,}",
        "thresholds": f"{len(arrays.thresholds):,}",
        "bytes": f"{artifact.size:,} ({artifact.size / header.nodes:.2f} a node)",
        "classes": "none: it answers with a number" if header.classes is None else ", ".join(map(str, header.classes)),
        "columns": f"{header.width}: {columns}",
        "origin": " version ".join(filter(None, (header.origin.model, header.origin.version))),
        "parity": f"{header.parity.different:,} of {header.parity.rows:,} rows differ from {against}",
        "made by": ", ".join(f"{name} {version}" for name, version in header.versions.items()),
    }
    for name, fact in facts.items():
        print(f"{name + ':':<15}{fact}")


def _parser(prog: str | None = None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m forest",
        description="Compile a tree ensemble into one file, which a native kernel walks to the same predictions.",
        epilog="SOURCE is a fitted model: a forest, tree, gradient boosting or isolation forest of scikit-learn 1.1 to "
        "1.9, or XGBoost's or LightGBM's estimator or Booster: a skops, pickle or joblib file, one in XGBoost's own "
        "format (ubj or json), LightGBM's text, or the folder of an MLflow model of one of these libraries. It is "
        "read as data. Where that cannot be done, and where it is compared with its library, a pickle or joblib file "
        "runs the code in it: take only files that you trust. Where its library is not installed, it is compared "
        "with the model as it was read, and that is said.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, command: Callable[[argparse.Namespace], int], help_: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, prog=prog, help=help_, description=f"{help_[0].upper()}{help_[1:]}.")
        added.set_defaults(command=command)
        return added

    classes = [name for names in CLASSES.values() for name in names]

    def add_model(to: argparse.ArgumentParser, rows: int) -> None:
        to.add_argument(
            "--class",
            dest="model_class",
            choices=classes,
            metavar="CLASS",
            help="the class that loads SOURCE, if it is a file of XGBoost's or CatBoost's own format: "
            f"{', '.join(classes)} (default: as its folder says, else Booster or CatBoost)",
        )
        to.add_argument("--rows", type=Path, metavar="NPY", help="rows to use: a .npy file of an (n, n_features) array")
        to.add_argument(
            "--count", type=positive, default=rows, metavar="N", help="else draw so many (default: %(default)s)"
        )

    def add_walk(to: argparse.ArgumentParser) -> None:
        to.add_argument("--walk", choices=WALKS, default="auto", help="how to walk (default: auto, the fastest)")

    compile_ = add("compile", _compile, "compile a model, hold it against its library and record the outcome")
    compile_.add_argument("source", type=Path, metavar="SOURCE", help="the model")
    compile_.add_argument("out", type=Path, metavar="OUT", help="the file to write; replaced if there is one")
    add_model(compile_, 3000)

    inspect = add("inspect", _inspect, "check a compiled model and tell what is in it")
    inspect.add_argument("file", type=Path, metavar="FILE", help="the compiled model")
    add_walk(inspect)

    verify = add("verify", _verify, "hold a compiled model against its library, row by row and bit by bit")
    bench = add("bench", _bench, "time a compiled model and its library in one run, on one thread, by batch size")
    for each, default in ((verify, 30_000), (bench, 10_000)):
        each.add_argument("file", type=Path, metavar="FILE", help="the compiled model")
        each.add_argument("source", type=Path, metavar="SOURCE", help="the model that it was compiled from")
        add_model(each, default)
    add_walk(verify)
    bench.add_argument(
        "--walk",
        nargs="+",
        choices=WALKS,
        default=["auto"],
        metavar="WALK",
        help=f"how to walk: {', '.join(WALKS)}; others behind the first are timed beside it (default: auto)",
    )
    bench.add_argument(
        "--labels", action="store_true", help="time the compiled model's labels without probabilities as well"
    )
    bench.add_argument(
        "--sizes", nargs="+", type=positive, default=SIZES, metavar="ROWS", help="rows a call (default: 1 to 1024)"
    )
    bench.add_argument(
        "--seconds", type=above_zero, default=0.5, help="time for each engine, size and round (default: %(default)s)"
    )
    bench.add_argument(
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
