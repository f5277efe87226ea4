"""Draw the bundled sample anew: ``python -m dataset covtype.csv.gz dataset/sample.csv.gz``."""

import argparse
from pathlib import Path

from dataset.covertype import read_csv
from dataset.draw import stratified, write_csv


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m dataset", description=__doc__)
    parser.add_argument("source", type=Path, help="the full data, as UCI publishes it (plain or gzipped CSV)")
    parser.add_argument("out", type=Path, help="where to write the sample (gzipped CSV)")
    parser.add_argument("--rows", type=int, default=20_000, help="rows to draw (default %(default)s)")
    parser.add_argument("--seed", type=int, default=20_000, help="seed of the draw (default %(default)s)")
    args = parser.parse_args()
    write_csv(stratified(read_csv(args.source), args.rows, args.seed), args.out)


if __name__ == "__main__":
    main()
