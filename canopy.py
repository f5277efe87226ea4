"""``canopy VERB``: every command of Canopy by its name.

A verb's module is imported when it is asked for, and no other: serving takes nothing of what training needs.
"""

import difflib
import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final, TypeAlias


@dataclass(frozen=True, slots=True)
class Command:
    """What a verb runs.

    Attributes:
        module: has a ``main(arguments, prog)`` that returns the exit status.
        meaning: what it does, in a line.
        group: of the packages that it needs, as requirements/ has them.
        prefix: words to put before the arguments, if the module has several commands.
    """

    module: str
    meaning: str
    group: str = "runtime"
    prefix: tuple[str, ...] = ()

    def run(self, arguments: Sequence[str], prog: str) -> int:
        """Run it, as ``prog``; the exit status is 2 if packages are missing."""
        try:
            main = importlib.import_module(self.module).main
        except ModuleNotFoundError as error:
            sys.stderr.write(
                f"{prog}: needs {error.name}, which is not installed: pip install -r requirements/{self.group}.txt\n"
            )
            return 2
        status: int = main([*self.prefix, *arguments], prog)
        return status


@dataclass(frozen=True, slots=True)
class Verbs:
    """A verb that has verbs of its own.

    Attributes:
        meaning: what they are for, in a line.
        groups: title → the verbs under it.
    """

    meaning: str
    groups: Mapping[str, Mapping[str, "Verb"]]

    def find(self, word: str) -> "Verb | None":
        """The verb of that name."""
        return next((verbs[word] for verbs in self.groups.values() if word in verbs), None)

    def help(self, prog: str) -> str:
        """What ``--help`` shows."""
        lines = [f"usage: {prog} VERB [OPTION]...", "", f"{self.meaning[0].upper()}{self.meaning[1:]}."]
        width = max(len(word) for verbs in self.groups.values() for word in verbs)
        for title, verbs in self.groups.items():
            lines += ["", f"{title}:", *(f"  {word:{width}}  {verb.meaning}" for word, verb in verbs.items())]
        return "\n".join([*lines, "", f"`{prog} VERB --help` has the options.", ""])


Verb: TypeAlias = Command | Verbs

_BENCHES: Final = {
    "what users get": {
        "compare": Command(
            "loadtest.compare", "batched with unbatched serving, both engines, both ways of HTTP", "loadtest"
        ),
        "crowd": Command("loadtest.crowd", "a crowd of Locust's users in front of a server within limits", "loadtest"),
        "search": Command("loadtest.search", "the least CPU and memory that a crowd takes", "loadtest"),
        "overload": Command("loadtest.overload", "twice what servers can answer, from an open-loop generator"),
        "churn": Command("loadtest.churn", "clients that break off in every way, and what the server keeps"),
        "replicas": Command("loadtest.replicas", "replicas in Docker against one server of their CPU", "loadtest"),
        "start": Command("loadtest.start", "starts without and with prepared models, and looks for new versions"),
    },
    "what parts cost": {
        "http": Command("loadtest.http_cost", "the server's CPU a request by connections, hot against asgi"),
        "forest": Command("forest.__main__", "a compiled forest against scikit-learn", prefix=("bench",)),
        "metrics": Command("serving.metrics.cost", "what metrics cost a request"),
        "generators": Command(
            "loadtest.ceiling", "the load generators, against a server that answers a constant", "loadtest"
        ),
    },
    "afterwards": {"report": Command("loadtest.report", "show again what a comparison has kept")},
}

VERBS: Final = Verbs(
    "serve tree-ensemble models to many clients at once",
    {
        "serving": {
            "serve": Command("server", "serve a registered model over HTTP"),
            "prepare": Command(
                "registry.__main__", "fetch a registered model, or compile it, into the cache", prefix=("prepare",)
            ),
        },
        "models": {
            "train": Command(
                "training.__main__", "train, evaluate, register and promote the example's forest", "train"
            ),
            "pipeline": Command("training.pipeline.__main__", "the steps of training, for a scheduler", "train"),
            "compile": Command("forest.__main__", "compile a forest into one file", "train", ("compile",)),
            "inspect": Command(
                "forest.__main__", "check a compiled forest and tell what is in it", prefix=("inspect",)
            ),
            "verify": Command(
                "forest.__main__", "hold a compiled forest against scikit-learn, bit by bit", "train", ("verify",)
            ),
        },
        "load": {
            "loadtest": Command("loadtest.__main__", "ask a server as many users do, by Locust", "loadtest"),
            "bench": Verbs("measure, and print a table", _BENCHES),
            "size": Command("loadtest.sizing.__main__", "how many replicas of which size carry a load", "loadtest"),
        },
    },
)
"""Every verb."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb that is named; returns its exit status, or 2 if there is no such verb."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    prog, verb = "canopy", VERBS
    while True:
        if not words or words[0] in {"-h", "--help"}:
            sys.stdout.write(verb.help(prog))
            return 0 if words else 2
        word = words.pop(0)
        if word == "--version" and verb is VERBS:
            sys.stdout.write(f"canopy {version('canopy-serve')}\n")
            return 0
        found = verb.find(word)
        if found is None:
            word = word.partition("=")[0] if word.startswith("-") else word  # an option may have a secret
            known = [each for verbs in verb.groups.values() for each in verbs]
            alike = difflib.get_close_matches(word, known, 1)
            sys.stderr.write(
                f"{prog}: {word} is none of {', '.join(known)}{f'; did you mean {alike[0]}?' if alike else ''}\n"
            )
            return 2
        prog = f"{prog} {word}"
        if isinstance(found, Command):
            return found.run(words, prog)
        verb = found


if __name__ == "__main__":
    sys.exit(main())
