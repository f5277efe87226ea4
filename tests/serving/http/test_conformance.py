"""What HTTP asks of a head."""

import ipaddress
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import MalformedRequest
from serving.http.conformance import check

HOSTED = [(b"host", b"canopy")]
NAMES = st.from_regex(rb"[a-z0-9]([a-z0-9_-]{0,10}[a-z0-9])?(\.[a-z]{1,5})?", fullmatch=True)
ADDRESSES = st.ip_addresses().map(lambda address: f"[{address}]" if address.version == 6 else str(address))
HOSTS = st.tuples(
    NAMES | ADDRESSES.map(str.encode), st.just(b"") | st.integers(0, 65535).map(lambda port: b":%d" % port)
)
PATHS = st.from_regex(rb"(/[a-zA-Z0-9._~%!$&'()*+,;=:@-]{0,8}){1,3}", fullmatch=True)
QUERIES = st.just(b"") | st.from_regex(rb"\?[a-zA-Z0-9._~%!$&'()*+,;=:@/?-]{0,12}", fullmatch=True)


@given(HOSTS.map(b"".join))
def test_every_host_and_port_is_one(host: bytes) -> None:
    """A name or an address, with a port or without."""
    assert check(b"GET", b"/", "1.1", [(b"accept", b"*/*"), (b"host", host)]) == b"/"


@given(st.binary(max_size=20))
def test_a_host_that_is_taken_is_one(value: bytes) -> None:
    """Nothing that ends the host of an address, or that could be read as another host, is in it."""
    try:
        check(b"GET", b"/", "1.1", [(b"host", value)])
    except MalformedRequest:
        return
    assert not set(value) & set(b' \t\r\n/?#@\\<>"{}|^`\0')
    parts = urlsplit(b"//" + value)
    assert (parts.netloc, parts.path, parts.query, parts.username) == (value, b"", b"", None)
    if value.startswith(b"[") and not value.upper().startswith(b"[V"):
        assert set(value.partition(b"]")[0][1:].partition(b"%25")[0]) <= set(b"0123456789abcdefABCDEF:.")


@given(HOSTS.map(b"".join), PATHS | st.just(b""), QUERIES)
def test_an_address_is_read_as_its_path_and_query(host: bytes, path: bytes, query: bytes) -> None:
    """A target may name a host, which every server has to understand; without a path it means the root."""
    path_first = (path or b"/") + query
    assert check(b"GET", b"http://" + host + path + query, "1.1", HOSTED) == path_first
    assert check(b"GET", path_first, "1.1", HOSTED) == path_first


@given(st.binary(max_size=30) | st.from_regex(rb"[hH]ttps?:/?/?.{0,20}", fullmatch=True))
def test_whatever_the_target_is_a_path_comes_of_it_or_a_refusal(target: bytes) -> None:
    """Nothing else is ever handed on to be parsed."""
    try:
        path = check(b"GET", target, "1.1", HOSTED)
    except MalformedRequest:
        return
    assert path.startswith(b"/")
    assert b"#" not in path


@pytest.mark.parametrize("address", ["::1", "fe80::1%25eth0", "v1.fe80::a+en1", "::ffff:127.0.0.1"])
def test_an_address_in_brackets_is_a_host(address: str) -> None:
    """IPv6's, with a zone too, and those that are still to come."""
    if "%" not in address and not address.startswith("v"):
        ipaddress.IPv6Address(address)
    assert check(b"GET", b"/", "1.1", [(b"host", f"[{address}]:80".encode())]) == b"/"


def test_the_only_target_without_a_path_asks_for_options() -> None:
    """An asterisk, and an address that a proxy would write as one (RFC 9112, 3.2.4)."""
    assert check(b"OPTIONS", b"*", "1.1", HOSTED) == b"*"
    assert check(b"OPTIONS", b"http://canopy", "1.1", HOSTED) == b"*"
    assert check(b"OPTIONS", b"http://canopy/", "1.1", HOSTED) == b"/"
