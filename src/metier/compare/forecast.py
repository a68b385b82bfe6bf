"""What more labels would buy: learning curves go on by several laws at once, and the interval covers where they differ.

The laws are those that empirical curves follow best (Viering & Loog 2023; Mohr et al. 2022): a power law, a power law
with a floor, a logarithm, and an exponential approach. Each is linear but for one shape number, which is searched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from metier.evaluate.intervals import Interval
from metier.tasks.contract import Array

_DRAWS = 300
_EXPONENTS = np.geomspace(0.05, 2.0, 20)
_FEWEST = 3  # sizes
_REACH = 20.0  # times the rows there are: further no law is believed


@dataclass(frozen=True)
class Curve:
    """Scores of one way: `values[i]` are the repeats at `rows[i]`; `best` is the score nothing can pass, if known."""

    rows: Array  # (k,) ascending
    values: tuple[Array, ...]  # k arrays of the repeats' scores
    greater_is_better: bool
    best: float | None

    @property
    def means(self) -> Array:
        """(k,) mean scores."""
        return np.array([float(np.mean(found)) for found in self.values])

    @property
    def known(self) -> bool:
        """Whether there are sizes enough to go on from."""
        return len(self.rows) >= _FEWEST

    def until(self, count: int) -> Curve:
        """The first sizes alone."""
        return Curve(self.rows[:count], self.values[:count], self.greater_is_better, self.best)


@dataclass(frozen=True)
class Future:
    """Many equally likely continuations of a curve: `score(rows)` gives (draws,) scores at a number of rows."""

    curve: Curve
    _laws: tuple[Callable[[float], Array], ...]
    _weights: Array
    _noise: Array  # (draws,) what a new measurement adds
    _seed: int

    def score(self, rows: float) -> Array:
        """(draws,) scores, each by one of the laws on one resample of the measurements."""
        rng = np.random.default_rng(self._seed)
        found = np.stack([law(rows) for law in self._laws])
        picked = rng.choice(len(self._laws), size=found.shape[1], p=self._weights)
        losses = found[picked, np.arange(found.shape[1])]
        # Noise grows with how far beyond the last size one looks, and is there at all only beyond it.
        losses = losses + self._noise * np.sqrt(max(0.0, np.log2(rows / float(self.curve.rows[-1]))))
        return _scores(losses, self.curve)

    def interval(self, rows: float, level: float) -> Interval:
        """The middle of the forecast at a number of rows, and its interval."""
        return _interval(self.score(rows), level)

    def gain(self, more: float, level: float) -> Interval:
        """What `more` labels beyond those there are would add to the score; positive is always better."""
        here, sign = float(self.curve.rows[-1]), 1.0 if self.curve.greater_is_better else -1.0
        return _interval(sign * (self.score(here + more) - self.score(here)), level)

    def needed(self, goal: float, level: float) -> Interval:
        """Rows at which the score reaches `goal`, with interval; infinite where no law gets there in reach."""
        grid = np.geomspace(float(self.curve.rows[0]), _REACH * float(self.curve.rows[-1]), 80)
        table = np.stack([self.score(rows) for rows in grid])  # (80, draws)
        sign = 1.0 if self.curve.greater_is_better else -1.0
        reached = sign * (table - goal) >= 0
        first = np.where(reached.any(axis=0), grid[reached.argmax(axis=0)], np.inf)
        tail = (1 - level) / 2
        low, middle, high = (float(np.quantile(first, q, method="nearest")) for q in (tail, 0.5, 1 - tail))
        return Interval(middle, low, high)


def future(curve: Curve, *, seed: int = 0) -> Future | None:
    """Fit all laws to many resamples of the repeats; None where there are fewer than three sizes.

    Laws count by how well each, fitted without the last size, foresaw it.
    """
    if not curve.known:
        return None
    rng = np.random.default_rng(seed)
    own = spread(curve)
    pairs = zip(curve.values, own, strict=True)
    losses = np.stack([_resampled(found, apart, rng) for found, apart in pairs], axis=1)  # (draws, k)
    losses = _losses(losses, curve)
    mean = _losses(curve.means, curve)[None, :]
    rows = curve.rows.astype(np.float64)
    floor = 0.0 if curve.best is not None else None
    # Without a best score nothing says where a power law without a floor would have to end.
    kinds = [*_LAWS, *([] if floor is None else [(_power, False)])]
    laws = tuple(_fitted(shape(rows), rows, losses, floor, free) for shape, free in kinds)
    errors = []
    for shape, free in kinds:
        if len(rows) > _FEWEST:
            early = _fitted(shape(rows[:-1]), rows[:-1], mean[:, :-1], floor, free)
            errors.append(float(early(rows[-1])[0] - mean[0, -1]))
        else:
            errors.append(0.0)
    tolerance = own[-1] ** 2 + np.min(np.square(errors)) + 1e-12
    weights = 1 / (np.square(errors) + tolerance)
    residual = np.mean([np.sqrt(np.mean((_at(law, rows) - losses) ** 2)) for law in laws])
    # The least error of the laws when they had to foresee is what the next one is expected to be off by, too.
    scale = max(float(residual), float(np.min(np.abs(errors))), own[-1] / np.sqrt(2))
    return Future(curve, laws, weights / weights.sum(), rng.normal(0, scale, _DRAWS), seed)


def hindcast(curve: Curve, level: float, *, seed: int = 0) -> dict[str, float | bool] | None:
    """The same forecast made without the largest size, beside what was then measured there; None below four sizes."""
    early = future(curve.until(len(curve.rows) - 1), seed=seed)
    if early is None:
        return None
    told, found = early.interval(float(curve.rows[-1]), level), float(curve.means[-1])
    return {
        "rows": int(curve.rows[-1]),
        "value": told.value,
        "low": told.low,
        "high": told.high,
        "measured": found,
        "inside": bool(told.low <= found <= told.high),
    }


# -------------------------------------------------------------------------------------------------------------- laws

Shape = tuple[Array, Callable[[float], Array]]  # (shapes, k) basis at the sizes, and the basis (shapes,) at any rows


def _power(rows: Array) -> Shape:
    """a + b n^-c; without a floor a is 0."""
    first = rows[0]
    return (rows[None, :] / first) ** -_EXPONENTS[:, None], lambda at: (at / first) ** -_EXPONENTS


def _logarithm(rows: Array) -> Shape:
    """a - b log n, never below the best."""
    first = rows[0]
    return -np.log(rows / first)[None, :], lambda at: -np.log(np.array([at / first]))


def _exponential(rows: Array) -> Shape:
    """a + b exp(-n / t)."""
    times = np.geomspace(rows[0], 3 * rows[-1], 20)
    return np.exp(-rows[None, :] / times[:, None]), lambda at: np.exp(-at / times)


# Each with whether its level is free; the power law comes without a floor, too.
_LAWS = ((_power, True), (_logarithm, True), (_exponential, True))


def _fitted(shape: Shape, rows: Array, losses: Array, floor: float | None, free: bool) -> Callable[[float], Array]:
    """Weighted least squares of losses (draws, k) on [1, basis], the best shape for each draw.

    The slope is never negative (more labels do not hurt), the level never below `floor`. Later sizes weigh more.
    """
    basis, at_rows = shape
    weights = np.sqrt(rows / rows[-1])
    weights = weights / weights.sum()
    centre = basis @ weights  # (s,)
    middle = losses @ weights  # (d,)
    centred = basis - centre[:, None]
    above = np.einsum("sk,dk,k->sd", centred, losses - middle[:, None], weights)
    slope = np.maximum(above / np.maximum((centred**2 @ weights), 1e-15)[:, None], 0)  # (s, d)
    level = middle[None, :] - slope * centre[:, None]
    if floor is not None and len(basis) > 1:
        through = np.maximum((basis * weights) @ losses.T / ((basis**2) @ weights)[:, None], 0)
        below = (level < floor) | (not free)
        slope, level = np.where(below, through, slope), np.where(below, floor, level)
    errors = (((level[:, :, None] + slope[:, :, None] * basis[:, None, :]) - losses[None]) ** 2 * weights).sum(axis=2)
    best = errors.argmin(axis=0)
    draws = np.arange(losses.shape[0])
    slopes, levels = slope[best, draws], level[best, draws]

    def law(at: float) -> Array:
        found = levels + slopes * at_rows(at)[best]
        return np.asarray(found if floor is None else np.maximum(found, floor))

    return law


def _at(law: Callable[[float], Array], rows: Array) -> Array:
    return np.stack([law(float(at)) for at in rows], axis=1)


def _resampled(found: Array, apart: float, rng: np.random.Generator) -> Array:
    """(draws,) means of as many repeats drawn anew: two or three are too few to draw from, so their spread is used."""
    return np.asarray(found.mean() + rng.normal(0, apart / np.sqrt(len(found)), _DRAWS))


def spread(curve: Curve) -> Array:
    """(k,) standard deviations of a repeat, pooled over the sizes and falling with the root of the rows.

    A fiftieth of the curve's range at the largest size where nothing was repeated.
    """
    shares = np.sqrt(curve.rows[-1] / curve.rows)
    several = [(found, share) for found, share in zip(curve.values, shares, strict=True) if len(found) > 1]
    if several:
        freedom = sum(len(found) - 1 for found, _ in several)
        last = np.sqrt(sum(float(np.var(found)) * len(found) / share**2 for found, share in several) / freedom)
    else:
        last = float(np.ptp(curve.means)) / 50
    return np.asarray(last * shares)


def _losses(scores: Array, curve: Curve) -> Array:
    """Scores as losses, less is better; from the best score where one is known."""
    sign = 1.0 if curve.greater_is_better else -1.0
    return sign * ((curve.best or 0.0) - scores)


def _scores(losses: Array, curve: Curve) -> Array:
    sign = 1.0 if curve.greater_is_better else -1.0
    scores = (curve.best or 0.0) - sign * losses
    if curve.best is None:
        return scores
    return np.minimum(scores, curve.best) if curve.greater_is_better else np.maximum(scores, curve.best)


def _interval(draws: Array, level: float) -> Interval:
    tail = (1 - level) / 2
    low, middle, high = np.quantile(draws, [tail, 0.5, 1 - tail])
    return Interval(float(middle), float(low), float(high))


def best_score(values: Sequence[float], greater_is_better: bool) -> float | None:
    """The score nothing can pass: 1 where all lie in 0..1 and more is better, 0 where less is and none lies below."""
    if greater_is_better:
        return 1.0 if values and all(0 <= value <= 1 for value in values) else None
    return 0.0 if values and all(value >= 0 for value in values) else None
