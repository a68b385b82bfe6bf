"""Whether what a column holds has shifted between two versions of a data set that share most of their rows.

The usual two-sample tests take the two sides as independent, which versions are not: rows that stayed are on both.
Here the rows are the units. The test permutes values over rows that stayed, went and came, and swaps the two values of
a row that was changed: exact for any overlap (a permutation test with the observed arrangement counted in, Phipson and
Smyth 2010). Intervals are by linearisation over rows (the delta method), which for disjoint sides is the usual one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
What = Literal["label", "category", "length", "number"]

_BINS = 64


@dataclass(frozen=True)
class Change:
    """A figure before and after, and the difference with its interval."""

    value: str | None  # which label or category; None where the figure is a mean
    before: float
    after: float
    difference: float
    low: float
    high: float
    rows_before: int
    rows_after: int


@dataclass(frozen=True)
class Shift:
    """One column's shift: how far (`statistic`), whether beyond chance (`p_value`, and `adjusted` by Holm's method).

    `statistic` is Cramer's V of version and value for labels and categories, the Kolmogorov-Smirnov distance (over at
    most 64 bins) for lengths and numbers; both lie in 0..1. `changes` are shares by value, or one mean.
    """

    what: What
    column: str
    statistic: float
    p_value: float
    adjusted: float = 1.0
    shifted: bool = False
    changes: tuple[Change, ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        """Plain JSON, keys as the fields."""
        return asdict(self)


@dataclass(frozen=True)
class Chance:
    """How sure an answer must be: the level of intervals and tests, and the arrangements that a test draws."""

    level: float = 0.95
    seed: int = 0
    draws: int = 1999


@dataclass(frozen=True)
class Pairs:
    """Which rows are the same row: positions in A and in B, int64 (m,) each; the others are on one side only."""

    a: Ints
    b: Ints


@dataclass(frozen=True)
class _Counts:
    """Rows by value: (k,) of those that stayed as they are, are only in A, only in B; (p, 3) from, to, rows."""

    kept: Ints
    gone: Ints
    come: Ints
    moved: Ints

    @property
    def before(self) -> Ints:
        return self.kept + self.gone + np.bincount(self.moved[:, 0], self.moved[:, 2], len(self.kept)).astype(np.int64)

    @property
    def after(self) -> Ints:
        return self.kept + self.come + np.bincount(self.moved[:, 1], self.moved[:, 2], len(self.kept)).astype(np.int64)


def of_shares(
    what: What, column: str, before: Ints, after: Ints, names: Sequence[str], pairs: Pairs, chance: Chance
) -> Shift:
    """The shift of a column of labels or categories; codes (n,) index `names`, -1 is missing and not counted."""
    counts = _count(before, after, pairs, len(names))
    if not counts.before.sum() or not counts.after.sum():
        return Shift(what, column, 0.0, 1.0)
    statistic, p_value = _tested(counts, _cramer, chance)
    return Shift(what, column, statistic, p_value, changes=_shares(counts, names, chance.level))


def of_values(what: What, column: str, before: Floats, after: Floats, pairs: Pairs, chance: Chance) -> Shift:
    """The shift of a column of numbers, (n,) with NaN where missing."""
    known_a, known_b = np.isfinite(before), np.isfinite(after)
    if not known_a.any() or not known_b.any():
        return Shift(what, column, 0.0, 1.0)
    together = np.concatenate([before[known_a], after[known_b]])
    edges = np.unique(np.quantile(together, np.linspace(0, 1, _BINS + 1)[1:-1]))
    counts = _count(_binned(before, edges), _binned(after, edges), pairs, len(edges) + 1)
    statistic, p_value = _tested(counts, _kolmogorov, chance)
    return Shift(what, column, statistic, p_value, changes=(_mean(before, after, pairs, chance.level),))


def holm(shifts: Sequence[Shift], level: float) -> tuple[Shift, ...]:
    """Adjust p-values for the number of columns looked at (Holm 1979) and say which shifts are beyond chance."""
    order = np.argsort([shift.p_value for shift in shifts], kind="stable")
    adjusted, largest = np.ones(len(shifts)), 0.0
    for rank, at in enumerate(order):
        largest = max(largest, min(1.0, (len(shifts) - rank) * shifts[at].p_value))
        adjusted[at] = largest
    return tuple(
        replace(shift, adjusted=float(p), shifted=bool(p <= 1 - level))
        for shift, p in zip(shifts, adjusted, strict=True)
    )


def _binned(values: Floats, edges: Floats) -> Ints:
    """(n,) values as bins from 0, -1 where missing."""
    return np.where(np.isfinite(values), np.searchsorted(edges, values, side="left"), -1).astype(np.int64)


def _count(before: Ints, after: Ints, pairs: Pairs, width: int) -> _Counts:
    one, other = before[pairs.a], after[pairs.b]
    both = (one >= 0) & (other >= 0)
    same = both & (one == other)
    only_a, only_b = np.ones(len(before), bool), np.ones(len(after), bool)
    only_a[pairs.a[both]], only_b[pairs.b[both]] = False, False
    cells = one[both & ~same] * width + other[both & ~same]
    found, rows = np.unique(cells, return_counts=True)
    return _Counts(
        np.bincount(one[same], minlength=width),
        np.bincount(before[only_a & (before >= 0)], minlength=width),
        np.bincount(after[only_b & (after >= 0)], minlength=width),
        np.stack([found // width, found % width, rows], axis=1).astype(np.int64).reshape(-1, 3),
    )


def _tested(counts: _Counts, statistic: Any, chance: Chance) -> tuple[float, float]:
    """The statistic, and how often arrangements by chance reach it."""
    observed = float(statistic(counts.before[None], counts.after[None])[0])
    if not counts.gone.any() and not counts.come.any() and not len(counts.moved):
        return observed, 1.0
    rng, draws = np.random.default_rng(chance.seed), chance.draws
    pool = counts.kept + counts.gone + counts.come
    before, after = np.tile(pool, (draws, 1)), np.tile(pool, (draws, 1))
    gone = rng.multivariate_hypergeometric(pool, int(counts.gone.sum()), size=draws)
    came = int(counts.come.sum())
    if came and counts.gone.any():
        come = np.stack([rng.multivariate_hypergeometric(pool - drawn, came) for drawn in gone])
    else:
        come = rng.multivariate_hypergeometric(pool, came, size=draws)
    before, after = before - come, after - gone
    for start, end, rows in counts.moved:
        swapped = rng.binomial(rows, 0.5, draws)
        before[:, start] += rows - swapped
        before[:, end] += swapped
        after[:, end] += rows - swapped
        after[:, start] += swapped
    reached = np.count_nonzero(statistic(before, after) >= observed - 1e-12)
    return observed, float((1 + reached) / (1 + draws))


def _cramer(before: Ints, after: Ints) -> Floats:
    """(r, k) counts -> (r,) Cramer's V of the 2 x k table."""
    size_a, size_b = before.sum(1, keepdims=True), after.sum(1, keepdims=True)
    difference = after / np.maximum(size_b, 1) - before / np.maximum(size_a, 1)
    pooled = np.maximum((before + after) / (size_a + size_b), 1e-300)
    balance = (size_a * size_b / (size_a + size_b) ** 2)[:, 0]
    return np.asarray(np.sqrt(balance * (difference**2 / pooled).sum(1)), np.float64)


def _kolmogorov(before: Ints, after: Ints) -> Floats:
    """(r, k) counts in ascending bins -> (r,) the largest distance of the two distribution functions."""
    one = before.cumsum(1) / np.maximum(before.sum(1, keepdims=True), 1)
    other = after.cumsum(1) / np.maximum(after.sum(1, keepdims=True), 1)
    return np.asarray(np.abs(one - other).max(1), np.float64)


def _shares(counts: _Counts, names: Sequence[str], level: float) -> tuple[Change, ...]:
    before, after = counts.before, counts.after
    size_a, size_b = int(before.sum()), int(after.sum())
    share_a, share_b = before / size_a, after / size_b
    # What one row adds to the difference of shares, by where it is (its sides) and whether it has the value there.
    one, other = (0 - share_a) / size_a, (0 - share_b) / size_b
    has_a, has_b = one + 1 / size_a, other + 1 / size_b
    left = np.bincount(counts.moved[:, 0], counts.moved[:, 2], len(before))
    joined = np.bincount(counts.moved[:, 1], counts.moved[:, 2], len(before))
    variance = (
        counts.kept * (has_b - has_a) ** 2
        + (counts.kept.sum() - counts.kept) * (other - one) ** 2
        + counts.gone * has_a**2
        + (counts.gone.sum() - counts.gone) * one**2
        + counts.come * has_b**2
        + (counts.come.sum() - counts.come) * other**2
        + left * (other - has_a) ** 2
        + joined * (has_b - one) ** 2
        + (counts.moved[:, 2].sum() - left - joined) * (other - one) ** 2
    )
    half = _z(level) * np.sqrt(np.maximum(variance, 0))
    difference = share_b - share_a
    changes = [
        Change(
            str(names[at]), float(share_a[at]), float(share_b[at]), float(difference[at]),
            float(max(difference[at] - half[at], -1)), float(min(difference[at] + half[at], 1)),
            int(before[at]), int(after[at]),
        )
        for at in np.argsort(-np.abs(difference), kind="stable")
        if before[at] or after[at]
    ]  # fmt: skip
    return tuple(changes)


def _mean(before: Floats, after: Floats, pairs: Pairs, level: float) -> Change:
    known_a, known_b = np.isfinite(before), np.isfinite(after)
    mean_a, mean_b = float(before[known_a].mean()), float(after[known_b].mean())
    size_a, size_b = int(known_a.sum()), int(known_b.sum())
    adds_a = np.where(known_a, -(before - mean_a) / size_a, 0.0)
    adds_b = np.where(known_b, (after - mean_b) / size_b, 0.0)
    variance = (adds_a**2).sum() + (adds_b**2).sum() + 2 * (adds_a[pairs.a] * adds_b[pairs.b]).sum()
    half = _z(level) * float(np.sqrt(max(variance, 0.0)))
    difference = mean_b - mean_a
    return Change(None, mean_a, mean_b, difference, difference - half, difference + half, size_a, size_b)


def _z(level: float) -> float:
    from scipy.special import ndtri

    return float(ndtri((1 + level) / 2))
