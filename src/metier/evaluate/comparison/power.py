"""What a comparison on so many rows could have seen at all: "with 400 rows you could not see less than 3 points"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from metier.evaluate.intervals import Gain
from metier.evaluate.metrics import decisions
from metier.tasks.contract import Array, Metric

POWER = 0.8


@dataclass(frozen=True)
class Power:
    """The smallest true difference that a paired comparison on `rows` rows finds with probability `power`.

    `detectable` is in units of the metric, NaN where it cannot be told. `disagreement` is the share of rows that one of
    the two gets right and the other wrong, None where rows are not right or wrong. `share` says that units are points.
    """

    metric: str
    rows: int
    detectable: float
    disagreement: float | None
    share: bool
    power: float = POWER

    def as_json(self) -> dict[str, Any]:
        """`{"metric", "rows", "disagreement", "detectable", "power", "sentence"}`."""
        return {
            "metric": self.metric,
            "rows": self.rows,
            "disagreement": self.disagreement,
            "detectable": float(self.detectable) if np.isfinite(self.detectable) else None,
            "power": self.power,
            "sentence": self.sentence,
        }

    @property
    def sentence(self) -> str:
        """What these rows can show, for a reader of the page."""
        if not np.isfinite(self.detectable):
            return f"What difference in {self.metric} these {self.rows:,} rows could show cannot be told."
        least = f"{100 * self.detectable:.1f} points" if self.share else f"{self.detectable:.3g}"
        told = f"With {self.rows:,} rows you could not see less than {least} of {self.metric}"
        if self.disagreement is not None:
            told += f": the two differ on {self.disagreement:.1%} of them"
        return f"{told} (a true difference of that size is found {self.power:.0%} of the time)."


def power_of(
    metric: Metric, truth: Array, outputs_a: Array, outputs_b: Array, gain: Gain, *, level: float = 0.95,
    power: float = POWER,
) -> Power:  # fmt: skip
    """The power of comparing b with a on these rows, where `gain` is what was found at `level`.

    A share of rows: by the rows on which just one of the two is right. Any other mean over rows: by the spread of the
    rows' differences. All else: by the width of the gain's interval; a metric of decisions sees no less than accuracy.
    """
    from scipy.special import ndtri

    truth, a, b = np.asarray(truth), np.asarray(outputs_a), np.asarray(outputs_b)
    rows, share = len(truth), metric.greater_is_better and a.ndim == 2 and metric.weigh is not None
    error = float(ndtri((1 + level) / 2))
    disagreement, spread = None, gain.high - gain.low
    if rows >= 2 and metric.decisions_only and a.ndim == 2:
        disagreement = float(((decisions(a) == truth) != (decisions(b) == truth)).mean())
    if rows >= 2 and metric.per_row is not None:
        spread = 2 * error * float((metric.per_row(truth, b) - metric.per_row(truth, a)).std(ddof=1)) / np.sqrt(rows)
    detectable = (error + float(ndtri(power))) * spread / (2 * error) if spread > 0 else float("nan")
    if disagreement is not None:
        least = detectable_share(rows, disagreement, level=level, power=power)
        detectable = least if metric.per_row is not None else float(np.nanmax([least, detectable]))
    return Power(metric.name, rows, float(detectable), disagreement, share, power)


def detectable_share(rows: int, disagreement: float, *, level: float = 0.95, power: float = POWER) -> float:
    """The smallest difference of two shares of the same rows that McNemar's test finds (Connor 1987), 1 at most.

    `disagreement` is the share of rows on which just one is right; where it is smaller than a difference that could be
    found, it is taken to be that difference: two models cannot differ by more than the rows on which they disagree.

    >>> round(detectable_share(400, 0.1), 3)
    0.044
    """
    from scipy.optimize import brentq
    from scipy.special import ndtri

    error, found = float(ndtri((1 + level) / 2)), float(ndtri(power))

    def short(difference: float) -> float:
        """How many rows more than these would be needed, over the square of the difference."""
        differing = max(disagreement, difference)
        spread = error * np.sqrt(differing) + found * np.sqrt(max(differing - difference**2, 0.0))
        return float(spread**2 - rows * difference**2)

    return 1.0 if short(1.0) > 0 else float(brentq(short, 1e-12, 1.0))
