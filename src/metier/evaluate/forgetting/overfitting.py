"""The gap between the rows an expert learnt from and the rows it has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot
from typing import Any

import numpy as np

from metier.data.split import input_hashes
from metier.evaluate.case import Case
from metier.evaluate.intervals import Interval, bootstrap
from metier.tasks.contract import Array


@dataclass(frozen=True)
class Fitting:
    """The metric on learnt rows and on unseen ones; `gap` is how much better it is on those it learnt."""

    train: Interval
    test: Interval
    gap: Interval
    train_rows: int
    test_rows: int
    held_out: Interval | None = None  # rows of the same file that the weights have not seen
    held_out_rows: int = 0

    def as_json(self) -> dict[str, Any]:
        """`{"train", "test", "gap", "low", "high", "held_out", "rows"}`; low and high are the gap's."""
        gap = self.gap.as_json()
        return {
            "train": self.train.as_json(),
            "test": self.test.as_json(),
            "gap": gap["value"],
            "low": gap["low"],
            "high": gap["high"],
            "held_out": self.held_out and self.held_out.as_json(),
            "rows": {"train": self.train_rows, "test": self.test_rows, "held_out": self.held_out_rows},
        }

    def words(self) -> str:
        """The finding in a sentence."""
        if self.gap.low > 0:
            share = 0 <= self.test.value <= 1 and 0 <= self.train.value <= 1
            by = f"{100 * self.gap.value:.1f} points" if share else f"{self.gap.value:.3g}"
            return f"It does better on rows it learnt from than on new ones, by {by}."
        return "It does no better on the rows it learnt from than chance explains."


def fitting(case: Case) -> Fitting | None:
    """Measure the metric on a sample of the learnt rows; None where the training rows could not be found again.

    Rows that stand in both files count as learnt and are left out. The two samples are independent: the interval of
    their difference is made of theirs (Zou & Donner 2008, MOVER).
    """
    if case.origin is None:
        return None
    origin = case.origin
    examples, learnt = origin.examples, origin.learnt
    rows = _some(np.flatnonzero(learnt), case)
    if not len(rows):
        return None
    fresh = np.flatnonzero(~np.isin(input_hashes(case.examples.inputs), input_hashes(examples.inputs)))
    if len(fresh) < 2:
        return None

    def told_of(some: Array) -> Interval:
        part = examples.take(some)
        return _measured(case, case.expert_of(part.inputs, origin.shifts(case.expert, part.rows)), part.targets)

    train = told_of(rows)
    test = _measured(case, case.evaluation.outputs[fresh], case.examples.targets[fresh])
    sign = 1.0 if case.metric.greater_is_better else -1.0
    spared = _some(np.flatnonzero(origin.held_out & ~learnt), case)
    held_out = told_of(spared) if len(spared) > 1 else None
    gap = _apart(train, test) if sign > 0 else _apart(test, train)
    return Fitting(train, test, gap, len(rows), len(fresh), held_out, len(spared))


def _measured(case: Case, outputs: Array, truth: Array) -> Interval:
    name = case.metric.name
    return bootstrap({name: case.metric}, truth, outputs, level=case.level, seed=case.seed)[name]


def _apart(a: Interval, b: Interval) -> Interval:
    """a - b of two independent figures, from the intervals of each."""
    value = a.value - b.value
    return Interval(
        value, value - hypot(a.value - a.low, b.high - b.value), value + hypot(a.high - a.value, b.value - b.low)
    )


def _some(rows: Array, case: Case) -> Array:
    most = case.plan.evaluate.sample
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng([case.seed, len(rows)]).choice(rows, most, replace=False))
