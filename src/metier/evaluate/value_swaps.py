"""Swaps of a group's own column, where the expert reads it: every row with every group's value, all else as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from metier.evaluate.case import Case
from metier.evaluate.groups import Groups
from metier.evaluate.swap_tests import Answers, directed
from metier.evaluate.swaps import EXAMPLES, Axis, Flip, both, flip_gain, named, one_sided, share_of
from metier.tasks.contract import Array

_MOST_VALUES = 8  # the commonest groups


def axis(case: Case, groups: Groups) -> Axis:
    """How often another value of the column turns the answer, in the expert and in its generic base.

    There are no neutral values to compare with, nor is any needed: nothing but the column changed. `p_directed` says
    whether some groups' values bring another answer than others', on the whole.
    """
    positions = case.sample()
    task, inputs = case.expert.task, case.examples.inputs.take(pa.array(positions))
    given, own = task.values(inputs, groups.name), groups.codes[positions]
    common = np.argsort(-np.bincount(own, minlength=len(groups.labels)), kind="stable")[:_MOST_VALUES]
    typical = _typical(task.values(case.examples.inputs, groups.name), groups, sorted(common.tolist()))
    said = {
        code: both(case, task.with_values(inputs, groups.name, _swapped(given, own, code, value)))
        for code, value in typical.items()
    }
    before = both(case, inputs)
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
        p_neutral=None,
        p_directed=directed([each[0] for each in said.values()], case.seed),
        p_tuning=one_sided(change),
        pushed=None,
        towards="",
        examples=tuple(_examples(case, groups, positions, typical, said, before)),
    )


def _typical(values: Sequence[Any], groups: Groups, codes: Sequence[int]) -> dict[int, Any]:
    """A value that stands for each group: the middle one where it is a band of numbers."""
    out = {}
    for code in codes:
        known = sorted((values[at] for at in np.flatnonzero(groups.codes == code) if values[at] is not None), key=_size)
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
