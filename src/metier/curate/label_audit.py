"""Which labels look wrong, from plain arrays: three views of each row, none of which has seen its own label.

A kernel ridge (squared loss shrugs off wrong labels), a shrunken linear discriminant and the vote of the nearest rows
err differently; all have closed forms, so the whole audit costs seconds on features that lie in the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from metier.curate.noise import Noise, Rates, fit_noise, given_probability, log_odds_wrong, noise_rates
from metier.evaluate.calibration import temperature
from metier.evaluate.metrics import log_probabilities
from metier.tasks.contract import Array

FOLDS = 5
NEAREST = 20
_LANDMARKS = 1500
_PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0)
_SHRINK = 0.4  # of the within-class covariance towards a sphere
_SMOOTH = 0.1  # of a vote that goes evenly to all labels
_WEIGHTS = (2.0, 1.0, 2.0)  # ridge, discriminant, neighbours
_FEWEST = 4  # rows of a label, under which no fold can have learned it
_CHUNK = 2048
_PAIRS = 400_000_000  # similarities looked at; of a longer table fewer rows may be neighbours
_MOST_ROWS = 20_000


@dataclass(frozen=True)
class Audit:
    """What was found of n rows with k labels.

    `score` (n,) is P(the given label is wrong), NaN where it can't be judged; `suggested` (n,) the likeliest label and
    `sure` (n,) its probability; `nearest` (n, up to 20) row positions, -1 where there are fewer.
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
    vectors = _unit_scale(vectors)
    parts = whole_folds(given, units, min(FOLDS, len(np.unique(units))), seed)
    nearest, near = neighbours(vectors, units, NEAREST, seed)
    views = (
        kernel_ridge(vectors, one_hot(given, width), parts, given, seed),
        discriminant(vectors, given, width, parts),
        np.log((1 - _SMOOTH) * votes(nearest, near, given, width) + _SMOOTH / width),
    )
    outputs = np.zeros((len(given), width), np.float32)
    for weight, view in zip(_WEIGHTS, views, strict=True):
        outputs += weight * _calibrated(view, given, seed)
    outputs = _calibrated(outputs, given, seed)
    judged = np.bincount(given, minlength=width)[given] >= _FEWEST
    noise = fit_noise(outputs[judged], given[judged], seed=seed) if judged.any() else Noise(np.ones((width, width)), 1)
    posterior = noise.posterior(outputs, given)
    score = np.where(judged, 1 / (1 + np.exp(-np.clip(log_odds_wrong(posterior, given), -500, 500))), np.nan)
    suggested = posterior.argmax(axis=1)
    return Audit(
        score=score,
        suggested=suggested,
        sure=given_probability(posterior, suggested),
        flagged=judged & (suggested != given) & (score > 0.5),
        nearest=nearest,
        rates=noise_rates(outputs, given, noise, judged=judged, seed=seed),
        noise=noise,
        outputs=outputs,
    )


def _unit_scale(vectors: Array) -> Array:
    """Float32 with a mean squared length of 1, so that nothing below hangs on the vectors' unit."""
    plain = np.nan_to_num(np.asarray(vectors, np.float32))
    length = float(np.sqrt(np.mean([np.square(part).sum(axis=1).mean() for part in np.array_split(plain, 8) if len(part)])))
    return plain / (length or 1.0)


def one_hot(codes: Array, width: int) -> Array:
    """Codes (n,) -> float32 (n, width)."""
    return np.eye(width, dtype=np.float32)[codes]


def _calibrated(outputs: Array, given: Array, seed: int) -> Array:
    some = np.random.default_rng(seed).permutation(len(given))[:_MOST_ROWS]
    warmth = temperature(outputs[some], given[some])
    return np.asarray(log_probabilities(outputs / warmth), np.float32)


def whole_folds(given: Array, units: Array, count: int, seed: int) -> Array:
    """(n,) fold of each row: whole units, each label (or, of floats, each stretch of values) spread evenly."""
    distinct, first, unit = np.unique(units, return_index=True, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(distinct))
    order = order[np.argsort(given[first][order], kind="stable")]
    fold = np.empty(len(distinct), np.int64)
    fold[order] = np.arange(len(distinct)) % max(count, 1)
    return np.asarray(fold[unit])


# -------------------------------------------------------------------------------------------------------------- views


def kernel_ridge(vectors: Array, wanted: Array, parts: Array, given: Array | None, seed: int) -> Array:
    """Out-of-fold scores (n, k) of a Gaussian-kernel ridge on landmarks (Nyström; Williams & Seeger 2001).

    `wanted` (n, k) is what is fitted. The penalty is the one that predicts the first fold best: by the given labels'
    likelihood, or by absolute error without them.
    """
    import torch

    features = _landmark_features(vectors, seed)
    folds = int(parts.max()) + 1
    # Half the target is kept out as a constant, so that the penalty draws to the mean and not to zero.
    middle = wanted.mean(axis=0, keepdims=True)
    grams, sides = [], []
    for fold in range(folds):
        gram, side = 0.0, 0.0
        for rows in _pieces(np.flatnonzero(parts == fold)):
            block = features(vectors[rows])
            gram = gram + block.T @ block
            side = side + block.T @ torch.from_numpy(wanted[rows] - middle)
        grams.append(gram)
        sides.append(side)
    out = np.empty(wanted.shape, np.float32)
    gram, side = sum(grams), sum(sides)
    penalty: float | None = None
    for fold in range(folds):
        rows = np.flatnonzero(parts == fold)
        tried = _PENALTIES if penalty is None else (penalty,)
        found = []
        for one in tried:
            left = gram - grams[fold] + one * torch.eye(len(gram))
            weight = torch.cholesky_solve(side - sides[fold], torch.linalg.cholesky(left))
            found.append(
                np.concatenate([(features(vectors[some]) @ weight).numpy() + middle for some in _pieces(rows)])
            )
        best = int(np.argmin([_loss(some, wanted[rows], None if given is None else given[rows]) for some in found]))
        penalty = tried[best]
        out[rows] = found[best]
    return out


def _loss(outputs: Array, wanted: Array, given: Array | None) -> float:
    if given is None:
        return float(np.abs(outputs - wanted).mean())
    warm = log_probabilities(outputs / temperature(outputs, given))
    return float(-warm[np.arange(len(given)), given].mean())


def _landmark_features(vectors: Array, seed: int) -> Callable[[Array], "torch.Tensor"]:  # noqa: F821
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


def discriminant(vectors: Array, given: Array, width: int, parts: Array) -> Array:
    """Out-of-fold log-probabilities, up to a constant, of a shrunken linear discriminant (Friedman 1989), (n, k)."""
    folds = int(parts.max()) + 1
    moments = [_moments(vectors, given, width, np.flatnonzero(parts == fold)) for fold in range(folds)]
    gram, sums, counts = (sum(part[which] for part in moments) for which in range(3))
    out = np.empty((len(given), width), np.float32)
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


def _moments(vectors: Array, given: Array, width: int, rows: Array) -> tuple[Array, Array, Array]:
    d = vectors.shape[1]
    gram, sums = np.zeros((d, d), np.float32), np.zeros((width, d), np.float32)
    for some in _pieces(rows):
        gram += vectors[some].T @ vectors[some]
        sums += one_hot(given[some], width).T @ vectors[some]
    return gram, sums, np.bincount(given[rows], minlength=width).astype(np.float32)


def neighbours(vectors: Array, units: Array, count: int, seed: int) -> tuple[Array, Array]:
    """The `count` rows nearest by cosine outside a row's own unit: positions (n, count), cosines; -1 and 0 for none.

    Exact up to some 20,000 rows; of more, a random share of the rows may be neighbours, so that time stays linear.
    """
    rows = len(vectors)
    most = int(np.clip(_PAIRS / max(rows, 1), 5_000, 20_000))
    pool = np.sort(np.random.default_rng(seed).permutation(rows)[:most])
    count = min(count, len(pool))
    reference = _directions(vectors[pool])
    positions, cosines = np.full((rows, count), -1, np.int64), np.zeros((rows, count), np.float32)
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


def votes(nearest: Array, near: Array, given: Array, width: int) -> Array:
    """The share (n, k) each label has of the neighbours' votes; nearer ones count more. Even where there are none."""
    weight = np.exp(5 * (near - near.max(axis=1, keepdims=True, initial=-1))) * (nearest >= 0)
    out = np.full((len(nearest), width), 1e-9 / width)
    rows = np.arange(len(nearest))
    for place in range(nearest.shape[1]):
        np.add.at(out, (rows, given[nearest[:, place]]), weight[:, place])
    return np.asarray(out / out.sum(axis=1, keepdims=True))
