"""Every table of the documents, and what measures it."""

import json
import re
import shlex
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any
from xml.etree import ElementTree

import pytest

from loadtest import ceiling, compare, http_cost, overload, search
from loadtest.crowd import Outcome
from loadtest.figures.__main__ import content
from loadtest.figures.catalogue import FIGURES
from loadtest.figures.command import Result
from loadtest.figures.markers import blocks, replaced, unmarked
from loadtest.http.cost import Cost
from loadtest.http.tables import figures
from loadtest.http.way import Case, Kind, Question, Way
from loadtest.locust import generator
from loadtest.reports.results import encode
from loadtest.searching.reference import Row
from loadtest.system.budget import Usage
from loadtest.system.netstat import AcceptQueue
from tests.conftest import ROOT
from tests.loadtest.http.test_cost import TURN
from tests.loadtest.test_report import made, turn
from training import kinds

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CONDITIONS = "commit 1234567, a processor, 2 cores, 2026-11-26"

FOREST = """
forest.canopy: 100 trees
rows a call  compiled, us a row  scikit-learn 1.9, us a row  times as fast
          1                10.8                     5,494.0          508.0
          8                 8.3                       813.0           98.0
"""
KINDS = "| model | 1 row |\n| --- | --- |\n| `A`: 1 tree | 8.0 / 800.6 = 100 |\n\n`A` against B: 0 differ\n"
METRICS = "rows a batch  us a request  by prometheus_client\n           1          2.80                 15.10\n"


def cases(*found: tuple[int, Kind, Question]) -> Result:
    """What ``make bench-http`` keeps."""
    two = replace(TURN, cpu=1.1 * TURN.cpu, spread=[30, 34])
    costs = {Case(count, Way(kind, question)): Cost([two]) for count, kind, question in found}
    return kept({"figures": figures(costs)})


def kept(document: Any, text: str = "") -> Result:  # noqa: ANN401
    """As a command's file is read again."""
    return Result(text, json.loads(encode(document)))


def crowd() -> Result:
    """What ``make loadtest-budget`` keeps."""
    saw = generator.Figures(100, 1, 100.0, 0, 1, 2, 3, 4, 5)
    outcome = Outcome(
        "M/1", generator.CrowdMeasurement(9, saw, saw, {}), Usage(1, 1, 10, 5, 0.5, None, 0), AcceptQueue(0, 0), None
    )
    return kept({"arguments": {"cpu": 0.25}, **asdict(outcome)})


def overloaded() -> Result:
    """What ``make bench-overload`` keeps."""
    one = overload.Figures(*[1] * len(overload.Figures.__slots__))
    return kept({"servers": {"mixed": [one, replace(one, refused_p99_ms=float("nan"))]}})


def searched() -> Result:
    """What ``make budget-search`` keeps."""
    alone = ceiling.Ceiling("Locust", 9, 0, 100.0, 1.0, 2.0, 0.5)
    return kept(search.Report("now", "search", {}, alone, {}, [], [Row("Canopy", 9, False, None, 2.0, 64, 0.5)]))


def compared() -> Result:
    """What ``make bench`` keeps."""
    modes = [f"{engine}-hot-{way}" for engine in ("compiled", "sklearn") for way in ("batched", "unbatched")]
    return kept(made(*((mode, 1.0, 1000, [turn(9000, 30)]) for mode in modes)))


PREDICT, CLOSE, HOT = Question("predict"), Question("predict", close=True), Kind("hot")
HTTP = cases(*((8, Kind(http), question) for question in (PREDICT, CLOSE) for http in ("hot", "asgi")))
WORKERS = cases(*((8, Kind("hot", number), PREDICT) for number in (1, 2)))
INFERENCE = cases((64, HOT, PREDICT), (256, HOT, PREDICT))
FORMATS = cases(*((64, HOT, Question(name, rows)) for rows in (1, 100) for name in ("predict", "grpc")))
COMPARED, SEARCHED = compared(), searched()

LEFT_BEHIND: dict[str, tuple[Sequence[Result], str]] = {
    "http-cost": ([HTTP], "| 8, one a request | 33.0 | 33.0 | 1.0 | 10.0 | 10.0 | 1.65 |"),
    "inference": ([INFERENCE, INFERENCE], "| thread | 33.0 | 33.0 |"),
    "crowds": ([crowd(), crowd()], "| 0.25, whole run | 100 | 0 | 1 | 2 | 3 | 4 | 5 | 10,000 | - |"),
    "overload": ([overloaded()], "| goodput, of capacity | 1.00 |"),
    "workers": ([WORKERS], "| 8 | 33.0 | 33.0 | 1.00 | 30 + 34 |"),
    "limits": ([SEARCHED], "| Canopy |  | 9 | no | - | 2 | 64 MB | 0.5 |"),
    "generator": ([SEARCHED], "| Locust | 9 | 100 | 1.0 | 2.0 | 0 | 0.50 |"),
    "modes": ([COMPARED], "| compiled-hot-batched | 1 | 1,000 | 9,000 |"),
    "batched-by-unbatched": ([COMPARED], "| compiled-hot | 1 | 1,000 | 1.00 |"),
    "closed-loop": ([COMPARED], "| 64 | 60,000 |"),
    "batching": ([COMPARED], "| requests a second | 9,000 | 9,000 | 9,000 | 9,000 |"),
    "formats": ([FORMATS], "| gRPC, raw | 33 (12) | 33 (12) |"),
    "kinds": ([Result(KINDS, None)], "| `A`: 1 tree | 8.0 / 800.6 = 100 |"),
    "forest": ([Result(FOREST, None)], "| 8 | 8.3 | 813.0 | 98.0 |"),
    "forest-to-purity": ([Result(FOREST, None)], "| 1 | 10.8 | 5,494.0 | 508.0 |"),
    "metrics": ([Result(METRICS, None)], "| 1 | 2.80 | 15.10 |"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_table_is_written_with_its_commands_and_their_conditions(name: str) -> None:
    """Where its marks are, of what its commands leave behind; written again, it is the same."""
    results, row = LEFT_BEHIND[name]
    found = FIGURES[name]
    new = content(found, results, "/a/folder/covtype.csv.gz", CONDITIONS)
    text = (ROOT / found.document).read_text()
    once = replaced(text, name, new)
    assert replaced(once, name, new) == once
    written = blocks(once)[name]
    assert row in written
    *_, blank, last = written.splitlines()
    assert blank == ""
    for command in found.commands:
        assert f"`{command.shown('covtype.csv.gz')}`" in last
    assert CONDITIONS in last
    assert "/a/folder" not in written
    columns = {line.count(" | ") for line in written.splitlines() if line.startswith("|")}
    assert len(columns) == 1


@pytest.mark.parametrize("name", [name for name, figures in FIGURES.items() if figures.draw])
def test_the_pictures_that_are_drawn_are_those_that_the_document_shows(name: str) -> None:
    """All of them, and each is one by itself."""
    found = FIGURES[name]
    assert found.draw is not None
    drawn = found.draw(LEFT_BEHIND[name][0])
    shown = re.findall(r"\]\((images/[\w-]+\.svg)\)", (ROOT / found.document).read_text())
    assert sorted(drawn) == sorted(shown)
    titles = {ElementTree.fromstring(text).findtext("{*}title") for text in drawn.values()}  # noqa: S314 - our own
    assert len(titles) == len(shown)


def test_every_table_of_figures_has_marks_or_a_reason() -> None:
    """And all marks are of tables that can be measured, where they are said to be."""
    marked: dict[str, str] = {}
    for document in DOCUMENTS:
        text = document.read_text()
        assert not unmarked(text), document
        marked |= dict.fromkeys(blocks(text), str(document.relative_to(ROOT)))
    assert marked == {name: each.document for name, each in FIGURES.items()}


@pytest.mark.parametrize(
    ("target", "parser"),
    [
        pytest.param("bench", compare._parser("bench"), id="bench"),
        pytest.param("bench-http", http_cost._parser("bench-http"), id="bench-http"),
        pytest.param("bench-kinds", kinds._parser(), id="bench-kinds"),
        pytest.param("budget-search", search._parser("budget-search"), id="budget-search"),
    ],
)
def test_a_benchmark_understands_what_it_is_told(target: str, parser: ArgumentParser) -> None:
    """Its options, as they stand below the tables, with the file for its figures in front."""
    commands = [command for each in FIGURES.values() for command in each.commands if command.target == target]
    assert commands
    for command in commands:
        file = ["--json", "FILE"] if command.json else []
        parser.parse_args([*file, *shlex.split(command.arguments)])


def test_every_command_is_a_target_of_the_makefile() -> None:
    """So that ``make`` runs what a document names; below each table stands one of them."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for name, each in FIGURES.items():
        assert {command.target for command in each.commands} <= targets
        last = blocks((ROOT / each.document).read_text())[name].splitlines()[-1]
        assert re.match(rf"`make {each.commands[0].target}.*`.*commit", last), name
