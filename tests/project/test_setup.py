"""What the setup script says when something is missing: one line, with the remedy."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.helpers.support import PATIENCE, shell_script


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the real script, and nothing to install."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "requirements").mkdir()
    (tmp_path / "scripts" / "setup.sh").write_text((ROOT / "scripts" / "setup.sh").read_text())
    (tmp_path / "requirements" / "train.txt").touch()
    return tmp_path


def setup(project: Path, python: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script with an interpreter, for the group ``train`` unless the arguments say otherwise."""
    return subprocess.run(
        ["/bin/sh", "scripts/setup.sh", *(arguments or ["train"])],
        cwd=project,
        env={"PATH": "/usr/bin:/bin", "PYTHON": python},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


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
    python = str(project / "nothing") if content is None else shell_script(project / "python", content)
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
    fake = shell_script(project / "python", "exit 0")
    shell_script(project / ".venv" / "bin" / "python", f'case "$*" in *install*) echo "{output}"; exit 1;; esac')
    done = setup(project, fake)
    assert done.returncode == 1
    assert message in done.stderr.splitlines()[-1]
    assert ".venv/setup.log" in done.stderr.splitlines()[-1]
    assert not (project / ".venv" / ".train").exists()


NO_KERNEL = (
    'case "$*" in *"import forest.native._kernel"*) echo "No module named forest.native._kernel" >&2; exit 1;; esac'
)


def test_a_kernel_that_was_not_built_is_told_with_the_remedy(project: Path) -> None:
    """Without the kernel the installation is good, and one more line says what it costs and what to install."""
    shell_script(project / ".venv" / "bin" / "python", NO_KERNEL)
    done = setup(project, shell_script(project / "python", "exit 0"))
    assert done.returncode == 0
    _, line = done.stderr.splitlines()
    assert "the forest kernel could not be built, so scikit-learn will serve, many times slower" in line
    assert "C compiler and Python's headers (Debian: apt-get install gcc python3-dev)" in line
    assert "rm .venv/.train" in line
    assert ".venv/setup.log" in line
    assert "No module named forest.native._kernel" in (project / ".venv" / "setup.log").read_text()
    assert (project / ".venv" / ".train").exists()


def test_a_whole_installation_says_nothing_more(project: Path) -> None:
    """With the kernel built, the script says that it installs, and that is all."""
    shell_script(project / ".venv" / "bin" / "python", "exit 0")
    done = setup(project, shell_script(project / "python", "exit 0"))
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 1
    assert "installing requirements/train.txt" in done.stderr
    assert (project / ".venv" / ".train").exists()


def test_what_was_built_is_not_built_again_for_another_group(project: Path) -> None:
    """But it is if not all of it could be built, or a source has changed since, or did meanwhile."""
    source, calls, interpreter = project / "kernel.pyx", project / "calls", project / ".venv" / "bin" / "python"
    for path in (source, project / "pyproject.toml", project / "requirements" / "dev.txt"):
        path.touch()
        os.utime(path, (1, 1))
    python = shell_script(project / "python", "exit 0")

    def builds(group: str, *, modules: str = "exit 0", kernel: str = "exit 0", meanwhile: str = "") -> int:
        calls.write_text("")
        build = f"echo built >>{calls}; {meanwhile}"
        log = f'case "$*" in *--editable*) {build};; *all_or_none*) {modules};; *"import forest"*) {kernel};; esac'
        shell_script(interpreter, log)
        assert setup(project, python, group, "kernel.pyx").returncode == 0
        return len(calls.read_text().splitlines())

    assert builds("train", kernel="exit 1") == 1
    assert builds("train", modules="exit 1") == 1
    assert builds("dev") == 1
    assert builds("train") == 0
    source.touch()
    assert builds("dev", meanwhile=f"touch {source}") == 1
    assert builds("train") == 1
    assert builds("train") == 0
