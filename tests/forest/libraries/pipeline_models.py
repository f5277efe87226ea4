"""Fitted pipelines of every kind before every kind of model, and rows to ask them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)
from sklearn.tree import DecisionTreeClassifier

from forest import CompiledEngine, Ensemble, compile_forest, ensemble_of, threshold_rows

ROWS = 150

NUMBERS: dict[str, Callable[[], list[Any]]] = {
    "as they are": list,
    "standard": lambda: [StandardScaler()],
    "centred": lambda: [StandardScaler(with_std=False)],
    "min-max": lambda: [MinMaxScaler((-3, 11))],
    "clipped": lambda: [MinMaxScaler(clip=True)],
    "max-abs": lambda: [MaxAbsScaler()],
    "robust": lambda: [RobustScaler()],
    "mean, standard": lambda: [SimpleImputer(), StandardScaler()],
    "median and indicator": lambda: [SimpleImputer(strategy="median", add_indicator=True)],
    "most frequent": lambda: [SimpleImputer(strategy="most_frequent"), RobustScaler(), MinMaxScaler()],
    "constant after standard": lambda: [StandardScaler(), SimpleImputer(strategy="constant", fill_value=-1.5)],
}
NAMES: dict[str, Callable[[], list[Any]]] = {
    "one-hot": lambda: [OneHotEncoder(handle_unknown="ignore")],
    "dense one-hot": lambda: [OneHotEncoder(handle_unknown="ignore", sparse_output=False), StandardScaler()],
    "one-hot of known": lambda: [OneHotEncoder()],
    "one-hot but the first": lambda: [OneHotEncoder(drop="first", handle_unknown="ignore")],
    "one-hot if binary": lambda: [OneHotEncoder(drop="if_binary", dtype=np.float32)],
    "imputed one-hot": lambda: [SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")],
    "constant one-hot": lambda: [
        SimpleImputer(strategy="constant", fill_value="none"),
        OneHotEncoder(handle_unknown="ignore"),
    ],
    "ordinal": lambda: [OrdinalEncoder(encoded_missing_value=-2)],
    "ordinal with unknown": lambda: [
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-7),
        MinMaxScaler(),
    ],
    "ordinal imputed": lambda: [
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan),
        SimpleImputer(strategy="median", add_indicator=True),
    ],
}
CODES: dict[str, Callable[[], list[Any]]] = {
    "as they are": list,
    "one-hot": lambda: [OneHotEncoder(handle_unknown="ignore")],
    "one-hot of known": lambda: [OneHotEncoder()],
    "imputed one-hot": lambda: [SimpleImputer(strategy="median"), OneHotEncoder(handle_unknown="ignore")],
    "ordinal of known": lambda: [OrdinalEncoder()],
    "ordinal": lambda: [OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)],
    "ordinal or missing, as it is": lambda: [
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan),
    ],
    "ordinal or missing": lambda: [
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan),
        SimpleImputer(),
    ],
}
MODELS: dict[str, Callable[[int], Any]] = {
    "forest": lambda seed: RandomForestClassifier(8, random_state=seed),
    "extra": lambda seed: ExtraTreesRegressor(8, random_state=seed),
    "tree": lambda seed: DecisionTreeClassifier(random_state=seed),
    "gradient": lambda seed: GradientBoostingClassifier(n_estimators=8, random_state=seed),
    "histogram": lambda seed: HistGradientBoostingClassifier(max_iter=8, min_samples_leaf=3, random_state=seed),
    "histogram regressor": lambda seed: HistGradientBoostingRegressor(
        max_iter=8, min_samples_leaf=3, random_state=seed
    ),
    "isolation": lambda seed: IsolationForest(n_estimators=10, random_state=seed),
}
NAMES_OF = ["", "a", "bb", "ccc", "dddd", "ä"]


@dataclass(frozen=True, slots=True)
class Plan:
    """How to make a table and a pipeline.

    Attributes:
        seed: of all draws.
        numbers: what is done to each column of numbers, keys of ``NUMBERS``.
        names: likewise of names.
        codes: likewise of numbers that are categories.
        missing: whether values may be missing in the table.
        others: what becomes of the columns that no step takes.
        model: a key of ``MODELS``.
        sparse: how sparse a matrix must be, to be kept as one.
        nested: whether the columns of numbers are put into a ColumnTransformer of their own.
    """

    seed: int
    numbers: list[str]
    names: list[str]
    codes: list[str]
    missing: bool
    others: str = "drop"
    model: str = "forest"
    sparse: float = 0.3
    nested: bool = False


def plans(models: list[str]) -> st.SearchStrategy[Plan]:
    """Plans for pipelines before some of the models."""
    return st.builds(
        Plan,
        seed=st.integers(0, 2**32 - 1),
        numbers=st.lists(st.sampled_from(list(NUMBERS)), min_size=1, max_size=3),
        names=st.lists(st.sampled_from(list(NAMES)), max_size=2),
        codes=st.lists(st.sampled_from(list(CODES)), max_size=1),
        missing=st.booleans(),
        others=st.sampled_from(["drop", "passthrough"]),
        model=st.sampled_from(models),
        sparse=st.sampled_from([0.0, 0.3, 1.0]),
        nested=st.booleans(),
    )


def table_of(plan: Plan) -> pd.DataFrame:
    """The training data: numbers of many sizes, names, and numbers that are categories."""
    draw = np.random.default_rng(plan.seed)
    columns: dict[str, Any] = {}
    for place in range(len(plan.numbers) + 1):
        columns[f"number {place}"] = draw.normal(draw.normal(), 10.0 ** draw.integers(-4, 6), ROWS)
    for place in range(len(plan.names)):
        columns[f"name {place}"] = draw.choice(NAMES_OF, ROWS).astype(object)
    for place in range(len(plan.codes)):
        columns[f"code {place}"] = draw.choice([-1.5, 0.0, 3.0, 7.0, 1e6], ROWS)
    if plan.missing:
        for values in columns.values():
            values[draw.random(ROWS) < 0.15] = np.nan
    table = pd.DataFrame(columns)
    return table[draw.permutation(table.columns)]


def fitted(plan: Plan, model: Any = None) -> tuple[Any, pd.DataFrame]:  # noqa: ANN401 - sklearn is untyped
    """A fitted pipeline, and what it was fitted on."""
    table = table_of(plan)
    draw = np.random.default_rng(plan.seed)
    sparse = 0.0 if plan.model.startswith("histogram") else plan.sparse  # which take no sparse matrix
    numbers = [
        (f"numbers {place}", make_pipeline("passthrough", *NUMBERS[key]()), [f"number {place}"])
        for place, key in enumerate(plan.numbers)
    ]
    parts = [
        (f"names {place}", make_pipeline(*NAMES[key]()), [f"name {place}"]) for place, key in enumerate(plan.names)
    ]
    parts += [
        (f"codes {place}", make_pipeline("passthrough", *CODES[key]()), [f"code {place}"])
        for place, key in enumerate(plan.codes)
    ]
    if plan.nested:
        within = ColumnTransformer(numbers, remainder="drop", sparse_threshold=sparse)
        parts.append(("numbers", make_pipeline(within), [f"number {place}" for place in range(len(numbers))]))
    else:
        parts += numbers
    before = ColumnTransformer(parts, remainder=plan.others, sparse_threshold=sparse)
    labels = draw.integers(3, size=ROWS) if plan.seed % 2 else np.arange(ROWS) % 5 > 2
    made = Pipeline([("before", before), ("model", MODELS[plan.model](plan.seed) if model is None else model)])
    return made.fit(table, labels), table


def rows_of(ensemble: Ensemble, table: pd.DataFrame, seed: int) -> NDArray[np.float64]:
    """Rows on thresholds, on training values, beside both, and of categories that are not known, or missing."""
    draw = np.random.default_rng(seed)
    matrix = np.empty((ROWS, len(table.columns)))
    for place, name in enumerate(table.columns):
        values = table[name]
        if ensemble.categorical.get(place):
            matrix[:, place] = [_code(value, ensemble.categorical[place]) for value in values]
        else:
            matrix[:, place] = np.zeros(ROWS) if values.dtype == object else values
    mixed = np.take_along_axis(matrix, draw.integers(ROWS, size=matrix.shape), 0)
    for column in range(matrix.shape[1]):
        refuses = column in ensemble.codes and (column in ensemble.needed or not ensemble.takes_missing)
        if not ensemble.categorical.get(column) and not refuses:
            beside = np.nextafter(mixed[:, column], draw.choice([-np.inf, np.inf], ROWS))
            far = draw.choice([0.0, -0.0, 5e-324, -1e30, 1e30, 2.0, 3.0], ROWS)
            kind = draw.integers(4, size=ROWS)
            mixed[:, column] = np.select([kind == 0, kind == 1], [beside, far], mixed[:, column])
    missing = draw.random(mixed.shape) < 0.1
    missing[:, list(ensemble.needed)] = False
    if ensemble.takes_missing:
        mixed[missing] = np.nan
    for column in ensemble.needed if ensemble.takes_missing else range(mixed.shape[1]):
        values = mixed[:, column]
        # An isolation forest takes no missing value of a sparse matrix here, though it may have seen some.
        values[np.isnan(values)] = values[~np.isnan(values)][0]
    return np.concatenate([threshold_rows(ensemble, 200, seed=seed % 2**32), mixed])


def _code(value: Any, names: tuple[str, ...]) -> float:  # noqa: ANN401
    return float(names.index(value)) if value in names else np.nan


def frame_of(ensemble: Ensemble, rows: NDArray[np.float64]) -> pd.DataFrame:
    """The rows as the pipeline takes them, with names in place of codes."""
    assert ensemble.columns is not None
    columns: dict[str, Any] = {}
    for place, name in enumerate(ensemble.columns):
        names = ensemble.categorical.get(place)
        columns[name] = rows[:, place]
        if names:
            known = dict(enumerate(names))
            values = [known.get(code, "never seen") if code == code else np.nan for code in rows[:, place].tolist()]
            columns[name] = pd.Series(values, dtype=object)
    return pd.DataFrame(columns)


def assert_same(pipeline: Any, ensemble: Ensemble, rows: NDArray[np.float64]) -> None:  # noqa: ANN401
    """The compiled ensemble answers as the pipeline does for the same rows as a DataFrame, bit by bit."""
    found = CompiledEngine(compile_forest(ensemble)).predict(rows)
    frame = frame_of(ensemble, rows)
    labels = pipeline.predict(frame)
    if labels.dtype.kind == "f":
        assert labels.dtype == found.labels.dtype
        np.testing.assert_array_equal(labels.view(f"u{labels.itemsize}"), found.labels.view(f"u{labels.itemsize}"))
    else:
        np.testing.assert_array_equal(labels, found.labels)
    if found.probabilities is None:
        assert not hasattr(pipeline, "predict_proba")
        return
    expected = np.asarray(pipeline.predict_proba(frame), dtype=np.float64)
    np.testing.assert_array_equal(expected.view(np.uint64), found.probabilities.view(np.uint64))


__all__ = ["MODELS", "Plan", "assert_same", "ensemble_of", "fitted", "frame_of", "plans", "rows_of", "table_of"]
