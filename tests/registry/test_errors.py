"""The messages of the registry's errors."""

from registry import SchemaMismatch


def test_an_endless_message_keeps_its_beginning_and_its_remedy() -> None:
    """It goes to the workers in one piece, however much a model's columns or code have to say."""
    message = str(SchemaMismatch(f"unknown {[f'column {number}' for number in range(100_000)]}; train another"))
    assert message.startswith("unknown ['column 0', 'column 1'")
    assert message.endswith("; train another")
    assert len(message) < 2100
