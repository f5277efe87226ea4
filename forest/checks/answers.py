"""What a model answered for its input example when it was logged, in a file beside it: ``canopy/answers.json``."""

import logging
from pathlib import Path
from typing import Final

import msgspec

from forest.engine import Prediction

logger = logging.getLogger("canopy.forest")

FOLDER: Final = "canopy"
FILE: Final = "answers.json"


class Answers(msgspec.Struct, frozen=True):
    """The answers for the rows of an input example, in order.

    Attributes:
        labels: one a row.
        probabilities: a list a row, in the order of the model's classes; None if the model has none.
    """

    labels: list[bool | int | float | str]
    probabilities: list[list[float]] | None = None

    @classmethod
    def of(cls, prediction: Prediction) -> "Answers":
        """What an engine has answered."""
        probabilities = prediction.probabilities
        return cls(prediction.labels.tolist(), None if probabilities is None else probabilities.tolist())

    def check(self, prediction: Prediction) -> None:
        """Make sure that an engine answers the same, to the last bit.

        Raises:
            ValueError: it does not.
        """
        found = Answers.of(prediction)
        if found.labels != self.labels:
            raise ValueError(
                f"it answers its input example with {_shown(found.labels)}, and {_shown(self.labels)} were logged"
            )
        if None not in (found.probabilities, self.probabilities) and found.probabilities != self.probabilities:
            raise ValueError("it answers its input example with other probabilities than were logged")


def write(folder: Path, prediction: Prediction) -> Path:
    """Write the file into a folder; it is logged in ``FOLDER`` of the model's artifacts."""
    path = folder / FILE
    path.write_bytes(msgspec.json.encode(Answers.of(prediction)))
    return path


def read(model: Path) -> Answers | None:
    """The answers logged with a model in a folder; None if there are none, or none that can be read, with a warning."""
    try:
        return msgspec.json.decode((model / FOLDER / FILE).read_bytes(), type=Answers)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        logger.warning("%s/%s of the model is ignored, for it cannot be read: %s", FOLDER, FILE, error)
        return None


def _shown(labels: list[bool | int | float | str]) -> str:
    return f"{', '.join(map(str, labels[:5]))}{', ...' if len(labels) > 5 else ''}"
