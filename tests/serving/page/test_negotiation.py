"""Who gets the page, and who JSON."""

import pytest

from serving.page.negotiation import prefers

CHROMIUM = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,"
    "application/signed-exchange;v=b3;q=0.7"
)
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "page"),
    [
        pytest.param([CHROMIUM], True, id="chromium"),
        pytest.param([FIREFOX], True, id="firefox"),
        pytest.param(["text/html"], True, id="html-only"),
        pytest.param(["TEXT/Html ; Q=1.0"], True, id="case-and-blanks"),
        pytest.param(["text/*"], True, id="any-text"),
        pytest.param(["application/json;q=0.4, text/html;q=0.5"], True, id="html-rather"),
        pytest.param(["application/json;q=0.1", "text/html"], True, id="two-headers"),
        pytest.param(["application/json;q=0, */*"], True, id="anything-but-json"),
        pytest.param(["text/html; charset=utf-8; q=0.9, application/json;q=0.8"], True, id="parameters"),
        pytest.param([], False, id="nothing-said"),
        pytest.param([""], False, id="nothing-at-all"),
        pytest.param(["*/*"], False, id="curl"),
        pytest.param(["application/json"], False, id="json-only"),
        pytest.param(["application/json, text/html"], False, id="both"),
        pytest.param(["application/json, text/plain, */*"], False, id="a-client-library"),
        pytest.param(["text/html;q=0.4, application/json;q=0.5"], False, id="json-rather"),
        pytest.param(["text/html;q=0.5, application/*;q=0.7"], False, id="any-application-rather"),
        pytest.param(["text/html;q=0, */*"], False, id="anything-but-html"),
        pytest.param(["text/html;q=0"], False, id="neither"),
        pytest.param(["image/png"], False, id="something-else"),
        pytest.param(["text/html;q=2"], False, id="no-quality"),
        pytest.param(["text/html;q=, application/json;q=0.1"], False, id="no-number"),
        pytest.param([",;,/,text"], False, id="garbage"),
    ],
)
def test_the_page_is_for_those_who_would_rather_have_html(accept: list[str], *, page: bool) -> None:
    """The most specific range counts, whatever its place (RFC 9110, 12.5.1); in case of doubt it is JSON."""
    assert prefers("text/html", "application/json", accept) == page
