"""What the setup script says when something is missing: one line, with the remedy."""

import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the real script, and nothing to install."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "requirements").mkdir()
    (tmp_path / "scripts" / "setup.sh").write_text((ROOT / "scripts" / "setup.sh").read_text())
    (tmp_path / "requirements" / "train.txt").touch()
    return tmp_path


def setup(project: Path, python: str) -> subprocess.CompletedProcess[str]:
    """Run the script with an interpreter."""
    return subprocess.run(
        ["/bin/sh", "scripts/setup.sh", "train"],
        cwd=project,
        env={"PATH": "/usr/bin:/bin", "PYTHON": python},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def script(path: Path, content: str) -> str:
    """Write an executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{content}\n")
    path.chmod(0o755)
    return str(path)


OLD = 'case "$*" in *version_info*) exit 1;; --version) echo Python 3.9.2;; esac'
NO_VENV = 'case "$*" in *ensurepip*) exit 1;; esac'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "was not found: install Python 3.11", id="no-python"),
        pytest.param(OLD, "Python 3.9.2 is too old", id="old-python"),
        pytest.param(NO_VENV, "has no venv module: install it (Debian: apt-get install python3-venv)", id="no-venv"),
    ],
)
def test_a_missing_interpreter_or_module_names_the_remedy(project: Path, content: str | None, message: str) -> None:
    """The script ends with one line that says what to install."""
    python = str(project / "nothing") if content is None else script(project / "python", content)
    done = setup(project, python)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert message in done.stderr


@pytest.mark.parametrize(
    ("output", "message"),
    [
        pytest.param(
            "x.c:1: fatal error: Python.h: No such file or directory", "apt-get install gcc python3-dev", id="h"
        ),
        pytest.param("error: command 'gcc' failed: No such file or directory", "apt-get install gcc", id="no-compiler"),
        pytest.param("ERROR: No matching distribution found for x", "No matching distribution found for x", id="other"),
    ],
)
def test_a_failed_installation_says_why(project: Path, output: str, message: str) -> None:
    """A missing compiler or header is recognised in what pip says; anything else is passed on in one line."""
    fake = script(project / "python", "exit 0")
    script(project / ".venv" / "bin" / "python", f'case "$*" in *install*) echo "{output}"; exit 1;; esac')
    done = setup(project, fake)
    assert done.returncode == 1
    assert message in done.stderr.splitlines()[-1]
    assert ".venv/setup.log" in done.stderr.splitlines()[-1]
    assert not (project / ".venv" / ".train").exists()
