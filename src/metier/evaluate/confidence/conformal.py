"""Conformal sets: as many answers as are needed for the right one to be among them as often as was asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from metier.tasks.contract import Array

# Random halvings of the rows: one half calibrates, the other is measured. Their mean wastes no row.
_HALVINGS = 20


@dataclass(frozen=True)
class Coverage:
    """How conformal sets fare on rows that did not calibrate them.

    `held` (n,) is how often each row's set held the truth, `size` (n,) how many answers it gave (the width of the
    interval where answers are numbers), `empty` (n,) how often it gave none.
    """

    held: Array
    size: Array
    empty: Array


def p_values(reference: Array, scores: Array, rng: np.random.Generator) -> Array:
    """Smoothed conformal p-values (Vovk, Gammerman & Shafer 2005, ch. 2) of nonconformity scores of any shape.

    `reference` (m,) are the scores of true answers. A true answer's p-value is uniform on 0..1, whatever m, so that
    the sets `p > alpha` hold it with probability 1 - alpha exactly. Without a reference every answer stays possible.
    """
    ordered = np.sort(reference)
    above = len(ordered) - np.searchsorted(ordered, scores, side="right")
    tied = len(ordered) - np.searchsorted(ordered, scores, side="left") - above + 1
    return np.asarray((above + rng.random(np.shape(scores)) * tied) / (len(ordered) + 1))


def of_classes(probabilities: Array, truth: Array, level: float, seed: int, groups: Array | None = None) -> Coverage:
    """Sets of labels from (n, k) probabilities: those unlikely by less than the truth usually is (Sadinle et al. 2019).

    `groups` (n,) codes calibrate each group by its own rows (Vovk 2012), so that the promise holds within each.
    """
    scores = 1.0 - np.asarray(probabilities, np.float64)
    own = scores[np.arange(len(truth)), truth]
    return _measured(own, lambda rows: scores[rows], truth, level, seed, groups)


def of_labels(probabilities: Array, truth: Array, level: float, seed: int) -> Coverage:
    """The same, every label calibrated by its own rows: the promise then holds for each label (Vovk 2012)."""
    scores = 1.0 - np.asarray(probabilities, np.float64)
    own = scores[np.arange(len(truth)), truth]
    held, size, empty, times = (np.zeros(len(truth)) for _ in range(4))
    for rng, calibrating, measured in _halvings(len(truth), seed):
        kept = np.zeros((len(measured), scores.shape[1]), bool)
        for label in range(scores.shape[1]):
            reference = own[calibrating[truth[calibrating] == label]]
            kept[:, label] = p_values(reference, scores[measured, label], rng) > 1 - level
        _add(held, size, empty, times, measured, kept[np.arange(len(measured)), truth[measured]], kept.sum(axis=1))
    return Coverage(held / times, size / times, empty / times)


def of_values(values: Array, truth: Array, level: float, seed: int, groups: Array | None = None) -> Coverage:
    """Intervals about (n,) predicted values, by the size of usual errors; `size` is their width."""
    errors = np.abs(np.asarray(values, np.float64) - truth)
    held, size, empty, times = (np.zeros(len(truth)) for _ in range(4))
    for rng, calibrating, measured in _halvings(len(truth), seed):
        for mine, theirs in _within(groups, calibrating, measured):
            inside = p_values(errors[mine], errors[theirs], rng) > 1 - level
            rank = min(len(mine), int(np.ceil((len(mine) + 1) * level)))
            width = 2 * np.sort(errors[mine])[rank - 1] if len(mine) else np.inf
            _add(held, size, empty, times, theirs, inside, np.full(len(theirs), width))
    return Coverage(held / times, size / times, empty / times)


def _measured(
    own: Array, of: Callable[[Array], Array], truth: Array, level: float, seed: int, groups: Array | None
) -> Coverage:
    held, size, empty, times = (np.zeros(len(truth)) for _ in range(4))
    for rng, calibrating, measured in _halvings(len(truth), seed):
        for mine, theirs in _within(groups, calibrating, measured):
            kept = p_values(own[mine], of(theirs), rng) > 1 - level
            _add(held, size, empty, times, theirs, kept[np.arange(len(theirs)), truth[theirs]], kept.sum(axis=1))
    return Coverage(held / times, size / times, empty / times)


def _halvings(rows: int, seed: int) -> list[tuple[np.random.Generator, Array, Array]]:
    """Both ways of each halving, so that every row is measured equally often."""
    found = []
    for number in range(_HALVINGS):
        rng = np.random.default_rng([seed, number])
        order = rng.permutation(rows)
        first, second = order[: rows // 2], order[rows // 2 :]
        found += [(rng, first, second), (rng, second, first)]
    return found


def _within(groups: Array | None, calibrating: Array, measured: Array) -> list[tuple[Array, Array]]:
    if groups is None:
        return [(calibrating, measured)]
    return [
        (calibrating[groups[calibrating] == group], measured[groups[measured] == group])
        for group in np.unique(groups[measured])
    ]


def _add(held: Array, size: Array, empty: Array, times: Array, rows: Array, inside: Array, sizes: Array) -> None:
    held[rows] += inside
    size[rows] += sizes
    empty[rows] += sizes == 0
    times[rows] += 1
