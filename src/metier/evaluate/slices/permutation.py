"""Is one part of the rows worse than the rest by more than chance? Exact where answers are right or wrong."""

from __future__ import annotations

import numpy as np

from metier.tasks.contract import Array

_REPLICATES = 9_999
# Rows from which the mean of a part is taken as normal: shuffling so many so often would take minutes.
_MANY = 20_000
_AT_ONCE = 2_000_000


def lower_than_rest(values: Array, parts: Array, *, replicates: int = _REPLICATES, seed: int = 0) -> Array:
    """(s,) one-sided p-values that the mean of `values` (n,) within each of `parts` (s, n) is lower by chance alone.

    Under chance the rows of a part are any rows. With values of 0 and 1 that is Fisher's exact test (1935). Others are
    shuffled `replicates` times, and the rows as they are count as one shuffle more, so that no p-value is zero
    (Phipson & Smyth 2010). A part that is empty, or holds all rows, has no rest: NaN.
    """
    values, parts = np.asarray(values, dtype=np.float64), np.asarray(parts, dtype=bool)
    sizes = parts.sum(axis=1)
    sums = parts @ values
    low, high = (values.min(), values.max()) if len(values) else (0.0, 0.0)
    if np.isin(values, (low, high)).all():
        # Where all rows are alike none is above the rest, and no part below it.
        above = np.rint((sums - low * sizes) / ((high - low) or 1.0))
        p = _fisher(above, sizes, int((values > low).sum()), len(values))
    elif len(values) >= _MANY:
        p = _normal(values, sums, sizes)
    else:
        p = _shuffled(values, parts, sums, replicates, np.random.default_rng(seed))
    return np.where((sizes == 0) | (sizes == len(values)), np.nan, p)


def _fisher(right: Array, sizes: Array, all_right: int, rows: int) -> Array:
    """P(as few right answers among `sizes` rows drawn from `rows`, `all_right` of which are right)."""
    from scipy.stats import hypergeom

    return np.asarray(hypergeom.cdf(right, rows, all_right, sizes))


def _normal(values: Array, sums: Array, sizes: Array) -> Array:
    """The normal approximation for a mean of rows drawn without replacement."""
    from scipy.special import ndtr

    rows = len(values)
    share = sizes / rows
    error = np.sqrt(values.var(ddof=1) * np.maximum(1 - share, 0) / np.maximum(sizes, 1))
    gap = sums / np.maximum(sizes, 1) - values.mean()
    return np.asarray(ndtr(np.where(error > 0, gap / np.where(error > 0, error, 1.0), 0.0)))


def _shuffled(values: Array, parts: Array, sums: Array, replicates: int, rng: np.random.Generator) -> Array:
    rows, below = len(values), np.zeros(len(parts))
    member = parts.astype(np.float32 if rows < 2**20 else np.float64)
    tolerance = 1e-6 * max(float(np.abs(values).max()), 1e-300) * np.maximum(parts.sum(axis=1), 1)
    most = max(1, _AT_ONCE // rows)
    for start in range(0, replicates, most):
        count = min(most, replicates - start)
        shuffled = rng.permuted(np.tile(values.astype(member.dtype), (count, 1)), axis=1)
        below += (member @ shuffled.T <= (sums + tolerance)[:, None]).sum(axis=1)
    return np.asarray((1 + below) / (1 + replicates))
