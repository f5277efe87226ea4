"""Where the nodes of a tree are put."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray

from forest.native._layout import place
from tests.forest.forests import SHAPES, VISITS, Shape, shape

PAIRS = 7
"""Pairs in a line."""

REACH = 15
"""How many lines the words of a line can lead to."""


def check(tree: Shape) -> int:
    """Hold the layout of a tree against the rules in ``forest/arrays.py``; returns the number of lines."""
    line, pair, begins = place(tree.left, tree.right, tree.visits)
    split = np.flatnonzero(tree.left >= 0)
    assert (pair[tree.left < 0] == 0).all()
    assert ((pair[split] >= 1) & (pair[split] <= PAIRS)).all()
    assert ((line[split] >= 0) & (line[split] < len(begins))).all()
    places = set(zip(line[split].tolist(), pair[split].tolist(), strict=True))
    assert len(places) == len(split), "two pairs are at one place"
    assert (0, 1) not in places, "the root's place is taken"
    # The place of each node, which is that of the pair that its parent stands for.
    own_line, own_pair = np.zeros(len(line), dtype=np.int64), np.ones(len(line), dtype=np.int64)
    for children in (tree.left, tree.right):
        own_line[children[split]], own_pair[children[split]] = line[split], pair[split]
    within = line[split] == own_line[split]
    assert (pair[split] > own_pair[split])[within].all(), "a walk within a line comes back"
    outside = split[~within]
    assert (line[outside] > own_line[outside]).all(), "a walk comes back to an earlier line"
    steps = line[outside] - begins[own_line[outside]]
    assert ((steps >= 0) & (steps < REACH)).all(), "an exit is out of reach"
    used = set(line.tolist()) | {0}
    assert used == set(range(len(begins))), "a line is empty"
    return len(begins)


@given(SHAPES)
def test_any_tree_is_laid_out_by_the_rules(tree: Shape) -> None:
    """Each pair has a place of its own, later than its parent and within its reach, whatever the shape."""
    check(tree)


@pytest.mark.parametrize("visits", VISITS)
@pytest.mark.parametrize(
    ("splits", "grows", "depth"),
    [
        pytest.param(0, "balanced", 0, id="leaf"),
        pytest.param(1, "balanced", 1, id="stump"),
        pytest.param(6, "balanced", 3, id="one-line"),
        pytest.param(7, "right chain", 7, id="one-pair-too-many"),
        pytest.param(2000, "left chain", 2000, id="left-chain"),
        pytest.param(2000, "right chain", 2000, id="right-chain"),
        pytest.param(4095, "balanced", 12, id="full"),
        pytest.param(4094, "balanced", 12, id="full-but-for-one"),
        pytest.param(3000, "ragged", None, id="ragged"),
        # Where many small subtrees share lines with great ones between them, the reach is nearly used up.
        pytest.param(6000, "random", None, id="random"),
    ],
)
def test_trees_of_extreme_shape_are_laid_out_by_the_rules(
    splits: int, grows: str, depth: int | None, visits: str
) -> None:
    """So are chains, full trees and trees without a split, and none takes many more lines than its pairs fill."""
    tree = shape(splits, grows, visits, 0)
    assert tree.depth == depth or depth is None
    assert check(tree) <= 1 + 1.4 * splits / PAIRS


def test_the_most_visited_way_stays_in_its_line() -> None:
    """A walk that goes where all training samples went enters a new line once in seven steps only."""
    chain = shape(1000, "right chain", "none", 0)
    visits = np.zeros(len(chain.left))
    node, way = 0, []
    while node >= 0:
        visits[node] = len(chain.left)
        way.append(node)
        node = int(chain.right[node])
    line, _, _ = place(chain.left, chain.right, visits)
    assert len(np.unique(line[way[:-1]])) <= 1 + len(way) / PAIRS


def test_a_walk_through_a_real_forest_enters_few_lines(forest: Any, matrix: NDArray[np.float32]) -> None:  # noqa: ANN401
    """On rows that the forest has not seen, a walk takes about three steps in each line that it enters."""
    steps = lines = 0
    for tree in (each.tree_ for each in forest.estimators_):
        split = tree.children_left >= 0
        left, right = tree.children_left.astype(np.int64), tree.children_right.astype(np.int64)
        line, _, _ = place(left, right, tree.n_node_samples.astype(np.float64))
        path = tree.decision_path(matrix[-500:]).tocoo()
        on_split = split[path.col]
        rows, nodes = path.row[on_split].astype(np.int64), path.col[on_split]
        steps += len(rows)
        lines += len(np.unique(rows * len(left) + line[nodes]))
    assert steps / lines > 2.5
