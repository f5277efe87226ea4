"""A stand-in for the S3 store: moto's, on the real one's port and with its health check. It forgets when it ends."""

from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.server import MotoRequestHandler
from werkzeug.serving import run_simple

_store = DomainDispatcherApplication(create_backend_app)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer as the store, but for ``/health``, which the real one has and moto would take for a bucket."""
    if environ["PATH_INFO"] != "/health":
        return _store(environ, start_response)
    start_response("200 OK", [("Content-Type", "application/json")])
    return [b'{"status":"ok"}']


if __name__ == "__main__":
    run_simple("0.0.0.0", 9000, application, threaded=True, request_handler=MotoRequestHandler)  # noqa: S104 - a container
