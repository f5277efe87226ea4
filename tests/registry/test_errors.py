"""The messages of the registry's errors."""

import pytest

from registry import RegistryError, SchemaMismatch, outcome


def test_an_endless_message_keeps_its_beginning_and_its_remedy() -> None:
    """It goes to the workers in one piece, however much a model's columns or code have to say."""
    message = str(SchemaMismatch(f"unknown {[f'column {number}' for number in range(100_000)]}; train another"))
    assert message.startswith("unknown ['column 0', 'column 1'")
    assert message.endswith("; train another")
    assert len(message) < 2100


def test_every_error_keeps_its_kind_on_its_way_from_a_child() -> None:
    """Whoever waits for the child tells them apart."""

    def kinds(error: type[RegistryError]) -> set[type[RegistryError]]:
        return {error}.union(*map(kinds, error.__subclasses__()))

    for kind in kinds(RegistryError) - {RegistryError}:
        if kind.__module__ == "registry.errors":
            with pytest.raises(kind, match="because") as raised:
                outcome.read(outcome.write(outcome.Failed(kind.__name__, "because")))
            assert type(raised.value) is kind
