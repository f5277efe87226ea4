"""The real server with a stand-in for the registry: everything runs but MLflow, and the engine does as it is told.

Started as a program by the tests; the environment variable STUB holds a JSON object:

- ``fixed``, ``per_row``: seconds that a call takes;
- ``gate``: a path; while a file is there, calls with an elevation of HELD do not return;
- ``bounded``: true if a short call may run on the event loop, or the number of the version whose calls may;
- ``threads``: a path; the name of the thread of each call is appended to that file, a line each;
- ``load_after``: a path; the model is loaded once a file is there, and until then the numbers of the processes that
  wait for it are in a file with .waiting behind its name;
- ``no_model``: true if the registry has none;
- ``unusable``: true if the model cannot be opened, or the number of the version that cannot be;
- ``hangs``: the number of the version whose opening never comes to an end;
- ``tables``: of versions that have another table than the forest-cover one, the names of its columns, or its schema;
- ``labels_only``: true if the engine gives no probabilities;
- ``codecs``: names of classes, as MODULE.NAME, of formats that are served too;
- ``hot_only``: true if whatever takes the way through Starlette, but /health and /stats, is forbidden (403);
- ``version``: a path; the file has the number of the version that is to be served, which may change, or a reason why
  there is none. Without it that is version 7.

The label of a row tells its elevation and the version that has computed it: 1 + (elevation + version) modulo 7.
Elevations below zero are faults that the engine shows
only when it computes.
"""

import importlib
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

import registry
import registry.opening.engines
import server
import serving
from forest import Engine, Prediction, WalkName
from preprocessing import PRESETS, Schema
from workers.serving import application, source

RAISES, WRONG_SHAPE, NOT_FINITE, HANGS, STOPS, NAN_LABEL, NO_JSON = -1.0, -2.0, -3.0, -4.0, -5.0, -6.0, -7.0
"""Elevations of rows that make the engine fail, each in its own way."""

HELD = 4000.0
"""Elevation of rows that take as long as a test wants."""

CLASSES = np.arange(1, 8)


class StubEngine:
    """Takes the time that it is told to take."""

    name = "stub"
    dtype = np.float32
    classes: NDArray[Any] | None = CLASSES

    def __init__(self, told: dict[str, Any], version: int) -> None:
        self._version = version
        self.bounded = told.get("bounded") in (True, str(version))
        self._fixed = told.get("fixed", 0.0)
        self._per_row = told.get("per_row", 0.0)
        self._gate = told.get("gate")
        self._threads = told.get("threads")
        self._labels_only = told.get("labels_only", False)

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
        classes = (elevations.astype(int) + self._version) % 7
        probabilities = np.eye(7)[classes]
        if NOT_FINITE in elevations:
            probabilities[0] = np.nan
        labels = CLASSES[classes]
        if NAN_LABEL in elevations:
            labels = np.where(elevations == NAN_LABEL, np.nan, labels)
        if NO_JSON in elevations:
            labels = np.where(elevations == NO_JSON, 1j, labels.astype(object))
        return Prediction(
            labels[1:] if WRONG_SHAPE in elevations else labels, None if self._labels_only else probabilities
        )


TOLD: dict[str, Any] = json.loads(os.environ.get("STUB", "{}"))


def wanted() -> str:
    """The version to serve, or why there is none."""
    return Path(TOLD["version"]).read_text() if "version" in TOLD else "7"


def schema_of(version: str) -> Schema:
    """The table of a version."""
    match TOLD.get("tables", {}).get(version):
        case None:
            return PRESETS[0].schema
        case list(names):
            return Schema.of_columns(names)
        case description:
            return Schema.read(json.dumps(description).encode())


class StubFinder:
    """Stands in for ``registry.updates.finder.CachedFinder``."""

    def __init__(self, uri: registry.ModelURI, *_: object, **__: object) -> None:
        self._name = uri.name

    async def resolve(self) -> registry.ModelVersion:
        """See ``Finder``."""
        if TOLD.get("no_model"):
            raise registry.ModelNotFound("there is no model: run `make train`")
        number = wanted()
        if not number.isdecimal():
            raise registry.StoreUnavailable(number)
        return registry.ModelVersion(self._name, number)

    async def prepare(self, version: registry.ModelVersion) -> registry.Prepared:
        """See ``Finder``."""
        return registry.Prepared(version, "sklearn", Path(), registry.Columns(schema_of(version.number)))

    async def keep(self, prepared: registry.Prepared) -> None:
        """See ``Finder``; nothing is known at the next start."""

    async def restore(self, prepared: registry.Prepared) -> None:
        """See ``Finder``; there is no cache."""

    async def last_known(self) -> None:
        """See ``Finder``."""

    async def discard(self, prepared: registry.Prepared) -> None:
        """See ``Finder``; there is no cache."""


def open_engine(prepared: registry.Prepared, walk: WalkName = "auto") -> Engine:  # noqa: ARG001 - as the real one has it
    """Stands in for ``registry.opening.engines.open_engine``."""
    unusable = TOLD.get("unusable")
    if unusable is True or unusable == prepared.version.number:
        raise registry.UnusableModel("the model is spoilt")
    while TOLD.get("hangs") == prepared.version.number:
        time.sleep(0.1)
    gate = TOLD.get("load_after")
    if gate and not Path(gate).exists():
        with Path(f"{gate}.waiting").open("a") as file:
            file.write(f"{os.getpid()}\n")
        while not Path(gate).exists():
            time.sleep(0.01)
    return StubEngine(TOLD, int(prepared.version.number))


def codec(name: str) -> serving.Codec:
    """The format of that name."""
    module, _, kind = name.rpartition(".")
    made: serving.Codec = getattr(importlib.import_module(module), kind)()
    return made


def formats(predict_route: str = "") -> tuple[serving.Codec, ...]:
    """Stands in for ``serving.make_codecs``."""
    return (*serving.make_codecs(predict_route), *map(codec, TOLD.get("codecs", [])))


def only_hot(app: ASGIApp, _metrics: object) -> ASGIApp:
    """Stands in for ``serving.CountedResponses``: what should not come here is answered 403."""

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        away = scope["type"] == "http" and not scope["path"].startswith(("/health", "/stats"))
        await (Response(status_code=403) if away else app)(scope, receive, send)

    return run


if __name__ == "__main__":
    application.make_codecs = formats  # type: ignore[attr-defined]
    if TOLD.get("hot_only"):
        application.CountedResponses = only_hot  # type: ignore[assignment, attr-defined]
    source.CachedFinder = StubFinder  # type: ignore[assignment, attr-defined]
    source.Delivery = lambda serve, **_: serve  # type: ignore[assignment, attr-defined]
    registry.opening.engines.open_engine = open_engine
    sys.exit(server.main())
