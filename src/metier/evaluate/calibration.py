"""Honest confidence: how far to trust a model's probabilities, and under which confidence it should not answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from metier.data.dataset import Problem
from metier.evaluate.class_metrics import ECE_BINS, bins_of
from metier.evaluate.metrics import confidences, decisions
from metier.tasks.contract import Array

# The confidence no answer reaches: an expert with this threshold hands every row to a person.
ALWAYS_ABSTAIN = 1.01
_TEMPERATURES = (0.01, 100.0)
_MOST_ROWS = 50_000
_LOWEST = -700.0
# Shares of rows answered that are tried as thresholds.
_SHARES = 50


def temperature(outputs: Array, truth: Array) -> float:
    """The number by which to divide outputs so that confidence is right on average (Guo et al. 2017).

    `outputs` is (n, k) logits or log-probabilities, `truth` (n,) codes. Minimises the negative log-likelihood over
    temperatures of 0.01 to 100, which is convex in 1 / temperature. A weak prior, log-normal about 1, keeps a few rows
    that all happen to be right from claiming certainty. Of more than 50,000 rows, evenly spaced ones are used. No rows
    give 1.
    """
    from scipy.optimize import minimize_scalar

    if len(truth) == 0:
        return 1.0
    chosen = np.arange(0, len(truth), -(-len(truth) // _MOST_ROWS))
    values = np.asarray(outputs[chosen], dtype=np.float64)
    # Cut before scaling: -inf times anything is no number a search can use.
    values = np.maximum(values - values.max(axis=1, keepdims=True), _LOWEST)
    wanted = np.take_along_axis(values, np.asarray(truth)[chosen][:, None], axis=1)[:, 0]

    def surprise(log_temperature: float) -> float:
        inverse = np.exp(-log_temperature)
        total = np.log(np.exp(values * inverse).sum(axis=1)).sum() - wanted.sum() * inverse
        return float(total + log_temperature**2 / 2)

    low, high = np.log(_TEMPERATURES)
    found = minimize_scalar(surprise, bounds=(low, high), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


@dataclass(frozen=True)
class Bin:
    """Rows of like confidence: their mean confidence, the share answered right, and how many they are."""

    confidence: float
    accuracy: float
    rows: int

    def as_json(self) -> dict[str, Any]:
        """As the page's section `reliability` takes it."""
        return {"confidence": self.confidence, "accuracy": self.accuracy, "rows": self.rows}


def reliability(outputs: Array, truth: Array, bins: int = ECE_BINS) -> tuple[Bin, ...]:
    """Confidence against accuracy in bins of equal width, those with rows only, in ascending order.

    These are the bins of the metric `ece`, which is the mean of |confidence - accuracy| weighed by `rows`.
    """
    if len(truth) == 0:
        return ()
    confidence, right = confidences(outputs), decisions(outputs) == truth
    numbers = bins_of(confidence, bins)
    rows = np.bincount(numbers, minlength=bins)
    sums = (np.bincount(numbers, weights=each, minlength=bins) for each in (confidence, right.astype(np.float64)))
    mean_confidence, accuracy = (each / np.maximum(rows, 1) for each in sums)
    return tuple(Bin(float(mean_confidence[b]), float(accuracy[b]), int(rows[b])) for b in np.flatnonzero(rows))


@dataclass(frozen=True)
class Point:
    """What becomes of precision when only the most confident share of rows is answered."""

    answered: float
    precision: float
    threshold: float

    def as_json(self) -> dict[str, float]:
        """As the page's section `answering` takes it."""
        return {"answered": self.answered, "precision": self.precision, "threshold": self.threshold}


def answering(confidence: Array, right: Array, points: int = _SHARES) -> tuple[Point, ...]:
    """The risk-coverage curve (El-Yaniv & Wiener 2010), the fewest answers first, at most `points` of them.

    `confidence` is (n,) in 0..1, `right` (n,) whether each row was answered rightly. Rows of equal confidence are
    answered together or not at all. Rows with confidence >= threshold are answered.
    """
    threshold, answered, hits = _thresholds(confidence, right, points)
    return tuple(
        Point(float(rows / len(right)), float(hit / rows), float(bound))
        for bound, rows, hit in zip(threshold, answered, hits, strict=True)
    )


def _thresholds(confidence: Array, right: Array, points: int) -> tuple[Array, Array, Array]:
    """Thresholds in descending order, with the rows that each answers and how many of those are right."""
    if len(confidence) == 0:
        return np.zeros(0), np.zeros(0, dtype=np.int64), np.zeros(0)
    order = np.argsort(-np.asarray(confidence, dtype=np.float64), kind="stable")
    descending, hits = np.asarray(confidence)[order], np.cumsum(np.asarray(right, dtype=np.float64)[order])
    wanted = np.ceil(np.linspace(0, 1, points + 1)[1:] * len(order)).astype(np.int64) - 1
    # Equal confidences cannot be told apart: go on to the last of each run.
    last = np.unique(np.searchsorted(-descending, -descending[wanted], side="right") - 1)
    return descending[last], last + 1, hits[last]


def threshold_for_cost(error_cost: float) -> float:
    """The confidence under which abstaining is cheaper than answering (Chow 1970).

    `error_cost` is what a wrong answer costs in units of one abstention. An answer of confidence c costs
    (1 - c) * error_cost on average, an abstention 1: answer where c >= 1 - 1 / error_cost. Up to a cost of 1 it pays to
    answer always. Needs calibrated confidence.
    """
    return max(0.0, 1.0 - 1.0 / error_cost)


def threshold_for_precision(confidence: Array, right: Array, precision: float, *, level: float = 0.95) -> float:
    """The lowest confidence above which answers are right at least as often as `precision`, proven at `level`.

    On new rows of the same kind the wish is missed with probability at most 1 - level: every threshold passes a
    Clopper-Pearson lower bound (1934), in a fixed sequence of tests that ends at the first failure, so that trying many
    costs nothing (Angelopoulos et al. 2021, Learn then Test). The sequence starts where the stated confidence, not the
    truth, makes proof likeliest, and goes on to more answers. Returns ALWAYS_ABSTAIN where nothing can be proven;
    `unreachable` says so to a person.
    """
    thresholds, answered, hits = _thresholds(confidence, right, _SHARES)
    if len(thresholds) == 0:
        return ALWAYS_ABSTAIN
    expected = _thresholds(confidence, confidence, _SHARES)[2] / answered
    likely = (expected - precision) * np.sqrt(answered)
    likely[answered < rows_to_prove(precision, level)] = -np.inf
    start = int(likely.argmax())
    failed = np.flatnonzero(_lower_bounds(hits, answered, 1 - level)[start:] < precision)
    passed = int(failed[0]) if len(failed) else len(thresholds) - start
    return float(thresholds[start + passed - 1]) if passed else ALWAYS_ABSTAIN


def _lower_bounds(successes: Array, trials: Array, tail: float) -> Array:
    """Clopper-Pearson one-sided lower bounds of shares."""
    from scipy.special import betaincinv

    bounds = betaincinv(np.maximum(successes, 1e-9), trials - successes + 1, tail)
    return np.asarray(np.where(successes > 0, bounds, 0.0))


def rows_to_prove(precision: float, level: float = 0.95) -> int:
    """How many rows, all answered rightly, prove this precision at this level."""
    return int(np.ceil(np.log(1 - level) / np.log(precision)))


def unreachable(threshold: float | None, precision: float | None, rows: int) -> Problem | None:
    """What to tell a person whose wished precision no threshold could be proven to reach; None where all is well."""
    if threshold is None or threshold < ALWAYS_ABSTAIN or precision is None:
        return None
    needed = rows_to_prove(precision)
    few = f" At least {needed} validation rows are needed to prove it." if rows < needed else ""
    return Problem(
        "precision-unreachable",
        "warning",
        f"No confidence was proven to give a precision of {precision:.1%} on {rows} validation rows, "
        f"so the expert abstains on every row.{few}",
        rows=rows,
        fix="Wish for a lower precision, give more rows, or set the cost of an error instead.",
    )
