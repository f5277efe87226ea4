"""What is set on scikit-learn's objects, whether they live or a file describes them: readers see no difference."""

from collections.abc import Mapping
from types import MethodType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forest.files.stored import Named, Stored, Unreadable, array, known, number, what
from forest.libraries.scikit_learn.forests import NEWEST, UnknownVersion, minor

METHODS: Final = frozenset(
    {
        *("predict", "predict_proba", "apply", "decision_path", "get_params"),
        *("_validate_X_predict", "_validate_data", "_check_feature_names", "_check_n_features"),
        *("_support_missing_values", "_get_tags", "_more_tags", "_repr_html_", "__sklearn_tags__"),
        *("__sklearn_is_fitted__", "__call__", "__len__", "__iter__", "__getitem__", "__class__"),
        *("decision_function", "score_samples", "_score_samples", "_compute_chunked_score_samples"),
        *("transform", "_iter", "_call_func_on_transformers", "_hstack", "_validate_input", "_check_X", "_get_feature"),
        *("_map_infrequent_categories", "_transform_indicator", "_concatenate_indicator"),
        *("_compute_score_samples", "_raw_predict", "_raw_predict_init", "_predict_iterations", "_preprocess_X"),
        *("transform", "_transform", "inverse", "make_known_categories_bitsets"),
        *("_get_response_method", "_get_pos_label", "_check_input_data_shape", "_build_f"),
    }
)
"""What of an object has a part in a prediction. An attribute of that name that is set on it takes its place."""

OLDEST: Final = (1, 3)
"""The first version of scikit-learn whose boosted and isolation trees are known; of forests, older ones are."""


def overridden(attributes: Mapping[str, object], owner: object = None) -> list[str]:
    """Which methods are overridden by attributes that are set on an object itself.

    Args:
        attributes: of the object.
        owner: the object, whose own methods override nothing: fitting a histogram's booster may leave one set.
    """
    return sorted(name for name in METHODS & attributes.keys() if not _is_own(attributes[name], name, owner))


def _is_own(value: object, name: str, owner: object) -> bool:
    """Whether an attribute is the method of that name which the object has anyway."""
    if not isinstance(value, MethodType):
        return False
    return value.__self__ is owner and value.__func__ is getattr(type(owner), name, None)


def stored(value: Any) -> Stored:  # noqa: ANN401 - whatever a model has in it
    """An object as a file would describe it; its arrays are the same, not copies.

    Raises:
        Unreadable: a model that is compiled has no such object.
    """
    if isinstance(value, Stored):
        return value
    kind = type(value)
    name = known(kind.__module__, kind.__qualname__).name
    if name == "Tree":
        _, args, state = value.__reduce__()
        return Stored(name, args, state)
    attributes = getattr(value, "__dict__", None)
    if attributes is None or isinstance(value, np.ndarray):
        raise Unreadable(f"it has {kind.__name__} where an object with attributes should be")
    import sklearn  # it is: one of its objects lives

    return Stored(name, (), {**attributes, "_sklearn_version": sklearn.__version__})


class Attributes:
    """The attributes of one object.

    Args:
        value: the object, or what a file says of it.
        kinds: the classes that it may be of.
        role: what it is to the model, for messages.

    Raises:
        Unreadable: it is of another class, or has a method of its own.
    """

    def __init__(self, value: Any, kinds: tuple[str, ...], role: str) -> None:  # noqa: ANN401
        if isinstance(value, Named | np.ndarray | int | float | str | list | tuple | dict | None):
            raise Unreadable(f"{role} is {what(value)}")
        found = stored(value)
        if found.name not in kinds:
            raise Unreadable(f"{role} is {what(found)}, not {' or '.join(kinds)}")
        if not isinstance(found.state, dict):
            raise Unreadable(f"{found.name} has no attributes")
        if names := overridden(found.state, value):
            raise Unreadable(f"{found.name} has {', '.join(names)} of its own")
        self.kind = found.name
        self._state: dict[str, Any] = found.state

    def __contains__(self, name: str) -> bool:
        return name in self._state

    def get(self, name: str) -> Any:  # noqa: ANN401
        """An attribute as it is; None if there is none."""
        return self._state.get(name)

    def scalar(self, name: str) -> Any:  # noqa: ANN401
        """A number or text.

        Raises:
            Unreadable: it is none.
        """
        return plain(self.get(name))

    def whole(self, name: str) -> int:
        """A whole number.

        Raises:
            Unreadable: it is none.
        """
        found = self.scalar(name)
        if type(found) is not int:
            raise Unreadable(f"{name} is no whole number")
        return found

    def real(self, name: str) -> float:
        """A finite number.

        Raises:
            Unreadable: it is none.
        """
        found = self.scalar(name)
        if type(found) not in (int, float) or not abs(found) <= np.finfo(np.float64).max:
            raise Unreadable(f"{name} is no finite number")
        return float(found)

    def array(self, name: str) -> NDArray[Any]:
        """An array.

        Raises:
            Unreadable: it is none.
        """
        return array(self.get(name))

    def floats(self, name: str) -> NDArray[np.float64]:
        """An array of finite float64 numbers.

        Raises:
            Unreadable: it is none.
        """
        found = self.array(name)
        if found.dtype != np.float64 or not np.isfinite(found).all():
            raise Unreadable(f"{name} are no finite numbers of double precision")
        return found.astype(np.float64)

    def items(self, name: str) -> list[Any]:
        """A list or tuple.

        Raises:
            Unreadable: it is none.
        """
        found = self.get(name)
        if not isinstance(found, list | tuple):
            raise Unreadable(f"{name} is {what(found)}, not a list")
        return list(found)

    def version(self) -> str:
        """The version of scikit-learn that made it.

        Raises:
            Unreadable: it does not say.
        """
        found = self.scalar("_sklearn_version") if "_sklearn_version" in self else ""
        try:
            minor(str(found))
        except ValueError:
            raise Unreadable(f"the {self.kind} does not say which version of scikit-learn made it") from None
        return str(found)

    def known_version(self) -> str:
        """The version of scikit-learn that made it, if it is one whose boosted and isolation trees are known.

        Raises:
            UnknownVersion: it is not.
            Unreadable: it does not say.
        """
        found = self.version()
        if not OLDEST <= minor(found) <= NEWEST:
            known_ones = " to ".join(".".join(map(str, each)) for each in (OLDEST, NEWEST))
            raise UnknownVersion(f"the {self.kind} was made by scikit-learn {found}, known are {known_ones}")
        return found

    def labels(self) -> NDArray[Any]:
        """(n_classes,) the class labels; those that are objects of a file become plain ones.

        Raises:
            Unreadable: they are no labels.
        """
        found = self.array("classes_")
        if found.ndim != 1 or not len(found):
            raise Unreadable("the class labels are no list")
        if not found.dtype.hasobject:
            return found
        labels = np.empty(len(found), dtype=object)
        for place, label in enumerate(found):
            labels[place] = plain(label)
        return labels

    def columns(self) -> tuple[str, ...] | None:
        """The names of the columns that it was fitted on; None if they had none."""
        if self.get("feature_names_in_") is None:
            return None
        return tuple(str(plain(name)) for name in self.array("feature_names_in_").ravel())

    def same_version(self, version: str) -> "Attributes":
        """Make sure that a part was made by the version that made the whole; returns the part.

        Raises:
            Unreadable: it was not.
        """
        if self.version() != version:
            raise Unreadable(f"its {self.kind} was made by another version of scikit-learn")
        return self


def plain(value: Any) -> Any:  # noqa: ANN401
    """A number or text: itself, or numpy's.

    Raises:
        Unreadable: it is none.
    """
    return number(value.item() if isinstance(value, np.generic) else value)
