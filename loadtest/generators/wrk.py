"""wrk: a closed loop in C, which asks for other rows each time by a script in Lua."""

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from loadtest.generators.formats import Message

_SCRIPT: Final = """
local bodies = {BODIES}
local requests, at = {}, 0
function init(_)
  for i, body in ipairs(bodies) do
    requests[i] = wrk.format("POST", "TARGET", body[2], body[1])
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
"""

_SECONDS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


class Asked(NamedTuple):
    """What a generator found.

    Attributes:
        rate: right answers a second.
        median: of the latency, in seconds.
        p99: its 99th percentile, in seconds.
        failures: requests without a right answer in time.
    """

    rate: float
    median: float
    p99: float
    failures: int


def write_script(path: Path, target: str, messages: Sequence[Message], headers: Mapping[str, str] = {}) -> None:
    """Write what makes wrk ask for different things in turn.

    With ``Connection: close`` among the headers, wrk connects anew after each answer that says so too.

    Args:
        path: where.
        target: of all requests.
        messages: to send, one after the other, again and again.
        headers: of each, besides its own.
    """
    bodies = ",\n".join(_lua(message, headers) for message in messages)
    path.write_text(_SCRIPT.replace("TARGET", target).replace("BODIES", bodies))


def ask(address: str, script: Path, connections: int, seconds: float) -> Asked:
    """Let wrk ask for a while, in one thread.

    Args:
        address: such as ``127.0.0.1:8000``.
        script: see ``write_script``.
        connections: each asks again as soon as it is answered.
        seconds: how long.

    Raises:
        RuntimeError: it failed.
    """
    command = ["wrk", "--latency", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "30s", "-s", str(script)]
    done = subprocess.run(  # noqa: S603 - found in PATH
        [*command, f"http://{address}"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"wrk failed: {done.stderr or done.stdout}")
    return read(done.stdout)


def read(output: str) -> Asked:
    """Read what wrk prints.

    Raises:
        RuntimeError: that is something else.
    """
    found = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m),", output)
    if found is None:
        raise RuntimeError(f"wrk said {output}")
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    failures = sum(map(int, errors.groups())) if errors else 0
    failures += int(refused[1]) if refused else 0
    rate = int(found[1]) / (float(found[2]) * _SECONDS[found[3]])
    return Asked(rate, _latency(output, "50"), _latency(output, "99"), failures)


def _latency(output: str, percentile: str) -> float:
    """A percentile, in seconds."""
    found = re.search(rf"\s{percentile}%\s+([\d.]+)(us|ms|s|m)", output)
    return float(found[1]) * _SECONDS[found[2]] if found else float("nan")


def _lua(message: Message, more: Mapping[str, str]) -> str:
    """A request as a table in Lua: its body, whose every byte is escaped that could mean something, and its headers."""
    body = re.sub(rb'[^ -~]|["\\\\]', lambda found: b"\\%03d" % found[0][0], message.body).decode()
    headers = ", ".join(f'["{name}"] = "{value}"' for name, value in {**message.headers, **more}.items())
    return f'{{"{body}", {{{headers}}}}}'
