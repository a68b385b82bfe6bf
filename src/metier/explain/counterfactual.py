"""The smallest change that turns the answer, found by asking the expert itself: "had it not said 'refund', ..."."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from metier.explain.attribution import Weights
from metier.explain.neighbours import Memory
from metier.explain.subject import Claims, Subject
from metier.tasks.contract import Array, Inputs, Target
from metier.tune.folds import together

_FIRST = (1, 2, 3)
_DONORS = 5  # nearest rows of another label that words or values are taken from
_WORDS = 3  # of theirs, that the greatest unit is exchanged for


@dataclass(frozen=True)
class Counterfactual:
    """A changed example (`inputs`, of one) that the expert answers otherwise, and its raw outputs, (1, k) or (1,).

    `text` is what a person sees of it, `units` are those that were changed, `instead` what stands in their places now;
    it is empty where they were cut out.
    """

    inputs: Inputs
    text: str
    units: tuple[int, ...]
    instead: tuple[str, ...]
    outputs: Array


def search(
    subject: Subject, claims: Claims, weights: Weights, memory: Memory | None, similarity: Array | None
) -> list[Counterfactual | None]:
    """For each example the smallest change found that turns its answer, by really answering; else None.

    Units are removed by their weight, the greatest first: one, two, three, then up to half. Where one is not enough, it
    is exchanged for what stands in the nearest rows with another label: one exchange is a smaller change than two
    removals.
    """
    orders = [np.argsort(-found, kind="stable") for found in weights]
    found: list[Counterfactual | None] = [None] * len(claims)
    sizes = [_sizes(count) for count in claims.units]
    _remove(subject, claims, orders, [part[:1] for part in sizes], found)
    left = [at for at, one in enumerate(found) if one is None]
    if memory is not None and similarity is not None:
        _exchange(subject, claims, left, orders, memory, similarity, found)
    rest = [part[1:] if found[at] is None else [] for at, part in enumerate(sizes)]
    _remove(subject, claims, orders, rest, found)
    return found


def confirmed(subject: Subject, claims: Claims, found: Sequence[Counterfactual | None]) -> list[Counterfactual | None]:
    """Those that turn the answer of this subject too, with its own outputs: what a rough one found is asked again."""
    places = [at for at, one in enumerate(found) if one is not None]
    out: list[Counterfactual | None] = [None] * len(found)
    if not places:
        return out
    told = subject.predictor.outputs(together([one.inputs for one in found if one is not None]))
    for row, at in enumerate(places):
        own, one = told[row : row + 1], found[at]
        if one is not None and turned(subject.target, claims, at, own, subject.calibration)[0]:
            out[at] = replace(one, outputs=own)
    return out


def turned(target: Target, claims: Claims, at: int, outputs: Array, calibration: Any) -> Array:
    """Which of these raw outputs (m, k) or (m,) are another answer than the example's own.

    Another label; of a quantity a value outside the interval that was given with the answer.
    """
    if outputs.ndim == 2:
        return np.asarray(outputs.argmax(axis=1) != claims.codes[at])
    interval = target.decode(claims.outputs[at : at + 1], calibration, None).interval
    if interval is None:
        return np.zeros(len(outputs), bool)
    low, high = interval[0]
    return np.asarray((outputs < low) | (outputs > high))


def _sizes(count: int) -> list[int]:
    half = count // 2
    return sorted({*(size for size in _FIRST if size < count), *(s for s in (5, 8, 12, half) if 3 < s <= half)})


def _remove(
    subject: Subject,
    claims: Claims,
    orders: Sequence[Array],
    sizes: Sequence[Sequence[int]],
    found: list[Counterfactual | None],
) -> None:
    """Remove the greatest units, as many as `sizes` says; the fewest that turn the answer are taken."""
    kept = []
    for at, wanted in enumerate(sizes):
        masks = np.ones((len(wanted), claims.units[at]), bool)
        for row, size in enumerate(wanted):
            masks[row, orders[at][:size]] = False
        kept.append((at, masks))
    for (at, masks), told in zip(kept, subject.kept(claims.inputs, kept), strict=True):
        hits = np.zeros(0, np.int64)
        if len(masks):
            hits = np.flatnonzero(turned(subject.target, claims, at, told, subject.calibration))
        if len(hits):
            first = int(hits[0])
            changed = subject.task.keeping(claims.inputs, [(at, masks[first : first + 1])], subject.usual)
            removed = tuple(int(unit) for unit in np.flatnonzero(~masks[first]))
            found[at] = _found(subject, claims, at, changed, removed, told[first : first + 1])


def _exchange(
    subject: Subject,
    claims: Claims,
    left: Sequence[int],
    orders: Sequence[Array],
    memory: Memory,
    similarity: Array,
    found: list[Counterfactual | None],
) -> None:
    """Exchange the greatest unit for what the nearest rows of another label have there; all asked at once."""
    tried: list[tuple[int, int, Inputs]] = []
    for at in left if claims.outputs.ndim == 2 else ():
        if not len(orders[at]):
            continue
        donors, unit = memory.others(similarity[at], int(claims.codes[at]), _DONORS), int(orders[at][0])
        copies = subject.task.exchanged(claims.inputs, at, unit, donors, _WORDS)
        tried += [(at, unit, copies.slice(row, 1)) for row in range(len(copies))]
    if not tried:
        return
    outputs = subject.predictor.outputs(together([copy for _, _, copy in tried]))
    surest = np.argsort(-outputs.max(axis=1), kind="stable")
    for row in surest:
        at, unit, copy = tried[row]
        told = outputs[row : row + 1]
        if found[at] is None and turned(subject.target, claims, at, told, subject.calibration)[0]:
            found[at] = _found(subject, claims, at, copy, (unit,), told)


def _found(
    subject: Subject, claims: Claims, at: int, changed: Inputs, units: tuple[int, ...], outputs: Array
) -> Counterfactual:
    text, spans = subject.task.spelled(changed, 0), subject.task.units(changed, 0)
    # As many units as before: something stands where the changed ones stood.
    instead = tuple(text[slice(*spans[unit])] for unit in units) if len(spans) == claims.units[at] else ()
    return Counterfactual(changed, subject.task.render(changed, 0), units, instead, outputs)
