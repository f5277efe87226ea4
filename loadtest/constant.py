"""A server that answers everything at once with the same label: what a load generator reaches there is its own limit.

``python -m loadtest.constant --port 8000``; it takes each piece that arrives for one request, as our generators send
them: whole, and only when the last one is answered.
"""

import argparse
import asyncio
from collections.abc import Sequence
from typing import Any, Final

import uvloop

_BODY: Final = b'{"prediction":[2]}'
_ANSWER: Final = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(_BODY),
    _BODY,
)


class _Constant(asyncio.Protocol):
    """Answers without having read."""

    _transport: Any

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:  # noqa: ARG002 - whatever it is
        self._transport.write(_ANSWER)


async def serve(host: str, port: int) -> None:
    """Answer until cancelled."""
    server = await asyncio.get_running_loop().create_server(_Constant, host, port, backlog=4096)
    await server.serve_forever()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line, until a signal ends it."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.constant", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    args, _ = parser.parse_known_args(arguments)  # whoever starts servers gives them options
    uvloop.run(serve(args.host, args.port))


if __name__ == "__main__":
    main()
