"""How sure a figure is, and whether one model is truly better than another on the same rows.

Rows are resampled by drawing how often each one occurs, so that a metric is computed for many resamples at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from metier.evaluate.metrics import decisions
from metier.evaluate.row_order import figure, row_order
from metier.tasks.contract import Array, Metric

# Numbers held at once (32 MB) and drawn in all (some seconds): very long tables get fewer resamples, never under 200.
_AT_ONCE = 1_000_000
_IN_ALL = 50_000_000
_FEWEST = 200
# A metric that must be called once per resample gets a quarter of them.
_SLOWER = 4
# From so many rows on the mean of a number a row is normal: its interval needs no resampling.
_MANY = 20_000
# Groups of rows left out in turn to see how skewed a figure is.
_GROUPS = 200


@dataclass(frozen=True)
class Interval:
    """A figure and the interval that holds its true value at the level asked for; NaN where it is not defined."""

    value: float
    low: float
    high: float

    def as_json(self) -> dict[str, float | None]:
        """`{"value", "low", "high"}`, null where not defined."""
        return {"value": _plain(self.value), "low": _plain(self.low), "high": _plain(self.high)}


@dataclass(frozen=True)
class Gain:
    """How much better b is than a on the same rows, in units of the metric; positive is always better.

    `p` is the two-sided p-value that there is no gain.
    """

    points: float
    low: float
    high: float
    p: float

    @property
    def proven(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.low > 0

    def as_json(self, over: str) -> dict[str, Any]:
        """`{"over", "points", "low", "high", "p"}`, null where not defined."""
        figures = {"points": self.points, "low": self.low, "high": self.high, "p": self.p}
        return {"over": over, **{name: _plain(value) for name, value in figures.items()}}


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def bootstrap(
    metrics: Mapping[str, Metric],
    truth: Array,
    outputs: Array,
    *,
    level: float = 0.95,
    replicates: int = 1000,
    seed: int = 0,
) -> dict[str, Interval]:
    """Every metric with its interval, from `replicates` resamples of the rows (Efron 1979).

    `truth` is (n,), `outputs` (n, k) or (n,). A share of rows, such as accuracy, gets Wilson's score interval (1927),
    which keeps its width where all rows are right. All others get the BCa interval (Efron 1987), corrected for bias and
    skew, or the metric's own `bounds`. Where there is no mistake to resample, accuracy's interval stands in for metrics
    of decisions. The order of the rows changes nothing.
    """
    truth, outputs = np.asarray(truth), np.asarray(outputs)
    order = row_order(truth, outputs)
    values = {name: figure(metric, truth, outputs) for name, metric in metrics.items() if metric.weigh is None}
    truth, outputs = truth[order], outputs[order]
    return {
        name: _interval(metric, truth, outputs, values.get(name), level, replicates, np.random.default_rng(seed))
        for name, metric in metrics.items()
    }


def _interval(
    metric: Metric,
    truth: Array,
    outputs: Array,
    value: float | None,
    level: float,
    replicates: int,
    rng: np.random.Generator,
) -> Interval:
    value = metric.function(truth, outputs) if value is None else value
    if len(truth) < 2 or not np.isfinite(value):
        return Interval(value, float("nan"), float("nan"))
    if metric.per_row is not None:
        rows = metric.per_row(truth, outputs)
        if outputs.ndim == 2 and np.isin(rows, (0.0, 1.0)).all():
            return Interval(value, *wilson(rows.sum(), len(rows), level))
        if len(rows) >= _MANY:
            return Interval(value, *_mean_bounds(rows, level))
    if metric.bounds is not None:
        low, high = metric.bounds(truth, outputs, level)
        return Interval(value, min(low, value), max(high, value))
    cells = _cells(metric, truth, outputs)
    measure = _measure(metric, truth[cells.rows], outputs[cells.rows])
    count = _replicates(replicates, len(cells.rows), metric)
    found = np.concatenate([measure(counts) for counts in cells.resamples(rng, count)])
    low, high = _corrected(found, value, lambda: _acceleration(measure, cells, rng, metric), level)
    if metric.decisions_only and outputs.ndim == 2 and bool((decisions(outputs) == truth).all()):
        low = wilson(len(truth), len(truth), level)[0]
    return Interval(value, min(low, value), max(high, value))


def _corrected(found: Array, value: float, acceleration: Callable[[], float], level: float) -> tuple[float, float]:
    """BCa bounds (Efron 1987) of a figure from its resamples.

    Where the resamples lie almost all on one side of it, no percentile of them is left to take: they are moved by twice
    their bias instead, which is the same correction while they are normal.
    """
    from scipy.special import ndtr, ndtri

    defined = found[np.isfinite(found)]
    if len(defined) == 0:
        return float("nan"), float("nan")
    below = ((defined < value).sum() + (defined == value).sum() / 2) / len(defined)
    if not 0.3 < below < 0.7:
        return _percentiles(defined - 2 * (defined.mean() - value), level)
    bias, lean = float(ndtri(below)), acceleration()
    wanted = bias + ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    low, high = np.quantile(defined, ndtr(bias + wanted / (1 - lean * wanted)))
    return float(low), float(high)


def _acceleration(measure: Callable[[Array], Array], cells: _Cells, rng: np.random.Generator, metric: Metric) -> float:
    """How fast the figure's spread changes with its value, by the jackknife over groups of rows."""
    if metric.weigh is None:
        return 0.0
    groups = int(min(_GROUPS, cells.sizes.sum()))
    row_cells = np.repeat(np.arange(len(cells.rows)), cells.sizes)
    group = rng.permutation(np.arange(len(row_cells)) % groups)
    counts = np.tile(cells.sizes[:, None].astype(np.float64), (1, groups))
    np.subtract.at(counts, (row_cells, group), 1.0)
    without = measure(counts)
    influence = np.nanmean(without) - without[np.isfinite(without)]
    spread = float((influence**2).sum())
    return float((influence**3).sum() / (6 * spread**1.5)) if spread > 0 else 0.0


def wilson(successes: float, trials: float, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval (1927) of a share, within 0..1."""
    from scipy.special import ndtri

    z = float(ndtri((1 + level) / 2))
    share = successes / trials
    middle = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z * np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2)) / (1 + z**2 / trials)
    # Rounding must not leave a share of exactly 0 or 1 outside its own interval.
    return float(min(max(middle - half, 0.0), share)), float(max(min(middle + half, 1.0), share))


def _percentiles(found: Array, level: float) -> tuple[float, float]:
    """The central `level` of what is defined; NaN where nothing is."""
    defined = found[np.isfinite(found)]
    if len(defined) == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


@dataclass(frozen=True)
class _Cells:
    """Rows that no metric at hand can tell apart, as one row each: which, and how many they stand for."""

    rows: Array
    sizes: Array

    def resamples(self, rng: np.random.Generator, replicates: int) -> Iterator[Array]:
        """How often each cell occurs in `replicates` resamples of all rows, in (cells, r) pieces."""
        total, width = int(self.sizes.sum()), len(self.rows)
        for r in _pieces(width, replicates):
            if width == total:
                drawn = rng.integers(0, width, size=(r, width)) * r + np.arange(r)[:, None]
                yield np.bincount(drawn.ravel(), minlength=width * r).reshape(width, r).astype(np.float64)
            else:
                yield np.ascontiguousarray(rng.multinomial(total, self.sizes / total, size=r).T, dtype=np.float64)

    def exchanges(self, rng: np.random.Generator, replicates: int) -> Iterator[Array]:
        """How many rows of each cell change sides when each does so with probability one half, (cells, r) pieces."""
        for r in _pieces(len(self.rows), replicates):
            yield rng.binomial(self.sizes[:, None], 0.5, size=(len(self.rows), r)).astype(np.float64)


def _pieces(width: int, replicates: int) -> Iterator[int]:
    most = max(1, _AT_ONCE // max(width, 1))
    for start in range(0, replicates, most):
        yield min(most, replicates - start)


def _replicates(wanted: int, width: int, metric: Metric) -> int:
    affordable = wanted if metric.weigh else wanted // _SLOWER
    return min(wanted, max(_FEWEST, min(affordable, _IN_ALL // max(width, 1))))


def _cells(metric: Metric, truth: Array, *sides: Array) -> _Cells:
    """Group the rows by truth and decisions where the metric sees no more than these."""
    if not metric.decisions_only or sides[0].ndim != 2:
        return _Cells(np.arange(len(truth)), np.ones(len(truth), dtype=np.int64))
    key = np.asarray(truth, dtype=np.int64)
    for side in sides:
        key = key * side.shape[1] + decisions(side)
    _, rows, sizes = np.unique(key, return_index=True, return_counts=True)
    return _Cells(rows, sizes)


def _measure(metric: Metric, truth: Array, outputs: Array) -> Callable[[Array], Array]:
    """The metric as a function of row counts (n, r), whether or not it can be computed for all columns at once."""
    if metric.weigh is not None:
        return metric.weigh(truth, outputs)

    def one_by_one(counts: Array) -> Array:
        values = []
        for column in counts.T:
            rows = np.repeat(np.arange(len(truth)), column.astype(np.int64))
            values.append(metric.function(truth[rows], outputs[rows]))
        return np.asarray(values, dtype=np.float64)

    return one_by_one


def paired_gain(
    metric: Metric,
    truth: Array,
    outputs_a: Array,
    outputs_b: Array,
    *,
    level: float = 0.95,
    replicates: int = 2000,
    seed: int = 0,
) -> Gain:
    """How much better b is than a on the same rows, with an interval that excludes zero only on proof.

    A share of rows gets McNemar's test with mid-p (Fagerland, Lydersen & Laake 2013): where a and b are equally good
    the gain looks proven at level .95 in at most 5% of data sets, whatever their size. All other metrics get the hull
    of the paired bootstrap's percentile interval and that of a randomisation test, which lets a and b exchange their
    answers row by row (Fisher 1935) and is exact where they are equal: the bootstrap alone is too sure of itself when
    the two differ on a handful of rows. `p` comes from the same test as the interval. The order of the rows changes
    nothing.
    """
    truth, a, b = np.asarray(truth), np.asarray(outputs_a), np.asarray(outputs_b)
    sign = 1.0 if metric.greater_is_better else -1.0
    own = figure(metric, truth, b) - figure(metric, truth, a) if metric.weigh is None else None
    order = row_order(truth, a, b)
    truth, a, b = truth[order], a[order], b[order]
    if metric.per_row is not None and len(truth):
        difference = metric.per_row(truth, b) - metric.per_row(truth, a)
        if a.ndim == 2 and np.isin(difference, (-1.0, 0.0, 1.0)).all():
            return _share_gain(sign * difference, level)
        if len(difference) >= _MANY:
            return _mean_gain(sign * difference, level)
    points = sign * (metric.function(truth, b) - metric.function(truth, a) if own is None else own)
    if len(truth) < 2 or not np.isfinite(points):
        return Gain(points, float("nan"), float("nan"), float("nan"))
    cells = _cells(metric, truth, a, b)
    resampled, exchanged = _gains(metric, cells, truth, a, b, replicates, np.random.default_rng(seed))
    boot_low, boot_high = _percentiles(sign * resampled, level)
    # To exchange all answers back turns the sign: what chance gives is symmetric, and its size alone counts.
    sizes = np.abs(exchanged[np.isfinite(exchanged)])
    # The observed data are one of the exchanges too (Phipson & Smyth 2010), for the bound as for p.
    p = (1 + int((sizes >= abs(points) - 1e-12).sum())) / (1 + len(sizes))
    chance = float(np.quantile(sizes, level, method="weibull")) if len(sizes) else float("nan")
    low, high = min(boot_low, points - chance), max(boot_high, points + chance)
    return Gain(points, _settled(low, points), _settled(high, points), p)


def _settled(bound: float, points: float) -> float:
    """A bound within rounding of zero is zero: a rounding error proves nothing."""
    return 0.0 if abs(bound) <= 1e-12 * max(1.0, abs(points)) else bound


def _gains(
    metric: Metric, cells: _Cells, truth: Array, a: Array, b: Array, replicates: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """The metric's differences b - a over resampled rows, and over exchanged answers."""
    truth, a, b = truth[cells.rows], a[cells.rows], b[cells.rows]
    count = _replicates(replicates, len(cells.rows), metric)
    first, second = _measure(metric, truth, a), _measure(metric, truth, b)
    resampled = [second(counts) - first(counts) for counts in cells.resamples(rng, count)]
    # Both models' answers under one another: weights then say which of the two a row's answer is taken from.
    both = _measure(metric, np.concatenate([truth, truth]), np.concatenate([a, b]))
    sizes, exchanged = cells.sizes[:, None], []
    for moved in cells.exchanges(rng, count):
        stayed = sizes - moved
        exchanged.append(both(np.concatenate([moved, stayed])) - both(np.concatenate([stayed, moved])))
    return np.concatenate(resampled), np.concatenate(exchanged)


def _share_gain(difference: Array, level: float) -> Gain:
    """The gain of a share of rows from (n,) differences of -1, 0 or 1.

    The hull of the interval given the rows that differ, which agrees with McNemar's mid-p test about zero, and of
    Agresti & Min's (2005), Wald's with half a row added to each cell, which also covers how many rows differ.
    """
    from scipy.special import ndtri

    rows, better, worse = len(difference), int((difference > 0).sum()), int((difference < 0).sum())
    differing, points = better + worse, float(difference.mean())
    tail = (1 - level) / 2
    low, high = _mid_p_share(better, differing, tail)
    p = min(1.0, 2 * _mid_p_above(max(better, worse), differing, 0.5))
    total, up, down = rows + 2, better + 0.5, worse + 0.5
    half = float(ndtri(1 - tail)) * np.sqrt(up + down - (up - down) ** 2 / total) / total
    middle, scale = (up - down) / total, differing / rows
    return Gain(
        points,
        float(max(-1.0, min(middle - half, scale * (2 * low - 1)))),
        float(min(1.0, max(middle + half, scale * (2 * high - 1)))),
        p,
    )


def _mean_gain(difference: Array, level: float) -> Gain:
    """The gain of a mean over many rows, from (n,) differences."""
    from scipy.special import ndtr

    points, error = float(difference.mean()), float(difference.std(ddof=1) / np.sqrt(len(difference)))
    return Gain(points, *_mean_bounds(difference, level), p=float(2 * ndtr(-abs(points) / error)) if error else 1.0)


def _mean_bounds(rows: Array, level: float) -> tuple[float, float]:
    """The mean of (n,) numbers, many of them, give or take its standard errors."""
    from scipy.special import ndtri

    half = float(ndtri((1 + level) / 2) * rows.std(ddof=1) / np.sqrt(len(rows)))
    return float(rows.mean()) - half, float(rows.mean()) + half


def _mid_p_share(successes: int, trials: int, tail: float) -> tuple[float, float]:
    """The mid-p interval of a binomial share: bounds under which the mid-p tail beyond them is `tail`."""
    from scipy.optimize import brentq

    low, high = 0.0, 1.0
    if successes > 0:
        low = brentq(lambda share: _mid_p_above(successes, trials, share) - tail, 0.0, 1.0)
    if successes < trials:
        high = brentq(lambda share: _mid_p_above(successes, trials, share) - (1 - tail), 0.0, 1.0)
    return float(low), float(high)


def _mid_p_above(successes: int, trials: int, share: float) -> float:
    """P(X > successes) + P(X = successes) / 2 for a binomial X."""
    from scipy.special import bdtrc

    at_least = bdtrc(successes - 1, trials, share) if successes > 0 else 1.0
    return float((bdtrc(successes, trials, share) + at_least) / 2)
