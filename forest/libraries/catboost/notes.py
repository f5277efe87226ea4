"""What CatBoost's models note of themselves: names and texts, some of them JSON (``TFullModel::ModelInfo``)."""

import json
import math
import re
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forest.files.stored import Unreadable
from forest.libraries.catboost.buffer import Table

_NAME, _TEXT = range(2)

_VERSION: Final = re.compile(r"tags/v([0-9.]{1,20})\s")
_NUMBER: Final = re.compile(r"[0-9]{1,20}(\.[0-9]{1,30})?(e-[0-9]{1,3})?")

_LABELS: Final[dict[str, tuple[tuple[type, ...], type]]] = {
    "Boolean": ((bool,), np.bool_),
    "Integer": ((int,), np.int64),
    "Float": ((int, float), np.float64),
    "String": ((str,), object),
}
"""Types of labels → of what in JSON, and what ``predict`` makes of them."""


class Notes:
    """A model's notes.

    Args:
        tables: the tables ``TKeyValue``.

    Attributes:
        version: of the CatBoost that made it, as far as it tells.
        loss: the name of its loss function.
        threshold: a sum above it is the second of two classes.

    Raises:
        Unreadable: they are damaged.
    """

    def __init__(self, tables: list[Table]) -> None:
        self._tables: dict[str, Table] = {}
        for table in tables:
            if (name := table.text(_NAME)) in self._tables:
                raise Unreadable(f"it is damaged: it notes {name[:40]!a} twice")
            self._tables[name] = table
        found = _VERSION.search(self._text("catboost_version_info"))
        self.version = found[1] if found else "(unknown version)"
        self.loss = self._loss()
        self.threshold = self._threshold()

    def classes(self, outputs: int) -> NDArray[Any]:
        """The class labels, as ``TFullModel::GetModelClassLabels`` tells them.

        Args:
            outputs: how many sums a row has.

        Returns:
            (n_classes,) of the type that ``CatBoostClassifier.predict`` answers with.

        Raises:
            Unreadable: it has none, or another number of them than of outputs.
        """
        count = 2 if outputs == 1 else outputs
        told = self._json("class_params")
        if told is None:
            raise Unreadable("it notes no class labels, which a CatBoostClassifier answers with")
        names, codes, total = (told.get(name) for name in ("class_names", "class_to_label", "classes_count"))
        if type(names) is not list or codes != list(range(count)):
            raise Unreadable(f"its class labels are not those of {count} classes that it was trained on")
        if not names and total in (0, count):  # numbered, which is all that is known of them
            names = codes
        if len(names) != count or (kind := _LABELS.get(str(told.get("class_label_type")))) is None:
            raise Unreadable(f"its class labels are not those of {count} classes that it was trained on")
        types, dtype = kind
        if any(type(name) not in types for name in names):
            raise Unreadable("its class labels are not of the type that it notes")
        try:
            return np.array(names, dtype=dtype)
        except OverflowError:
            raise Unreadable("its class labels are larger than numbers can be") from None

    def _loss(self) -> str:
        told = self._json("params")
        loss = None if told is None else told.get("loss_function")
        name = loss.get("type") if type(loss) is dict else None
        if type(name) is not str:
            raise Unreadable("it does not note the loss function that it was trained with")
        return name

    def _threshold(self) -> float:
        """Of the sums, where one for the probability was set; the operations of ``NCB::Logit``."""
        if not (text := self._text("binclass_probability_threshold")):
            return 0.0
        if not _NUMBER.fullmatch(text) or not 0 < (share := float(text)) < 1:
            raise Unreadable(f"its threshold for a probability is {text[:40]!a}, not between 0 and 1")
        return -math.log(1 / share - 1)

    def _text(self, name: str) -> str:
        return self._tables[name].text(_TEXT) if name in self._tables else ""

    def _json(self, name: str) -> dict[str, Any] | None:
        if not (text := self._text(name)):
            return None
        try:
            found = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse)
        except (ValueError, RecursionError):
            found = None
        if type(found) is not dict:
            raise Unreadable(f"it is damaged: what it notes of {name} is no JSON object")
        return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A dictionary.

    Raises:
        ValueError: a name stands in it twice, of which CatBoost may take the other.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands there twice")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
