"""Every table of the documents that a command here can measure again."""

from typing import Final, NamedTuple

from loadtest.figures import tables
from loadtest.figures.command import Command
from loadtest.figures.tables import Draw, Render


class Figures(NamedTuple):
    """A table.

    Attributes:
        document: where it stands, from the top of the tree.
        commands: that measure it, in the order that ``render`` takes them in.
        render: makes it of what they leave behind.
        model: whether they measure the model that was trained for all of them.
        draw: makes the pictures that stand beside it; None if there are none.
    """

    document: str
    commands: tuple[Command, ...]
    render: Render
    model: bool = True
    draw: Draw | None = None


_HTTP: Final = Command("bench-http")
_WORKERS: Final = Command("bench-http", "--http hot --connections 64 1000 --close 64 --workers 1 2 --rounds 5")
_ALONE: Final = "--http hot --connections 64 256 1000 --close --rounds 2 --seconds 4"
_INLINE: Final = Command("bench-http", f"{_ALONE} -- --inference inline")
_THREAD: Final = Command("bench-http", f"{_ALONE} -- --inference thread")
_FORMATS: Final = Command(
    "bench-http",
    "--http hot --formats predict probabilities v2 v2-fields v2-binary invocations v1 grpc --rows 1 100"
    " --connections 64 1000 --close --rounds 3 --seconds 2",
)
_QUARTER, _TENTH = (
    Command("loadtest-budget", "", {"CPU": cpu, "MEMORY": "256", "USERS": "10000", "RATE": "400", "TIME": "2m"})
    for cpu in ("0.25", "0.1")
)
_OVERLOAD: Final = Command("bench-overload", "--rounds 3 --seconds 8")
_SEARCH: Final = Command(
    "budget-search",
    "--cpu 0.05 0.5 0.05 --memory 64 256 16 --reference-rows",
    {"USERS": "10000", "TIME": "60s"},
)
_BENCH: Final = Command("bench", "--users 1 32 256 1000 --rounds 2 --seconds 3")
_KINDS: Final = Command("bench-kinds", "--seconds 0.2", json=False)
_FOREST: Final = Command("bench-forest", "", {"DATA": "{data}"}, json=False)
_PURE_FOREST: Final = Command("bench-forest", "", {"DATA": "{data}", "DEPTH": "100"}, json=False)
_METRICS: Final = Command("bench-metrics", "", json=False)

FIGURES: Final = {
    "http-cost": Figures("docs/hot-path.md", (_HTTP,), tables.http_cost),
    "inference": Figures("docs/hot-path.md", (_INLINE, _THREAD), tables.inference),
    "crowds": Figures("docs/hot-path.md", (_QUARTER, _TENTH), tables.crowds),
    "overload": Figures("docs/hot-path.md", (_OVERLOAD,), tables.overload),
    "workers": Figures("docs/scale.md", (_WORKERS,), tables.workers),
    "limits": Figures("docs/benchmarks.md", (_SEARCH,), tables.limits),
    "generator": Figures("docs/benchmarks.md", (_SEARCH,), tables.generator),
    "modes": Figures("docs/benchmarks.md", (_BENCH,), tables.comparison(0), draw=tables.pictures),
    "batched-by-unbatched": Figures("docs/benchmarks.md", (_BENCH,), tables.comparison(1)),
    "closed-loop": Figures("docs/benchmarks.md", (_BENCH,), tables.comparison(2)),
    "batching": Figures("docs/benchmarks.md", (_BENCH,), tables.batching),
    "formats": Figures("docs/benchmarks.md", (_FORMATS,), tables.formats),
    "kinds": Figures("docs/benchmarks.md", (_KINDS,), tables.markdown, model=False),
    "forest": Figures("docs/compiled-forest.md", (_FOREST,), tables.printed, model=False),
    "forest-to-purity": Figures("docs/compiled-forest.md", (_PURE_FOREST,), tables.printed, model=False),
    "metrics": Figures("docs/decisions.md", (_METRICS,), tables.printed, model=False),
}
"""The name between a table's marks → the table."""
