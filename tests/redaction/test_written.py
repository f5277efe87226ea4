import pytest
from hypothesis import given

from redaction.written import SHORTEST, traces
from tests.redaction.writing import FEWER, WAYS, secrets


@FEWER
@given(secret=secrets())
def test_a_secret_is_found_in_every_way_of_writing_it(secret: str) -> None:
    """Whichever library shows it, in quotes, escaped, percent-encoded, as base64 or in a wrong encoding."""
    found = traces(secret)
    missed = [way for way, write in WAYS.items() if not any(list(trace.spans(write(secret))) for trace in found)]
    assert missed == []


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        pytest.param("pass word", "pass\n  word", id="wrapped"),
        pytest.param("pass\nword", "http://u:password@host", id="line-end-left-out-of-a-url"),
        pytest.param("päss€wörd", "p?ss?w?rd", id="replaced-by-question-marks"),
        pytest.param("päss€wörd", "p\ufffd\ufffdss\ufffdw\ufffdrd", id="replaced"),
        pytest.param("a\udcffbcdef", r"a\xffbcdef", id="no-utf-8"),
        pytest.param("sesame\n", "sesame", id="with-a-line-end"),
        pytest.param("eyJhbGciOiJIUzI1NiJ9.payload.signature", "'eyJhbGciOiJIUzI1Ni...", id="beginning"),
        pytest.param("eyJhbGciOiJIUzI1NiJ9.payload.signature", "...load.signature'", id="end"),
    ],
)
def test_a_mangled_secret_is_found(secret: str, text: str) -> None:
    """Wrapped, replaced in part, or shortened."""
    assert any(list(trace.spans(text)) for trace in traces(secret))


def test_base64_around_a_secret_goes_as_a_whole() -> None:
    """What is left of it would tell the user and a few bits of the password."""
    spans = [span for trace in traces("sesame!") for span in trace.spans("Basic d2FyZGVuOnNlc2FtZSE= refused")]
    assert spans == [(6, 26)]


@pytest.mark.parametrize("secret", ["", "a", "is", "the", "  no\n"])
def test_what_is_too_short_is_not_searched_for(secret: str) -> None:
    """It would turn every message to dots."""
    assert len(secret.strip()) < SHORTEST
    assert traces(secret) == []
