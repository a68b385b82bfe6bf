"""How large the misses are, for targets that are a quantity."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from metier.evaluate.bounds import ratio_bounds
from metier.evaluate.metrics import Weighing, mean_metric, metric, ratio
from metier.tasks.contract import Array, Metric

# Quantities: (n,) values against (n,) values.


def _absolute(truth: Array, outputs: Array) -> Array:
    return np.asarray(np.abs(np.asarray(outputs, dtype=np.float64) - truth))


def _weigh_rmse(truth: Array, outputs: Array) -> Weighing:
    squares = _absolute(truth, outputs) ** 2
    return lambda weights: np.sqrt(ratio(squares @ weights, weights.sum(axis=0)))


def _weigh_r2(truth: Array, outputs: Array) -> Weighing:
    squares = _absolute(truth, outputs) ** 2
    centred = truth - truth.mean()  # the weighted variance below would lose its digits far from zero

    def weighed(weights: Array) -> Array:
        rows = weights.sum(axis=0)
        variance = centred**2 @ weights - ratio((centred @ weights) ** 2, rows)
        return 1 - ratio(squares @ weights, variance)

    return weighed


def _bounds_r2(truth: Array, outputs: Array, level: float) -> tuple[float, float]:
    low, high = ratio_bounds(_absolute(truth, outputs) ** 2, (truth - truth.mean()) ** 2, level)
    return 1 - high, 1 - low


def _weigh_spearman(truth: Array, outputs: Array) -> Weighing:
    """Correlation of mid-ranks (Spearman 1904); a row of weight w counts as w equal rows."""
    sides = [_Ties.of(np.asarray(values, dtype=np.float64)) for values in (truth, outputs)]

    def weighed(weights: Array) -> Array:
        rows = weights.sum(axis=0)
        # Mid-ranks, weighted, have the mean rows / 2 whatever the ties.
        first, second = (side.ranks(weights) - rows / 2 for side in sides)
        heavy = weights * first
        together = np.einsum("ij,ij->j", heavy, second)
        spread = np.einsum("ij,ij->j", heavy, first) * np.einsum("ij,ij->j", weights * second, second)
        return ratio(together, np.sqrt(spread))

    return weighed


@dataclass(frozen=True)
class _Ties:
    """Values in ascending order, and for each value how many lie below it and how many lie below or beside it."""

    order: Array
    below: Array
    beside: Array

    @classmethod
    def of(cls, values: Array) -> _Ties:
        order = np.argsort(values, kind="stable")
        ordered = values[order]
        return cls(order, np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right"))

    def ranks(self, weights: Array) -> Array:
        """(n, r) row weights -> (n, r) weighted mid-ranks, counted from 0."""
        reached = np.zeros((len(self.order) + 1, weights.shape[1]))
        np.cumsum(weights[self.order], axis=0, out=reached[1:])
        middle: Array = (reached[self.below] + reached[self.beside]) / 2
        return middle


def _weigh_median(truth: Array, outputs: Array) -> Weighing:
    errors = _absolute(truth, outputs)
    order = np.argsort(errors, kind="stable")
    ordered = errors[order]

    def weighed(weights: Array) -> Array:
        reached = weights[order].cumsum(axis=0)
        half = reached[-1] / 2
        lower = (reached < half).sum(axis=0)
        upper = np.minimum((reached <= half).sum(axis=0), len(ordered) - 1)
        return np.asarray((ordered[lower] + ordered[upper]) / 2)

    return weighed


def quantity_metrics() -> dict[str, Metric]:
    """All metrics of a quantity by field name; they take (n,) values and (n,) values, in the quantity's own unit."""
    chosen = [
        mean_metric("mae", "Mean miss", _absolute, greater=False),
        metric("rmse", "Mean miss, large ones weighing more", _weigh_rmse, greater=False),
        metric("median_absolute_error", "Middle miss", _weigh_median, greater=False),
        replace(metric("r2", "Share of the differences explained", _weigh_r2), bounds=_bounds_r2),
        metric("spearman", "Right order", _weigh_spearman),
    ]
    return {each.name: each for each in chosen}
