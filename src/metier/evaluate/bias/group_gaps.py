"""Which gaps between groups are more than chance, and whether tuning made them.

The largest difference between groups is above zero by chance alone, the more groups the more. A gap is called only
where group membership, dealt out anew at random, hardly ever separates the groups as much: a permutation test of
Pearson's statistic (1900), exact however few rows a group has. Random tables of the same sums stand in for dealing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from metier.data.groups import Groups
from metier.evaluate.bias.group_intervals import gap_interval
from metier.evaluate.bias.group_rates import GAPS, Rates, encode, gap_metric, gaps, rates
from metier.evaluate.intervals import Gain, Interval, bootstrap, paired_gain
from metier.evaluate.metrics import decisions, ratio
from metier.tasks.contract import Array

_DEALS = 999
# What is tested -> the gaps whose interval the test's own chance bounds.
TESTS: Mapping[str, tuple[str, ...]] = {
    "selection": ("demographic_parity_difference", "demographic_parity_ratio"),
    "errors": ("equalized_odds_difference", "equalized_odds_ratio"),
    "accuracy": ("accuracy_difference",),
    "found": ("equal_opportunity_difference", "equal_opportunity_ratio"),
}
_COMPARED = ("demographic_parity_difference", "equal_opportunity_difference", "equalized_odds_difference",
             "accuracy_difference")  # fmt: skip


@dataclass(frozen=True)
class Gaps:
    """Gaps between the groups of one column, for one label against the rest.

    `label` is that label's code; where there are more than two labels it is the one whose errors differ most beyond
    chance. `p` is of each test in `TESTS`, over all labels looked at; `worst` and `macro` are over those labels.
    """

    groups: Groups
    label: int
    labels: Array
    rates: Rates
    generic: Rates
    intervals: Mapping[str, Interval]
    generic_gaps: Mapping[str, float]
    p: Mapping[str, float]
    tuning: Mapping[str, Gain]  # points above 0: the gap is smaller than the generic base's
    worst: Mapping[str, tuple[int, float]]
    macro: Mapping[str, Interval]


def measure(
    groups: Groups, truth: Array, outputs: Array, generic: Array, labels: Array, *, level: float, seed: int
) -> Gaps:
    """The gaps of (n, k) outputs and of the generic base's on the same rows, for each of `labels` against the rest."""
    found, size = rates(groups, truth, outputs), len(groups.labels)
    dealt = _deal(groups, truth, outputs, labels, np.random.default_rng([seed, size]))
    label = int(labels[np.argmax(np.nan_to_num(dealt.stands_out, nan=-1.0))])
    encoded, one = encode(groups, truth, outputs.shape[1]), np.array([label])
    metrics = {name: gap_metric(name, size, one) for name in _COMPARED}
    intervals = {name: _interval(name, found, label, dealt.p, level) for name in GAPS}
    every = gaps(found)
    several = labels if len(labels) > 1 else labels[:0]
    macro = {name: gap_metric(name, size, labels) for name in _COMPARED if len(several)}
    return Gaps(
        groups,
        label,
        labels,
        found,
        rates(groups, truth, generic),
        intervals,
        {name: float(values[label]) for name, values in gaps(rates(groups, truth, generic)).items()},
        dealt.p,
        {
            name: paired_gain(metrics[name], encoded, generic, outputs, level=level, replicates=1000, seed=seed)
            for name in _COMPARED
        },
        {name: _worst(every[name], labels) for name in _COMPARED if len(several)},
        bootstrap(macro, encoded, outputs, level=level, replicates=500, seed=seed),
    )


def _worst(values: Array, labels: Array) -> tuple[int, float]:
    at = int(np.argmax(np.nan_to_num(values[labels], nan=-1.0)))
    return int(labels[at]), float(values[labels[at]])


def _interval(name: str, found: Rates, label: int, p: Mapping[str, float], level: float) -> Interval:
    """A gap's interval; it holds no gap (0, or a ratio of 1) wherever its test says that chance may be all."""
    value, low, high = gap_interval(name, found, label, level)
    test = next((test for test, names in TESTS.items() if name in names), None)
    if test is not None and p[test] >= 1 - level:
        return Interval(value, low, 1.0) if name.endswith("ratio") else Interval(value, 0.0, high)
    return Interval(value, low, high)


@dataclass(frozen=True)
class _Dealt:
    """What random group membership says: p of each test, and how each label's errors stand out."""

    p: Mapping[str, float]
    stands_out: Array


def _deal(groups: Groups, truth: Array, outputs: Array, labels: Array, rng: np.random.Generator) -> _Dealt:
    guesses, width, size = decisions(outputs), outputs.shape[1], len(groups.labels)
    rows = groups.sizes.astype(np.float64)
    selected = _table(groups.codes, guesses, size, width)
    selection = tables(selected.sum(axis=1), selected.sum(axis=0), rng, _DEALS)
    found, false = np.zeros((2, size, width, _DEALS))
    true = np.zeros((size, width))
    for label in np.unique(truth):
        own = truth == label
        table = _table(groups.codes[own], guesses[own], size, width)
        drawn = tables(table.sum(axis=1), table.sum(axis=0), rng, _DEALS)
        true[:, label] = table.sum(axis=1)
        found[:, label] = drawn[:, label]
        drawn[:, label] = 0
        false += drawn
    right = np.stack([np.bincount(groups.codes, guesses == truth, size), np.zeros(size)], axis=1)
    right[:, 1] = rows - right[:, 0]
    hits = tables(right.sum(axis=1), right.sum(axis=0), rng, _DEALS)[:, 0]
    return _compare(groups, truth, outputs, labels, (selection, found, false, hits), true)


def _compare(
    groups: Groups, truth: Array, outputs: Array, labels: Array, drawn: tuple[Array, ...], true: Array
) -> _Dealt:
    """Observed statistics against those of random groups."""
    selection, found, false, hits = drawn
    seen, rows = rates(groups, truth, outputs), groups.sizes.astype(np.float64)[:, None]
    each = {
        "selection": _spread(seen.above["selection_rate"], rows, selection),
        "tpr": _spread(seen.above["tpr"], true, found),
        "fpr": _spread(seen.above["fpr"], rows - true, false),
        "accuracy": _spread(seen.right[:, None], rows, hits[:, None]),
    }
    errors = tuple(first + second for first, second in zip(each["tpr"], each["fpr"], strict=True))
    p = {
        "selection": _largest(each["selection"], labels),
        "errors": _largest(errors, labels),
        "accuracy": _largest(each["accuracy"], np.array([0])),
        "found": _largest(each["tpr"], labels),
    }
    return _Dealt(p, errors[0][labels])


def _spread(above: Array, below: Array, drawn: Array) -> tuple[Array, Array]:
    """Pearson's statistic of shares that differ over groups: observed (k,), and of the drawn tables (k, r)."""
    whole = ratio(above.sum(axis=0), below.sum(axis=0))
    variance = np.maximum(whole * (1 - whole), 1e-12)
    weight = np.where(below > 0, below, 1.0)

    def statistic(counts: Array, axis: tuple[slice | None, ...]) -> Array:
        size, base = weight[(..., *axis)], whole[(..., *axis)]
        return np.asarray(((counts / size - base) ** 2 * np.where(below[(..., *axis)] > 0, size, 0)).sum(axis=0))

    observed = np.nan_to_num(statistic(above, ()) / variance)
    return observed, np.nan_to_num(statistic(drawn, (None,)) / variance[:, None])


def _largest(found: tuple[Array, Array], labels: Array) -> float:
    """p of the largest statistic over the labels, which holds for all of them (Westfall & Young 1993)."""
    observed, drawn = found[0][labels].max(), found[1][labels].max(axis=0)
    return float((1 + (drawn >= observed - 1e-9).sum()) / (1 + len(drawn)))


def _table(groups: Array, codes: Array, size: int, width: int) -> Array:
    return np.bincount(groups * width + codes, minlength=size * width).reshape(size, width)


def tables(rows: Array, columns: Array, rng: np.random.Generator, draws: int) -> Array:
    """Random tables (g, k, draws) with these sums of rows (g,) and columns (k,), as dealing out membership gives."""
    left = np.repeat(np.asarray(columns, np.int64)[:, None], draws, axis=1)
    out = np.zeros((len(rows), len(columns), draws))
    used = np.flatnonzero(columns)
    for group, size in enumerate(np.asarray(rows, np.int64)[:-1]):
        wanted = np.full(draws, size)
        beyond = left.sum(axis=0)
        for column in used:
            beyond = beyond - left[column]
            taken = rng.hypergeometric(left[column], beyond, wanted)
            out[group, column] = taken
            left[column] -= taken
            wanted = wanted - taken
    out[-1] = left
    return out


def as_json(gap: Gain) -> dict[str, Any]:
    """How much larger the expert's gap is than the generic base's: `{"value", "low", "high", "p"}`."""
    told = {"value": -gap.points, "low": -gap.high, "high": -gap.low, "p": gap.p}
    return {name: float(value) if np.isfinite(value) else None for name, value in told.items()}
