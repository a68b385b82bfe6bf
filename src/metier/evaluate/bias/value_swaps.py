"""Swaps of a group's own column, where the expert reads it: every row with every group's value, all else as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from metier.data.groups import Groups, cells, of_values
from metier.evaluate.bias.swap_tests import Answers, directed, residual_test
from metier.evaluate.bias.swaps import EXAMPLES, Axis, Flip, both, flip_gain, named, one_sided, share_of
from metier.evaluate.case import Case
from metier.tasks.contract import Array

_MOST_VALUES = 8  # the commonest groups
_MOST_TRAINING = 4000


def axis(case: Case, groups: Groups) -> Axis:
    """How often another value of the column turns the answer, in the expert and in its generic base.

    `p_directed` says whether some groups' values bring another answer than others', on the whole. Any column that is
    read has some such effect, if only by the chance of which rows were trained on: `p_neutral` says whether training
    rows' own labels go with the column beyond that chance, and is 1 where they are not at hand.
    """
    positions = case.sample()
    task, inputs = case.expert.task, case.examples.inputs.take(pa.array(positions))
    given, own = task.values(inputs, groups.name), groups.codes[positions]
    common = np.argsort(-np.bincount(own, minlength=len(groups.labels)), kind="stable")[:_MOST_VALUES]
    typical = _typical(task.values(case.examples.inputs, groups.name), groups, sorted(common.tolist()))
    said = {}
    for code, value in typical.items():
        values = _swapped(given, own, code, value)
        said[code] = both(case, task.with_values(inputs, groups.name, values), _shifts(case, positions, groups, values))
    before = both(case, inputs, case.shifts(positions))
    turned = [{code: each[side].turned(before[side]) for code, each in said.items()} for side in (0, 1)]
    flips, base = (np.any(list(side.values()), axis=0) for side in turned)
    change = flip_gain(flips, base, case.level)
    return Axis(
        name=groups.name,
        title=groups.name,
        rows=len(positions),
        identities=tuple(groups.labels[code] for code in typical),
        flips=share_of(flips, case.level),
        generic=share_of(base, case.level),
        change=change,
        neutral=None,
        p_neutral=_learnt(case, groups, typical),
        p_directed=directed([each[0] for each in said.values()], case.seed),
        p_tuning=one_sided(change),
        pushed=None,
        towards="",
        examples=tuple(_examples(case, groups, positions, typical, said, before)),
        column=True,
    )


def _shifts(case: Case, positions: Array, groups: Groups, values: Sequence[Any]) -> Array | None:
    """What the rows' thresholds take off once the column holds these values: who is in another group is judged so."""
    thresholds = case.expert.thresholds
    if thresholds is None:
        return None
    rows = case.examples.rows[positions]
    columns = [
        values if name == groups.name else cells(case.dataset.table, name, rows, "--group")
        for name in thresholds.columns
    ]
    return thresholds.of_values(columns)


def _learnt(case: Case, groups: Groups, typical: Mapping[int, Any]) -> float:
    """p that training labels have nothing to do with the column, once all else that is read is accounted for.

    What is left of a label is its distance from the expert's answer averaged over all values of the column. Whether
    that differs by group is tested by dealing the groups out anew.
    """
    if case.origin is None or groups.name not in case.origin.dataset.table.column_names:
        return 1.0
    rows = case.origin.examples
    rng = np.random.default_rng([case.seed, len(rows)])
    chosen = np.sort(rng.choice(len(rows), min(len(rows), _MOST_TRAINING), replace=False))
    inputs, truth = rows.inputs.take(pa.array(chosen)), rows.targets[chosen]
    task = case.expert.task
    said = [case.expert_of(task.with_values(inputs, groups.name, [value] * len(chosen))) for value in typical.values()]
    if case.classes:
        left = np.eye(said[0].shape[1])[truth] - np.mean([np.exp(each) for each in said], axis=0)
    else:
        left = (truth - np.mean(said, axis=0))[:, None]
    return residual_test(left, of_values(groups.name, task.values(inputs, groups.name)).codes, case.seed)


def _typical(values: Sequence[Any], groups: Groups, codes: Sequence[int]) -> dict[int, Any]:
    """A value that stands for each group: the middle one where it is a band of numbers."""
    out = {}
    for code in codes:
        known = sorted(
            (values[at] for at in np.flatnonzero(groups.codes == code).tolist() if values[at] is not None), key=_size
        )
        out[code] = known[len(known) // 2] if known else None
    return out


def _size(value: Any) -> tuple[float, str]:
    try:
        return float(value), ""
    except (TypeError, ValueError):
        return 0.0, str(value)


def _swapped(given: Sequence[Any], own: Array, code: int, value: Any) -> list[Any]:
    """The column with one group's value, but in rows of that group, which stay as they are."""
    return [old if mine == code else value for old, mine in zip(given, own, strict=True)]


def _examples(
    case: Case,
    groups: Groups,
    positions: Array,
    typical: Mapping[int, Any],
    said: Mapping[int, tuple[Answers, Answers]],
    before: tuple[Answers, Answers],
) -> list[Flip]:
    shown: dict[int, Flip] = {}
    for code, each in said.items():
        for at in np.flatnonzero(each[0].turned(before[0])):
            if len(shown) == EXAMPLES:
                return list(shown.values())
            place = int(positions[at])
            source, identity = groups.labels[groups.codes[place]], groups.labels[code]
            shown.setdefault(
                place,
                Flip(
                    int(case.examples.rows[place]),
                    source,
                    identity,
                    case.expert.task.render(case.examples.inputs, place),
                    f"{groups.name}: {typical[code]}",
                    named(case, before[0], each[0], int(at)),
                    named(case, before[1], each[1], int(at)),
                ),
            )
    return list(shown.values())
