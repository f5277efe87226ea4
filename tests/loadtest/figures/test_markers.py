"""Tables between marks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.figures.markers import BadMarks, blocks, replaced, unmarked

TEXT = "before\n\n<!-- figures: one -->\nold\n<!-- /figures -->\n\n<!-- figures: two -->\n<!-- /figures -->\nafter\n"
ROWS = "\n| a | b |\n| --- | ---: |\n| x | 1.5 |\n"

LINES = st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="<"), min_size=1, max_size=20)


@given(st.lists(LINES.filter(str.strip), min_size=1, max_size=5).map("\n".join))
def test_what_is_written_is_read_again_and_writing_it_again_changes_nothing(content: str) -> None:
    """Everything else stays as it is."""
    once = replaced(TEXT, "two", content)
    assert replaced(once, "two", content) == once
    assert blocks(once) == {"one": "old\n", "two": f"{content.rstrip()}\n"}
    assert (once[: TEXT.index("<!-- figures: two")], once[-7:]) == (
        TEXT[: TEXT.index("<!-- figures: two")],
        "\nafter\n",
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(TEXT.replace("two", "one"), "come twice: one", id="twice"),
        pytest.param(f"{TEXT}<!-- figures: three -->\n", "no other end", id="open"),
        pytest.param(f"{TEXT}<!-- /figures -->\n", "no other end", id="closed"),
        pytest.param("nothing\n", "there is no <!-- figures: one -->", id="none"),
    ],
)
def test_a_document_without_proper_marks_is_left_alone(text: str, words: str) -> None:
    """And the reason is told."""
    with pytest.raises(BadMarks, match=words):
        replaced(text, "one", "new")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param(ROWS, ["| a | b |"], id="bare"),
        pytest.param(f"<!-- figures: none, by hand -->{ROWS}", [], id="reason"),
        pytest.param(f"<!-- figures: none, by hand -->{ROWS}{ROWS}", ["| a | b |"], id="reason-of-one"),
        pytest.param(f"<!-- figures: x -->{ROWS}<!-- /figures -->\n", [], id="marked"),
        pytest.param(ROWS.replace("1.5", "words"), [], id="words"),
    ],
)
def test_a_table_of_figures_without_marks_is_found(text: str, found: list[str]) -> None:
    """Each needs marks, or a reason of its own why it has none."""
    assert unmarked(text) == found
