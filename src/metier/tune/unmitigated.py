"""The same held-out rows answered with a mitigation and without it, so that what it brought can be told.

Thresholds are held to rows they were not found on; where rows were drawn, the rung stood on is fitted again on the rows
as they were, with the settings it had, so that nothing but the rows differs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from metier.data.groups import Groups, cells, crossed, of_values
from metier.tasks.contract import Array, Examples
from metier.tune.answers import Answers, Tested
from metier.tune.ladder import Climb, Course
from metier.tune.mitigation import Mitigation, crossfitted, positive

Folds = Sequence[tuple[Examples, Examples]]

# What telling may cost beside the tuning itself.
_MOST_SECONDS = 120.0


@dataclass(frozen=True)
class Sides:
    """Raw outputs (n, k) of the same rows without (`before`) and with (`after`) a mitigation."""

    groups: Groups
    truth: Array
    before: Array
    after: Array
    how: str


def sides(
    mitigation: Mitigation, course: Course, climb: Climb, plain: Folds, answers: Answers, test: Tested | None
) -> Sides | str:
    """On test rows where there are some and thresholds were moved, else on held-out rows; or why it is not known.

    `plain` are the folds as they were before rows were drawn.
    """
    if answers.thresholds is None:
        return of_draws(mitigation, course, climb, plain)
    if test is not None and answers.tested is not None and answers.tested_before is not None:
        return of_test(mitigation, test, answers.tested_before, answers.tested)
    assert climb.chosen.outputs is not None
    return of_thresholds(mitigation, climb.chosen.outputs, climb.held_out)


def of_thresholds(mitigation: Mitigation, outputs: Array, held_out: Examples) -> Sides:
    """Thresholds of each half of the held-out rows applied to the other; `outputs` (n, 2) are without any."""
    groups = mitigation.groups.take(held_out.rows)
    of_true = mitigation.equalise == "opportunity"
    code = positive(held_out.target)
    after = crossfitted(outputs, held_out.targets, groups, code, of_true=of_true, seed=mitigation.seed)
    how = "held-out rows; each half is answered with thresholds found on the other half"
    return Sides(groups, held_out.targets, outputs, after, how)


def of_test(mitigation: Mitigation, test: Tested, before: Array, after: Array) -> Sides:
    """The last fit's answers to test rows, without and with the thresholds that the expert has."""
    examples, table = test.examples, test.dataset.table
    columns = [of_values(name, cells(table, name, examples.rows, "--test")) for name in mitigation.groups.columns]
    groups = crossed(columns) if len(columns) > 1 else columns[0]
    return Sides(groups, examples.targets, before, after, "test rows, with the thresholds that the expert has")


def of_draws(mitigation: Mitigation, course: Course, climb: Climb, plain: Folds) -> Sides | str:
    """The rung stood on, fitted on the rows as they were (`plain`, fold by fold) and as drawn; or why it was not."""
    rung = next(rung for rung in course.rungs if rung.name == climb.chosen.name)
    if rung.trains:
        return f"training the rung {rung.name} a second time costs too much"
    before, after = [], []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        works = [
            tuple(course.work(train, None, folder, settings=climb.chosen.settings) for train in (as_is, drawn))
            for (as_is, _), (drawn, _) in zip(plain, course.folds, strict=True)
        ]
        left = course.clock()
        most = _MOST_SECONDS if left is None else min(_MOST_SECONDS, left)
        needed = sum(rung.estimate(work) for fold in works for work in fold)
        if needed > most:
            return f"fitting the rung {rung.name} again takes some {needed:.0f} s, and {max(0.0, most):.0f} s were left"
        for (_, held_out), (as_is, drawn) in zip(plain, works, strict=True):
            before.append(rung.fit(as_is)[0].outputs(held_out.inputs))
            after.append(rung.fit(drawn)[0].outputs(held_out.inputs))
    groups = mitigation.groups.take(climb.held_out.rows)
    how = f"held-out rows; the rung {rung.name} fitted on the training rows as they are, and as they were drawn"
    return Sides(groups, climb.truth, np.concatenate(before), np.concatenate(after), how)
