"""A ``Booster`` as XGBoost stores it: its trees, and the numbers that its parts are about.

Sources are XGBoost's: ``src/learner.cc``, ``src/gbm/gbtree.cc`` and ``gbtree_model.cc``.
"""

import json
from dataclasses import replace
from typing import Any, Final

import numpy as np

from forest.ensemble import MOST_COLUMNS, Tree
from forest.files.stored import Unreadable
from forest.libraries.xgboost.categories import category_names
from forest.libraries.xgboost.document import Document
from forest.libraries.xgboost.objectives import OBJECTIVES, REFUSED, Floats, Objective, Version, intercept
from forest.libraries.xgboost.trees import read_tree

OLDEST: Final[Version] = (1, 7)
NEWEST: Final[Version] = (3, 2)
"""The versions of XGBoost whose models are known; tests hold each of them against its own answers."""

_MOST_OUTPUTS: Final = 1 << 16
_MOST_CODES: Final = 1 << 27
"""Of all splits by category together; each code takes a byte."""


class StoredBooster:
    """What ``Booster.save_model`` wrote.

    Args:
        document: all of it.

    Attributes:
        version: of the XGBoost that wrote it.
        made_by: likewise, with its third number.
        width: how many columns it takes.
        columns: their names; None if it was fitted without.
        classes: how many classes it knows; less than 2 if it knows of none.
        outputs: how many sums a row has.
        objective: the name of its objective.
        rule: what is known of that.
        base: (outputs,) float32, what the sums begin with.

    Raises:
        Unreadable: it is no model of a known version, or damaged.
    """

    def __init__(self, document: Document) -> None:
        numbers = document.integers("version", 3).tolist()
        self.made_by = ".".join(map(str, numbers))
        self.version: Version = (numbers[0], numbers[1])
        if not OLDEST <= self.version <= NEWEST:
            known = ".".join(map(str, OLDEST)) + " to " + ".".join(map(str, NEWEST))
            raise Unreadable(f"the model was made by XGBoost {self.made_by}, known are {known}")
        self._learner = learner = document.part("learner")
        self.objective = learner.part("objective").text("name")
        if (rule := OBJECTIVES.get(self.objective)) is None:
            reason = REFUSED.get(self.objective, "it is not known")
            raise Unreadable(f"its objective is {self.objective[:60]!a}: {reason}")
        self.rule: Objective = rule
        parameters = learner.part("learner_model_param")
        self.width, self.classes = parameters.whole("num_feature"), parameters.whole("num_class")
        self.outputs = max(self.classes, parameters.whole("num_target", 1), 1)
        if self.outputs > _MOST_OUTPUTS or self.width > MOST_COLUMNS:
            raise Unreadable(f"it has {self.outputs} outputs and {self.width} columns")
        self.base: Floats = intercept(parameters.text("base_score"), rule, self.version, self.outputs)
        self.columns = learner.texts("feature_names") or None
        booster = learner.part("gradient_booster")
        if (name := booster.text("name")) not in ("gbtree", "dart"):
            raise Unreadable(f"it is made of no trees, but of {name[:40]!a}")
        self._weights = booster.floats("weight_drop") if name == "dart" else None
        self._gbtree = (booster.part("gbtree") if name == "dart" else booster).part("model")

    def stated(self) -> dict[str, Any]:
        """What an estimator wrote of itself; nothing if a ``Booster`` was saved."""
        attributes = self._learner.part("attributes")
        try:
            found = json.loads(attributes.text("scikit_learn")) if "scikit_learn" in attributes else {}
        except (ValueError, RecursionError):
            found = None
        if type(found) is not dict:
            raise Unreadable("what the estimator wrote of itself is damaged")
        return found

    def best_rounds(self) -> int | None:
        """How many rounds of training an estimator answers with; None if with all."""
        attributes = self._learner.part("attributes")
        return attributes.whole("best_iteration") + 1 if "best_iteration" in attributes else None

    def categorical(self, trees: list[Tree]) -> dict[int, tuple[str, ...]]:
        """The columns of categories, by their types or by splits, and how the categories are called."""
        found = category_names(self._learner, self._gbtree, self.width)
        for tree in trees:
            if tree.category is not None:
                found |= {column: () for column in tree.feature[tree.category >= 0].tolist() if column not in found}
        return found

    def trees(self, rounds: int | None, *, zero_is_missing: bool, in_place: bool) -> list[Tree]:
        """The trees, whose leaves are what is added for them.

        Args:
            rounds: how many rounds of training to take; None for all.
            zero_is_missing: whether 0 counts as missing.
            in_place: whether ``Booster.inplace_predict`` answers, which rounds more often if trees have weights.

        Raises:
            Unreadable: they are damaged.
        """
        stored = list(self._gbtree.parts("trees"))
        groups = self._gbtree.integers("tree_info", len(stored))
        if len(groups) and not 0 <= groups.min() <= groups.max() < self.outputs:
            raise Unreadable("its trees are for more outputs than it has")
        if self._weights is not None and len(self._weights) != len(stored):
            raise Unreadable(f"it has weights for {len(self._weights)} of {len(stored)} trees")
        end = self._end(rounds, len(stored), int(groups.max(initial=0)) + 1)
        found, codes = [], 0
        for place, (each, group) in enumerate(zip(stored[:end], groups.tolist(), strict=False)):
            if each.place("id") != place:
                raise Unreadable("its trees are in disorder")
            tree = read_tree(each, group, zero_is_missing=zero_is_missing)
            if (codes := codes + sum(len(categories.left) for categories in tree.sets)) > _MOST_CODES:
                raise Unreadable(f"its splits by category have more than {_MOST_CODES} codes")
            found.append(tree if self._weights is None else self._weighted(tree, self._weights[place], in_place))
        return found

    def _weighted(self, tree: Tree, weight: np.float32, in_place: bool) -> Tree:
        """A tree of a dart, multiplied with its weight; in place, XGBoost adds the base before and takes it off."""
        if tree.leaves.shape[1] != 1:
            raise Unreadable("it is a dart whose leaves have several numbers")
        start = self.base[tree.output] if in_place else np.float32(0)
        with np.errstate(over="ignore", invalid="ignore"):
            leaves = start + tree.leaves
            return replace(tree, leaves=(leaves - start if in_place else leaves) * weight)

    def _end(self, rounds: int | None, trees: int, groups: int) -> int:
        """How many trees there are in so many rounds."""
        if rounds is None:
            return trees
        if "iteration_indptr" in self._gbtree:  # since XGBoost 2.0
            ends = self._gbtree.integers("iteration_indptr").tolist()
        else:
            layer = groups * self._gbtree.part("gbtree_model_param").whole("num_parallel_tree")
            ends = list(range(0, trees + 1, layer)) if layer > 0 else []
        if not 0 < rounds < len(ends) or not 0 < ends[rounds] <= trees:
            raise Unreadable(f"its best round, the {rounds}., is none that it has")
        end: int = ends[rounds]
        return end
