"""report.html of a run: a verdict in words, the scorecard, the ladder as a picture, then what stands behind them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from metier.data.dataset import Dataset
from metier.evaluate.evaluation import Evaluation
from metier.pages import metrics, mitigated
from metier.pages.metrics import BASELINES
from metier.pages.page import render
from metier.plan import Plan, fields
from metier.tasks.contract import Evidence, Examples, Metric, Section, Task
from metier.trunk.base import Base
from metier.tune.ladder import Climb, Step
from metier.tune.ladder import baseline as baseline_of


def compose(
    *,
    plan: Plan,
    dataset: Dataset,
    task: Task,
    climb: Climb,
    metric: Metric,
    evaluation: Evaluation,
    examples: Examples,
    on_test: bool,
    learning: Mapping[str, Any],
    calibration: Mapping[str, float],
    threshold: float | None,
    record: Mapping[str, Any],
    base: Base,
    mitigation: Mapping[str, Any] | None,
) -> str:
    """The whole page as HTML. `examples` are the rows that `evaluation` was measured on, in its order."""
    baseline = baseline_of(climb)[0]
    evidence = Evidence(
        target=examples.target,
        truth=evaluation.truth,
        outputs=evaluation.outputs,
        raw_outputs=evaluation.raw,
        rows=examples.rows,
        shown=lambda position: task.render(examples.inputs, position),
        pictured=lambda position: task.picture(examples.inputs, position),
        level=plan.ladder.level,
        seed=plan.seed,
        calibration=calibration,
        threshold=threshold,
    )
    where = f"{evaluation.rows} {'test' if on_test else 'held-out'} rows"
    sections = [
        _verdict(climb, baseline, metric, evaluation, where),
        _scorecard(metric, evaluation, baseline),
        _ladder(climb, metric),
    ]
    sections += [] if mitigation is None else mitigated.sections(mitigation)
    # Pictures first: the one view that is a list of rows comes after them.
    views = list(examples.target.views(evidence))
    sections += [view for view in views if view.template != "errors"]
    if len(learning["points"]) > 1:
        sections.append(_learning(learning))
    sections += [view for view in views if view.template == "errors"]
    sections += [
        metrics.table(examples.target, evaluation.metrics, evaluation.generic, where),
        *_problems(dataset, examples),
        _facts(plan, dataset, climb, base, mitigation),
    ]
    sections.append(_record(plan, dataset, record))
    facts = [("Data", dataset.source.path), ("Base", base.name), ("Measured on", where)]
    return render(f"{plan.name}: what tuning was worth", sections, lead=task.summary, facts=facts)


def reproduce(plan: Plan, dataset: Dataset) -> str:
    """The command that gives this run again."""
    words = ["metier", "tune", dataset.source.path]
    flat = plan.model_dump(mode="json")
    for section, name, field in fields():
        value = (flat[section] if section else flat)[name]
        default = field.get_default(call_default_factory=True)
        if value == (list(default) if isinstance(default, tuple) else default):
            continue
        flag = "--" + name.replace("_", "-")
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag[2:]}")
        else:
            for item in value if isinstance(value, list) else [value]:
                words += [flag, "none" if item is None else str(item)]
    return shlex.join(words)


def _verdict(climb: Climb, baseline: str, metric: Metric, evaluation: Evaluation, where: str) -> Section:
    gain, chosen = evaluation.gain, climb.chosen
    if chosen.name == baseline:
        headline = "Nothing that was tried is better than no tuning at all."
    elif gain.low > 0:
        headline = "The expert is better than the untuned baseline, beyond chance."
    else:
        headline = "The expert could not be shown to be better than the untuned baseline."
    better = "higher" if metric.greater_is_better else "lower"
    sentences = [
        f"On {where} it reaches {metrics.figure(metric, evaluation.metrics[metric.name])} "
        f"where {BASELINES.get(baseline, baseline)} reaches {metrics.figure(metric, evaluation.generic[metric.name])} "
        f"({metric.name}; {better} is better).",
        f"It stands on the rung “{chosen.name}”: {chosen.reason}.",
    ]
    dearer = climb.steps[climb.steps.index(chosen) + 1 :]
    sentences += [f"“{step.name}” was not taken: {step.reason}." for step in dearer]
    return Section("verdict", "Verdict", {"headline": headline, "sentences": sentences})


def _scorecard(metric: Metric, evaluation: Evaluation, baseline: str) -> Section:
    shown = [metric.name, *[n for n in ("accuracy", "macro_f1", "auroc", "ece", "rmse", "r2") if n != metric.name]]
    cards = []
    for name in [name for name in shown if name in evaluation.metrics][:4]:
        found, base = evaluation.metrics[name], evaluation.generic[name]
        cards.append(
            {
                "title": metrics.PLAIN.get(name, name),
                "term": name,
                **found.as_json(),
                "baseline": base.as_json()["value"],
                "baseline_title": BASELINES.get(baseline, baseline),
                "unit": "%" if metrics.is_share(name) else "",
            }
        )
    return Section("scorecard", "Scorecard", {"cards": cards})


def _ladder(climb: Climb, metric: Metric) -> Section:
    def row(step: Step) -> dict[str, Any]:
        interval = step.interval.as_json() if step.interval else {"value": None, "low": None, "high": None}
        return {"name": step.name, **interval, "seconds": step.seconds, "taken": step.taken, "reason": step.reason}

    data = {
        "metric": metric.name,
        "greater_is_better": metric.greater_is_better,
        "chosen": climb.chosen.name,
        "rungs": [row(step) for step in climb.steps],
    }
    lead = f"Each rung costs more than the last; the climb ended on “{climb.chosen.name}”."
    return Section("ladder", "What each step was worth", data, lead)


def _learning(learning: Mapping[str, Any]) -> Section:
    first, last = learning["points"][0], learning["points"][-1]
    lead = (
        f"From {first['rows']} to {last['rows']} training rows the {learning['rung']} rung went from "
        f"{first['value']:.3f} to {last['value']:.3f} ({learning['metric']})."
    )
    data = {"metric": learning["metric"], "points": learning["points"]}
    return Section("learning_curve", "What more labels have bought", data, lead)


def _problems(dataset: Dataset, examples: Examples) -> list[Section]:
    found = [*dataset.schema.problems, *examples.problems]
    rows = [{"severity": p.severity, "detail": p.detail, "rows": p.rows, "fix": p.fix} for p in found]
    return [Section("problems", "What the data holds", {"rows": rows})] if rows else []


def _facts(plan: Plan, dataset: Dataset, climb: Climb, base: Base, mitigation: Mapping[str, Any] | None) -> Section:
    fits = climb.chosen.folds
    held = f"{fits} folds, every row held out once" if fits > 1 else f"{len(climb.truth)} rows held out"
    if fits != climb.folds:
        held += f" from a fit on the other half; rungs without training in {climb.folds} folds"
    settings = ", ".join(f"{name} {value:g}" for name, value in climb.chosen.settings.items() if _is_number(value))
    rows = [
        ["Rows in the file", f"{len(dataset):,}"],
        ["Data, SHA-256", dataset.source.sha256],
        ["Base", f"{base.name}, {base.parameters:,} parameters, licence {base.licence}"],
        ["Base, SHA-256", base.sha256],
        ["Chosen rung and settings", f"{climb.chosen.name}: {settings or 'nothing to set'}"],
        ["Measured by", held],
        ["Seed", str(plan.seed)],
    ]
    if mitigation is not None:
        told = f"{plan.fair.mitigate} by {', '.join(plan.fair.mitigate_by)}. {mitigated.lead(mitigation)}"
        told += "" if mitigation["brought"] else f" {mitigated.how_to_measure(mitigation)}"
        rows.append(["Mitigation", told])
    return Section("facts", "What went in", {"rows": rows})


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _record(plan: Plan, dataset: Dataset, record: Mapping[str, Any]) -> Section:
    data = {
        "command": reproduce(plan, dataset),
        "files": [{"file": entry["path"], "sha256": entry["sha256"]} for entry in record["files"]],
        "root": record["root"],
    }
    return Section("record", "Where every figure comes from", data, "metier verify recomputes these hashes offline.")
