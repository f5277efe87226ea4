"""scikit-learn's Pipeline (sklearn/pipeline.py) before a tree model, as an ensemble over the pipeline's own columns.

What is given is a table whose columns of numbers are of float64, and whose columns of names are of objects, with NaN
for a missing value.
"""

from dataclasses import replace
from typing import Any, Final

import numpy as np

from forest.engine import UnsupportedModel
from forest.ensemble import Ensemble
from forest.files.stored import Unreadable, name_of
from forest.libraries.pipelines.columns import Column
from forest.libraries.pipelines.rewriting import Given, over_given
from forest.libraries.pipelines.transformers import Table, Transformers, is_passed_through, steps_of
from forest.libraries.scikit_learn.attributes import Attributes
from forest.libraries.scikit_learn.found import Found, Read

KIND: Final = "Pipeline"
_LIBRARY: Final = "scikit-learn"

_DEEPEST: Final = 20
"""Steps that may stand in each other before the first one that takes columns."""


def pipeline(value: Any, read: Read) -> Found:  # noqa: ANN401 - an estimator, or what a file says of one
    """Read a fitted Pipeline whose last step is a tree model.

    Raises:
        UnknownVersion: it was made by a version that is not known.
        UnsupportedModel: it has a step that cannot be answered for; the message says why.
    """
    whole = Attributes(value, (KIND,), "the model")
    version = whole.known_version()
    *steps, last = steps_of(whole)
    found = read(last, "the last step of the pipeline")
    first = next((each for each in steps if not is_passed_through(each)), last)

    def ensemble() -> Ensemble:
        model = found.ensemble()
        if model.library == _LIBRARY and model.version != version:
            raise Unreadable("its model was made by another version of scikit-learn")
        given = _given(first, 0)
        table = Table([Column(place) for place in range(given.width)])
        transformers = Transformers(version)
        for step in steps:
            table = transformers.transform(step, table)
        if table.is_sparse:
            # The trees that take float32 take a zero that the matrix leaves out for a zero; a histogram's do not.
            if model.library != _LIBRARY or model.dtype is not np.float32:
                raise UnsupportedModel(
                    f"the {model.kind} is given a sparse matrix, whose zeros may be missing values to it"
                )
            # scikit-learn's trees take no missing value of a sparse matrix, or another way than of a dense one.
            model = replace(model, takes_missing=False)
        made = over_given(model, table.columns, given)
        return replace(made, library=_LIBRARY, version=version, kind=f"{KIND} with {model.kind}")

    return Found(found.nbytes, ensemble)


def _given(step: Any, depth: int) -> Given:  # noqa: ANN401
    """The columns that the first step takes."""
    if depth > _DEEPEST:
        raise Unreadable("its steps are too deep in each other")
    if name_of(step) == KIND:
        steps = [each for each in steps_of(Attributes(step, (KIND,), "a step")) if not is_passed_through(each)]
        if not steps:
            raise UnsupportedModel("the first step of the pipeline does nothing, and has no columns")
        return _given(steps[0], depth + 1)
    attributes = Attributes(step, (name_of(step),), "the first step")
    width, names = attributes.whole("n_features_in_"), attributes.columns()
    if not 1 <= width <= _MOST_COLUMNS or (names is not None and len(names) != width):
        raise Unreadable("the pipeline is not fitted, or its columns are not those that it names")
    return Given(width, names)


_MOST_COLUMNS: Final = 1 << 16
