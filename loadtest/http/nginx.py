"""nginx with one worker that answers a constant: what HTTP itself costs at least, on this machine and just now.

It is given what Canopy answered, body and headers, and answers that to everything, after it has read the request with
its body.
"""

import http.client
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from loadtest.generators.formats import Message
from loadtest.system.cpu_time import cpu_time
from loadtest.system.ports import LOOPBACK, reserved_port

MISSING: Final = "nginx was not found, so there is no floor (Debian: apt-get install nginx)\n"

_FOLDERS: Final = "/usr/sbin:/usr/local/sbin"
"""Where it is on systems that do not have these in the PATH of whoever is not root."""

_OWN: Final = {"date", "server", "connection", "keep-alive", "content-length", "content-type", "transfer-encoding"}
"""Headers that nginx writes by itself."""

_PIECE: Final = 1000
"""Characters of a body that one line has: nginx takes no parameter of 4,096 bytes, and a character has up to four."""

_STATUS: Final = "/nginx-status"
_PATIENCE: Final = 10.0

# One process, which is master and worker in one. What is not said is as nginx has it by default.
_CONFIGURATION: Final = """
daemon off;
master_process off;
pid FOLDER/pid;
error_log stderr error;
worker_rlimit_nofile FILES;
events {
  worker_connections FILES;
}
http {
  access_log off;
  keepalive_requests 1000000000;
  client_max_body_size 0;
  client_body_buffer_size BUFFER;
  client_body_temp_path FOLDER/body;
  proxy_temp_path FOLDER/proxy;
  fastcgi_temp_path FOLDER/fastcgi;
  uwsgi_temp_path FOLDER/uwsgi;
  scgi_temp_path FOLDER/scgi;
  server {
    listen HOST:PORT backlog=4096;
    default_type "TYPE";
HEADERS
    location / {
PIECES
      return 200 "BODY";
    }
    location = STATUS { stub_status; }
  }
}
"""


class Constant(NamedTuple):
    """An answer.

    Attributes:
        body: of text, as answers in JSON are.
        headers: by lower-case name.
    """

    body: str
    headers: Mapping[str, str]


def answer(host: str, port: int, target: str, message: Message) -> Constant:
    """Ask a server once.

    Raises:
        OSError: it cannot be reached.
        RuntimeError: it did not answer with 200, or with something that nginx cannot be told.
    """
    connection = http.client.HTTPConnection(host, port, timeout=30)
    try:
        connection.request("POST", target, message.body, message.headers)
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        raise RuntimeError(f"POST {target} was answered with {response.status}: {body.decode(errors='replace')}")
    try:
        return Constant(body.decode(), {name.lower(): value for name, value in response.getheaders()})
    except UnicodeDecodeError:
        raise RuntimeError(f"the answer to POST {target} is no text, which nginx cannot be told to answer") from None


class Nginx:
    """A running nginx; see ``constant``.

    Attributes:
        host: where it listens.
        port: where it listens.
    """

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.host = LOOPBACK
        self.port = port
        self._process = process

    def cpu_time(self) -> float:
        """Seconds that it has run."""
        return cpu_time([self._process.pid])

    def answered(self) -> int:
        """Requests so far, those for this number too: the third number of ngx_http_stub_status_module's."""
        with urllib.request.urlopen(f"http://{self.host}:{self.port}{_STATUS}", timeout=30) as response:
            found = re.search(r"^ \d+ \d+ (\d+)", response.read().decode(), re.MULTILINE)
        if found is None:
            raise RuntimeError("nginx's status has no count of requests")
        return int(found[1])


def program() -> str | None:
    """The path of nginx; None if it is not installed."""
    return shutil.which("nginx") or shutil.which("nginx", path=_FOLDERS)


@contextmanager
def constant(given: Constant, connections: int, body_bytes: int) -> Iterator[Nginx]:
    """Run an nginx that answers everything alike.

    Args:
        given: what it answers.
        connections: most at a time.
        body_bytes: of the largest request, which is to be held in memory.

    Raises:
        RuntimeError: it is not installed, or did not start; the message has its own words.
    """
    if (path := program()) is None:
        raise RuntimeError(MISSING.strip())
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = stack.enter_context(reserved_port())
        (folder / "nginx.conf").write_text(configuration(given, connections, body_bytes, folder, port))
        log = stack.enter_context((folder / "log").open("w+b"))
        command = [path, "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]
        process = subprocess.Popen(command, stderr=log)  # noqa: S603 - our own configuration
        stack.callback(_end, process)
        server = Nginx(process, port)
        _wait(server, process, log.name)
        yield server


def configuration(given: Constant, connections: int, body_bytes: int, folder: Path, port: int) -> str:
    """The text of nginx.conf; see ``constant``.

    Args:
        given: what is answered.
        connections: most at a time.
        body_bytes: of the largest request.
        folder: for what nginx writes.
        port: where it listens.
    """
    own = {name: value for name, value in given.headers.items() if name not in _OWN}
    pieces = [_quoted(given.body[start : start + _PIECE]) for start in range(0, len(given.body), _PIECE)]
    short = len(pieces) <= 1
    values = {
        "FOLDER": str(folder),
        # With less than a sixteenth to spare, nginx closes connections that are idle just now (ngx_drain_connections).
        "FILES": str(2 * connections + 64),
        "BUFFER": str(max(16_384, body_bytes)),
        "HOST": LOOPBACK,
        "PORT": str(port),
        "STATUS": _STATUS,
        "TYPE": _quoted(given.headers.get("content-type", "application/json")),
        "HEADERS": "\n".join(f'    add_header {name} "{_quoted(value)}";' for name, value in own.items()),
        "PIECES": "" if short else "\n".join(f'      set $body{at} "{piece}";' for at, piece in enumerate(pieces)),
        "BODY": "".join(pieces) if short else "".join(f"$body{at}" for at in range(len(pieces))),
    }
    return re.sub(r"\b[A-Z]{4,}\b", lambda found: values.get(found[0], found[0]), _CONFIGURATION)


def _quoted(text: str) -> str:
    """Text between double quotes in nginx.conf.

    Raises:
        RuntimeError: it has a dollar in it, which nginx would take for a variable's, and knows no other way to write.
    """
    if "$" in text:
        raise RuntimeError(f"nginx cannot be told to answer {text!r}, for the dollar in it")
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _wait(server: Nginx, process: "subprocess.Popen[bytes]", log: str) -> None:
    give_up = time.monotonic() + _PATIENCE
    while time.monotonic() < give_up:
        try:
            server.answered()
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"nginx did not start: {Path(os.fsdecode(log)).read_text().strip()}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()  # it keeps nothing
    process.wait()
