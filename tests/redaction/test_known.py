import pytest
from hypothesis import given

import redaction
from redaction import known
from tests.redaction.writing import FEWER, WAYS, secrets, told


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("cannot reach http://warden:sesame@server/x", "cannot reach http://server/x", id="url"),
        pytest.param("http://warden:ses@me@server", "http://server", id="url-with-two-ats"),
        pytest.param("password=sesame&user=x", "password=***&user=x", id="parameter"),
        pytest.param("connect(dbname='x', password='se same')", "connect(dbname='x', password=***)", id="argument"),
        pytest.param("https://h/x?X-Amz-Signature=0a1b&a=1", "https://h/x?X-Amz-Signature=***&a=1", id="signed-url"),
        pytest.param("https://h/x?se=1&sig=0a1b%3D", "https://h/x?se=1&sig=***", id="shared-access-signature"),
        pytest.param("AccountName=a;AccountKey=0a1b==;", "AccountName=a;AccountKey=***;", id="connection-string"),
        pytest.param("{'x-api_key': 'sesame', 'b': 1}", "{'x-api_key': ***, 'b': 1}", id="dictionary"),
        pytest.param('{"client_secret": "se\\"same"}', '{"client_secret": ***}', id="json"),
        pytest.param("Invalid header value b'Bearer abc\\n'", "Invalid header value b'Bearer ***'", id="bearer"),
        pytest.param("Authorization: Basic dTpw", "Authorization: Basic ***", id="basic"),
        pytest.param("set MLFLOW_TRACKING_TOKEN: it is empty", "set MLFLOW_TRACKING_TOKEN: it is empty", id="prose"),
        pytest.param("write to a@b or c@d", "write to a@b or c@d", id="no-url"),
    ],
)
def test_what_looks_like_a_secret_goes_though_it_is_not_known(text: str, expected: str) -> None:
    """A second net, for what no variable has."""
    assert redaction.redact(text) == expected


def test_secrets_that_overlap_go_together() -> None:
    """The longer one is not left in pieces by the shorter."""
    redaction.add("sesame", "open-sesame-now", "me-now-or-never")
    assert redaction.redact("say open-sesame-now-or-never!") == "say ***!"


def test_a_message_is_redacted_before_it_is_put_on_one_line() -> None:
    """Blanks within a secret are still those that it has."""
    redaction.add("open  sesame")
    assert redaction.one_line("it says\n'open  sesame'") == "it says '***'"


def test_the_secrets_that_were_learnt_first_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that are good for an hour each do not fill the memory."""
    monkeypatch.setattr(known, "_MOST", 2)
    redaction.add("first-secret", "second-secret", "third-secret")
    assert redaction.redact("first-secret second-secret third-secret") == "first-secret *** ***"


@FEWER
@given(secret=secrets(), other=secrets())
def test_no_way_of_writing_a_secret_is_left(secret: str, other: str) -> None:
    """Whatever other secret is known beside it."""
    redaction.forget()
    redaction.add(secret, other)
    for way, write in WAYS.items():
        said = redaction.redact(f"it fails ({way}): {write(secret)}; correct it")
        assert told(secret, [said]) == []
