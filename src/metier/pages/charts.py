"""The pictures of a page: each takes a section's data and gives an inline SVG, "" where there is nothing to draw."""

from __future__ import annotations

from metier.pages.answers import (
    CLASSES_SHOWN,
    LABELS_SHOWN,
    POINTS_SHOWN,
    bins,
    classes,
    confusion,
    histogram,
    reliability,
    scatter,
)
from metier.pages.bars import ROWS_SHOWN, found, pairs, ranges, shares
from metier.pages.comparing import comparison
from metier.pages.dial import dial
from metier.pages.scores import answering, beyond, chosen_point, ladder, learning_curve, titled, unit_of
from metier.pages.severities import severity

__all__ = [
    "CLASSES_SHOWN",
    "LABELS_SHOWN",
    "POINTS_SHOWN",
    "ROWS_SHOWN",
    "answering",
    "beyond",
    "bins",
    "chosen_point",
    "classes",
    "comparison",
    "confusion",
    "dial",
    "found",
    "histogram",
    "ladder",
    "learning_curve",
    "pairs",
    "ranges",
    "reliability",
    "scatter",
    "severity",
    "shares",
    "titled",
    "unit_of",
]
