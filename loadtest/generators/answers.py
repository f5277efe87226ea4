"""What a right answer is, for every generator of this project's; wrk and h2load know the status only."""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import orjson

from dataset import Covertype
from dataset.covertype import LABELS

_USUAL: Final = {b'{"prediction":[%d]}' % label: label for label in LABELS}
"""The bodies that need no parsing."""

ANY_VERSION: Final = ""
"""Stands for every version that has no labels of its own."""


class Answers:
    """Judges the answers to single rows.

    Args:
        expected: version, as Canopy-Model names it, or ANY_VERSION → the label of each row of the sample.
        share: of the answers whose label is known, the part that is held against it, 0..1.
    """

    def __init__(self, expected: Mapping[str, Sequence[int]], share: float = 1) -> None:
        self._expected = expected
        self._share = share

    def fault(self, status: int, body: bytes, model: str = "", row: int | None = None) -> str | None:
        """What is wrong with a response, in few and constant words, or None.

        Args:
            status: its status.
            body: its body.
            model: its header Canopy-Model.
            row: the position in the sample of the row that was asked; None for a row that is not from there.
        """
        if status != 200:
            return f"status {status}"
        label = _USUAL.get(body) or _parse(body)
        if label is None:
            return "not one label among the classes"
        if row is not None and self._expected and random.random() < self._share:  # noqa: S311 - a sample, no secret
            labels = self._expected.get(unquote(model), self._expected.get(ANY_VERSION))
            if labels is not None and labels[row] != label:
                return "not the expected label"
        return None


def same(status: int, body: bytes, truth: bytes) -> str | None:
    """What is wrong with a response to a request whose right answer is known to the byte, or None."""
    if status != 200:
        return f"status {status}"
    return None if body == truth else "somebody else's answer"


def _parse(body: bytes) -> int | None:
    """The label that an unusual body gives."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    labels = document.get("prediction") if isinstance(document, dict) else None
    if not isinstance(labels, list) or len(labels) != 1 or type(labels[0]) is not int or labels[0] not in LABELS:
        return None
    return labels[0]


def read_expected(argument: str, sample: Covertype) -> tuple[str, list[int]]:
    """Read what training logged as ``expected/sample_labels.json`` with a version.

    Args:
        argument: ``FILE``, for any version, or ``NAME/VERSION=FILE``.
        sample: what the labels must belong to.

    Returns:
        The version or ANY_VERSION, and the label of each row.

    Raises:
        ValueError: the file is not that, or of another sample.
        OSError: it cannot be read.
    """
    version, _, path = argument.rpartition("=")
    try:
        document = orjson.loads(Path(path).read_bytes())
        digest, labels = document["sample_sha256"], [int(label) for label in document["labels"]]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: is not a file of expected labels: {error!r}") from None
    if digest != sample.digest:
        raise ValueError(f"{path}: its labels are of another sample than the bundled one")
    return version, labels
