"""Three views of a row that none has seen its own label: kernel ridge, discriminant, and the vote of the nearest.

They err differently, and all have closed forms: seconds on features that lie in the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from metier.evaluate.calibration import temperature
from metier.evaluate.metrics import log_probabilities
from metier.tasks.contract import Array

FOLDS = 5
NEAREST = 40
_LANDMARKS = 1500
_PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0)
_SHRINK = 0.4  # of the within-class covariance towards a sphere
_SHARPNESS = 8.0  # of the votes in the cosine
_CHUNK = 2048
_PAIRS = 400_000_000  # similarities looked at; of a longer table fewer rows may be neighbours
_MOST_ROWS = 20_000


@dataclass(frozen=True)
class UnitScale:
    """Vectors (n, d) read in float32 some rows at a time, so scaled that their mean squared length is 1.

    Nothing below then hangs on the vectors' unit, and a million rows of float16 are never held in float32 as a whole.
    """

    raw: Array
    length: float

    @classmethod
    def of(cls, vectors: Array) -> UnitScale:
        """The scale of these vectors, found by reading them once."""
        total = 0.0
        for rows in _pieces(np.arange(len(vectors))):
            total += float(np.square(cls(vectors, 1.0)[rows]).sum(dtype=np.float64))
        return cls(vectors, float(np.sqrt(total / max(len(vectors), 1))) or 1.0)

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d)."""
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


def one_hot(codes: Array, width: int) -> Array:
    """Codes (n,) -> float32 (n, width)."""
    return np.asarray(np.eye(width, dtype=np.float32)[codes])


def some_of(rows: Array, seed: int) -> Array:
    """At most 20,000 of the rows, drawn."""
    return np.asarray(rows[np.random.default_rng(seed).permutation(len(rows))[:_MOST_ROWS]])


def whole_folds(given: Array, units: Array, count: int, seed: int) -> Array:
    """(n,) fold of each row: whole units, each label (or, of floats, each stretch of values) spread evenly."""
    distinct, first, unit = np.unique(units, return_index=True, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(distinct))
    order = order[np.argsort(given[first][order], kind="stable")]
    fold = np.empty(len(distinct), np.int64)
    fold[order] = np.arange(len(distinct)) % max(count, 1)
    return np.asarray(fold[unit])


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
        judged = some_of(np.arange(len(rows)), seed)
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
