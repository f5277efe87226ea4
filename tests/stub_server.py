"""The real server with a stand-in for the registry: everything runs but MLflow, and the engine does as it is told.

Started as a program by the tests; the environment variable STUB holds a JSON object:

- ``fixed``, ``per_row``: seconds that a call takes;
- ``gate``: a path; while a file is there, calls with an elevation of HELD do not return;
- ``bounded``: true if a short call may run on the event loop;
- ``threads``: a path; the name of the thread of each call is appended to that file, a line each;
- ``load_after``: a path; the model is loaded once a file is there;
- ``no_model``: true if the registry has none;
- ``unusable``: true if the model cannot be opened.

The label of a row tells its elevation: 1 + elevation modulo 7. Elevations below zero are faults that the engine shows
only when it computes.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import registry
import registry.child
import registry.engines
import server
from forest import Engine, Prediction

RAISES, WRONG_SHAPE, NOT_FINITE, HANGS, STOPS, NAN_LABEL, NO_JSON = -1.0, -2.0, -3.0, -4.0, -5.0, -6.0, -7.0
"""Elevations of rows that make the engine fail, each in its own way."""

HELD = 4000.0
"""Elevation of rows that take as long as a test wants."""

CLASSES = np.arange(1, 8)


class StubEngine:
    """Takes the time that it is told to take."""

    name = "stub"
    classes: NDArray[Any] | None = CLASSES

    def __init__(self, told: dict[str, Any]) -> None:
        self.bounded = bool(told.get("bounded"))
        self._fixed = told.get("fixed", 0.0)
        self._per_row = told.get("per_row", 0.0)
        self._gate = told.get("gate")
        self._threads = told.get("threads")

    def predict(self, matrix: NDArray[np.float32]) -> Prediction:
        """See ``forest.Engine.predict``."""
        time.sleep(self._fixed + self._per_row * len(matrix))
        if self._threads is not None:
            with Path(self._threads).open("a") as file:
                file.write(f"{threading.current_thread().name}\n")
        elevations = matrix[:, 0]
        while HELD in elevations and self._gate and Path(self._gate).exists():
            time.sleep(0.002)
        if HANGS in elevations:
            time.sleep(3600)
        if RAISES in elevations:
            raise ArithmeticError("this row is poison")
        if STOPS in elevations:
            next(iter(()))
        probabilities = np.eye(7)[elevations.astype(int) % 7]
        if NOT_FINITE in elevations:
            probabilities[0] = np.nan
        labels = CLASSES[elevations.astype(int) % 7]
        if NAN_LABEL in elevations:
            labels = np.where(elevations == NAN_LABEL, np.nan, labels)
        if NO_JSON in elevations:
            labels = np.where(elevations == NO_JSON, 1j, labels.astype(object))
        return Prediction(labels[1:] if WRONG_SHAPE in elevations else labels, probabilities)


TOLD: dict[str, Any] = json.loads(os.environ.get("STUB", "{}"))


async def prepare_in_child(
    uri: registry.ModelURI,
    access: registry.Access,  # noqa: ARG001 - there is no store
    choice: str,  # noqa: ARG001 - nor a choice
    cache_folder: Path,
    **_how: object,
) -> registry.Prepared:
    """Stands in for ``registry.child.prepare_in_child``."""
    if TOLD.get("no_model"):
        raise registry.ModelNotFound("there is no model: run `make train`")
    return registry.Prepared(registry.ModelVersion(uri.name, "7"), "sklearn", cache_folder)


def open_engine(prepared: registry.Prepared) -> Engine:  # noqa: ARG001 - nothing is prepared
    """Stands in for ``registry.engines.open_engine``."""
    if TOLD.get("unusable"):
        raise registry.UnusableModel("the model is spoilt")
    gate = TOLD.get("load_after")
    while gate and not Path(gate).exists():
        time.sleep(0.01)
    return StubEngine(TOLD)


if __name__ == "__main__":
    registry.child.prepare_in_child = prepare_in_child
    registry.engines.open_engine = open_engine
    sys.exit(server.main())
