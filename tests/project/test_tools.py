"""What the script that installs programs does where it may, and says where it may not."""

import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.helpers.support import PATIENCE, shell_script


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """The only folder in which programs are found: some that any system has."""
    folder = tmp_path / "bin"
    shell_script(folder / "id", "echo ${AS:-0}")
    return folder


def tools(programs: Path, *wanted: str, user: int = 0) -> "subprocess.CompletedProcess[str]":
    """Run the script."""
    return subprocess.run(
        ["/bin/sh", str(ROOT / "scripts" / "tools.sh"), *wanted],
        env={"PATH": str(programs), "AS": str(user), "HEADERS": str(programs)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def apt_get(programs: Path, status: int = 0) -> Path:
    """A stand-in for apt-get; returns where it notes what it was told."""
    told = programs / "told"
    shell_script(programs / "apt-get", f"echo \"$@\" >>{told}; echo 'E: broken' >&2; exit {status}")
    return told


def test_nothing_is_done_if_all_is_there(programs: Path) -> None:
    """Whoever runs it."""
    for name in ("h2load", "wrk", "chromium", "prometheus", "simde/x86/avx512.h", "nginx"):
        (programs / name).parent.mkdir(parents=True, exist_ok=True)
        shell_script(programs / name, "")
    done = tools(programs, user=1000)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_root_has_what_is_missing_installed(programs: Path) -> None:
    """Only that, by Debian's names."""
    shell_script(programs / "wrk", "")
    told = apt_get(programs)
    assert tools(programs).returncode == 0
    assert told.read_text() == (
        "update\ninstall --yes --no-install-recommends nghttp2-client chromium prometheus libsimde-dev nginx\n"
    )


def test_one_of_them_can_be_asked_for(programs: Path) -> None:
    """Then the others do not matter."""
    told = apt_get(programs)
    assert tools(programs, "wrk").returncode == 0
    assert told.read_text().splitlines()[1:] == ["install --yes --no-install-recommends wrk"]


@pytest.mark.parametrize("user", [pytest.param(1000, id="another-user"), pytest.param(0, id="no-apt-get")])
def test_who_may_not_install_is_told_what_to_install(programs: Path, user: int) -> None:
    """In one line, with status 1."""
    if user:
        apt_get(programs)
    done = tools(programs, "h2load", "wrk", user=user)
    assert done.returncode == 1
    assert done.stderr == (
        "tools: not found: h2load wrk: install them (Debian, as root: apt-get install nghttp2-client wrk)\n"
    )


def test_what_apt_get_says_is_told_if_it_fails(programs: Path) -> None:
    """With status 1."""
    apt_get(programs, status=100)
    done = tools(programs, "wrk")
    assert done.returncode == 1
    assert "E: broken" in done.stderr
    assert done.stderr.splitlines()[-1] == "tools: apt-get could not install wrk"
