"""Not worse, and as good as: what a comparison can say beyond "no difference was found"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from metier.evaluate.intervals import Gain, paired_gain
from metier.tasks.contract import Array, Metric

# What is too little to matter where nobody says otherwise: 2 points of a share, a twentieth of any other figure.
_POINTS = 0.02
_PART = 0.05


@dataclass(frozen=True)
class Equivalence:
    """Whether b is as good as a within `margin` (in units of the metric), and whether it is at least not worse.

    `low` and `high` hold the gain of b over a in the interval that decides: at level .95 the one of level .90.
    """

    margin: float
    low: float
    high: float
    level: float

    @property
    def equivalent(self) -> bool:
        """Whether the gain is proven to lie within the margin on both sides."""
        return self.margin > 0 and -self.margin < self.low and self.high < self.margin

    @property
    def non_inferior(self) -> bool:
        """Whether b is proven to be worse than a by less than the margin, if at all."""
        return self.margin > 0 and self.low > -self.margin

    def as_json(self) -> dict[str, Any]:
        """`{"equivalent", "non_inferior", "margin"}`."""
        return {"equivalent": self.equivalent, "non_inferior": self.non_inferior, "margin": self.margin}


def equivalence(
    metric: Metric,
    truth: Array,
    outputs_a: Array,
    outputs_b: Array,
    margin: float,
    *,
    level: float = 0.95,
    seed: int = 0,
) -> Equivalence:
    """Two one-sided tests (Schuirmann 1987) on the same rows, by the paired interval that leaves 1 - level outside.

    Each side is tested at 1 - level: the gain's interval of level 1 - 2 (1 - level) must lie within the margin. So two
    models that differ by the margin or more are called equivalent in at most 1 - level of cases.
    """
    gain: Gain = paired_gain(metric, truth, outputs_a, outputs_b, level=2 * level - 1, seed=seed)
    return Equivalence(margin, gain.low, gain.high, level)


def usual_margin(metric: Metric, figure: float) -> float:
    """What is too little to matter in this metric, where another model has this figure.

    2 points where more is better and the figure is a share of 1, else a twentieth of it; 0 where it is not defined.
    """
    if not np.isfinite(figure):
        return 0.0
    return _POINTS if metric.greater_is_better and abs(figure) <= 1 else _PART * abs(figure)
