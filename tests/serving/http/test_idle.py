import time
from pathlib import Path

from tests.conftest import Start


def wakings(pid: int) -> int:
    """How often the threads of a process have waited for something."""
    kept = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/status")]
    return sum(int(text.partition("\nvoluntary_ctxt_switches:")[2].split()[0]) for text in kept)


def test_an_idle_server_hardly_wakes(start: Start) -> None:
    """Once a second, not ten times as uvicorn does: several replicas on a fraction of a CPU feel the difference."""
    with start() as server:
        assert server.get("/health/ready")["status"] == "ready"
        before = wakings(server.process.pid)
        time.sleep(4)
        assert wakings(server.process.pid) - before < 20
