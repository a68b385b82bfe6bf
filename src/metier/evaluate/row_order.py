"""One order for the rows of a comparison, whatever order they came in, so that no figure hangs on a file's order.

Resampling numbers the rows, and sums round differently in another order. Rows are therefore sorted by what is known of
them before anything is drawn or added up.
"""

from __future__ import annotations

import numpy as np

from metier.evaluate.metrics import by_chunks, log_probabilities
from metier.tasks.contract import Array, Metric


def row_order(truth: Array, *sides: Array) -> Array:
    """Positions (n,) that sort the rows by truth (n,), then by how good the answers of each side (n, k) or (n,) are.

    Equal rows stay apart by every bit of their outputs, so that any permutation of the same rows gives the same sorted
    arrays. The outputs of one text differ by rounding from batch to batch: such a difference exchanges only rows that
    are nearly equal, and moves a resampled figure as little as it moves the outputs.
    """
    truth = np.asarray(truth)
    keys = [_bits(side) for side in sides]
    keys += [_goodness(truth, np.asarray(side)) for side in reversed(sides)]
    return np.lexsort((*keys, truth))


def figure(metric: Metric, truth: Array, outputs: Array) -> float:
    """The metric's value, to the last bit the same for every order of the rows.

    A metric of the user's own sees the rows as they came: it may know what they are by their place.
    """
    if metric.weigh is None:
        return metric.function(truth, outputs)
    order = row_order(truth, outputs)
    return metric.function(np.asarray(truth)[order], np.asarray(outputs)[order])


def _goodness(truth: Array, outputs: Array) -> Array:
    """(n,) the log-probability of the truth, or the value itself where it is a number."""
    if outputs.ndim == 1:
        return outputs

    def part(codes: Array, values: Array) -> Array:
        # Metrics of groups put the group above the label in one code.
        label = codes[:, None] % values.shape[1]
        with np.errstate(invalid="ignore"):
            return np.asarray(np.take_along_axis(log_probabilities(values), label, axis=1)[:, 0])

    return by_chunks(part, truth.astype(np.int64), outputs)


def _bits(outputs: Array) -> Array:
    """(n,) uint64 hashes of the rows' bits: a sum of products with odd numbers, modulo 2^64."""
    plain = np.ascontiguousarray(outputs, dtype=np.float64) + 0.0  # no row differs by the sign of a zero
    words = plain.reshape(len(plain), outputs[0].size if len(outputs) else 1).view(np.uint64)
    factors = np.random.default_rng(0).integers(0, 2**63, size=words.shape[1], dtype=np.uint64) * 2 + 1
    mixed = words ^ (words >> np.uint64(29))
    return np.asarray((mixed * factors).sum(axis=1, dtype=np.uint64))
