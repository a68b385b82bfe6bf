"""What an explanation is about: a model that answers without leaving a trace, and its claim on each example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from metier.expert import Expert
from metier.progress import Silent
from metier.tasks.contract import Array, Inputs, Predictor, Target, Task
from metier.trunk.features import Trunk

# One example and which of its units stay, (m, units) each.
Kept = Sequence[tuple[int, Array]]


@dataclass(frozen=True)
class Subject:
    """A model to be explained. `usual` is what stands in for a removed unit, where the kind of task has such a thing.

    `support` is of calibrated outputs: what is explained is what a person was told.
    """

    task: Task
    target: Target
    predictor: Predictor
    calibration: Mapping[str, float]
    usual: Inputs | None
    # Raw outputs of what is left once everything is removed, by what that is: of texts always the same, nothing.
    emptied: dict[str, Array] = field(default_factory=dict, repr=False, compare=False, kw_only=True)

    def kept(self, inputs: Inputs, kept: Kept) -> list[Array]:
        """For each (position, masks (m, units)) the raw outputs of its copies, each distinct copy asked once."""
        masks = [np.unique(part, axis=0, return_inverse=True) for _, part in kept]
        asked = [(position, distinct) for (position, _), (distinct, _) in zip(kept, masks, strict=True)]
        if not any(len(part) for _, part in asked):
            nothing = np.zeros((0, self.target.width))
            return [nothing[:, 0] if self.target.width == 1 else nothing for _ in kept]
        told = self.asked(inputs, asked)
        ends = np.cumsum([0, *(len(part) for _, part in asked)])
        parts = [told[start:end] for start, end in pairwise(ends)]
        return [part[back.reshape(-1)] for part, (_, back) in zip(parts, masks, strict=True)]

    def asked(self, inputs: Inputs, kept: Kept) -> Array:
        """The raw outputs of all these copies, one after the other."""
        return self.predictor.outputs(self.task.keeping(inputs, kept, self.usual))

    def support(self, outputs: Array, codes: Array | int) -> Array:
        """How strongly raw outputs speak for claims (n,): the class's honest probability, or the value by its sign."""
        told = self.target.calibrated(outputs, self.calibration)
        codes = np.broadcast_to(np.asarray(codes), (len(told),))
        if told.ndim == 2:
            return np.asarray(np.exp(told[np.arange(len(told)), codes].astype(np.float64)))
        return np.asarray(told.astype(np.float64) * codes)

    def claims(self, inputs: Inputs, outputs: Array | None = None, said: Array | None = None) -> Claims:
        """What the model says of each example, as far as an explanation needs it. `outputs` are its own, if known.

        `said` (n,) are the classes that a person was told, where that is not simply the likeliest.
        """
        units = tuple(len(self.task.units(inputs, at)) for at in range(len(inputs)))
        outputs = self.predictor.outputs(inputs) if outputs is None else outputs
        empty = self._empty(inputs, units)
        codes = outputs.argmax(axis=1) if outputs.ndim == 2 else np.where(outputs >= empty, 1, -1)
        codes = codes if said is None else said
        full, least = self.support(outputs, codes), self.support(empty, codes)
        if outputs.ndim == 2:
            # A guess among k labels is all that is left of a claim nothing speaks for, whatever an empty text gets.
            least = np.minimum(least, 1 / outputs.shape[1])
        return Claims(inputs, units, outputs, codes, full, least)

    def _empty(self, inputs: Inputs, units: Sequence[int]) -> Array:
        """(n, k) or (n,) raw outputs of the examples with every unit removed, each distinct one asked once, ever."""
        nothing = [(at, np.zeros((1, count), bool)) for at, count in enumerate(units)]
        left = self.task.keeping(inputs, nothing, self.usual)
        names = [repr(one) for one in left.to_pylist()]
        new = {name: at for at, name in enumerate(names) if name not in self.emptied}
        if new:
            places = np.array(list(new.values()))
            told = self.predictor.outputs(left.take(places))
            self.emptied.update(zip(new, told, strict=True))
        return np.stack([self.emptied[name] for name in names])


@dataclass(frozen=True)
class Remembering(Subject):
    """A subject that is asked about one set of inputs again and again, by many methods: it answers each copy once."""

    known: dict[tuple[int, bytes], Array] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, plain: Subject) -> Remembering:
        """With nothing remembered yet."""
        return cls(plain.task, plain.target, plain.predictor, plain.calibration, plain.usual, emptied=plain.emptied)

    def asked(self, inputs: Inputs, kept: Kept) -> Array:
        """As a plain subject answers; the inputs must always be the same."""
        keys = [[(position, mask.tobytes()) for mask in masks] for position, masks in kept]
        new = [
            (position, masks[[key not in self.known for key in own]])
            for (position, masks), own in zip(kept, keys, strict=True)
        ]
        if any(len(masks) for _, masks in new):
            told = iter(super().asked(inputs, new))
            self.known.update({(position, mask.tobytes()): next(told) for position, masks in new for mask in masks})
        return np.stack([self.known[key] for own in keys for key in own])


@dataclass(frozen=True)
class Claims:
    """n examples, how many units each has, the raw outputs, and what the model claims: `codes` (n,), classes it gives.

    For a quantity a code is +1 or -1: whether the example as a whole speaks for more or for less than an empty one.
    `full` (n,) is the support of the claim by the whole example, `least` what is left of it where nothing supports it.
    """

    inputs: Inputs
    units: tuple[int, ...]
    outputs: Array
    codes: Array
    full: Array
    least: Array

    def __len__(self) -> int:
        return len(self.codes)


def of(expert: Expert, usual: Inputs | None) -> Subject:
    """The expert as an explanation asks it."""
    return Subject(expert.task, expert.target, untraced(expert.predictor), expert.about["calibration"], usual)


def generic_of(expert: Expert, usual: Inputs | None) -> Subject:
    """The expert's generic base likewise."""
    about = expert.about["generic_calibration"]
    return Subject(expert.task, expert.target, untraced(expert.generic), about, usual)


def untraced(predictor: Any) -> Any:
    """The same predictor, whose trunk keeps nothing of what it reads: half-deleted texts are nobody's features."""
    if hasattr(predictor, "main"):
        return replace(predictor, main=untraced(predictor.main))
    trunk = getattr(predictor, "trunk", None)
    return predictor if trunk is None else replace(predictor, trunk=quiet(trunk))


def quiet(trunk: Trunk) -> Trunk:
    """The same trunk, telling nobody and keeping nothing."""
    other = trunk.with_model(trunk.model)
    other.progress = Silent()
    return other
