"""The model in service: a handle that is swapped, never changed."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal
from urllib.parse import quote

from numpy.typing import NDArray

from forest import Engine, labels_of
from preprocessing.faults import shortened
from serving.errors import ModelNotReady, NotServed


@dataclass(frozen=True)
class Model:
    """One version of a model, ready to predict.

    Attributes:
        name: the registered model.
        version: its version, as the registry writes it.
        engine: what computes its predictions.
        columns: how the order of its columns is known.
        warning: what whoever relies on its answers should know; empty if nothing.
        label: one that it has given, whose type all of its labels have; None if it is not known.
    """

    name: str
    version: str
    engine: Engine
    columns: Literal["named", "stated", "assumed", "unnamed"] = "named"
    warning: str = ""
    label: Any = None

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"

    @cached_property
    def classes(self) -> list[Any] | None:
        """What its probabilities are of, as plain Python values; None if it gives none."""
        classes = self.engine.classes
        return None if classes is None else classes.tolist()

    @cached_property
    def labels(self) -> Callable[[NDArray[Any]], NDArray[Any]] | None:
        """Tells labels and nothing else, if that saves something: see ``forest.labels_of``."""
        return labels_of(self.engine)

    @property
    def headers(self) -> dict[str, str]:
        """What an answer tells of the model; what is not printable ASCII in its name is percent-encoded."""
        name = quote(str(self), safe=" !#$&'()*+,/:;=?@[]^`{|}")
        return {"canopy-model": name, "canopy-engine": self.engine.name}


def check_served(model: Model | None, name: str | None, version: str | None) -> None:
    """See to it that a request is for the model that serves.

    Args:
        model: that one, if there is one.
        name: which one is asked for; None for whichever.
        version: which version; None for whichever.

    Raises:
        ModelNotReady: there is none.
        NotServed: it is for another.
    """
    if model is None:
        raise ModelNotReady
    if name not in {None, model.name}:
        raise NotServed(f"no model {shortened(str(name))!r} is served here, but {model.name!r}")
    if version not in {None, model.version}:
        raise NotServed(f"version {shortened(str(version))!r} of {model.name} is not served, but {model.version}")


class ModelHandle:
    """Holds the model in service. A batch takes the model once, so that one version computes all of it."""

    def __init__(self) -> None:
        self.model: Model | None = None

    def __repr__(self) -> str:
        return f"<ModelHandle {self.model or 'empty'}>"
