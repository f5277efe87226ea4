"""How versions are to be prepared, which whoever has them prepared decides once."""

from dataclasses import dataclass

from registry.columns import Stated
from registry.prepared import EngineChoice, OtherVersions, TrustedFormats


@dataclass(frozen=True, slots=True)
class Preparation:
    """What decides what becomes of a version: whoever wants it otherwise has to have it prepared for himself.

    Attributes:
        engine: the engine wanted; ``auto`` takes the fastest that can serve the model, and warns if that is not the
            fastest of all.
        formats: the files that may be loaded.
        others: what to do with models of other versions of scikit-learn.
        stated: the model's table, if it does not tell that itself.
    """

    engine: EngineChoice = "auto"
    formats: TrustedFormats = "any"
    others: OtherVersions = "refuse"
    stated: Stated = None
