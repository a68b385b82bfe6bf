"""Which labels look wrong, from plain arrays: three views of each row, none of which has seen its own label.

A kernel ridge (squared loss shrugs off wrong labels), a shrunken linear discriminant and the vote of the nearest rows
err differently; all have closed forms, so the whole audit costs seconds on features that lie in the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from metier.curate.noise import Noise, Rates, fit_noise, given_probability, log_odds_wrong, noise_rates
from metier.evaluate.calibration import temperature
from metier.evaluate.metrics import log_probabilities
from metier.tasks.contract import Array

FOLDS = 5
NEAREST = 40
_LANDMARKS = 1500
_PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0)
_SHRINK = 0.4  # of the within-class covariance towards a sphere
_SHARPNESS = 8.0  # of the votes in the cosine
_SMOOTH = 0.05  # of a vote that goes evenly to all labels
_WEIGHTS = (2.0, 1.0, 2.0)  # ridge, discriminant, neighbours
_ROUNDS = 2
_ORDINARY = (0.84, 0.96)  # quantiles of the misses by which the length of a tail is told
_UNSURE = 1.0  # divided by the root of the rows: how much longer it may be
_FEWEST = 4  # rows of a label, under which no fold can have learned it
_CHUNK = 2048
_ROWS = 16_384  # of outputs, at once
_PAIRS = 400_000_000  # similarities looked at; of a longer table fewer rows may be neighbours
_MOST_ROWS = 20_000


@dataclass(frozen=True)
class Audit:
    """What was found of n rows with k labels.

    `score` (n,) is P(the given label is wrong), NaN where it can't be judged; `suggested` (n,) the likeliest label and
    `sure` (n,) its probability; `nearest` (n, up to 40) row positions, -1 where there are fewer.
    """

    score: Array
    suggested: Array
    sure: Array
    flagged: Array
    nearest: Array
    rates: Rates
    noise: Noise
    outputs: Array  # (n, k) out-of-fold log-probabilities, all views together


def audit_classes(vectors: Array, given: Array, width: int, *, units: Array | None = None, seed: int = 0) -> Audit:
    """Vectors (n, d) and given codes (n,) of `width` labels -> an Audit; rows of one unit (n,) never judge each other.

    Confident learning (Northcutt et al. 2021) in a softer form: the out-of-fold probabilities and a learned table of
    which label is given for which (see `noise`) make a posterior for every row.
    """
    units = np.arange(len(given)) if units is None else units
    scaled = _UnitScale.of(vectors)
    parts = whole_folds(given, units, min(FOLDS, len(np.unique(units))), seed)
    nearest, near = neighbours(scaled, units, NEAREST, seed)
    ridge = _calibrated(kernel_ridge(scaled, OneHot(given, width), parts, given, seed), given, seed)
    judged = np.bincount(given, minlength=width)[given] >= _FEWEST
    known = np.flatnonzero(judged)
    trust = np.ones(len(given), np.float32)
    for _ in range(_ROUNDS):
        # What looked wrong in the round before counts less as an example and as a neighbour.
        outputs = _calibrated(discriminant(scaled, OneHot(given, width, trust), parts), given, seed)
        _joined(outputs, ridge, _Voted(nearest, near, given, width, trust), given, seed)
        some = _some(known, seed)
        fits = fit_noise(outputs[some], given[some], seed=seed)
        posterior = fits[0].posterior(outputs, given)
        trust = given_probability(posterior, given).astype(np.float32)
    score = np.where(judged, 1 / (1 + np.exp(-np.clip(log_odds_wrong(posterior, given), -500, 500))), np.nan)
    suggested = posterior.argmax(axis=1)
    return Audit(
        score=score,
        suggested=suggested,
        sure=given_probability(posterior, suggested),
        flagged=judged & (suggested != given) & (score > 0.5),
        nearest=nearest,
        rates=noise_rates(outputs, given, fits, judged),
        noise=fits[0],
        outputs=outputs,
    )


@dataclass(frozen=True)
class _UnitScale:
    """Vectors (n, d) read in float32 some rows at a time, so scaled that their mean squared length is 1.

    Nothing below then hangs on the vectors' unit, and a million rows of float16 are never held in float32 as a whole.
    """

    raw: Array
    length: float

    @classmethod
    def of(cls, vectors: Array) -> _UnitScale:
        total = 0.0
        for rows in _pieces(np.arange(len(vectors))):
            total += float(np.square(cls(vectors, 1.0)[rows]).sum(dtype=np.float64))
        return cls(vectors, float(np.sqrt(total / max(len(vectors), 1))) or 1.0)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.raw), self.raw.shape[1]

    def __len__(self) -> int:
        return len(self.raw)

    def __getitem__(self, rows: Any) -> Array:
        return np.asarray(np.nan_to_num(np.asarray(self.raw[rows], np.float32)) / np.float32(self.length))


@dataclass(frozen=True)
class OneHot:
    """Codes (n,) as float32 (n, width), each row weighed by its `trust`; written out some rows at a time."""

    codes: Array
    width: int
    trust: Array | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(n, width)."""
        return len(self.codes), self.width

    def __getitem__(self, rows: Any) -> Array:
        found = one_hot(self.codes[rows], self.width)
        return found if self.trust is None else found * self.trust[rows, None]

    def mean(self, axis: int = 0, keepdims: bool = True) -> Array:
        """(1, width) the mean of all rows."""
        weights = None if self.trust is None else self.trust
        totals = np.bincount(self.codes, weights, minlength=self.width)
        return np.asarray(totals[None] / max(len(self.codes), 1), np.float32)


@dataclass(frozen=True)
class _Voted:
    """The log of the neighbours' votes, counted some rows at a time; see `votes`."""

    nearest: Array
    near: Array
    given: Array
    width: int
    trust: Array

    def __getitem__(self, rows: Any) -> Array:
        counted = votes(self.nearest[rows], self.near[rows], self.given, self.width, self.trust)
        return np.asarray(np.log((1 - _SMOOTH) * counted + _SMOOTH / self.width))


def one_hot(codes: Array, width: int) -> Array:
    """Codes (n,) -> float32 (n, width)."""
    return np.asarray(np.eye(width, dtype=np.float32)[codes])


def _some(rows: Array, seed: int) -> Array:
    return np.asarray(rows[np.random.default_rng(seed).permutation(len(rows))[:_MOST_ROWS]])


def _calibrated(outputs: Array, given: Array, seed: int) -> Array:
    """Outputs (n, k) -> calibrated log-probabilities, in place."""
    some = _some(np.arange(len(given)), seed)
    warmth = temperature(outputs[some], given[some])
    for rows in _slices(len(outputs)):
        outputs[rows] = log_probabilities(outputs[rows] / warmth)
    return outputs


def _joined(outputs: Array, ridge: Array, voted: _Voted, given: Array, seed: int) -> None:
    """All three views together, in place of the discriminant's in `outputs`."""
    some = _some(np.arange(len(given)), seed)
    warmth = temperature(voted[some], given[some])
    first, second, third = _WEIGHTS
    for rows in _slices(len(outputs)):
        votes_here = log_probabilities(voted[rows] / warmth).astype(np.float32)
        outputs[rows] = first * ridge[rows] + second * outputs[rows] + third * votes_here
    _calibrated(outputs, given, seed)


def _slices(rows: int) -> Iterator[slice]:
    for at in range(0, rows, _ROWS):
        yield slice(at, at + _ROWS)


def whole_folds(given: Array, units: Array, count: int, seed: int) -> Array:
    """(n,) fold of each row: whole units, each label (or, of floats, each stretch of values) spread evenly."""
    distinct, first, unit = np.unique(units, return_index=True, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(distinct))
    order = order[np.argsort(given[first][order], kind="stable")]
    fold = np.empty(len(distinct), np.int64)
    fold[order] = np.arange(len(distinct)) % max(count, 1)
    return np.asarray(fold[unit])


# -------------------------------------------------------------------------------------------------------------- views


def kernel_ridge(vectors: Any, wanted: Any, parts: Array, given: Array | None, seed: int) -> Array:
    """Out-of-fold scores (n, k) of a Gaussian-kernel ridge on landmarks (Nyström; Williams & Seeger 2001).

    `wanted` (n, k) is what is fitted. The penalty is the one that predicts the first fold best: by the given labels'
    likelihood, or by absolute error without them.
    """
    import torch

    features = _landmark_features(vectors, seed)
    folds = int(parts.max()) + 1
    kept: dict[int, Any] = {}
    # The penalty draws to the mean and not to zero.
    middle = wanted.mean(axis=0, keepdims=True)
    grams, sides = [], []
    for fold in range(folds):
        gram: Any = 0.0
        side: Any = 0.0
        for rows in _pieces(np.flatnonzero(parts == fold)):
            block = features(vectors[rows])
            if len(vectors) <= _MOST_ROWS:
                kept[int(rows[0])] = block
            gram = gram + block.T @ block
            side = side + block.T @ torch.from_numpy(wanted[rows] - middle)
        grams.append(gram)
        sides.append(side)
    out = np.empty(wanted.shape, np.float32)
    whole, whole_side = sum(grams), sum(sides)
    penalty: float | None = None
    for fold in range(folds):
        rows = np.flatnonzero(parts == fold)
        tried = _PENALTIES if penalty is None else (penalty,)
        found = []
        for one in tried:
            left = whole - grams[fold] + one * torch.eye(len(whole))
            weight = torch.cholesky_solve(whole_side - sides[fold], torch.linalg.cholesky(left))
            blocks = (kept[int(some[0])] if kept else features(vectors[some]) for some in _pieces(rows))
            found.append(np.concatenate([(block @ weight).numpy() + middle for block in blocks], dtype=np.float32))
        judged = _some(np.arange(len(rows)), seed)
        told = None if given is None else given[rows[judged]]
        best = int(np.argmin([_loss(some[judged], wanted[rows[judged]], told) for some in found]))
        penalty = tried[best]
        out[rows] = found[best]
    return out


def _loss(outputs: Array, wanted: Array, given: Array | None) -> float:
    if given is None:
        return float(np.abs(outputs - wanted).mean())
    warm = log_probabilities(outputs / temperature(outputs, given))
    return float(-warm[np.arange(len(given)), given].mean())


def _landmark_features(vectors: Any, seed: int) -> Callable[[Array], Any]:
    import torch

    rng = np.random.default_rng(seed)
    marks = torch.from_numpy(vectors[rng.permutation(len(vectors))[:_LANDMARKS]])
    sample = marks[:500]
    distances = torch.cdist(sample, sample).square()
    # Half the usual width of a Gaussian kernel's exponent: a smooth kernel, that one wrong label can't bend.
    middle = float(distances[distances > 1e-9].median()) if (distances > 1e-9).any() else 1.0
    gamma = 0.3 / middle

    def kernel(some: torch.Tensor) -> torch.Tensor:
        squares = some.square().sum(1)[:, None] + marks.square().sum(1)[None] - 2 * some @ marks.T
        return torch.exp(-gamma * squares.clamp_min(0))

    root = torch.linalg.cholesky(kernel(marks).double() + 1e-4 * torch.eye(len(marks), dtype=torch.double)).float()
    inverse = torch.linalg.solve_triangular(root, torch.eye(len(marks)), upper=False)
    return lambda some: kernel(torch.from_numpy(some)) @ inverse.T


def _pieces(rows: Array) -> Iterator[Array]:
    for at in range(0, len(rows), _CHUNK):
        yield rows[at : at + _CHUNK]


def discriminant(vectors: Any, shares: Any, parts: Array) -> Array:
    """Out-of-fold log-probabilities, up to a constant, of a shrunken linear discriminant (Friedman 1989), (n, k).

    `shares` (n, k) says how much of each row belongs to each label: one-hot, or less where a label is not trusted.
    """
    folds = int(parts.max()) + 1
    moments = [_moments(vectors, shares, np.flatnonzero(parts == fold)) for fold in range(folds)]
    gram, sums, counts = (np.sum([part[which] for part in moments], axis=0) for which in range(3))
    out = np.empty(shares.shape, np.float32)
    for fold in range(folds):
        g, m, c = gram - moments[fold][0], sums - moments[fold][1], counts - moments[fold][2]
        total = max(float(c.sum()), 1.0)
        # One row's worth of the overall mean in each label's: a label of few rows lies near the middle.
        means = (m + m.sum(axis=0) / total) / (c + 1)[:, None]
        crossed = m.T @ means
        covariance = (g - crossed - crossed.T + (means * c[:, None]).T @ means) / total
        sphere = max(float(np.trace(covariance)) / len(covariance), 1e-6)
        covariance = (1 - _SHRINK) * covariance + _SHRINK * sphere * np.eye(len(covariance), dtype=np.float32)
        weight = np.linalg.solve(covariance, means.T).astype(np.float32)
        offset = np.log(np.maximum(c, 0.5) / total) - 0.5 * (means * weight.T).sum(axis=1)
        for rows in _pieces(np.flatnonzero(parts == fold)):
            out[rows] = vectors[rows] @ weight + offset
    return out


def _moments(vectors: Any, shares: Any, rows: Array) -> tuple[Array, Array, Array]:
    d = vectors.shape[1]
    gram, sums = np.zeros((d, d), np.float32), np.zeros((shares.shape[1], d), np.float32)
    counts = np.zeros(shares.shape[1])
    for some in _pieces(rows):
        block, own = vectors[some], shares[some]
        gram += block.T @ (block * own.sum(axis=1, keepdims=True))
        sums += own.T @ block
        counts += own.sum(axis=0)
    return gram, sums, counts.astype(np.float32)


def neighbours(vectors: Any, units: Array, count: int, seed: int) -> tuple[Array, Array]:
    """The `count` rows nearest by cosine outside a row's own unit: positions (n, count), cosines; -1 and 0 for none.

    Exact up to some 20,000 rows; of more, a random share of the rows may be neighbours, so that time stays linear.
    """
    rows = len(vectors)
    most = int(np.clip(_PAIRS / max(rows, 1), 5_000, 20_000))
    pool = np.sort(np.random.default_rng(seed).permutation(rows)[:most])
    count = min(count, len(pool))
    reference = _directions(vectors[pool])
    positions, cosines = np.full((rows, count), -1, np.int32), np.zeros((rows, count), np.float32)
    for at in range(0, rows, 1024):
        near = _directions(vectors[at : at + 1024]) @ reference.T
        near[units[at : at + 1024, None] == units[pool][None]] = -2.0
        best = np.argpartition(near, -count, axis=1)[:, -count:]
        value = np.take_along_axis(near, best, axis=1)
        order = np.argsort(-value, axis=1)
        best, value = np.take_along_axis(best, order, axis=1), np.take_along_axis(value, order, axis=1)
        positions[at : at + 1024] = np.where(value > -2, pool[best], -1)
        cosines[at : at + 1024] = np.maximum(value, -1) * (value > -2)
    return positions, cosines


def _directions(vectors: Array) -> Array:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9), np.float32)


def votes(nearest: Array, near: Array, given: Array, width: int, trust: Array) -> Array:
    """The share (n, k) each label has of the neighbours' votes, by how near they are and how far they are trusted.

    Even where there are no neighbours.
    """
    weight = np.exp(_SHARPNESS * (near - near.max(axis=1, keepdims=True, initial=-1))) * (nearest >= 0)
    out = np.full((len(nearest), width), 1e-9 / width)
    rows = np.arange(len(nearest))
    for place in range(nearest.shape[1]):
        who = nearest[:, place]
        out[rows, given[who]] += weight[:, place] * trust[who]
    return np.asarray(out / out.sum(axis=1, keepdims=True))


# -------------------------------------------------------------------------------------------------- other kinds of label  # noqa: E501


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
    scaled = _UnitScale.of(vectors)
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


def audit_multilabel(outputs: Array, given: Array) -> tuple[Array, Array]:
    """Out-of-fold probabilities and a 0/1 matrix, both (n, k) -> (score per row (n,), score per label (n, k)).

    Each label is a yes-or-no question of its own, with its own noise. A row's score weighs its labels by how suspect
    they are (a softmax at temperature 0.1, as Thyagarajan et al. 2022 recommend), so that one wrong label among many
    right ones shows and many doubtful ones do too.
    """
    odds = np.log(np.clip(outputs, 1e-6, 1 - 1e-6))
    against = np.log(np.clip(1 - outputs, 1e-6, 1 - 1e-6))
    single = np.empty(given.shape)
    for label in range(given.shape[1]):
        pair = np.stack([against[:, label], odds[:, label]], axis=1)
        codes = given[:, label].astype(np.int64)
        single[:, label] = 1 - given_probability(fit_noise(pair, codes)[0].posterior(pair, codes), codes)
    return _worst(single, np.arange(len(given)).repeat(given.shape[1]), len(given)), single


def audit_tokens(outputs: Array, given: Array, sentence: Array) -> tuple[Array, Array]:
    """Flattened out-of-fold probabilities (t, k), codes (t,) and each token's sentence (t,) from 0.

    Gives (score per sentence, score per token (t,)); a sentence is as suspect as its worst tokens
    (Wang & Mueller 2022).
    """
    logs = np.log(np.clip(outputs, 1e-9, None))
    single = 1 - given_probability(fit_noise(logs, given)[0].posterior(logs, given), given)
    return _worst(single[:, None], sentence, int(sentence.max(initial=-1)) + 1), single


def _worst(single: Array, owner: Array, count: int) -> Array:
    """The softmax-weighted mean of each owner's scores; 0 where it has none."""
    scores = single.ravel()
    weight = np.exp((scores - 1) / 0.1)
    total = np.bincount(owner, weights=weight, minlength=count)
    return np.asarray(np.bincount(owner, weights=weight * scores, minlength=count) / np.maximum(total, 1e-300))
