"""General ability, before tuning and after: what a base's vectors know of everyday English, and their geometry.

An `Ability` is a mapping from part to one score an item, so that parts can be added: a base that generates text will
bring the likelihood of general text and its divergence from the untuned base as further parts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from metier.evaluate.intervals import Gain, Interval
from metier.tasks.contract import Array

if TYPE_CHECKING:
    from metier.trunk.features import Trunk

NEIGHBOURS = 10
_REPLICATES = 2000
_GROUPS = 20  # of texts, left out in turn


@dataclass(frozen=True)
class Suite:
    """The bundled texts, each once, and where the parts' items stand among them."""

    texts: tuple[str, ...]
    topics: Array  # (a, 2): text, topic
    meanings: Array  # (b, 3): text, one that means the same, the opposite in nearly the same words
    questions: Array  # (c, 2): question, answer


@dataclass(frozen=True)
class Ability:
    """Scores of one base: for each part one number an item, 1 where it is right and 0 on average for mere chance.

    `raw` holds each part's plain figure and `chance` what guessing reaches in it; `vectors` (n, d) are the suite's.
    """

    parts: Mapping[str, Array]
    raw: Mapping[str, float]
    chance: Mapping[str, float]
    vectors: Array

    @property
    def value(self) -> float:
        """The mean of the parts' means: 0 for chance, 1 for everything right."""
        return float(np.mean([scores.mean() for scores in self.parts.values()]))


@cache
def suite() -> Suite:
    """Read the bundled suite."""
    topics, meanings, questions = (_read(name) for name in ("topics", "meanings", "questions"))
    labelled = [(text, code) for code, texts in enumerate(topics.values()) for text in texts]
    every = dict.fromkeys([text for text, _ in labelled] + [text for item in (*meanings, *questions) for text in item])
    at = {text: place for place, text in enumerate(every)}
    return Suite(
        tuple(every),
        np.array([(at[text], code) for text, code in labelled]),
        np.array([[at[text] for text in item] for item in meanings]),
        np.array([[at[text] for text in item] for item in questions]),
    )


def _read(name: str) -> Any:
    return json.loads(
        resources.files("metier.evaluate.forgetting.general").joinpath(f"{name}.json").read_text(encoding="utf-8")
    )


def ability(trunk: Trunk) -> Ability:
    """What this trunk's meaning vectors know; embeds the suite's some 700 sentences."""
    return ability_of(np.asarray(trunk.features(suite().texts)[:, : trunk.base.hidden], np.float32))


def ability_of(vectors: Array) -> Ability:
    """Vectors of the suite's texts (n, d), of length 1 -> how far each item is right.

    Topics: is a sentence nearest to the centre of its own topic, itself left out? Meanings: at which place stands the
    sentence that means the same, among all others (reciprocal rank)? Questions: at which place stands the answer?
    A sentence's own opposite is no rival: negation and turned roles are beyond most encoders, tuned or not.
    """
    place = suite()
    topic = _nearest_topic(vectors[place.topics[:, 0]], place.topics[:, 1])
    first, same, opposite = (vectors[place.meanings[:, column]] for column in range(3))
    rivals = first @ opposite.T
    np.fill_diagonal(rivals, -np.inf)
    meaning = _reciprocal_rank(np.hstack([first @ same.T, rivals]))
    question = _reciprocal_rank(vectors[place.questions[:, 0]] @ vectors[place.questions[:, 1]].T)
    plain = {"topics": topic.astype(float), "meanings": meaning, "questions": question}
    chance = {
        "topics": 1 / len(np.unique(place.topics[:, 1])),
        "meanings": _chance_rank(2 * len(first) - 1),
        "questions": _chance_rank(len(question)),
    }
    return Ability(
        parts={name: (scores - chance[name]) / (1 - chance[name]) for name, scores in plain.items()},
        raw={name: float(scores.mean()) for name, scores in plain.items()},
        chance=chance,
        vectors=vectors,
    )


def _nearest_topic(vectors: Array, topics: Array) -> Array:
    """(n,) whether each vector's nearest centre is its own topic's, which is taken without it."""
    member = np.eye(topics.max() + 1)[topics]
    sums, sizes = member.T @ vectors, member.sum(0)
    near = vectors @ (sums / np.linalg.norm(sums, axis=1, keepdims=True)).T
    without = (sums[topics] - vectors) / np.maximum(sizes[topics] - 1, 1)[:, None]
    norms = np.maximum(np.linalg.norm(without, axis=1), 1e-12)
    near[np.arange(len(topics)), topics] = (vectors * without).sum(1) / norms
    return np.asarray(near.argmax(1) == topics)


def _reciprocal_rank(near: Array) -> Array:
    """(n,) one over the place of entry i of row i among all of its row."""
    own = near[np.arange(len(near)), np.arange(len(near))]
    return np.asarray(1.0 / (1 + (near > own[:, None]).sum(1)))


def _chance_rank(rivals: int) -> float:
    return float((1 / np.arange(1, rivals + 1)).mean())


# ------------------------------------------------------------------------------------------------------- how sure


def interval(found: Ability, *, level: float, seed: int) -> Interval:
    """General ability with its bootstrap interval, items drawn within their parts."""
    low, high = np.quantile(_resampled([list(found.parts.values())], seed)[0], _tails(level))
    return Interval(found.value, float(low), float(high))


def difference(before: Ability, after: Ability, *, level: float, seed: int) -> Gain:
    """How much better `after` is on the same items; negative where something was forgotten.

    The hull of the paired bootstrap's interval and that of a randomisation test, as in `intervals.paired_gain`.
    """
    parts = [after.parts[name] - before.parts[name] for name in before.parts]
    points = after.value - before.value
    low, high = np.quantile(_resampled([parts], seed)[0], _tails(level))
    rng = np.random.default_rng([seed, 1])
    null = np.mean(
        [rng.choice([-1.0, 1.0], size=(_REPLICATES, len(part))) @ part / len(part) for part in parts], axis=0
    )
    null_low, null_high = np.quantile(null, _tails(level))
    p = (1 + int((np.abs(null) >= abs(points) - 1e-12).sum())) / (1 + len(null))
    return Gain(points, float(min(low, points - null_high)), float(max(high, points - null_low)), p)


def share_kept(before: Ability, after: Ability, *, level: float, seed: int) -> Interval | None:
    """`after` as a share of `before`, with its interval; None where the base knows no more than chance."""
    if interval(before, level=level, seed=seed).low <= 0:
        return None
    then, now = _resampled([[part[name] for name in before.parts] for part in (before.parts, after.parts)], seed)
    low, high = np.quantile(now / np.maximum(then, 1e-9), _tails(level))
    return Interval(after.value / before.value, float(low), float(high))


def _resampled(models: Sequence[Sequence[Array]], seed: int) -> list[Array]:
    """(replicates,) means of parts for each model, all from the same draws of items."""
    rng = np.random.default_rng(seed)
    sums = [np.zeros(_REPLICATES) for _ in models]
    for parts in zip(*models, strict=True):
        n = len(parts[0])
        drawn = rng.multinomial(n, np.full(n, 1 / n), size=_REPLICATES)
        for total, scores in zip(sums, parts, strict=True):
            total += drawn @ scores / n
    return [total / len(models[0]) for total in sums]


def _tails(level: float) -> tuple[float, float]:
    return (1 - level) / 2, (1 + level) / 2


# ------------------------------------------------------------------------------------------------------- geometry


def neighbour_overlap(before: Array, after: Array, *, level: float, seed: int, k: int = NEIGHBOURS) -> Interval:
    """The share of each vector's k nearest that stay among its k nearest, mean over vectors (n, d) of length 1."""

    def overlap(a: Array, b: Array) -> float:
        first, second = _nearest(a, k), _nearest(b, k)
        return float((first[:, :, None] == second[:, None, :]).any(2).mean())

    return _jackknife(overlap, before, after, level, seed)


def linear_cka(before: Array, after: Array, *, level: float, seed: int) -> Interval:
    """Linear centred kernel alignment of vectors (n, d) and (n, e) of the same texts (Kornblith et al. 2019, eq. 3).

    1 where one is the other turned and scaled, near 0 where they have nothing in common.
    """
    return _jackknife(_cka, before, after, level, seed)


def _nearest(vectors: Array, k: int) -> Array:
    near = vectors @ vectors.T
    np.fill_diagonal(near, -np.inf)
    return np.argpartition(-near, k, axis=1)[:, :k]


def _cka(a: Array, b: Array) -> float:
    a, b = (x.astype(np.float64) - x.mean(0) for x in (a, b))
    across, one, two = (float(np.linalg.norm(x.T @ y)) for x, y in ((a, b), (a, a), (b, b)))
    return round(min(1.0, across**2 / max(one * two, 1e-12)), 12)


def _jackknife(
    measure: Callable[[Array, Array], float], before: Array, after: Array, level: float, seed: int
) -> Interval:
    """A likeness in 0..1 with its interval, groups of texts left out in turn: no text's part is its own alone."""
    from scipy.special import ndtri

    value = measure(before, after)
    group = np.random.default_rng(seed).permutation(np.arange(len(before)) % _GROUPS)
    without = np.array([measure(before[group != one], after[group != one]) for one in range(_GROUPS)])
    half = round(float(ndtri((1 + level) / 2) * np.sqrt((_GROUPS - 1) * without.var())), 12)
    return Interval(value, max(0.0, value - half), min(1.0, value + half))
