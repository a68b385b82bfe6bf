"""Which numbers look wrong, from plain arrays: those too far from what rows alike let one expect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metier.curate.label_views import FOLDS, NEAREST, UnitScale, kernel_ridge, neighbours, whole_folds
from metier.tasks.contract import Array

_ORDINARY = (0.84, 0.96)  # quantiles of the misses by which the length of a tail is told
_UNSURE = 1.0  # divided by the root of the rows: how much longer it may be


@dataclass(frozen=True)
class QuantityAudit:
    """What was found of n numbers: `expected` out of fold, how many `times` the usual miss each one is off.

    `z` is that as a normal miss would be, long tails taken for what they are; `score` in 0..1; `nearest` rows.
    """

    expected: Array
    times: Array
    z: Array
    score: Array
    flagged: Array
    nearest: Array


def audit_quantity(vectors: Array, values: Array, *, units: Array | None = None, seed: int = 0) -> QuantityAudit:
    """Vectors (n, d) and values (n,) -> which values lie too far from what rows alike let one expect.

    The miss of an out-of-fold kernel ridge is measured in the spread (1.4826 median absolute deviations) of the misses
    at values expected alike, so that a quantity that varies more where it is large is not flagged for it, and by how
    long the tails of the ordinary misses are, so that neither is one that varies much by nature. `score` is the share
    of n normal misses that would all be smaller; flagged is above one half.
    """
    units = np.arange(len(values)) if units is None else units
    scaled = UnitScale.of(vectors)
    middle, spread = float(np.median(values)), _robust_spread(values)
    plain = np.clip((values - middle) / spread, -5, 5).astype(np.float32)  # a wild value must not bend the fit
    parts = whole_folds(plain, units, min(FOLDS, len(np.unique(units))), seed)
    expected = kernel_ridge(scaled, plain[:, None], parts, None, seed)[:, 0] * spread + middle
    misses = values - expected
    nearest, _ = neighbours(scaled, units, NEAREST, seed)
    times = (misses - np.median(misses)) / _local_spread(expected, misses)
    z = _normalised(times)
    score = _chance_of_none(z)
    return QuantityAudit(expected, times, z, score, score > 0.5, nearest)


def _robust_spread(values: Array) -> float:
    found = 1.4826 * float(np.median(np.abs(values - np.median(values))))
    return found or float(np.std(values)) or 1.0


def _local_spread(expected: Array, misses: Array) -> Array:
    """The robust spread of the misses among rows of like expectation, in up to ten bins of fifty rows or more."""
    overall = _robust_spread(misses)
    bins = int(np.clip(len(misses) // 50, 1, 10))
    bin_of = np.searchsorted(np.quantile(expected, np.linspace(0, 1, bins + 1)[1:-1]), expected, side="right")
    found = np.array(
        [_robust_spread(misses[bin_of == one]) if (bin_of == one).any() else overall for one in range(bins)]
    )
    return np.asarray(np.maximum(found, 0.25 * overall)[bin_of])


def _normalised(z: Array) -> Array:
    """Misses (n,) as normal ones would stand in their place: each side's tail by its own length (Goerg 2015).

    A normal u is taken to come out as sigma * u * exp(h * u^2 / 2), Tukey's h. Both are read from where the ordinary
    misses lie, the sixth to the twentieth part of the rows on each side, which some wrong values beyond do not move.
    Where fewer rows are known h is taken for longer, and never for shorter than a normal tail.
    """
    from scipy.special import lambertw, ndtri

    shares = np.linspace(*_ORDINARY, 12)
    normal = ndtri(shares)
    out = np.array(z, np.float64)
    for sign in (-1.0, 1.0):
        there = np.quantile(sign * z, shares)
        side = sign * z > 0
        if not (there > 1e-9).all():  # most misses are one and the same: no tail can be told
            out[side] = 0.0
            continue
        slope, start = np.polyfit(normal**2 / 2, np.log(there / normal), 1)
        h = max(0.0, float(slope)) + _UNSURE / np.sqrt(len(z))
        u = sign * z[side] / max(float(np.exp(start)), 1.0)
        out[side] = sign * np.sqrt(np.real(lambertw(h * u**2)) / h)
    return out


def _chance_of_none(z: Array) -> Array:
    from scipy.special import log_ndtr

    # P(none of n normal misses is larger than this one), by the logarithm for the far tail.
    tail = 2 * np.exp(log_ndtr(-np.abs(z)))
    return np.asarray(np.exp(len(z) * np.log1p(-np.minimum(tail, 1 - 1e-12))))
