"""Drawing a stratified sample, and writing it as the bundled file is written."""

import gzip
import io
from pathlib import Path

import numpy as np

from dataset.covertype import LABEL, Covertype
from preprocessing import covertype


def stratified(data: Covertype, size: int, seed: int) -> Covertype:
    """Draw ``size`` rows at random without replacement, each class by its share (largest remainders rounded up).

    Raises:
        ValueError: there are fewer than ``size`` rows.
    """
    if size > len(data):
        raise ValueError(f"cannot draw {size} of {len(data)} rows")
    rng = np.random.default_rng(seed)
    labels, counts = np.unique(data.labels, return_counts=True)
    shares = counts * (size / len(data))
    quota = np.floor(shares).astype(int)
    quota[np.argsort(quota - shares, kind="stable")[: size - quota.sum()]] += 1
    drawn = [
        rng.choice(np.flatnonzero(data.labels == label), rows, replace=False)
        for label, rows in zip(labels, quota, strict=True)
    ]
    return data.take(rng.permutation(np.concatenate(drawn)))


def write_csv(data: Covertype, path: Path) -> None:
    """Write a gzipped CSV with a header, ``covertype.FIELDS`` and the label; equal data make equal bytes.

    ``read_csv`` reads the very same data: seventeen digits tell any float64.
    """
    text = io.StringIO()
    table = np.column_stack([data.rows, data.labels])
    np.savetxt(text, table, fmt="%.17g", delimiter=",", header=",".join([*covertype.FIELDS, LABEL]), comments="")
    path.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))
