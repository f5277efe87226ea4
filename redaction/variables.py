"""Which variables and options carry secrets, and what is mended of those that come with a line end."""

import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

_SHORTEST_NAME: Final = 8
"""Characters from which on a user name is taken for a secret: some are tokens, but most are words, such as "admin"."""

_SECRET: Final = {"TOKEN", "PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "APIKEY"}
_PUBLIC: Final = {"FILE", "PATH", "DIR", "URL", "URI", "ENDPOINT", "TYPE", "NAME", "TTL", "SECONDS", "ENABLED"}
"""A variable that ends so tells something else of a secret."""

_FILES: Final = {"TLS", "SSL"}
"""A KEY of these is a file."""

_NAMES: Final = {"MLFLOW_TRACKING_USERNAME", "AWS_ACCESS_KEY_ID"}
_WORDS: Final = {"true", "false", "none", "null"}
_FAMILIES: Final = ("MLFLOW_", "AWS_", "DATABRICKS_", "CANOPY_")
_HEADERS: Final = {
    "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_WORKSPACE",
    "DATABRICKS_TOKEN",
    "CANOPY_ADMIN_TOKEN",
    "AWS_ACCESS_KEY_ID",
    "AWS_SESSION_TOKEN",
}
"""Variables that are sent in a header as they are, which takes Latin-1 and nothing else."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_LINE_END: Final = re.compile(r"\s*[\r\n]\s*\Z")
_ASSIGNMENT: Final = re.compile(r"^\s*([\w.-]+)\s*[=:]\s*(.+?)\s*$", re.MULTILINE)
_PARAMETER: Final = re.compile(r"[?&;]([\w.-]+)=([^&;#\s]*)")
_NETRC: Final = re.compile(r"\b(?:password|account)\s+(\"(?:\\.|[^\"\\])*\"|\S+)")
_LARGEST: Final = 1 << 20
"""Bytes of a file of credentials that are read."""


class BadVariable(ValueError):
    """A variable has a value that nothing can be done with; the message names it, but never tells the value."""


def mend(environment: MutableMapping[str, str]) -> list[str]:
    """Take the line end off each variable of MLflow's, AWS's or ours, as a file mounted from a Secret often has one.

    MLflow and boto would put it into a header, or sign with it, and fail. Children inherit what was mended.

    Returns:
        The names of those that had one.

    Raises:
        BadVariable: a variable that is sent, or connected to, has a control character in it, or what its place in a
            header or an address cannot carry.
    """
    mended = []
    for name, value in list(environment.items()):
        proxy = name.lower().endswith("_proxy")
        if not name.startswith(_FAMILIES) and not proxy:
            continue
        whole = _LINE_END.sub("", value)
        if whole != value:
            environment[name] = whole
            mended.append(name)
        sent = proxy or "://" in whole or name in _HEADERS or name in _NAMES or is_secret(name)
        if sent and (fault := why_unsendable(whole, header=name in _HEADERS)):
            raise BadVariable(f"{name}: {fault}")
        if (proxy or whole.startswith(("http://", "https://"))) and misses_encoding(whole):
            raise BadVariable(f"{name} is no address: percent-encode / ? # [ ] and @ in its user name and password")
    return sorted(mended)


def why_unsendable(text: str, *, header: bool) -> str:
    """Why a secret or an address cannot be right, without telling it; empty if it can be.

    Args:
        text: the secret or address.
        header: whether it stands in a header as it is.
    """
    if _CONTROL.search(text):
        return "there is a control character in it, such as a line end; set it without"
    if header and any(ord(each) > 0xFF for each in text):
        return "there is a character in it that no HTTP header can carry; correct it"
    return ""


def misses_encoding(address: str) -> bool:
    """Whether a URL with a user name or password cannot be taken apart, most likely because of them."""
    if "@" not in address:
        return False
    try:
        _ = urlsplit(address if "://" in address else f"//{address}").port
    except ValueError:
        return True
    return False


def is_secret(name: str) -> bool:
    """Whether a variable or option is called like one that carries a secret."""
    *before, last = name.upper().replace("-", "_").strip("_").split("_")
    words = {*before, last}
    if last == "KEY":
        return not words & _FILES
    if last == "PWD":
        return bool(before)  # PWD is the folder that a shell is in
    return bool(words & _SECRET) and last not in _PUBLIC


def of_environment(environment: Mapping[str, str]) -> Iterator[str]:
    """The secrets in variables: by their names, and in every URL."""
    for name, value in environment.items():
        if is_secret(name):
            if value.lower() not in _WORDS:
                yield value
        elif name in _NAMES:
            yield from _user(value)
        else:
            yield from of_address(value, bare=name.lower().endswith("_proxy"))


def of_arguments(arguments: Sequence[str]) -> Iterator[str]:
    """The secrets on a command line: behind options that are called like one, and in every URL."""
    for argument, following in zip_longest(arguments, arguments[1:], fillvalue=""):
        name, equals, value = argument.partition("=")
        if name.startswith("--") and is_secret(name):
            yield value if equals else following
        yield from of_address(value if equals and name.startswith("--") else argument)


def of_address(address: str, *, bare: bool = False) -> Iterator[str]:
    """User name, password and secret parameters of a URL, if it is one.

    Where it is not percent-encoded as it should be, every way to take it apart counts.

    Args:
        address: what may be a URL.
        bare: whether the scheme may be missing.
    """
    before, scheme, rest = address.strip().partition("://")
    if not scheme:
        rest = before if bare else ""
    for name, value in _PARAMETER.findall(rest):
        if is_secret(name):
            yield from {value, unquote(value)}
    for end in (at.start() for at in re.finditer("@", rest)):
        user, _, password = rest[:end].partition(":")
        for name in {user, unquote(user)}:
            yield from _user(name)
        yield from {password, unquote(password)}
        if misses_encoding(address):
            yield from re.split(r"[/?#@:\[\]]+", password)


def of_files(environment: Mapping[str, str]) -> Iterator[str]:
    """The secrets in the files where MLflow, requests, boto3 and Databricks look for some, if they can be read now."""
    home = environment.get("HOME") or "/"
    for name, default in (
        ("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"),
        ("AWS_CONFIG_FILE", ".aws/config"),
        ("DATABRICKS_CONFIG_FILE", ".databrickscfg"),
        ("", ".mlflow/credentials"),
    ):
        for key, value in _ASSIGNMENT.findall(_text(environment.get(name) or Path(home, default))):
            yield from of_environment({key.upper(): value})
    for password in _NETRC.findall(_text(environment.get("NETRC") or Path(home, ".netrc"))):
        yield from {password, re.sub(r"\\(.)", r"\1", password.strip('"'))}
    for name, value in environment.items():
        stem, _, last = name.rpartition("_")
        if last == "FILE" and is_secret(stem) and value:
            yield _text(value)


def _text(path: str | Path) -> str:
    """What is in a file; nothing if it is none that can be read."""
    try:
        path = Path(path).expanduser()
        return path.read_text(errors="surrogateescape") if path.is_file() and path.stat().st_size <= _LARGEST else ""
    except (OSError, RuntimeError, ValueError):
        return ""


def _user(name: str) -> Iterable[str]:
    return [name] if len(name.strip()) >= _SHORTEST_NAME else []
