"""A client's wish to change the protocol, which is ignored."""

from collections.abc import Iterable


def without_upgrade(method: bytes, url: bytes, version: str, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The head of a request to change the protocol, without that wish: RFC 9110, 7.8, allows to take it for that.

    Args:
        method: of the request line.
        url: of the request line.
        version: of HTTP, such as 1.1.
        headers: their names in lower case.
    """
    head = [method, b" ", url, b" HTTP/", version.encode(), b"\r\n"]
    for name, value in headers:
        if name == b"connection":
            value = b", ".join(t for t in (p.strip() for p in value.split(b",")) if t.lower() != b"upgrade")
        if name not in {b"upgrade", b"http2-settings"} and value:
            head += [name, b": ", value, b"\r\n"]
    return b"".join([*head, b"\r\n"])
