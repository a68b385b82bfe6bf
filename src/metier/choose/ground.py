"""What choosing and comparing stand on: the user's rows, prepared and divided as the ladder divides them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from metier import lifecycle, tasks
from metier.data.dataset import Dataset
from metier.data.split import split
from metier.errors import DataError, UsageError
from metier.evaluate.metrics import find_metric
from metier.plan import Plan
from metier.tasks.contract import Examples, Metric, Rung, Task
from metier.tune.folds import folds_of
from metier.workspace import Workspace


@dataclass(frozen=True)
class Ground:
    """A table with its kind, examples and metric; `folds` are (training, held-out) examples as on the ladder."""

    plan: Plan
    place: Workspace
    dataset: Dataset
    test: Dataset | None
    task: Task
    examples: Examples
    test_examples: Examples | None
    metric: Metric

    def folds(self, fewest: int) -> tuple[tuple[Examples, Examples], ...]:
        """The ladder's split; where it holds out fewer rows than `fewest`, five folds that hold out every row once."""
        parts = split(self.examples, self.plan)
        train, held_out = parts.train, parts.validation
        if len(held_out) < fewest:
            train, held_out = np.concatenate([train, held_out]), held_out[:0]
        if self.examples.assigned is not None:
            train, held_out = parts.train, parts.validation
        return folds_of(self.examples, train, held_out, self.plan.seed)

    def rungs(self) -> dict[str, Rung]:
        """The kind's ladder by name, cheapest first."""
        return {rung.name: rung for rung in self.task.rungs(self.examples.target)}


def lay(data: str | Path, plan: Plan, place: Workspace) -> Ground:
    """Read and prepare a table of labelled rows. Raises DataError where it has no labels."""
    dataset = lifecycle.read(data, plan, place)
    test = lifecycle.read(plan.data.test, plan, place) if plan.data.test else None
    if dataset.schema.target is None:
        raise DataError(
            "no-labels",
            "Choosing and comparing need a column with the right answers.",
            found=f"columns {', '.join(dataset.table.column_names)}, none of them plainly the target",
            fix="Name it with --target COLUMN.",
        )
    task = tasks.of(dataset.schema, plan.data.kind)
    if not task.compared:
        raise UsageError(
            "not-compared",
            "Bases and ways are held against each other on texts and on rows of a table.",
            found=f"{task.summary}: the kind {task.name}",
            fix="Tune with each base in turn (metier tune --base FOLDER), then metier evaluate --against.",
        )
    examples = task.prepare(dataset, plan)
    return Ground(
        plan=plan,
        place=place,
        dataset=dataset,
        test=test,
        task=task,
        examples=examples,
        test_examples=task.prepare(test, plan, examples.target) if test is not None else None,
        metric=find_metric(plan.ladder.metric, examples.target),
    )
