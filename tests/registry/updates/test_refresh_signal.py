"""The signal that asks for a look."""

import signal
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.helpers.support import PATIENCE, until

AGAIN_AND_AGAIN = """
import asyncio, sys
from registry.updates import refresh_signal
if "{loop}" == "uvloop":
    import uvloop
    uvloop.install()
heard = []
async def main():
    loop = asyncio.get_running_loop()
    refresh_signal.ignore()
    print(flush=True)
    for _ in range(2000):
        with refresh_signal.on_signal(loop, lambda: heard.append(1)):
            await asyncio.sleep(0)
    while not heard:
        with refresh_signal.on_signal(loop, lambda: heard.append(1)):
            await asyncio.sleep(0.01)
asyncio.run(main())
"""


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_there_is_no_moment_in_which_it_ends_a_process(loop: str) -> None:
    """Neither when it begins to be heeded nor when that ends, however often it comes."""
    script = AGAIN_AND_AGAIN.replace("{loop}", loop)
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()

        def ended() -> bool:
            for _ in range(2000):
                process.send_signal(signal.SIGUSR1)
            return process.poll() is not None

        try:
            until(ended, PATIENCE)
        finally:
            process.kill()
        assert process.returncode == 0
