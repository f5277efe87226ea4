"""Where browsers find what there is for them."""

from importlib.metadata import distribution
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from serving.operation import JSON, OBJECT, Body, Operation, always
from serving.page.files import File
from serving.page.negotiation import prefers
from serving.routing import Endpoint, Route

FILES: Final = Path(__file__).parent / "static"
"""The page's own files."""

_OWN: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# Swagger UI's style sheet has its icons in it, as data.
_VIEWER: Final = _OWN.replace("img-src 'self'", "img-src 'self' data:")


_INDEX: Final = Operation(
    "index",
    "What is served, and where; a page for browsers.",
    "server",
    {JSON: Body(OBJECT), "text/html": Body({"type": "string"})},
)


def page_routes(index: Endpoint) -> list[Route]:
    """The page at ``/``, the viewer at ``/docs``, and under ``/page/`` the files that they load.

    Args:
        index: answers ``GET /`` to all who would not rather have HTML than JSON.
    """
    page = _file(FILES / "index.html", _OWN)

    async def root(request: Request) -> Response:
        accept = request.headers.getlist("accept")
        response = await (page.endpoint if prefers("text/html", "application/json", accept) else index)(request)
        response.headers["Vary"] = "Accept"
        return response

    loaded = sorted(path for path in FILES.iterdir() if path.suffix != ".html")
    return [
        Route("/", root, about=always(_INDEX)),
        Route("/docs", _file(FILES / "docs.html", _VIEWER).endpoint),
        *(Route(f"/page/{path.name}", _file(path, _OWN).endpoint) for path in (*loaded, *_viewer_files())),
    ]


def _viewer_files() -> list[Path]:
    """The files of Swagger UI that are served."""
    # Found without an import, which would bring Flask along.
    folder = Path(str(distribution("flask-swagger-ui").locate_file("flask_swagger_ui/dist")))
    return [folder / "swagger-ui-bundle.js", folder / "swagger-ui.css"]


def _file(path: Path, policy: str) -> File:
    return File(path, {"Content-Security-Policy": policy})
