"""What HTTP asks of a request's head (RFC 9110, RFC 9112) beyond what the parser sees to.

The parser, llhttp, sees to the syntax of lines, to lengths and to chunks. It says nothing of Host, takes any coding
before chunked, and versions that this server does not speak. A head is held against this when it is parsed; those that
``HeadCache`` has were.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from serving.errors import MalformedRequest, UnknownTransferCoding

_VERSIONS: Final = {"1.1", "1.0"}

_HOST: Final = re.compile(
    rb"(?:(?:[\w.~!$&'()*+,;=-]++|%[0-9A-Fa-f]{2})*+"
    rb"|\[(?:[0-9A-Fa-f:.]+(?:%25[\w.~%-]+)?|[Vv][0-9A-Fa-f]+\.[\w.~!$&'()*+,;=:-]+)\])(?::[0-9]*)?"
)
"""RFC 3986, 3.2.2: an address in brackets, or a name, which may be empty; and a port, which may be empty as well."""

_ABSOLUTE: Final = re.compile(rb"https?://([^/?]*)([^?]*)(.*)", re.IGNORECASE)


def check(method: bytes, target: bytes, version: str, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Hold a head against the rules.

    Args:
        method: of the request line.
        target: of the request line, as it came.
        version: of HTTP, such as 1.1.
        headers: their names in lower case.

    Returns:
        The target, beginning with the path.

    Raises:
        MalformedRequest: the head breaks a rule.
        UnknownTransferCoding: nobody here can read the body.
    """
    if version not in _VERSIONS:
        raise MalformedRequest(f"this server speaks HTTP/1.1 and HTTP/1.0, not HTTP/{version}")
    host: bytes | None = None
    codings: list[bytes] = []
    for name, value in headers:
        if name == b"host":
            if host is not None:
                raise MalformedRequest("there is more than one Host header")
            host = value
        elif name == b"transfer-encoding":
            codings += value.lower().split(b",")
    if host is None:
        if version != "1.0":
            raise MalformedRequest("there is no Host header")
    elif not _HOST.fullmatch(host):
        raise MalformedRequest("the Host header has no host, nor a host with a port")
    if codings:
        _check_codings(version, [coding.strip() for coding in codings])
    if method == b"CONNECT":
        raise MalformedRequest("this server is no proxy")
    return target if target.startswith(b"/") and b"#" not in target else _path_first(method, target)


def _check_codings(version: str, codings: Sequence[bytes]) -> None:
    """RFC 9112, 6.1 and 6.3: where a body ends must be beyond doubt, or one request could be hidden in another."""
    if version == "1.0":
        raise MalformedRequest("HTTP/1.0 has no Transfer-Encoding")
    if codings.count(b"chunked") != 1 or codings[-1] != b"chunked" or b"" in codings:
        raise MalformedRequest("Transfer-Encoding has not chunked once, as its last coding")
    if len(codings) > 1:
        raise UnknownTransferCoding("the only Transfer-Encoding that this server reads is chunked")


def _path_first(method: bytes, target: bytes) -> bytes:
    """RFC 9112, 3.2: what is neither a path nor for a proxy. The host is not looked at, for all are served alike."""
    if target == b"*" and method == b"OPTIONS":
        return target
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None or b"#" in target:
        raise MalformedRequest(
            "the request's target is neither a path nor an address that begins with http:// or https://"
        )
    host, path, query = absolute.groups()
    if host.startswith(b":") or not host or not _HOST.fullmatch(host):
        raise MalformedRequest("the request's target names no host")
    if method == b"OPTIONS" and not path and not query:
        return b"*"
    return (path or b"/") + query
