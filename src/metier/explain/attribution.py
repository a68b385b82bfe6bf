"""Which units of an example carried the claim: several methods, each asked what it takes away when it is gone.

A method is `function(subject, claims, seed) -> [weights (units,)]`, one array an example; greater means that the unit
speaks more for the claim. Which of them to believe is not settled here but measured: see `faithfulness`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from metier.explain.subject import Claims, Kept, Subject
from metier.tasks.contract import Array

Weights = list[Array]
_MOST_UNITS = 32  # beyond, neighbouring units are looked at in groups first
_GROUPS = 16
_OPENED = 16  # units looked at one by one within the groups that matter most
_PATH = 8
_SAMPLES = 40
_TRIED = 3  # candidates asked again at each step of the stepwise removal
_FURTHEST = 0.5  # of the units


@dataclass(frozen=True)
class Method:
    """A way to attribute: what it does in one line, whether a model lends itself to it, and the work."""

    summary: str
    removes: bool  # asks about copies with units removed, which a rough answer is good enough for
    applies: Callable[[Subject], bool]
    function: Callable[[Subject, Claims, int], Weights]
    singly: bool = False  # begins with each part removed alone: `first_removals`


def leave_one_out(subject: Subject, claims: Claims, _seed: int = 0) -> Weights:
    """What each unit takes from the claim when it alone is removed (Li, Monroe & Jurafsky 2016), asked exactly.

    Long examples are asked by groups of neighbouring units first, then within those that matter most by smaller ones,
    down to single units: what a text costs hardly grows with its length.
    """
    parts = [_groups(subject, claims, at) for at in range(len(claims))]
    out = [np.zeros(units) for units in claims.units]
    while any(parts):
        drops = _drops(subject, claims, parts)
        for weights, groups, taken in zip(out, parts, drops, strict=True):
            for group, drop in zip(groups, taken, strict=True):
                weights[group] = drop / len(group)
        parts = [_opened(groups, taken) for groups, taken in zip(parts, drops, strict=True)]
    return out


def stepwise(subject: Subject, claims: Claims, _seed: int = 0) -> Weights:
    """Remove the unit that takes most, then from what is left the next, until half is gone (after Feng et al. 2018).

    Units that say the same thing hide each other from leaving out one at a time; taken away one after the other they
    show. Each step asks again for the three most likely units only. A unit's weight is what it took at its step, pooled
    where a later step took more, so that weights fall in the order of removal and add up to what was taken in all.
    """
    parts = [_groups(subject, claims, at) for at in range(len(claims))]
    drops = _drops(subject, claims, parts)
    expected = [drop.copy() for drop in drops]
    removed: list[list[int]] = [[] for _ in parts]
    taken: list[list[float]] = [[] for _ in parts]
    wanted = [int(np.ceil(_FURTHEST * len(groups))) for groups in parts]
    for at, drop in enumerate(drops):
        if len(drop):
            _take(int(drop.argmax()), float(drop.max()), expected[at], removed[at], taken[at])
    while left := [at for at, gone in enumerate(removed) if len(gone) < wanted[at]]:
        tried = [
            np.argsort(-expected[at], kind="stable")[: min(_TRIED, len(parts[at]) - len(removed[at]))] for at in left
        ]
        kept = []
        for at, candidates in zip(left, tried, strict=True):
            gone = [[*removed[at], int(candidate)] for candidate in candidates]
            kept.append((at, _masks(claims.units[at], parts[at], gone)))
        for at, candidates, told in zip(left, tried, subject.kept(claims.inputs, kept), strict=True):
            before = claims.full[at] - sum(taken[at])
            found = before - subject.support(told, claims.codes[at])
            expected[at][candidates] = found
            best = int(found.argmax())
            _take(int(candidates[best]), float(found[best]), expected[at], removed[at], taken[at])
    out = []
    for at, groups in enumerate(parts):
        falling = _falling(np.asarray(taken[at]))
        by_group = np.minimum(drops[at], falling[-1]) if len(falling) else drops[at]
        by_group[removed[at]] = falling
        weights = np.zeros(claims.units[at])
        for group, drop in zip(groups, by_group, strict=True):
            weights[group] = drop / len(group)
        out.append(weights)
    return out


def surrogate(subject: Subject, claims: Claims, seed: int) -> Weights:
    """A weighted sum fitted to the answers with random units removed: KernelSHAP (Lundberg & Lee 2017), in pairs.

    40 answers an example, sizes drawn by Shapley's kernel; the weights add up to what removing everything takes.
    """
    parts = [_groups(subject, claims, at) for at in range(len(claims))]
    drawn = []
    for at, groups in enumerate(parts):
        rng = np.random.default_rng([seed, _stamp(subject, claims, at)])
        drawn.append(_coalitions(len(groups), rng))
    kept = []
    for at, (groups, stays) in enumerate(zip(parts, drawn, strict=True)):
        gone = [[*range(len(groups))], *(np.flatnonzero(~row).tolist() for row in stays)]
        kept.append((at, _masks(claims.units[at], groups, gone)))
    out = []
    for at, told in enumerate(subject.kept(claims.inputs, kept)):
        weights = np.zeros(claims.units[at])
        left = subject.support(told, claims.codes[at])
        total = claims.full[at] - left[0]
        fitted = _shapley(drawn[at].astype(float), left[1:] - left[0], total) if len(parts[at]) > 1 else [total]
        for group, weight in zip(parts[at], fitted, strict=False):
            weights[group] = weight / len(group)
        out.append(weights)
    return out


def integrated_gradients(subject: Subject, claims: Claims, _seed: int = 0) -> Weights:
    """Integrated gradients on token embeddings, through trunk, head and blend."""
    from metier.explain import gradients

    return gradients.integrated(subject, claims, _PATH)


def gradient(subject: Subject, claims: Claims, _seed: int = 0) -> Weights:
    """Gradient times input: one look, the cheapest."""
    from metier.explain import gradients

    return gradients.integrated(subject, claims, 1)


def at_random(subject: Subject, claims: Claims, seed: int) -> Weights:
    """Any order: what a method must beat to be worth its name."""
    return [
        np.random.default_rng([seed, 1, _stamp(subject, claims, at)]).random(count)
        for at, count in enumerate(claims.units)
    ]


def _differentiable(subject: Subject) -> bool:
    trunk = getattr(subject.predictor, "trunk", None)
    return trunk is not None and trunk.reads_texts and hasattr(subject.predictor, "head")


def _always(_subject: Subject) -> bool:
    return True


RANDOM = "random"
PLAIN = "leave-one-out"  # where nothing could be measured
# From the cheapest to the dearest, on texts of some twenty words.
METHODS: Mapping[str, Method] = {
    "gradient": Method("the gradient at this text, times its embedding", False, _differentiable, gradient),
    "leave-one-out": Method(
        "what each part takes with it when it alone is removed", True, _always, leave_one_out, True
    ),
    "integrated-gradients": Method(
        "gradients from an empty text to this", False, _differentiable, integrated_gradients
    ),
    "surrogate": Method("a weighted sum fitted to random removals (KernelSHAP)", True, _always, surrogate),
    "stepwise": Method("parts removed one by one, the one that takes most first", True, _always, stepwise, True),
}


def _take(group: int, drop: float, expected: Array, removed: list[int], taken: list[float]) -> None:
    removed.append(group)
    taken.append(drop)
    expected[group] = -np.inf


def _falling(values: Array) -> Array:
    """The nearest sequence that never rises, in squares: neighbours that rise are pooled (Ayer et al. 1955)."""
    blocks: list[list[float]] = []
    for value in values:
        blocks.append([float(value), 1.0])
        while len(blocks) > 1 and blocks[-2][0] < blocks[-1][0]:
            (one, some), (other, more) = blocks[-2:]
            blocks[-2:] = [[(one * some + other * more) / (some + more), some + more]]
    return np.concatenate([np.full(int(size), mean) for mean, size in blocks]) if blocks else np.zeros(0)


def first_removals(subject: Subject, claims: Claims) -> Kept:
    """What a method that begins `singly` asks first of each example: every part removed alone."""
    return _alone(claims, [_groups(subject, claims, at) for at in range(len(claims))])


def _alone(claims: Claims, parts: Sequence[Sequence[Sequence[int]]]) -> list[tuple[int, Array]]:
    return [
        (at, _masks(claims.units[at], groups, [[group] for group in range(len(groups))]))
        for at, groups in enumerate(parts)
    ]


def _drops(subject: Subject, claims: Claims, parts: Sequence[Sequence[Sequence[int]]]) -> list[Array]:
    """What removing each group alone takes from its example's claim."""
    told = subject.kept(claims.inputs, _alone(claims, parts))
    return [claims.full[at] - subject.support(outputs, claims.codes[at]) for at, outputs in enumerate(told)]


def _masks(units: int, groups: Sequence[Sequence[int]], gone: Sequence[Sequence[int]]) -> Array:
    """(m, units): which units stay when these groups are gone."""
    masks = np.ones((len(gone), units), bool)
    for row, removed in enumerate(gone):
        for group in removed:
            masks[row, list(groups[group])] = False
    return masks


def _opened(groups: Sequence[list[int]], drops: Array) -> list[list[int]]:
    """The groups that matter most, in some sixteen pieces: single units or, of large groups, smaller ones."""
    pieces: list[list[int]] = []
    for at in np.argsort(-np.abs(drops), kind="stable"):
        group = groups[at]
        if len(group) < 2:
            continue
        size = 1 if len(group) <= 2 * _OPENED else -(-len(group) // _GROUPS)
        inside = [group[start : start + size] for start in range(0, len(group), size)]
        if len(pieces) + len(inside) <= _OPENED or not pieces:
            pieces += inside
    return sorted(pieces)


def _groups(subject: Subject, claims: Claims, position: int) -> list[list[int]]:
    """The units one by one or, where they are many, in some sixteen runs that end where the text pauses."""
    count = claims.units[position]
    if count <= _MOST_UNITS:
        return [[unit] for unit in range(count)]
    text, spans = subject.task.spelled(claims.inputs, position), subject.task.units(claims.inputs, position)
    pauses = [not any(c.isalnum() for c in text[start:end]) for start, end in spans]
    size, groups, run = count / _GROUPS, [], list[int]()
    for unit in range(count):
        run.append(unit)
        if len(run) >= 1.5 * size or (len(run) >= 0.5 * size and pauses[unit]):
            groups.append(run)
            run = []
    return [*groups, run] if run else groups


def _coalitions(count: int, rng: np.random.Generator) -> Array:
    """(samples, count) which groups stay: sizes by Shapley's kernel, every draw with its opposite."""
    if count < 2:
        return np.zeros((0, count), bool)
    sizes = np.arange(1, count)
    chances = 1.0 / (sizes * (count - sizes))
    drawn = rng.choice(sizes, _SAMPLES // 2, p=chances / chances.sum())
    ranks = rng.random((len(drawn), count)).argsort(axis=1).argsort(axis=1)
    stays = ranks < drawn[:, None]
    return np.concatenate([stays, ~stays])


def _shapley(stays: Array, values: Array, total: float) -> Array:
    """Least squares under the condition that the weights add up to `total`; a touch of ridge for few samples."""
    last = stays[:, -1:]
    columns = stays[:, :-1] - last
    wanted = values - last[:, 0] * total
    inner = columns.T @ columns + 1e-3 * np.eye(columns.shape[1])
    weights = np.linalg.solve(inner, columns.T @ wanted)
    return np.append(weights, total - weights.sum())


def _stamp(subject: Subject, claims: Claims, position: int) -> int:
    """A number of the example's own, so that its explanation does not hang on which others were asked for with it."""
    return zlib.crc32(subject.task.render(claims.inputs, position).encode("utf-8", "surrogatepass"))
