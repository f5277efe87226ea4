"""Files that are served as they are."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse, Response

TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""The ending of a file's name → its media type. The system's own table may have others."""


class File:
    """A file, which a browser keeps, and asks each time whether it is still the same.

    Args:
        path: where it is; its content does not change while the server runs.
        headers: what is said with it, besides what is said with every file.
    """

    def __init__(self, path: Path, headers: Mapping[str, str]) -> None:
        self._path = path
        self._tag = f'"{hashlib.sha256(path.read_bytes()).hexdigest()[:32]}"'
        self._headers = {
            "Content-Type": TYPES[path.suffix],
            # Of its content, so that replicas agree, and no name needs a version in it.
            "ETag": self._tag,
            "Cache-Control": "no-cache",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            **headers,
        }

    async def endpoint(self, request: Request) -> Response:
        """Answer with the file, or with 304 if the browser has it."""
        held = ",".join(request.headers.getlist("if-none-match")).split(",")
        if any(tag.strip().removeprefix("W/") in {self._tag, "*"} for tag in held):
            return Response(status_code=304, headers=self._headers)
        return FileResponse(self._path, headers=self._headers)
