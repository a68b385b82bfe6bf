"""The arithmetic of membership inference: scores from losses, and what they give away, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from metier.evaluate.intervals import Interval, wilson
from metier.tasks.contract import Array

_SMALLEST = 1e-6


@dataclass(frozen=True)
class Leak:
    """How well scores tell members: AUC, and the share of members found at 1% and 0.1% false alarms.

    The latter two are None where there are too few others to set such a threshold.
    """

    auc: Interval
    seldom: Interval | None
    rare: Interval | None


def surprise(target: Any, truth: Array, outputs: Array) -> Array:
    """(n,) how sure a model is of each row's truth, on a scale without bounds: the log odds of the true label, or less
    the logarithm of a quantity's error (Carlini et al. 2022, section IV.C)."""
    metrics = target.metrics()
    if "log_loss" in metrics:
        loss = np.maximum(metrics["log_loss"].per_row(truth, outputs), _SMALLEST)
        return np.asarray(-np.log(np.expm1(np.minimum(loss, 500.0))))
    error = np.abs(np.asarray(outputs, float) - truth)
    return np.asarray(-np.log(error + 1e-3 * (np.std(truth) or 1.0)))


def residual(own: Array, reference: Array) -> Array:
    """What of `own` (n,) the reference (n,) does not explain, by a line fitted over all rows, members or not."""
    centred = reference - reference.mean()
    spread = float(centred @ centred)
    slope = max(0.0, float(centred @ (own - own.mean())) / spread) if spread > 0 else 0.0
    return np.asarray(own - slope * centred)


def leak_of(scores: Array, member: Array, level: float) -> Leak:
    """Scores (n,), greater for members, and which rows are members (n,) -> what they give away."""
    inside, outside = scores[member], scores[~member]
    return Leak(auc(inside, outside, level), power(inside, outside, 0.01, level), power(inside, outside, 0.001, level))


def auc(inside: Array, outside: Array, level: float) -> Interval:
    """How often a member scores above another row, ties half, with DeLong's interval (1988) on the logit scale."""
    from scipy.special import expit, logit, ndtri
    from scipy.stats import rankdata

    m, n = len(inside), len(outside)
    ranks = rankdata(np.concatenate([inside, outside]))
    above = (ranks[:m] - rankdata(inside)) / n
    below = 1 - (ranks[m:] - rankdata(outside)) / m
    value = float(above.mean())
    error = float(np.sqrt(above.var(ddof=1) / m + below.var(ddof=1) / n))
    if not 0 < value < 1:
        # All on one side: no spread to go by; the bound is that of a share of the smaller side.
        low, high = wilson(value * min(m, n), min(m, n), level)
        return Interval(value, low, high)
    half = float(ndtri((1 + level) / 2)) * error / (value * (1 - value))
    return Interval(value, float(expit(logit(value) - half)), float(expit(logit(value) + half)))


def power(inside: Array, outside: Array, alarms: float, level: float) -> Interval | None:
    """The share of members found at a threshold that a share `alarms` of the others passes; None for too few others.

    Both ends allow for the threshold's own uncertainty: how many of n others lie above the true one is binomial.
    """
    from scipy.stats import binom

    n = len(outside)
    if n * alarms < 1:
        return None
    ordered = np.sort(outside)[::-1]

    def found(passing: int) -> int:
        """Members above the threshold that lets so many others pass."""
        return int((inside > (ordered[passing] if passing < n else -np.inf)).sum())

    tail = (1 - level) / 2
    few, many = (int(binom.ppf(share, n, alarms)) for share in (tail, 1 - tail))
    value = found(int(n * alarms)) / len(inside)
    low = wilson(found(few), len(inside), level)[0]
    high = wilson(found(many), len(inside), level)[1]
    return Interval(value, min(low, value), max(high, value))
