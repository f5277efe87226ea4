"""What requests of the Open Inference Protocol ask besides rows, whatever carries them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from preprocessing import InvalidRow, faults
from serving.codecs.tensors import LABELS, PROBABILITIES

_CONTENT_TYPES: Final = frozenset({"np", "pd", "str"})
"""MLServer's names of what tensors are that are no more than what they look like."""

CONTROL: Final = frozenset({"binary_data_output", "content_type", "priority", "timeout"})
"""Parameters of a request that ask for something; all others are given back."""


_LONGEST: Final = 86_400_000_000
"""Microseconds that a request may ask to wait."""


class Wants(NamedTuple):
    """What a request asks besides rows.

    Attributes:
        outputs: the names of the outputs, and whether each is to be in binary form.
        id: of the request; None if it has none.
        parameters: of the request, to be given back, as the format has them; empty if there are none.
    """

    outputs: tuple[tuple[str, bool], ...] = ((LABELS, False),)
    id: str | None = None
    parameters: bytes = b""


def read_wants(
    parameters: Mapping[str, Any], outputs: Sequence[tuple[str, Mapping[str, Any]]], identifier: str | None
) -> Wants:
    """What a request asks besides rows.

    Args:
        parameters: of the request.
        outputs: the names of the outputs that it asks for, with their parameters.
        identifier: of the request; None if it has none.

    Raises:
        InvalidRow: it asks for what there is not.
    """
    _check_content_type(parameters, "$.parameters")
    for name in ("sequence_id", "priority"):
        if parameters.get(name):
            raise InvalidRow(f"$.parameters.{name}", "is not taken here: requests stand in no sequence and wait alike")
    binary = parameters.get("binary_data_output", False)
    if type(binary) is not bool:
        raise InvalidRow("$.parameters.binary_data_output", "must be true or false")
    wanted: dict[str, bool] = {}
    for number, (name, more) in enumerate(outputs):
        path = f"$.outputs[{number}]"
        if name not in {LABELS, PROBABILITIES}:
            raise InvalidRow(f"{path}.name", f"{faults.shortened(name)!r} is neither {LABELS!r} nor {PROBABILITIES!r}")
        if name in wanted:
            raise InvalidRow(f"{path}.name", f"{name!r} is there more than once")
        wanted[name] = _is_binary(more, path, binary=binary)
    echoed = {name: value for name, value in parameters.items() if name not in CONTROL}
    told = tuple((wanted or {LABELS: binary}).items())
    return Wants(told, identifier, msgspec.json.encode(echoed) if echoed else b"")


def read_timeout(parameters: Mapping[str, Any], outside: float | None) -> float | None:
    """Seconds that a request may wait: what its parameter says, in microseconds, and what its frame says.

    Raises:
        InvalidRow: the parameter is no number.
    """
    found = parameters.get("timeout")
    if found is None or found == 0:
        return outside
    if type(found) is not int or not 0 < found <= _LONGEST:
        raise InvalidRow("$.parameters.timeout", f"must be a number of microseconds up to {_LONGEST}")
    return found / 1e6 if outside is None else min(outside, found / 1e6)


def check_input(parameters: Mapping[str, Any], path: str) -> None:
    """See to it that the parameters of an input ask for nothing that there is not.

    Raises:
        InvalidRow: they do.
    """
    for name in parameters:
        if name.startswith("shared_memory"):
            raise InvalidRow(f"{path}.{name}", "is not taken here: send the values in the request")
    _check_content_type(parameters, path)


def _check_content_type(parameters: Mapping[str, Any], path: str) -> None:
    found = parameters.get("content_type")
    if found is not None and (not isinstance(found, str) or found not in _CONTENT_TYPES):
        raise InvalidRow(
            f"{path}.content_type", f"{faults.shortened(str(found))!r} is none of {', '.join(sorted(_CONTENT_TYPES))}"
        )


def _is_binary(parameters: Mapping[str, Any], path: str, *, binary: bool) -> bool:
    """Whether an output is to be in binary form."""
    for name in parameters:
        if name == "classification" or name.startswith("shared_memory"):
            raise InvalidRow(f"{path}.parameters.{name}", f"is not given here; {PROBABILITIES!r} has each class")
    found = parameters.get("binary_data", binary)
    if type(found) is not bool:
        raise InvalidRow(f"{path}.parameters.binary_data", "must be true or false")
    return found
