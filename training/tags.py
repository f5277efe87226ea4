"""Tags of versions, and of the logged models that they are made of."""

from typing import Final

OWN: Final = "canopy."
"""How all of them begin."""

FINGERPRINT: Final = "canopy.fingerprint"
"""Digest of all that decides the forest."""

FORMER: Final = "canopy.former"
"""Of a version that was promoted: the one that was in production before, to which a rollback returns."""

EVALUATION: Final = "canopy.evaluation"
"""What it and the version in production scored, a ``training.pipeline.comparison.Comparison`` as JSON."""

ROLLED_BACK: Final = "canopy.rolled_back"
"""Of a version that was taken out of production: why."""
