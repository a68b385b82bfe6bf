"""Intervals of a gap between groups: from those of every two groups (MOVER: Newcombe 1998; Donner & Zou 2012).

Resampling will not do here: the largest difference of resampled groups is larger than that of the groups themselves,
and a share of none in twenty never varies. Wilson's intervals of the shares have neither fault.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from metier.evaluate.bias.group_rates import GAP_SHARES, Rates, gaps
from metier.tasks.contract import Array


def gap_interval(name: str, found: Rates, label: int, level: float) -> tuple[float, float, float]:
    """The gap for one label with the interval that holds the true one at `level`.

    One bound is that of the pair of groups that differs most, whichever that is; the other has to hold for all pairs
    at once (Bonferroni), since which of them differs is seen only afterwards.
    """
    value = float(gaps(found)[name][label])
    if not np.isfinite(value):
        return value, float("nan"), float("nan")
    shares, as_ratio = GAP_SHARES[name]
    counts = [(found.above[each][:, label], found.below[each][:, label]) for each in shares]
    sides = counts or [(found.right, found.rows)]
    known = [(above[below > 0], below[below > 0]) for above, below in sides]
    known = [(above, below) for above, below in known if len(above) > 1]
    pairs = sum(len(above) * (len(above) - 1) // 2 for above, _ in known)
    tail = (1 - level) / 2
    loose, strict = NormalDist().inv_cdf(1 - tail), NormalDist().inv_cdf(1 - tail / pairs)
    if as_ratio:
        low = min(float(_ratios(above, below, loose)[0].min()) for above, below in known)
        high = min(float(_ratios(above, below, strict)[1].min()) for above, below in known)
    else:
        low = max(float(_differences(above, below, strict)[0].max()) for above, below in known)
        high = max(float(_differences(above, below, loose)[1].max()) for above, below in known)
    return value, float(np.clip(min(low, value), 0, 1)), float(np.clip(max(high, value), 0, 1))


def _scores(above: Array, below: Array, z: float) -> tuple[Array, Array, Array]:
    """Shares (g,) with Wilson's bounds (1927) at z standard errors."""
    share = above / below
    middle = (share + z**2 / (2 * below)) / (1 + z**2 / below)
    half = z * np.sqrt(share * (1 - share) / below + z**2 / (4 * below**2)) / (1 + z**2 / below)
    return share, np.clip(middle - half, 0, share), np.clip(middle + half, share, 1)


def _differences(above: Array, below: Array, z: float) -> tuple[Array, Array]:
    """Bounds (g, g) of share i minus share j, those of a group and itself left out (-1)."""
    share, low, high = _scores(above, below, z)
    gap = share[:, None] - share[None, :]
    under = np.sqrt((share - low)[:, None] ** 2 + (high - share)[None, :] ** 2)
    over = np.sqrt((high - share)[:, None] ** 2 + (share - low)[None, :] ** 2)
    same = np.eye(len(share), dtype=bool)
    return np.where(same, -1.0, gap - under), np.where(same, -1.0, gap + over)


def _ratios(above: Array, below: Array, z: float) -> tuple[Array, Array]:
    """Bounds (g, g) of share i over share j; a group and itself left out (infinite)."""
    share, low, high = _scores(above, below, z)
    one, other = share[:, None], share[None, :]
    product = one * other
    least, most = low[:, None], high[:, None]
    small, large = low[None, :], high[None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt(np.maximum(product**2 - least * large * (2 * one - least) * (2 * other - large), 0))
        under = np.where(2 * other > large, (product - root) / (large * (2 * other - large)), 0.0)
        root = np.sqrt(np.maximum(product**2 - most * small * (2 * one - most) * (2 * other - small), 0))
        over = np.where(small > 0, (product + root) / (small * (2 * other - small)), np.inf)
    same = np.eye(len(share), dtype=bool)
    return np.where(same, np.inf, np.maximum(under, 0)), np.where(same, np.inf, over)
