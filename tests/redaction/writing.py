"""Secrets as hypothesis draws them, and the ways in which libraries write them."""

import base64
import html
import json
from collections.abc import Callable, Iterable
from urllib.parse import quote, quote_plus

from hypothesis import settings
from hypothesis import strategies as st

from tests.conftest import examples

FEWER = settings(max_examples=examples(10))
"""Patterns for a secret take tens of milliseconds to make, so it is tried in all ways at once, but fewer are."""

WAYS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "repr": repr,
    "ascii": ascii,
    "repr-of-repr": lambda secret: repr(repr(secret)),
    "bytes": lambda secret: repr(secret.encode()),
    "bytes-in-a-message-in-a-repr": lambda secret: repr(f"Invalid header value {secret.encode()!r}"),
    "latin-1-bytes": lambda secret: repr(secret.encode("latin-1", "replace")),
    "json": json.dumps,
    "json-in-json": lambda secret: json.dumps(json.dumps({"said": secret})),
    "percent": lambda secret: quote(secret, safe=""),
    "percent-but-slashes": quote,
    "percent-twice": lambda secret: quote(quote(secret, safe=""), safe=""),
    "form": quote_plus,
    "percent-of-json": lambda secret: quote(json.dumps(secret)),
    "html": html.escape,
    "html-twice": lambda secret: html.escape(html.escape(secret)),
    "basic": lambda secret: base64.b64encode(f"warden:{secret}".encode()).decode(),
    "basic-of-a-token": lambda secret: base64.b64encode(f"{secret}:".encode()).decode(),
    "url-safe-base64": lambda secret: base64.urlsafe_b64encode(f"a:{secret}!".encode()).decode(),
    "utf-8-read-as-latin-1": lambda secret: secret.encode().decode("latin-1"),
    "repr-of-that": lambda secret: repr(secret.encode().decode("latin-1")),
}
"""Each is a way in which a secret appears in a message."""

_ALPHABET = "abcXYZ0189'\"\\%@:/?#&<>=+-_.,; äé€日\U0001f600"


def secrets(shortest: int = 8) -> st.SearchStrategy[str]:
    """Passwords and tokens, among them odd ones; without blanks at their ends."""
    odd = st.text(_ALPHABET, min_size=shortest, max_size=40)
    plain = st.text("abcdefXYZ0123456789-._~+/", min_size=shortest, max_size=60)
    return (odd | plain).map(str.strip).filter(lambda secret: len(secret) >= shortest and distinct(secret))


def distinct(secret: str) -> bool:
    """Whether a secret is nothing that stands in a message by chance."""
    return len(set(secret)) >= 6 and any(each.isalnum() for each in secret)


def told(secret: str, texts: Iterable[str]) -> list[str]:
    """The ways in which a secret is in some texts."""
    said = "\n".join(texts)
    return [way for way, write in WAYS.items() if write(secret).strip("'\"=") in said]
