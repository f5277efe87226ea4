"""What wrk is given, and what it says."""

from pathlib import Path

import pytest

from loadtest.generators.formats import Message
from loadtest.generators.wrk import read, write_script

OUTPUT = """
  Latency Distribution
     50%    2.50ms
     99%   12.00ms
  3000 requests in 1.50s, 1.0MB read
  Socket errors: connect 1, read 2, write 0, timeout 4
  Non-2xx or 3xx responses: 5
"""


def test_every_kind_of_failure_counts() -> None:
    """Beside the rate and the latency, in seconds."""
    assert read(OUTPUT) == pytest.approx((2000, 0.0025, 0.012, 12))
    with pytest.raises(RuntimeError, match="wrk said nothing"):
        read("nothing")


def test_a_body_may_have_any_byte(tmp_path: Path) -> None:
    """What means something to Lua is escaped; headers for all requests come after a request's own."""
    write_script(tmp_path / "s", "/predict", [Message(b'{"a"}\\\n\xff', {"X": "1"})], {"Connection": "close"})
    script = (tmp_path / "s").read_text()
    assert r'{"{\034a\034}\092\010\255", {["X"] = "1", ["Connection"] = "close"}}' in script
    assert 'wrk.format("POST", "/predict"' in script
