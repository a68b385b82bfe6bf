"""The evidence: put every question to an expert beside its own generic base, on rows it has not seen."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module

from metier.data.dataset import Dataset
from metier.errors import DataError, UsageError
from metier.evaluate.case import Answer, Case
from metier.evaluate.evaluation import evaluate_outputs
from metier.evaluate.metrics import find_metric
from metier.expert import Expert
from metier.govern import origin
from metier.plan import Plan
from metier.progress import Progress
from metier.workspace import Workspace

# Question -> where it lives; each module has `ask(case) -> Answer`. The page shows them in this order.
QUESTIONS: Mapping[str, str] = {
    "slices": "metier.evaluate.slices",
    "bias": "metier.evaluate.bias",
    "robustness": "metier.evaluate.robustness",
    "forgetting": "metier.evaluate.forgetting",
    "calibration": "metier.evaluate.confidence",
    "privacy": "metier.evaluate.membership",
    "cost": "metier.evaluate.cost",
    "explanation": "metier.explain.whole",
}


@dataclass(frozen=True)
class Asked:
    """Every question's answer, and the seconds each took."""

    answers: Mapping[str, Answer]
    seconds: Mapping[str, float]


def questions(only: Sequence[str]) -> tuple[str, ...]:
    """The questions named, comma lists and repeats alike, in the room's order; all where none is named.

    Raises UsageError for names that are no question.
    """
    named = {name.strip().lower() for item in only for name in item.split(",") if name.strip()}
    unknown = sorted(named - set(QUESTIONS))
    if unknown or (only and not named):
        raise UsageError(
            "no-such-question",
            "--only must name questions of the evaluation.",
            found=", ".join(unknown) or "nothing",
            fix=f"One or more of {', '.join(QUESTIONS)}.",
        )
    return tuple(name for name in QUESTIONS if name in named or not named)


def gather(expert: Expert, dataset: Dataset, plan: Plan, place: Workspace, progress: Progress) -> Case:
    """The expert and its generic base, both measured on the labelled rows of a dataset read for this expert.

    Raises DataError where no row has a label.
    """
    target, about = expert.target, expert.about
    if dataset.schema.target is None:
        raise DataError(
            "no-labels",
            f"Evaluating needs the right answers in a column {about['target_column']!r}.",
            found=f"columns {', '.join(dataset.table.column_names)}",
            fix="Rename the column that holds them, or ask for answers alone with metier predict.",
        )
    examples = expert.examples(dataset)
    if not len(examples):
        raise DataError("nothing-left", "At least one row must have a label.", found=f"none in {dataset.source.path}")
    for problem in examples.problems:
        progress.say(problem.detail)
    generic_raw = expert.generic.outputs(examples.inputs)
    evaluation = evaluate_outputs(
        target,
        examples.targets,
        expert.outputs(examples.inputs),
        generic_raw,
        metric=find_metric(about["metric"], target),
        calibration=about["calibration"],
        generic_calibration=about["generic_calibration"],
        level=about["level"],
        seed=plan.seed,
    )
    found, why = origin.find(expert, place, plan.evaluate.training_data)
    return Case(expert, dataset, examples, evaluation, generic_raw, plan, found, why, place, progress)


def ask(case: Case, names: Iterable[str]) -> Asked:
    """Put these questions to the case, in order."""
    answers: dict[str, Answer] = {}
    seconds: dict[str, float] = {}
    for name in names:
        started = time.monotonic()
        with case.progress.stage(f"asking for {name}"):
            answers[name] = import_module(QUESTIONS[name]).ask(case)
        seconds[name] = round(time.monotonic() - started, 3)
    return Asked(answers, seconds)
