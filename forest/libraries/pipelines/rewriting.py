"""An ensemble behind the steps of a pipeline → the same over the columns that the pipeline is given.

Each split on a column that a step has made becomes one on the column that it was made of: of numbers, by the greatest
number that goes left; of categories, by those that do. All steps keep the order of numbers, so that this is all there
is to a split.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forest.engine import UnsupportedModel
from forest.ensemble import NUMERIC, Categories, Ensemble, Missing, Tree
from forest.libraries.pipelines.columns import REFUSED, Column, Held, Table, is_missing
from forest.libraries.pipelines.raw_thresholds import greatest_not_above
from forest.libraries.pipelines.rules import Identity, Rule, groups, rounded

_ALMOST: Final = float(np.nextafter(float(np.finfo(np.float32).max) + 2.0**103, 0))
"""The greatest number that float32 has room for: half a step above its own greatest, all become infinite."""

_GREATEST: Final = float(np.finfo(np.float32).max)
"""What no number that is given exceeds."""


@dataclass(frozen=True, slots=True)
class Given:
    """What is known of the columns that a pipeline is given.

    Attributes:
        width: how many there are.
        names: of them; None if it was fitted without.
    """

    width: int
    names: tuple[str, ...] | None


def over_given(model: Ensemble, columns: list[Column], given: Given) -> Ensemble:
    """Rewrite a model into one over the columns that its pipeline is given.

    Args:
        model: the pipeline's model.
        columns: (model.width,) what it is given.
        given: the columns that the pipeline is given.

    Returns:
        An ensemble of float64: it answers for columns of numbers as the pipeline does if they are of float64.

    Raises:
        UnsupportedModel: there is no such ensemble; the message says why.
    """
    if len(columns) != model.width:
        raise UnsupportedModel(f"the model takes {model.width} columns, and is given {len(columns)}")
    return _Rewriting(model, columns, given).ensemble()


class _Rewriting:
    """One model, and what it is given."""

    def __init__(self, model: Ensemble, columns: list[Column], given: Given) -> None:
        self._model, self._columns, self._given = model, columns, given
        self._categorical: dict[int, tuple[str, ...]] = {}
        self._codes: dict[int, NDArray[np.float64]] = {}
        self._refuses_missing = self._refusing()
        self._refused = np.zeros(given.width, dtype=bool)
        for feature, column in enumerate(columns):
            self._refused[column.source] |= self._is_refused(feature, column.missing)
        self._known_sets: list[dict[Identity, Categories]] = [{} for _ in columns]
        self._thresholds = self._raw_thresholds()
        self._note_categories()

    def ensemble(self) -> Ensemble:
        """The model over what its pipeline is given."""
        given = self._given
        takes_missing = not self._refused.all()
        made = replace(
            self._model,
            columns=given.names,
            width=given.width,
            trees=_Rewritten(self),
            dtype=np.float64,
            takes_missing=takes_missing,
            needed=tuple(np.flatnonzero(self._refused).tolist()) if takes_missing else (),
            zero=0.0,
            categorical=self._categorical,
            codes=self._codes,
            limits=self._limits(),
            by_name=True,
            computed=True,
        )
        return made.check()

    def _limits(self) -> dict[int, tuple[float, float]]:
        """The numbers that scikit-learn takes: it refuses those that float32 has no room for when they are scaled."""
        model, found = self._model, dict[int, tuple[float, float]]()
        rounds = model.dtype is np.float32 and model.library == "scikit-learn"
        for feature, column in enumerate(self._columns):
            own = model.limits.get(feature, (-_ALMOST, _ALMOST) if rounds else None)
            if own is None or column.table is not None:
                continue
            limits = np.array([np.nextafter(own[0], -np.inf), own[1]])
            below, greatest = greatest_not_above(column.numbers, limits)
            low, high = found.get(column.source, (-_GREATEST, _GREATEST))
            found[column.source] = max(low, float(np.nextafter(below, np.inf))), min(high, float(greatest))
        return {source: both for source, both in found.items() if both != (-_GREATEST, _GREATEST)}

    def tree(self, tree: Tree) -> Tree:
        """One of the model's trees over what its pipeline is given."""
        feature, threshold, missing = tree.feature.copy(), tree.threshold.copy(), tree.missing.copy()
        category, sets = np.full(len(tree.left), NUMERIC, dtype=np.int64), list[Categories]()
        splits = np.flatnonzero(tree.splits)
        for own, at in groups(tree.feature[splits], splits):
            column = self._columns[own]
            feature[at] = column.source
            rule = Rule(self._model, own, tree, at)
            if self._refused[column.source]:
                missing[at] = Missing.REFUSED
            else:
                missing[at] = np.where(rule.sends_left(column.missing), Missing.LEFT, Missing.RIGHT)
            if column.table is not None or rule.has_categories:
                category[at] = np.arange(len(at)) + len(sets)
                sets += self._sets(rule, column)
                threshold[at] = 0.0
            else:
                known, raw = self._thresholds[own]
                threshold[at] = raw[np.searchsorted(known, threshold[at])]
        return replace(
            tree,
            feature=feature,
            threshold=threshold,
            missing=missing,
            category=category if sets else None,
            sets=sets,
        )

    def trees(self) -> Sequence[Tree]:
        """The model's own."""
        return self._model.trees

    def _refusing(self) -> NDArray[np.bool_]:
        """(width,) whether the model itself takes no missing value in each of its columns."""
        refusing = np.full(self._model.width, not self._model.takes_missing)
        for tree in self._model.trees:
            refusing[tree.feature[tree.splits & (tree.missing == Missing.REFUSED)]] = True
        return refusing

    def _is_refused(self, feature: int, held: Held) -> bool:
        """Whether a step or the model refuses a value."""
        return held is REFUSED or (is_missing(held) and bool(self._refuses_missing[feature]))

    def _note_categories(self) -> None:
        """Note which of the given columns are categories; each is to be the same to all steps."""
        as_numbers: set[int] = set()
        for feature, column in enumerate(self._columns):
            if column.table is None:
                if isinstance(column.missing, str):
                    raise UnsupportedModel("the model is given names")
                if feature in self._model.categorical and column.is_given:
                    self._note_own(feature, column)
                else:
                    as_numbers.add(column.source)
                continue
            categories = column.table.categories
            if isinstance(categories, tuple):
                self._note(column.source, categories, None)
                continue
            # What is refused is one thing: a missing value and a number that is none of them.
            if self._is_refused(feature, column.table.unknown) != self._refused[column.source] or not len(categories):
                raise UnsupportedModel(
                    f"{self._called(column.source)} has numbers for categories, and of any other number and a missing "
                    "value one is refused, the other not"
                )
            self._note(column.source, (), categories)
        if mixed := as_numbers & self._categorical.keys():
            raise UnsupportedModel(f"{self._called(min(mixed))} is taken for a number by one step, by another not")
        if self._given.names is None and any(self._categorical.values()):
            raise UnsupportedModel("its categories have names, but its columns have none")

    def _note_own(self, feature: int, column: Column) -> None:
        """Note categories of the model's own."""
        model = self._model
        if model.categorical[feature]:
            raise UnsupportedModel("the model has names of its own for the categories of a column")
        if model.dtype is not np.float64:
            raise UnsupportedModel("the model rounds the numbers of its categories")
        self._note(column.source, (), model.codes.get(feature))

    def _note(self, source: int, names: tuple[str, ...], codes: NDArray[np.float64] | None) -> None:
        before = self._categorical.setdefault(source, names)
        if codes is not None and source not in self._codes:
            self._codes[source] = codes
        known = self._codes.get(source)
        if (
            before != names
            or (codes is None) != (known is None)
            or not np.array_equal(_or_none(codes), _or_none(known))
        ):
            raise UnsupportedModel(f"{self._called(source)} has other categories for one step than for another")

    def _called(self, source: int) -> str:
        names = self._given.names
        return f"column {source if names is None else ascii(names[source][:40])}"

    def _raw_thresholds(self) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """For each of the model's columns its thresholds, and the same of the given column that it is made of."""
        found: list[list[NDArray[np.float64]]] = [[] for _ in self._columns]
        for tree in self._model.trees:
            numbers = np.flatnonzero(tree.splits if tree.category is None else tree.splits & (tree.category == NUMERIC))
            for feature, at in groups(tree.feature[numbers], numbers):
                found[feature].append(np.unique(tree.threshold[at]))
        return [self._raw(column, parts) for column, parts in zip(self._columns, found, strict=True)]

    def _raw(self, column: Column, parts: list[NDArray[np.float64]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        thresholds = np.unique(np.concatenate(parts)) if parts else np.empty(0)
        if column.table is not None or not parts:
            return thresholds, thresholds
        return thresholds, greatest_not_above(lambda values: rounded(column.numbers(values), self._model), thresholds)

    def _sets(self, rule: Rule, column: Column) -> list[Categories]:
        """What each of some splits on one column sends left."""
        if column.table is None:
            if not column.is_given:
                raise UnsupportedModel("the model takes for categories what a step has computed")
            return rule.categories()
        sets: list[Categories] = []
        for place, identity in enumerate(rule.identities()):
            # A set of the tree's own has another place in each tree.
            known = self._known_sets[rule.feature] if identity[-1] == NUMERIC else {}
            if (found := known.get(identity)) is None:
                found = known[identity] = self._set(rule.single(place), column.table)
            sets.append(found)
        return sets

    def _set(self, rule: Rule, table: Table) -> Categories:
        """What one split sends left."""
        left = rule.send_left(table.values)
        unknown_left = bool(rule.sends_left(table.unknown)[0])
        return Categories(left, unknown_left)


class _Rewritten(Sequence[Tree]):
    """The trees, each made when it is asked for."""

    def __init__(self, rewriting: _Rewriting) -> None:
        self._rewriting = rewriting

    def __len__(self) -> int:
        return len(self._rewriting.trees())

    def __iter__(self) -> Iterator[Tree]:
        return map(self._rewriting.tree, self._rewriting.trees())

    def __getitem__(self, number: Any) -> Any:  # noqa: ANN401 - a Tree, for a number; no slices are asked for
        return self._rewriting.tree(self._rewriting.trees()[number])


def _or_none(codes: NDArray[np.float64] | None) -> NDArray[np.float64]:
    return np.empty(0) if codes is None else codes
