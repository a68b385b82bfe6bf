"""Many questions to the same rows: p-values corrected for how many there were."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metier.tasks.contract import Array


def holm(p_values: Sequence[float] | Array) -> Array:
    """Holm's (1979) adjusted p-values (m,): under a level, the chance of even one false alarm is under that level.

    An undefined p-value (NaN) asks no question: it stays NaN and does not count.

    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    p, asked = _asked(p_values)
    order = np.argsort(p[asked], kind="stable")
    steps = p[asked][order] * np.arange(len(order), 0, -1)
    return _back(p, asked, order, np.minimum(np.maximum.accumulate(steps), 1.0))


def benjamini_hochberg(p_values: Sequence[float] | Array) -> Array:
    """Benjamini and Hochberg's (1995) q-values (m,): of those under q, a share of q is false alarms on average.

    Holds for independent questions and for positively dependent ones (Benjamini & Yekutieli 2001), as overlapping
    slices of the same rows are. An undefined p-value (NaN) asks no question.

    >>> benjamini_hochberg([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.04, 0.04]
    """
    p, asked = _asked(p_values)
    order = np.argsort(p[asked], kind="stable")
    steps = p[asked][order] * len(order) / np.arange(1, len(order) + 1)
    falling = np.minimum.accumulate(steps[::-1])[::-1]
    return _back(p, asked, order, np.minimum(falling, 1.0))


def _asked(p_values: Sequence[float] | Array) -> tuple[Array, Array]:
    p = np.asarray(p_values, dtype=np.float64)
    return p, np.flatnonzero(np.isfinite(p))


def _back(p: Array, asked: Array, order: Array, adjusted: Array) -> Array:
    out = np.full(len(p), np.nan)
    out[asked[order]] = adjusted
    return out
