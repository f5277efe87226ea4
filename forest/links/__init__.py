"""What becomes of the sums of a model's trees: its link function, and how its answer is told: a file each library."""

from forest.links.link import Answers, Calibration, Link, Threshold
from forest.links.table import LINKS, link_function

__all__ = ["LINKS", "Answers", "Calibration", "Link", "Threshold", "link_function"]
