"""What a climb's chosen rung and the last fit answer the held-out and the test rows, groups' thresholds included."""

from __future__ import annotations

from dataclasses import dataclass

from metier.data.dataset import Dataset
from metier.tasks.contract import Array, Examples, Predictor
from metier.tune.ladder import Climb
from metier.tune.mitigation import GroupThresholds, Mitigation


@dataclass(frozen=True)
class Tested:
    """A test file: its table, and the rows of it that can be used."""

    dataset: Dataset
    examples: Examples


@dataclass(frozen=True)
class Answers:
    """Raw outputs for the held-out and the test rows, with the groups' thresholds in them where there are any.

    `tested_before` are those for the test rows without thresholds.
    """

    held_out: Array
    tested: Array | None
    tested_before: Array | None
    thresholds: GroupThresholds | None


def answers_of(
    climb: Climb, final: Predictor, mitigation: Mitigation | None, dataset: Dataset, test: Tested | None
) -> Answers:
    """The chosen rung's answers to the climb's held-out rows of `dataset`, the last fit's to the test rows."""
    outputs = climb.chosen.outputs
    assert outputs is not None
    before = tested = None if test is None else final.outputs(test.examples.inputs)
    found = None if mitigation is None else mitigation.thresholds(outputs, climb.held_out)
    if found is not None:
        target = climb.held_out.target
        outputs = found.applied(outputs, found.of(dataset.table, climb.held_out.rows), target)
        if test is not None and before is not None:
            tested = found.applied(before, found.of(test.dataset.table, test.examples.rows), target)
    return Answers(outputs, tested, before, found)
