"""Numbers that a command is given."""

import argparse


def above_zero(text: str) -> float:
    """A finite number above 0.

    Raises:
        ArgumentTypeError: it is none.
        ValueError: it is no number.
    """
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def positive(text: str) -> int:
    """A whole number above 0.

    Raises:
        ArgumentTypeError: it is none.
        ValueError: it is no whole number.
    """
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not above 0")
    return number
