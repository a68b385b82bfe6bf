"""Intervals of two figures that resampling rows gets wrong: sums of absolute gaps, and ratios of skewed means."""

from __future__ import annotations

import numpy as np

from metier.tasks.contract import Array

_DRAWS = 2000
_REPLICATES = 1000
# From so many rows on the logarithm of a ratio is normal.
_MANY = 20_000
_PRIOR = 2.0  # rows of the stated confidence that each bin is thought to hold beside its own


def gap_bounds(rows: Array, stated: Array, found: Array, level: float) -> tuple[float, float]:
    """The interval of sum_b |gap_b| over bins of `rows` (b,), given sums of `stated` confidence and rows `found` right.

    Chance can only raise such a sum. Each gap is normal about its true value, with the spread of the bin's share of
    right answers. The upper end is that of the sum after the bias of each |gap|, a folded normal (Leone, Nelson &
    Nottingham 1961), has been taken off; the lower end gives the benefit of all the chance there is, so that it is zero
    for a calibrated model in all but few cases, as in the consistency resampling of Bröcker & Smith (2007):
    |gap + noise| <= |gap| + |noise|.
    """
    from scipy.special import ndtri

    total = max(float(rows.sum()), 1.0)
    share = (found + _PRIOR * stated / np.maximum(rows, 1)) / (rows + _PRIOR)
    expected = stated * (1 - stated / np.maximum(rows, 1))
    spread = np.sqrt(rows * share * (1 - share)) / total
    noise = np.random.default_rng(0).normal(size=(_DRAWS, len(rows)))
    gaps = np.abs(stated - found) / total
    settled = _unfolded(gaps, spread).sum()
    # The correction varies, too, and against what it corrects: the sum is taken anew for gaps drawn about those seen.
    error = float(_unfolded(gaps + noise * spread, spread).sum(axis=1).std())
    high = float(settled + ndtri((1 + level) / 2) * error)
    widest = np.sqrt(np.maximum(expected, rows * share * (1 - share))) / total
    chance = float(np.quantile((np.abs(noise) * widest).sum(axis=1), (1 + level) / 2))
    return max(0.0, float(gaps.sum()) - chance), max(0.0, high)


def _unfolded(gaps: Array, spread: Array) -> Array:
    """|gap| less its bias: the mean of |gap + spread * N(0, 1)| lies that far above it."""
    from scipy.special import ndtr

    size, scale = np.abs(gaps), np.maximum(spread, 1e-300)
    mean = scale * np.sqrt(2 / np.pi) * np.exp(-((size / scale) ** 2) / 2) + size * (1 - 2 * ndtr(-size / scale))
    return np.asarray(2 * size - mean)


def ratio_bounds(above: Array, below: Array, level: float) -> tuple[float, float]:
    """The interval of mean(above) / mean(below) from (n,) numbers of the same rows, none negative.

    Bootstrap-t (Efron & Tibshirani 1993, chapter 12) of the logarithm: each resample is held against its own standard
    error, which keeps skewed rows from making the interval too narrow.
    """
    from scipy.special import ndtri

    sums = np.stack([above, below, above**2, above * below, below**2]) / len(above)
    value, error = _log_ratio(sums.sum(axis=1)[:, None], len(above))
    if not np.isfinite(value[0]) or error[0] == 0:
        return float(above.mean() / below.mean()), float(above.mean() / below.mean())
    z = float(ndtri((1 + level) / 2))
    ends = np.array([-z, z]) if len(above) >= _MANY else _studentised(sums, value[0], level)
    low, high = np.exp(value[0] - ends[::-1] * error[0])
    return float(low), float(high)


def _studentised(sums: Array, value: float, level: float) -> Array:
    """The two quantiles of (resampled - value) / its own standard error."""
    rows, rng = sums.shape[1], np.random.default_rng(0)
    found: list[Array] = []
    most = max(1, 1_000_000 // rows)
    for start in range(0, _REPLICATES, most):
        drawn = rng.integers(0, rows, size=(min(most, _REPLICATES - start), rows))
        values, errors = _log_ratio(sums[:, drawn].sum(axis=2), rows)
        found.append((values - value) / np.where(errors > 0, errors, np.nan))
    deviations = np.concatenate(found)
    deviations = deviations[np.isfinite(deviations)]
    return np.asarray(np.quantile(deviations, [(1 - level) / 2, (1 + level) / 2]))


def _log_ratio(means: Array, rows: int) -> tuple[Array, Array]:
    """log(u / v) and its standard error (delta method) from the means of u, v, uu, uv and vv, each (r,)."""
    u, v, uu, uv, vv = means
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = uu / u**2 - 2 * uv / (u * v) + vv / v**2
        return np.log(u / v), np.sqrt(np.maximum(variance, 0.0) / rows)
