"""Show a comparison: as text, as Markdown, as one page with plots. Nothing is measured here.

``python -m loadtest.report RESULTS.json`` shows again what ``python -m loadtest.compare`` has kept.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from loadtest.reports.plots import plots
from loadtest.reports.results import Results, encode, keep, read
from loadtest.reports.summary import tables

_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "reports"), autoescape=True, undefined=StrictUndefined
)


def text(results: Results) -> str:
    """For a terminal."""
    head = f"{results.model}, {results.limits}\n"
    return "".join([head, *(table.text() for table in tables(results)), *(f"{line}\n" for line in _failures(results))])


def document(results: Results) -> str:
    """For a document: how it was measured, then the tables."""
    setting = "".join(f"- {name}: {value}\n" for name, value in _setting(results).items())
    return "\n".join([setting, *(table.markdown() for table in tables(results))])


def page(results: Results) -> str:
    """A page that needs nothing beside itself."""
    return _TEMPLATES.get_template("report.html").render(
        results=results,
        verdict="No request failed." if results.passed else "Some requests failed.",
        plots=plots(results),
        tables=tables(results),
        failures=_failures(results),
        setting=_setting(results),
    )


def write(results: Results, *, json: Path | None, html: Path | None, markdown: Path | None) -> None:
    """Write those files that have a name."""
    made: list[tuple[Path | None, Callable[[], bytes]]] = [
        (json, lambda: encode(results)),
        (html, lambda: page(results).encode()),
        (markdown, lambda: document(results).encode()),
    ]
    for path, make in made:
        if path is not None:
            keep(path, make())


def _failures(results: Results) -> list[str]:
    return [
        f"{each.cell.mode}, {each.cell.cpu:g} CPU, {each.cell.users:,} users: {count:,} x {reason}"
        for each in results.measured
        for reason, count in each.failures.items()
    ]


def _setting(results: Results) -> dict[str, str]:
    rounds = max(len(each.rounds) for each in results.measured)
    return {
        "started": results.started,
        "command": results.command,
        **results.machine,
        "limits": results.limits,
        "load": "closed loop: each user asks again as soon as it is answered, over one kept connection;"
        f" {results.rows:,} rows of the bundled sample in turn",
        "rounds": f"{rounds} of {results.seconds:g} s, each after {results.warm_up:g} s that do not count",
    }


def main(arguments: Sequence[str] | None = None, prog: str = "python -m loadtest.report") -> int:
    """Run the command line; the exit status is 2 if the file cannot be read."""
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    parser.add_argument("results", type=Path, metavar="RESULTS.json", help="what a comparison has kept")
    parser.add_argument("--html", metavar="FILE", type=Path, help="tables and plots")
    parser.add_argument("--markdown", metavar="FILE", type=Path, help="the tables, to be pasted")
    args = parser.parse_args(arguments)
    try:
        results = read(args.results)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"report: {args.results}: {error}\n")
        return 2
    sys.stdout.write(text(results))
    write(results, json=None, html=args.html, markdown=args.markdown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
