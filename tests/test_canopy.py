"""The command with verbs."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import canopy
from canopy import VERBS, Command, Verbs, main
from tests.conftest import ROOT
from tests.helpers.support import PATIENCE, modules_after


def commands(verbs: Verbs = VERBS, prog: str = "canopy") -> Iterator[tuple[str, Command]]:
    """Every command, and how it is called."""
    for group in verbs.groups.values():
        for word, verb in group.items():
            if isinstance(verb, Command):
                yield f"{prog} {word}", verb
            else:
                yield from commands(verb, f"{prog} {word}")


HELP = """
import contextlib, io, json, sys
import canopy

said = {}
for words in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as output:
        try:
            status = canopy.main([*words, "--help"])
        except SystemExit as left:
            status = left.code
    said[" ".join(["canopy", *words])] = status, output.getvalue()
print(json.dumps(said))
"""


def test_each_verb_has_help_under_its_own_name() -> None:
    """Whatever module it runs; in one process, for some of them heed signals from their first line on."""
    names = [name for name, _ in commands()]
    assert {"canopy serve", "canopy compile", "canopy bench forest"} <= set(names)
    words = json.dumps([name.split()[1:] for name in names])
    done = subprocess.run(
        [sys.executable, "-c", HELP, words], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    said = json.loads(done.stdout)
    assert list(said) == names
    for name, (status, text) in said.items():
        assert status == 0
        assert text.startswith(f"usage: {name} ")


def test_help_lists_the_verbs_and_imports_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """At each level; without a verb it is shown too, but that is a mistake."""
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"\n  {word} " in text for group in VERBS.groups.values() for word in group)
    assert main([]) == main(["bench"]) == 2
    assert "usage: canopy bench VERB" in capsys.readouterr().out
    found = modules_after("import canopy\ncanopy.main(['--help'])")
    assert found.isdisjoint({"server", "settings", "numpy", "msgspec", "loadtest"})
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("canopy 0.")


def test_an_unknown_verb_is_named_with_the_one_that_it_resembles(capsys: pytest.CaptureFixture[str]) -> None:
    """And with all there are."""
    assert main(["sevre"]) == 2
    assert main(["bench", "htpp"]) == 2
    assert main(["--admin-token=hunter2", "serve"]) == 2
    one, other, third = capsys.readouterr().err.splitlines()
    assert third.startswith("canopy: --admin-token is none of ")
    assert one.startswith("canopy: sevre is none of serve, ")
    assert one.endswith("; did you mean serve?")
    assert other.startswith("canopy bench: htpp is none of ")


def test_a_missing_package_is_named_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Locust, for one, is not installed where only a server is."""
    monkeypatch.setattr(
        canopy, "VERBS", Verbs("serve", {"load": {"ask": Command("no_such.module", "ask", "loadtest")}})
    )
    assert main(["ask"]) == 2
    assert capsys.readouterr().err == (
        "canopy ask: needs no_such, which is not installed: pip install -r requirements/loadtest.txt\n"
    )


def test_the_verbs_status_is_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Arguments go on to the command as they are."""
    assert main(["inspect", f"{tmp_path}/nothing.canopy"]) == 1
    assert "nothing.canopy" in capsys.readouterr().err
