"""Choosing inside the training rows: folds that respect groups, and the scores candidates are compared by.

The validation rows stay untouched by these choices, so every rung is measured on rows that chose nothing in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from metier.evaluate.metrics import log_probabilities
from metier.tasks.contract import Examples, Inputs, Metric, Target

Array = np.ndarray
Folds = list[tuple[Array, Array]]
_CHUNK = 65_536
_SHIFTS = (0.0, 0.25, 0.5, 0.75, 1.0)
_SHIFT_GAIN = 0.01  # under this, honest probabilities are worth more than the metric's gain


def at_most(examples: Examples, most: int, seed: int) -> Examples:
    """All examples, or a random `most` of them in the table's order."""
    if len(examples) <= most:
        return examples
    return examples.take(np.sort(np.random.default_rng(seed).permutation(len(examples))[:most]))


def in_pieces(function: Callable[[Any], Array], inputs: Inputs) -> Array:
    """`function(inputs) -> outputs` over 65,536 rows at a time, so that encoded rows never fill the memory; float32."""
    starts = range(0, max(len(inputs), 1), _CHUNK)
    return np.concatenate([function(inputs.slice(start, _CHUNK)).astype(np.float32) for start in starts])


def inner_folds(train: Examples, seed: int, most: int = 100_000) -> Folds:
    """Pairs of positions (fit on, compare on) within the training examples.

    Five folds up to 5,000 rows, three up to 20,000, one fifth held out above; of more than `most` rows a sample is
    taken. Rows of one group stay together; otherwise targets are spread evenly.
    """
    rng = np.random.default_rng(seed)
    positions = np.sort(rng.permutation(len(train))[:most])
    count = 5 if len(positions) >= 10 else 2
    parts = _parts(train, positions, count, rng)
    used = count if len(positions) <= 5_000 else 3 if len(positions) <= 20_000 else 1
    pairs = ((positions[parts != part], positions[parts == part]) for part in range(used))
    return [(fit, compare) for fit, compare in pairs if len(fit) and len(compare)]


def _parts(train: Examples, positions: Array, count: int, rng: np.random.Generator) -> Array:
    if train.groups is not None:
        _, codes = np.unique(train.groups[positions].astype(str), return_inverse=True)
        if (groups := int(codes.max()) + 1) >= count:
            return cast(Array, (rng.permutation(groups) % count)[codes])
    order = rng.permutation(len(positions))
    order = order[np.argsort(train.targets[positions][order], kind="stable")]
    parts = np.empty(len(positions), dtype=np.int64)
    parts[order] = np.arange(len(positions)) % count
    return parts


def score(outputs: Array, truth: Array, target: Target, metric: Metric) -> float:
    """How good outputs are, greater is better: mean log-likelihood for classes, the metric for quantities."""
    if target.kind == "classes":
        return float(outputs[np.arange(len(truth)), truth].mean())
    value = metric.function(truth, outputs)
    # A correlation with a constant is undefined: worse than anything that can be measured.
    return -math.inf if math.isnan(value) else value if metric.greater_is_better else -value


def log_shares(truth: Array, width: int) -> Array:
    """(k,) log of each class's share, smoothed by one half so that a class without rows has a share above zero."""
    counts = np.bincount(truth, minlength=width) + 0.5
    return cast(Array, np.log(counts / counts.sum()))


def widen(outputs: Array, present: Array, prior: Array) -> Array:
    """Log-probabilities (n, p) of the classes that were fitted -> (n, k); the others keep their smoothed share."""
    if len(present) == len(prior):
        return outputs
    full = np.tile(prior, (len(outputs), 1))
    full[:, present] = outputs + np.log(np.exp(prior[present]).sum())
    return full


def shifted(outputs: Array, prior: Array, shift: float) -> Array:
    """Log-probabilities with `shift` of the prior taken out (logit adjustment, Menon et al. 2021, eq. 9)."""
    return log_probabilities(outputs - shift * prior) if shift else outputs


def choose_shift(outputs: Array, truth: Array, prior: Array, metric: Metric, wanted: str) -> float:
    """How much of the class prior to take out: 0 for `none`, 1 for `balanced`, what the metric asks for with `auto`."""
    if wanted != "auto":
        return 1.0 if wanted == "balanced" else 0.0
    sign = 1.0 if metric.greater_is_better else -1.0
    scores = [sign * metric.function(truth, shifted(outputs, prior, shift)) for shift in _SHIFTS]
    best = int(np.argmax(scores))
    return _SHIFTS[best] if scores[best] > scores[0] + _SHIFT_GAIN else 0.0


def out_of_fold(folds: Folds, fit: Callable[[Array, Array], Array]) -> tuple[Array, Array]:
    """Run `fit(fit_on, compare_on) -> outputs` over the folds: (all compared positions, their outputs)."""
    outputs = [fit(*pair) for pair in folds]
    return np.concatenate([compare for _, compare in folds]), np.concatenate(outputs)
