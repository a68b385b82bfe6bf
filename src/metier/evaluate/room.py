"""The evidence: put every question to an expert beside its own generic base, on rows it has not seen."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from metier import files
from metier.data.dataset import Dataset
from metier.errors import DataError, UsageError
from metier.evaluate import gate
from metier.evaluate.case import Answer, Case
from metier.evaluate.evaluation import Evaluation, evaluate_outputs
from metier.evaluate.metrics import find_metric
from metier.expert import ABOUT, Expert
from metier.govern import environment, origin, record
from metier.plan import Plan, fields
from metier.progress import Progress
from metier.questions import named
from metier.workspace import Run, Workspace

# Question -> where it lives; each module has `ask(case) -> Answer`. The page shows them in this order.
QUESTIONS: Mapping[str, str] = {
    "comparison": "metier.evaluate.comparison.question",
    "slices": "metier.evaluate.slices.question",
    "bias": "metier.evaluate.bias.question",
    "robustness": "metier.evaluate.robustness.question",
    "forgetting": "metier.evaluate.forgetting.question",
    "calibration": "metier.evaluate.confidence.question",
    "privacy": "metier.evaluate.privacy.question",
    "cost": "metier.evaluate.cost",
    "explanation": "metier.explain.whole",
}


@dataclass(frozen=True)
class Asked:
    """Every question's answer, and the seconds each took."""

    answers: Mapping[str, Answer]
    seconds: Mapping[str, float]


@dataclass(frozen=True)
class Evaluated:
    """An evaluation and all that was asked beyond it; `figures` have the shape of `evaluate --json`."""

    evaluation: Evaluation
    answers: Mapping[str, Answer]
    figures: Mapping[str, Any]
    checks: tuple[gate.Check, ...]
    run: Path
    report: Path

    @property
    def passed(self) -> bool:
        """Whether every limit was kept, and every behavioural test passed."""
        return all(each.passed for each in self.checks) and self.figures.get("behaviours_passed") is not False


# The sections of a plan that decide what an evaluation finds.
_DECIDE = frozenset({"data", "evaluate", "doubt", "gate", "explain", "compare", "seed", "name"})


def questions(only: Sequence[str]) -> tuple[str, ...]:
    """The questions named; all where none is. Raises UsageError for names that are no question."""
    return named(only, QUESTIONS, "the evaluation")


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
        expert.outputs(examples.inputs, expert.shifts(dataset.table, examples.rows)),
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


def key(expert: Expert, dataset: Dataset, plan: Plan) -> str:
    """What an evaluation would find: the same key takes up the same unfinished run."""
    about = {
        "expert": files.sha256(expert.folder / record.MANIFEST),
        "data": dataset.source.sha256,
        "plan": plan.model_dump(mode="json", include=set(_DECIDE)),
        "files": {path: files.sha256(path) for path in _files_named(plan)},
    }
    return files.digest(about)


def _files_named(plan: Plan) -> list[str]:
    named = (plan.evaluate.swaps, plan.evaluate.behaviours, plan.doubt.costs, plan.gate.gate)
    return [path for path in named if path is not None and Path(path).is_file()]


def evaluate(
    run: Run, case: Case, names: Sequence[str], limits: Sequence[gate.Limit] = (), output: str | Path | None = None
) -> Evaluated:
    """Ask, hold against the limits, and write the run: evaluation.json, the page, the record.

    `output` is where the expert goes whose adapter is scaled as `keep_general` asks.
    """
    from metier.pages import evidence

    plan, about = case.plan, case.expert.about
    asked = ask(case, names)
    figures: dict[str, Any] = case.evaluation.as_json()
    for answer in asked.answers.values():
        for name, value in answer.figures.items():
            figures[name] = {**figures[name], **value} if isinstance(figures.get(name), dict) else value
    checks = tuple(gate.check(limits, figures))
    figures |= {
        "expert": str(case.expert.folder),
        "name": about["name"],
        "task": case.expert.task.name,
        "metric": case.metric.name,
        "notes": [f"{name}: {note}" for name, answer in asked.answers.items() for note in answer.notes],
        "questions": dict(asked.seconds),
        "gate": {"passed": all(each.passed for each in checks), "checks": [each.as_json() for each in checks]},
        "run": str(run.folder),
        "report": str(run.folder / "report.html"),
    }
    if output is not None:
        figures["scaled"] = _scaled(case, figures, output)
    judged = {"expert": dict(about), "manifest": files.sha256(case.expert.folder / record.MANIFEST)}
    files.write_json(run.folder / "data.json", {"evaluated": case.dataset.record(), **judged})
    files.write_json(run.folder / "plan.json", plan.model_dump(mode="json", include=set(_DECIDE)))
    files.write_json(run.folder / "environment.json", environment.describe())
    figures |= {"seconds": round(run.seconds(), 2), "peak_memory_mib": environment.peak_memory_mib()}
    files.write_json(run.folder / "evaluation.json", figures)
    page = evidence.compose(case, asked.answers, checks, record.chain(run.folder), _command(case))
    files.write_text(run.folder / "report.html", page)
    record.seal(run.folder)
    return Evaluated(case.evaluation, asked.answers, figures, checks, run.folder, run.folder / "report.html")


def _scaled(case: Case, figures: Mapping[str, Any], output: str | Path) -> str:
    """Write the expert at the point of the dial that was kept. Raises UsageError where none was asked for."""
    from metier.evaluate.forgetting.dial import rescale

    kept = figures.get("forgetting", {}).get("kept")
    if kept is None:
        raise UsageError(
            "nothing-to-scale",
            "-o writes the expert scaled to keep a share of general ability: it needs an adapter and --keep-general.",
            found=f"--keep-general {case.plan.evaluate.keep_general}, rung {case.expert.about['rung']}",
            fix="Add --keep-general 0.95 where the expert's rung is adapter or full, or leave -o out.",
        )
    place = rescale(case.expert, kept["scale"], output, case.origin, case.no_origin)
    scaled = files.read_json(place / ABOUT)["scaled"]
    if scaled["calibrated_on_rows"] is None:
        case.progress.say(f"the scaled expert's confidence stays calibrated {scaled['calibration']}")
    return str(place)


def _command(case: Case) -> list[str]:
    """The words that ask the same again."""
    words = ["metier", "evaluate", str(case.expert.folder), case.dataset.source.path]
    asked = case.plan.model_dump(mode="json", include={"evaluate", "doubt", "gate"})
    for section, name, field in fields():
        value = asked.get(section or "", {}).get(name)
        if value is None or value == [] or value == field.get_default():
            continue
        flag = "--" + str((field.json_schema_extra or {}).get("flag", name)).replace("_", "-")
        for item in value if isinstance(value, list) else [value]:
            words += [flag, str(item)]
    return [*words, "--seed", str(case.seed)]
