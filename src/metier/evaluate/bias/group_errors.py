"""How far off a quantity is in each group: mean error, mean absolute error, their gaps, whether tuning made them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from metier.data.groups import Groups
from metier.evaluate.intervals import Gain, Interval
from metier.tasks.contract import Array

MEASURES = ("mean_error", "mean_absolute_error")
_DRAWS = 999
_IN_ALL = 30_000_000  # rows drawn: very long tables get fewer draws


@dataclass(frozen=True)
class Errors:
    """Of each measure: its value by group, the gap (largest minus smallest), its p, and how tuning changed the gap."""

    groups: Groups
    by_group: Mapping[str, tuple[Interval, ...]]
    generic: Mapping[str, Array]
    gap: Mapping[str, Interval]
    generic_gap: Mapping[str, float]
    p: Mapping[str, float]
    tuning: Mapping[str, Gain]  # points above 0: the gap is smaller than the generic base's


def measure(groups: Groups, truth: Array, outputs: Array, generic: Array, *, level: float, seed: int) -> Errors:
    """The errors of (n,) outputs in each group, beside the generic base's on the same rows.

    Intervals are bootstrap percentiles; a gap's p is of a permutation test of group membership (the F statistic).
    """
    draws = int(max(199, min(_DRAWS, _IN_ALL // max(len(truth), 1))))
    sides = {name: (_errors(name, truth, outputs), _errors(name, truth, generic)) for name in MEASURES}
    by_group, gap, p, tuning = {}, {}, {}, {}
    for name, (own, base) in sides.items():
        rng = np.random.default_rng([seed, len(truth)])
        means, resampled, other = _means(groups, own), *_resampled(groups, own, base, draws, rng)
        by_group[name] = tuple(_interval(means[g], resampled[g], level) for g in range(len(means)))
        p[name], null = _permuted(groups, own, draws, rng)
        gap[name] = _gap_interval(means, resampled, null, p[name], level)
        tuning[name] = _change(groups, own, base, resampled, other, draws, level, rng)
    generic_means = {name: _means(groups, base) for name, (_, base) in sides.items()}
    return Errors(
        groups, by_group, generic_means, gap, {n: _spread(means) for n, means in generic_means.items()}, p, tuning
    )


def _errors(name: str, truth: Array, outputs: Array) -> Array:
    error = np.asarray(outputs, np.float64).reshape(-1) - truth
    return np.asarray(error if name == "mean_error" else np.abs(error))


def _means(groups: Groups, errors: Array) -> Array:
    size = len(groups.labels)
    return np.asarray(np.bincount(groups.codes, errors, size) / np.maximum(groups.sizes, 1))


def _spread(means: Array) -> float:
    return float(means.max() - means.min()) if len(means) > 1 else 0.0


def _resampled(groups: Groups, own: Array, base: Array, draws: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Both sides' group means over the same resamples, (g, draws) each; NaN where a group was not drawn."""
    out = np.full((2, len(groups.labels), draws), np.nan)
    for draw in range(draws):
        rows = rng.integers(0, len(own), len(own))
        codes = groups.codes[rows]
        counts = np.bincount(codes, minlength=len(groups.labels))
        for side, errors in enumerate((own, base)):
            sums = np.bincount(codes, errors[rows], len(groups.labels))
            out[side, :, draw] = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return out[0], out[1]


def _interval(value: float, drawn: Array, level: float) -> Interval:
    known = drawn[np.isfinite(drawn)]
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2]) if len(known) else (np.nan, np.nan)
    return Interval(float(value), float(low), float(high))


def _permuted(groups: Groups, errors: Array, draws: int, rng: np.random.Generator) -> tuple[float, Array]:
    """p that the groups' means differ by chance, and the gaps that chance gives."""
    if len(groups.labels) < 2:
        return 1.0, np.zeros(1)
    weights = groups.sizes / len(errors)

    def statistic(means: Array) -> float:
        return float((weights * (means - errors.mean()) ** 2).sum())

    seen = statistic(_means(groups, errors))
    dealt = np.stack([_means(groups, rng.permutation(errors)) for _ in range(draws)])
    larger = sum(statistic(means) >= seen * (1 - 1e-12) for means in dealt)
    return (1 + larger) / (1 + draws), dealt.max(axis=1) - dealt.min(axis=1)


def _gap_interval(means: Array, resampled: Array, null: Array, p: float, level: float) -> Interval:
    value = _spread(means)
    drawn = np.nanmax(resampled, axis=0) - np.nanmin(resampled, axis=0)
    # Resampling widens the largest difference once more: it is moved back by twice that bias.
    low, high = np.quantile(drawn - 2 * (drawn.mean() - value), [(1 - level) / 2, (1 + level) / 2])
    low = min(low, value - float(np.quantile(null, (1 + level) / 2)))
    return Interval(value, 0.0 if p >= 1 - level else max(0.0, float(low)), max(value, float(high)))


def _change(
    groups: Groups,
    own: Array,
    base: Array,
    resampled: Array,
    other: Array,
    draws: int,
    level: float,
    rng: np.random.Generator,
) -> Gain:
    """The generic gap minus the expert's: hull of the bootstrap and of exchanging the two sides' answers row by row."""
    points = _spread(_means(groups, base)) - _spread(_means(groups, own))
    drawn = (np.nanmax(other, axis=0) - np.nanmin(other, axis=0)) - (
        np.nanmax(resampled, axis=0) - np.nanmin(resampled, axis=0)
    )
    exchanged = np.zeros(draws)
    for draw in range(draws):
        side = rng.random(len(own)) < 0.5
        first, second = np.where(side, own, base), np.where(side, base, own)
        exchanged[draw] = _spread(_means(groups, second)) - _spread(_means(groups, first))
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(drawn, tails)
    null_low, null_high = np.quantile(exchanged, tails)
    p = (1 + int((np.abs(exchanged) >= abs(points) - 1e-12).sum())) / (1 + draws)
    return Gain(points, float(min(low, points - null_high)), float(max(high, points - null_low)), p)
