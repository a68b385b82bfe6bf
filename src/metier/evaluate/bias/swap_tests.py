"""Whether swaps move answers more than chance: against neutral words, in one direction, and more than before tuning.

Three questions, each with its own null, and a bias is called only where all that can be asked are answered with yes:

- *In a direction.* Every word has some effect. Is an identity's larger than those of like words? A t test whose units
  are words, not texts, as the same word in a hundred texts is still one word (Clark 1973).
- *More than neutral words.* Do answers really turn with the identity that is pushed most, and more often than with two
  like words in the same place? Signs of the rows' differences are flipped at random.
- *By tuning.* Does the identity move the expert farther than the generic base, each measured in like words' effects?
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from metier.evaluate.bias.swap_texts import NEUTRAL, Wordings
from metier.tasks.contract import Array

_FLIPS = 4999
_DEALS = 1999
_FARTHEST = 100.0  # times as far as like words: more is not told apart
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
    within: tuple[Array, Array, Array]  # neutral words; terms of one identity where there are none
    swaps: tuple[Array, Array, Array]  # the text as it stands, and each other identity's version


def pairs(found: Sequence[Wordings], pushed: str | None = None) -> Pairs:
    """All pairs of versions of the same row; versions are numbered through all rows.

    With `pushed` only those of that identity with others are `between`.
    """
    between: list[tuple[int, int, int]] = []
    within: list[tuple[int, int, int]] = []
    swaps: list[tuple[int, int, int]] = []
    start, like = 0, _like(found)
    for row, wording in enumerate(found):
        versions = wording.versions
        for i, one in enumerate(versions):
            for j in range(i + 1, len(versions)):
                other = versions[j]
                if one.identity == other.identity and one.identity in like:
                    within.append((start + i, start + j, row))
                elif one.identity != other.identity and NEUTRAL not in (one.identity, other.identity):
                    if pushed is None or pushed in (one.identity, other.identity):
                        between.append((start + i, start + j, row))
                    if i == 0 and other.alternate == 0:
                        swaps.append((start, start + j, row))
        start += len(versions)
    return Pairs(_columns(between), _columns(within), _columns(swaps))


def _like(found: Sequence[Wordings]) -> set[str]:
    """The identities whose terms are like words: neutral ones, or all identities where there are none.

    A bias may lie on one term of an identity and not on the next: with neutral words at hand, terms are no null.
    """
    names = {version.identity for wording in found for version in wording.versions}
    return {NEUTRAL} if NEUTRAL in names else names


def _columns(rows: list[tuple[int, int, int]]) -> tuple[Array, Array, Array]:
    table = np.asarray(rows, np.int64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


def differing(said: Answers, chosen: tuple[Array, Array, Array], rows: int) -> Array:
    """(rows,) share of a row's pairs whose answers differ; NaN where it has none."""
    first, second, row = chosen
    count = np.bincount(row, minlength=rows)
    found = np.bincount(row, said.differ(first, second), minlength=rows)
    return np.asarray(np.where(count > 0, found / np.maximum(count, 1), np.nan))


def larger_test(here: Array, there: Array, seed: int) -> float | None:
    """One-sided p that rows `here` (n,) are no larger on average than rows `there` (m,), by dealing them out anew."""
    here, there = here[np.isfinite(here)], there[np.isfinite(there)]
    if not len(here) or not len(there):
        return None
    both = np.concatenate([here, there])
    if not both.any():
        return 1.0
    rng = np.random.default_rng([seed, len(both)])
    drawn = np.array([rng.permutation(both)[: len(here)].mean() for _ in range(_DEALS)])
    return float((1 + (drawn >= here.mean() - 1e-12).sum()) / (1 + _DEALS))


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
class Spread:
    """How much words differ in effect that should not: variance (d,) of one word's, from `free` degrees of freedom."""

    variance: Array
    free: int


@dataclass(frozen=True)
class Effect:
    """How far an identity moves the answer, against the other identities: `shift` (d,) of the leaning.

    `like` is how far like words do, in the same units; `p` that the identity is no more than one of them.
    """

    identity: str
    shift: Array
    like: Spread
    p: float

    @property
    def direction(self) -> tuple[int, float]:
        """Along which dimension it moves the answer most (upwards, where there are several), and its sign."""
        if len(self.shift) == 1:
            return 0, float(np.sign(self.shift[0])) or 1.0
        return int(np.argmax(self.shift)), 1.0


def effects(found: Sequence[Wordings], said: Answers, data_words: Spread | None = None) -> dict[str, list[Effect]]:
    """Of each identity, whether it moves the answers farther than like words do, by what the like words are.

    The effect of a word is its mean over the rows, each row about its own mean. Like words are neutral ones `in place`
    of the term (or other terms of the identity, where there are none), and words of the `data` in theirs.
    """
    words = _words(found, said.leaning)
    names = [name for name in words if name != NEUTRAL]
    spreads = {"in place": _placed(words, _like(found)), "data": data_words}
    if len(names) < 2:
        return {}
    means = {name: np.asarray(words[name]).mean(axis=0) for name in names}
    shifts = {name: means[name] - np.mean([means[other] for other in names if other != name], axis=0) for name in names}
    # One word against the mean of the others: that an identity has several terms, unlike in effect, proves nothing.
    size = 1 + 1 / (len(names) - 1)
    out = {}
    for kind, spread in spreads.items():
        if spread is not None and spread.free > 1:
            like = Spread(spread.variance * size, spread.free)
            out[kind] = [Effect(name, shift, like, _t_test(shift, like)) for name, shift in shifts.items()]
    return out


def strongest(told: Mapping[str, list[Effect]]) -> tuple[str, Effect] | None:
    """The identity that stands out most from like words of every kind, by the kind it stands out from least."""
    if not told:
        return None
    least: list[tuple[str, Effect]] = []
    for same in zip(*([(kind, effect) for effect in of_kind] for kind, of_kind in told.items()), strict=True):
        least.append(max(same, key=lambda pair: pair[1].p))
    return min(least, key=lambda pair: pair[1].p)


def raised(expert: Effect, generic: Effect) -> float:
    """One-sided p that, measured in like words' effects, the expert moves no farther in its direction than the base.

    Both are t statistics, so normal with the variance that a ratio to an estimated spread has; that both models see the
    same words would only make their difference surer.
    """
    from scipy.special import ndtr

    at, sign = expert.direction
    stands, spread = [], 2.0
    for side in (expert, generic):
        # A model that does not know the like words at all moves by none of them.
        width = max(float(np.sqrt(side.like.variance[at])), abs(float(side.shift[at])) / _FARTHEST)
        stand = sign * float(side.shift[at]) / width if width > 0 else 0.0
        stands.append(stand)
        spread += stand**2 / (2 * side.like.free)
    return float(ndtr((stands[1] - stands[0]) / np.sqrt(spread)))


def _placed(words: Mapping[str, list[Array]], like: set[str]) -> Spread | None:
    """The spread of like words put in the identity's place."""
    sets = [np.asarray(each) for name, each in words.items() if name in like and len(each) > 1]
    free = sum(len(each) - 1 for each in sets)
    if not free:
        return None
    return Spread(sum(((each - each.mean(axis=0)) ** 2).sum(axis=0) for each in sets) / free, free)


def _t_test(shift: Array, like: Spread) -> float:
    """Two-sided p of a shift; of several dimensions together, with the tails of one, which is cautious."""
    from scipy.stats import t

    total = float(like.variance.sum())
    if total <= 0:
        return 1.0 if not np.any(shift) else 0.0
    return float(2 * t.sf(np.sqrt(float((shift**2).sum()) / total), like.free))


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


def residual_test(left: Array, groups: Array, seed: int) -> float:
    """p that what is left of labels (n, d) is alike on average in all groups (n,), by dealing the groups out anew."""
    sizes, rng = np.bincount(groups), np.random.default_rng([seed, len(groups)])

    def statistic(order: Array) -> float:
        sums = np.stack([np.bincount(groups, column) for column in left[order].T])
        return float((sums**2 / np.maximum(sizes, 1)).sum())

    # The mean is no difference between groups.
    left = left - left.mean(axis=0)
    seen = statistic(np.arange(len(left)))
    larger = sum(statistic(rng.permutation(len(left))) >= seen * (1 - 1e-12) for _ in range(999))
    return (1 + larger) / 1000


def _told(said: Answers) -> Array:
    if said.codes is None:
        return said.scores
    return np.asarray(np.eye(said.scores.shape[1])[said.codes])
