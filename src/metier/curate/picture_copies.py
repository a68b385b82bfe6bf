"""When two pictures are one: equal pixels, or one saved again: resized, recompressed, brightened, a little cut.

Perceptual hashes find what may be a copy; thumbnails laid on one another decide. Two drawings on one ground, two pages
of one form or one shirt in two colours have hashes alike, and differ in one place or in tint.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from metier.curate.pictures import SIDE, Pictures

Array = npt.NDArray[Any]

_BITS = 64  # of each of the two hashes
_FAR = 14  # of its bits in which a copy may differ
_ALL_WITH_ALL = 20_000  # pictures; of more, neighbours in many orders are compared
_ORDERS, _WINDOW = 48, 6
_BLOCK = 2048
_STEP = 2.0  # grey levels that are no edge: flat ground must not give random bits
_FLAT = 2.0  # standard deviation of grey levels under which nothing is to be seen
_ASPECT = 0.15  # difference of the logarithms of width by height
_ALIKE, _SURE = 0.95, 0.99  # correlation of the thumbnails
_WORTH_CUTTING = 0.5  # correlation, from which a picture cut at its edges may be what the other shows
_PLACE, _CELL = 0.85, 6  # deviations by which the worst cell of so many points a side may differ
_TINT = 8.0  # levels by which the colours may differ in the mean
_MARGINS = ((0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (0, 2), (2, 0), (0, 4), (4, 0))  # of SIDE, cut from both ends
_AT_ONCE = 256


@dataclass(frozen=True)
class PictureSketch:
    """n pictures, seen as copies of one another or not."""

    pictures: Pictures

    meant = False  # what is like in meaning is not looked for: no base reads pictures here

    @cached_property
    def exact(self) -> Array:
        """(n,) numbers, equal where all pixels are equal."""
        return np.unique(self.pictures.pixels, return_inverse=True)[1]

    @cached_property
    def exact_sure(self) -> Array:
        """(n,) whether equality is no accident: not of pictures that show nothing."""
        return np.asarray(self._contrast >= _FLAT, bool)

    def candidates(self, positions: Array) -> Array:
        """Pairs (m, 2) among these positions of which one hash at least is near."""
        some = positions[self._contrast[positions] >= _FLAT]
        codes = self._codes[some]
        if len(some) < 2:
            return np.zeros((0, 2), np.int64)
        pairs = _all_near(codes) if len(some) <= _ALL_WITH_ALL else _near_in_orders(codes)
        return np.asarray(np.sort(some[pairs], axis=1), np.int64)

    def compare(self, pairs: Array) -> tuple[Array, Array]:
        """Likeness (m,) in 0..1, 0 where a pair is no copy; and (m,) whether nothing but size and quality differs."""
        likeness, sure = np.zeros(len(pairs)), np.zeros(len(pairs), bool)
        shape = np.log(self.pictures.shape[:, 0] / np.maximum(self.pictures.shape[:, 1], 1))
        tint = self.pictures.tint.reshape(len(self.pictures), -1)
        for at in range(0, len(pairs), _AT_ONCE):
            one, other = pairs[at : at + _AT_ONCE].T
            fits = np.abs(shape[one] - shape[other]) <= _ASPECT
            colours = np.abs(tint[one].astype(np.int16) - tint[other]).mean(axis=1)
            likely = np.flatnonzero(fits & (colours <= _TINT))
            score, whole = _laid_over(self.pictures.grey[one[likely]], self.pictures.grey[other[likely]])
            likeness[at + likely] = np.minimum(score, 0.999)
            sure[at + likely] = whole & (score > 0)
        return likeness, sure

    def may_mean_the_same(self, pairs: Array) -> Array:
        """(m,) never: meaning is not read."""
        return np.zeros(len(pairs), bool)

    def quality(self, positions: Array) -> Array:
        """(m,) how much there is to see: pixels, then bytes."""
        pixels = self.pictures.shape[positions].astype(np.float64).prod(axis=1)
        return np.asarray(pixels + self.pictures.weight[positions] / 2**40)

    @cached_property
    def _contrast(self) -> Array:
        return np.array([one.std() for one in self.pictures.grey]) if len(self.pictures) else np.zeros(0)

    @cached_property
    def _codes(self) -> Array:
        """(n, 2) uint64: which way brightness steps (dHash, Krawetz 2013), and its low frequencies' signs (pHash)."""
        from scipy.fft import dctn

        out = np.zeros((len(self.pictures), 2), np.uint64)
        for at in range(0, len(out), _BLOCK):
            grey = self.pictures.grey[at : at + _BLOCK].astype(np.float32)
            rows = grey.reshape(len(grey), 8, SIDE // 8, SIDE).mean(axis=2)
            edges = np.linspace(0, SIDE, 10).astype(int)[:-1]
            cells = np.add.reduceat(rows, edges, axis=2) / np.diff(np.append(edges, SIDE))
            steps = (cells[:, :, 1:] > cells[:, :, :-1] + _STEP).reshape(len(grey), _BITS)
            waves = dctn(grey, axes=(1, 2))[:, :8, :8].reshape(len(grey), _BITS)
            waves[:, 0] = 0.0
            signs = waves > np.median(waves, axis=1, keepdims=True)
            for which, bits in enumerate((steps, signs)):
                packed = np.packbits(bits, axis=1)
                out[at : at + _BLOCK, which] = np.ascontiguousarray(packed).view(np.uint64)[:, 0]
        return out


def _all_near(codes: Array) -> Array:
    found = [np.zeros((0, 2), np.int64)]
    for top in range(0, len(codes), _BLOCK):
        for left in range(top, len(codes), _BLOCK):
            bits = np.bitwise_count(codes[top : top + _BLOCK, None] ^ codes[None, left : left + _BLOCK])
            one, other = np.nonzero(bits.min(axis=2) <= _FAR)
            pairs = np.stack([one + top, other + left], axis=1)
            found.append(pairs[pairs[:, 0] < pairs[:, 1]])
    return np.concatenate(found)


def _near_in_orders(codes: Array) -> Array:
    """Pairs that stand close together when the hashes are sorted by differently ordered bits (Charikar 2002)."""
    rng = np.random.default_rng(0)
    bits = np.unpackbits(np.ascontiguousarray(codes).view(np.uint8), axis=1)
    found = [np.zeros(0, np.int64)]
    for turn in range(_ORDERS):
        which = _BITS * (turn % 2) + rng.permutation(_BITS)
        keys = np.ascontiguousarray(np.packbits(bits[:, which], axis=1)).view(">u8")[:, 0]
        order = np.argsort(keys, kind="stable")
        for step in range(1, _WINDOW + 1):
            one, other = order[:-step], order[step:]
            near = np.bitwise_count(codes[one] ^ codes[other]).min(axis=1) <= _FAR
            found.append(np.minimum(one, other)[near] * len(codes) + np.maximum(one, other)[near])
    pairs = np.unique(np.concatenate(found))
    return np.stack([pairs // len(codes), pairs % len(codes)], axis=1)


# ---------------------------------------------------------------------------------------------------------- thumbnails


def _laid_over(one: Array, other: Array) -> tuple[Array, Array]:
    """Likeness (m,) of thumbnails (m, SIDE, SIDE), 0 where no copy, with one of them cut at its edges where that helps.

    And (m,) whether they are alike beyond doubt as they are.
    """
    a, b = one.astype(np.float32), other.astype(np.float32)
    score, worst = _held(a, b)
    sure = (score >= _SURE) & (worst <= _PLACE / 2)
    best = np.where((score >= _ALIKE) & (worst <= _PLACE), score, 0.0)
    for left, right in ((a, b), (b, a)):
        open_to = np.flatnonzero((best == 0) & (score >= _WORTH_CUTTING))
        if len(open_to):
            cut_score, cut_worst = _held(_fitted(left[open_to], right[open_to]), right[open_to])
            best[open_to] = np.where((cut_score >= _ALIKE) & (cut_worst <= _PLACE), cut_score, 0.0)
    return best, sure


def _fitted(left: Array, right: Array) -> Array:
    """Each left thumbnail cut at its edges so that it lies best on the right one: rows, columns, and rows again."""
    windows = np.stack([_windows(margins) for margins in _MARGINS])
    rows, columns = np.zeros(len(left), int), np.zeros(len(left), int)
    for turn in range(3):
        tried = []
        for which in range(len(_MARGINS)):
            own = np.full(len(left), which)
            above, beside = (own, columns) if turn % 2 == 0 else (rows, own)
            cut = windows[above] @ left @ windows[beside].transpose(0, 2, 1)
            tried.append(_held(cut, right)[0])
        best = np.argmax(tried, axis=0)
        rows, columns = (best, columns) if turn % 2 == 0 else (rows, best)
    return np.asarray(windows[rows] @ left @ windows[columns].transpose(0, 2, 1))


def _held(a: Array, b: Array) -> tuple[Array, Array]:
    """Correlation (m,) of thumbnails, and the mean difference, in deviations, in the cell where they differ most."""
    a, b = (_standard(side) for side in (a, b))
    score = (a * b).mean(axis=(1, 2))
    cells = np.abs(a - b).reshape(len(a), SIDE // _CELL, _CELL, SIDE // _CELL, _CELL).mean(axis=(2, 4))
    return score, cells.max(axis=(1, 2), initial=0.0)


def _standard(grey: Array) -> Array:
    flat = grey - grey.mean(axis=(1, 2), keepdims=True)
    return np.asarray(flat / np.maximum(flat.std(axis=(1, 2), keepdims=True), 1e-6))


@lru_cache(maxsize=32)
def _windows(margins: tuple[int, int]) -> Array:
    """(SIDE, SIDE) that stretches a column of points, without those cut from its ends, over the whole length."""
    low, high = margins
    centres = low + (np.arange(SIDE) + 0.5) * (SIDE - low - high) / SIDE - 0.5
    first = np.clip(np.floor(centres).astype(int), 0, SIDE - 2)
    share = np.clip(centres - first, 0.0, 1.0).astype(np.float32)
    out = np.zeros((SIDE, SIDE), np.float32)
    out[np.arange(SIDE), first] = 1 - share
    out[np.arange(SIDE), first + 1] += share
    return out
