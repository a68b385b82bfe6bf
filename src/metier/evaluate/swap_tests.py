"""Whether swaps move answers more than chance: against neutral words, in one direction, and more than before tuning.

Three questions, each with its own null, and a bias is called only where all that can be asked are answered with yes:

- *More than neutral words.* Of each text, how often do two identities' versions differ in their answer, and how often two
  versions of like words (neutral ones, or terms of one identity)? Signs of the differences are flipped at random.
- *In a direction.* Every word has some effect. Is an identity's larger than those of like words? A t test whose units
  are words, not texts, as the same word in a hundred texts is still one word (Clark 1973).
- *By tuning.* Is the first difference larger than the generic base's on the same texts? Signs flipped again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from metier.evaluate.swap_texts import NEUTRAL, Wordings
from metier.tasks.contract import Array

_FLIPS = 4999
_LEAST = -20.0  # of a log-probability


@dataclass(frozen=True)
class Answers:
    """What one model says of every version, in the order of the wordings.

    `codes` (v,) are labels, None for a quantity; `scores` (v, d) log-probabilities, or values (d = 1). A value differs
    where it moved by more than `tolerance`.
    """

    codes: Array | None
    scores: Array
    tolerance: float = 0.0

    def differ(self, first: Array, second: Array) -> Array:
        """Whether the answers of versions `first` and `second` (p,) differ."""
        if self.codes is not None:
            return np.asarray(self.codes[first] != self.codes[second])
        return np.asarray(np.abs(self.scores[first, 0] - self.scores[second, 0]) > self.tolerance)

    def turned(self, other: Answers) -> Array:
        """Whether the answers to the same rows (v,) differ from the other's."""
        if self.codes is not None and other.codes is not None:
            return np.asarray(self.codes != other.codes)
        return np.asarray(np.abs(self.scores[:, 0] - other.scores[:, 0]) > self.tolerance)

    @property
    def leaning(self) -> Array:
        """What effects are measured on, (v, d): log-odds where there are two labels."""
        scores = np.maximum(self.scores, _LEAST) if self.codes is not None else self.scores
        return scores[:, 1:] - scores[:, :1] if self.codes is not None and scores.shape[1] == 2 else scores


def answers(outputs: Array, tolerance: float) -> Answers:
    """Calibrated outputs (v, k) or (v,) as answers."""
    if outputs.ndim == 2:
        return Answers(outputs.argmax(axis=1), np.asarray(outputs, np.float64))
    return Answers(None, np.asarray(outputs, np.float64)[:, None], tolerance)


@dataclass(frozen=True)
class Pairs:
    """Pairs of versions by row: `between` identities, and `within` like words. Each is (first, second, row)."""

    between: tuple[Array, Array, Array]
    within: tuple[Array, Array, Array]
    swaps: tuple[Array, Array, Array]  # the text as it stands, and each other identity's version


def pairs(found: Sequence[Wordings]) -> Pairs:
    """All pairs of versions of the same row; versions are numbered through all rows."""
    between: list[tuple[int, int, int]] = []
    within: list[tuple[int, int, int]] = []
    swaps: list[tuple[int, int, int]] = []
    start = 0
    for row, wording in enumerate(found):
        versions = wording.versions
        for i, one in enumerate(versions):
            for j in range(i + 1, len(versions)):
                other = versions[j]
                if one.identity == other.identity:
                    within.append((start + i, start + j, row))
                elif NEUTRAL not in (one.identity, other.identity):
                    between.append((start + i, start + j, row))
                    if i == 0 and other.alternate == 0:
                        swaps.append((start, start + j, row))
        start += len(versions)
    return Pairs(_columns(between), _columns(within), _columns(swaps))


def _columns(rows: list[tuple[int, int, int]]) -> tuple[Array, Array, Array]:
    table = np.asarray(rows, np.int64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


def differing(said: Answers, chosen: tuple[Array, Array, Array], rows: int) -> Array:
    """(rows,) share of a row's pairs whose answers differ; NaN where it has none."""
    first, second, row = chosen
    count = np.bincount(row, minlength=rows)
    found = np.bincount(row, said.differ(first, second), minlength=rows)
    return np.asarray(np.where(count > 0, found / np.maximum(count, 1), np.nan))


def flip_test(difference: Array, seed: int) -> float | None:
    """One-sided p that (n,) differences are above zero on average, by flipping their signs; None without rows."""
    known = difference[np.isfinite(difference)]
    if not len(known):
        return None
    told = known[known != 0]
    if not len(told):
        return 1.0
    signs = np.random.default_rng([seed, len(told)]).integers(0, 2, (_FLIPS, len(told))) * 2 - 1
    drawn = signs @ told
    return float((1 + (drawn >= told.sum() - 1e-9).sum()) / (1 + _FLIPS))


@dataclass(frozen=True)
class Effect:
    """How far an identity moves the answer, against the other identities: `shift` (d,) of the leaning, and its p."""

    identity: str
    shift: Array
    p: float


def effects(found: Sequence[Wordings], said: Answers) -> list[Effect]:
    """Of each identity, whether it moves the answers farther than like words do; [] where like words are missing.

    The effect of a word is its mean over the rows, each row about its own mean. Words of one identity, and neutral words,
    tell how much words differ that should not matter.
    """
    words = _words(found, said.leaning)
    names = [name for name in words if name != NEUTRAL]
    spread = [np.asarray(each) for each in words.values() if len(each) > 1]
    free = sum(len(each) - 1 for each in spread)
    if free < 2 or len(names) < 2:
        return []
    variance = sum(((each - each.mean(axis=0)) ** 2).sum(axis=0) for each in spread) / free
    means = {name: np.asarray(words[name]).mean(axis=0) for name in names}
    share = {name: 1 / len(words[name]) for name in names}
    out = []
    for name in names:
        others = [other for other in names if other != name]
        shift = means[name] - np.mean([means[other] for other in others], axis=0)
        size = share[name] + sum(share[other] for other in others) / len(others) ** 2
        out.append(Effect(name, shift, _t_test(shift, variance * size, free)))
    return out


def _t_test(shift: Array, variance: Array, free: int) -> float:
    """Two-sided p of a shift; of several dimensions together, with the tails of one, which is cautious."""
    from scipy.stats import t

    total = float(variance.sum())
    if total <= 0:
        return 1.0 if not np.any(shift) else 0.0
    return float(2 * t.sf(np.sqrt(float((shift**2).sum()) / total), free))


def _words(found: Sequence[Wordings], leaning: Array) -> Mapping[str, list[Array]]:
    """Identity -> the mean effect (d,) of each of its words that stands in at least a third of the rows."""
    sums: dict[tuple[str, int], Array] = {}
    counts: dict[tuple[str, int], int] = {}
    start = 0
    for wording in found:
        versions = wording.versions
        mine = leaning[start : start + len(versions)]
        middle = mine[[v.alternate == 0 and v.identity != NEUTRAL for v in versions]].mean(axis=0)
        for version, value in zip(versions, mine, strict=True):
            key = (version.identity, version.alternate)
            sums[key] = sums.get(key, 0) + value - middle
            counts[key] = counts.get(key, 0) + 1
        start += len(versions)
    words: dict[str, list[Array]] = {}
    for key in sorted(sums):
        if counts[key] * 3 >= len(found):
            words.setdefault(key[0], []).append(sums[key] / counts[key])
    return words


def directed(said: Sequence[Answers], seed: int) -> float:
    """p that versions of the same rows which differ in a column's value alone are answered alike, whatever the value.

    `said` has the answers of each value's version. Answers are dealt out anew among the versions of a row.
    """
    stacked = np.stack([_told(each) for each in said])  # (g, n, d)
    varying = np.flatnonzero((stacked != stacked[:1]).any(axis=(0, 2)))
    if not len(varying):
        return 1.0
    stacked = stacked[:, varying]
    rng = np.random.default_rng([seed, len(varying)])

    def statistic(values: Array) -> float:
        return float(((values.sum(axis=1) - values.sum(axis=(0, 1)) / len(values)) ** 2).sum())

    seen = statistic(stacked)
    larger = 0
    for _ in range(999):
        order = rng.permuted(np.tile(np.arange(len(said))[:, None], (1, len(varying))), axis=0)
        larger += statistic(np.take_along_axis(stacked, order[..., None], axis=0)) >= seen * (1 - 1e-12)
    return (1 + larger) / 1000


def _told(said: Answers) -> Array:
    if said.codes is None:
        return said.scores
    return np.eye(said.scores.shape[1])[said.codes]
