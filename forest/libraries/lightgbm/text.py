"""LightGBM's model text: what ``Booster.save_model`` writes, read as its own loader reads it, but strictly.

The loader is ``GBDT::LoadModelFromString`` of src/boosting/gbdt_model_text.cpp in
https://github.com/microsoft/LightGBM; 3.3 and 4.x read alike. What it would read somehow though no version writes it,
such as too few numbers, is refused here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from forest.engine import UnsupportedModel
from forest.ensemble import Tree
from forest.libraries.lightgbm.trees import integers, pairs, read_tree, whole

VERSIONS: Final = ("v3", "v4")
"""Of the format: LightGBM 3.3 writes the first, and 4.0 to 4.7 the second."""

_NAMES: Final = frozenset({b"feature_names", b"monotone_constraints"})
"""Keys whose lines the loader splits at their first ``=`` alone."""

_MOST_LINES: Final = 22
"""Of a tree; the loader reads no more."""


@dataclass(frozen=True, slots=True, eq=False)
class ModelText:
    """What a model text says.

    Attributes:
        version: of the format, one of ``VERSIONS``.
        objective: the name of its objective, None if it has none; and what else its line says, word by word.
        outputs: how many trees an iteration has, one for each output.
        averages: whether the answer is the mean of the iterations.
        columns: the names of its columns.
        infos: for each column, what was seen of it in training.
        trees: of all iterations.
        pandas_categories: the categories of each column that was one of pandas' categories; None if not known.
    """

    version: str
    objective: tuple[str | None, tuple[str, ...]]
    outputs: int
    averages: bool
    columns: tuple[str, ...]
    infos: tuple[bytes, ...]
    trees: list[Tree]
    pandas_categories: list[list[Any]] | None


def read_text(text: bytes) -> ModelText:
    """Read a model text.

    Raises:
        UnsupportedModel: it is none, damaged, or of a kind that is not known.
    """
    if not text.startswith(b"tree\n") or b"\0" in text:
        raise UnsupportedModel("it is no LightGBM model text")
    head_end = text.find(b"\nTree=") + 1
    if not head_end:
        raise UnsupportedModel("the model has no trees")
    head = pairs(text[len(b"tree\n") : head_end], with_equals=_NAMES)
    version = head.get(b"version", b"")[:10].decode(errors="replace")
    if version not in VERSIONS:
        raise UnsupportedModel(f"its format is {version!a}, known are {' and '.join(VERSIONS)}")
    outputs, width = whole(head, b"num_tree_per_iteration"), whole(head, b"max_feature_idx") + 1
    if whole(head, b"num_class") != outputs or outputs < 1:
        raise UnsupportedModel(f"the model has {outputs} trees an iteration for another number of classes")
    try:
        columns = tuple(name for name in head.get(b"feature_names", b"").decode().split(" ") if name)
    except UnicodeDecodeError:
        raise UnsupportedModel("a column's name is no UTF-8") from None
    infos = tuple(head.get(b"feature_infos", b"").split())
    if not len(columns) == len(infos) == width:
        raise UnsupportedModel(f"the model names {len(columns)} of {width} columns")
    blocks = _blocks(text, head_end, integers(head, b"tree_sizes"))
    return ModelText(
        version=version,
        objective=_objective(head),
        outputs=outputs,
        averages=b"average_output" in head,
        columns=columns,
        infos=infos,
        trees=[read_tree(block, number % outputs) for number, block in enumerate(blocks)],
        pandas_categories=_pandas_categories(text),
    )


def _objective(head: dict[bytes, bytes]) -> tuple[str | None, tuple[str, ...]]:
    if (line := head.get(b"objective")) is None:
        return None, ()
    words = line[:200].decode(errors="replace").split()
    if not words:
        raise UnsupportedModel("its objective has no name")
    return words[0], tuple(words[1:])


def _blocks(text: bytes, start: int, sizes: NDArray[np.int64]) -> Iterator[dict[bytes, bytes]]:
    """The keys and values of each tree."""
    if (sizes < 0).any() or sizes.sum() > len(text) - start:
        raise UnsupportedModel("the trees are larger than the text")
    for size in sizes.tolist():
        name, _, block = text[start : start + size].partition(b"\n")
        block, end, _ = block.partition(b"\n\n")
        if not name.startswith(b"Tree=") or not end or block.count(b"\n") >= _MOST_LINES:
            raise UnsupportedModel("a tree is not where it should be")
        yield pairs(block)
        start += size
    if not text.startswith(b"end of trees\n", start):
        raise UnsupportedModel("the trees end elsewhere")


def _pandas_categories(text: bytes) -> list[list[Any]] | None:
    """The last line, which the Python package writes and reads, see ``_load_pandas_categorical`` of its basic.py."""
    for line in reversed(text.rsplit(b"\n", 2)[1:]):
        if line.strip().startswith(b"pandas_categorical:"):
            try:
                return msgspec.json.decode(line.strip().partition(b":")[2], type=list[list[Any]] | None)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                raise UnsupportedModel("the names of its categories are damaged") from None
    return None
