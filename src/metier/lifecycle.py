"""The whole way in order: read, prepare, split, climb, fit, calibrate, evaluate, draw, seal. The file to read first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metier import expert, files, tasks
from metier.data import read as reading
from metier.data import versions
from metier.data.dataset import Dataset, Split
from metier.data.inspect import inspect as inspect_dataset
from metier.data.sources import name_of
from metier.data.split import split
from metier.errors import UsageError
from metier.evaluate.bias import mitigated
from metier.evaluate.judge import judge
from metier.evaluate.metrics import find_metric
from metier.expert import Expert, Prediction
from metier.govern import record, run_records
from metier.govern.ledger.entry import Act
from metier.govern.ledger.note import note, read_act
from metier.pages import report
from metier.plan import Plan
from metier.progress import Progress, Silent
from metier.tasks.contract import Examples, Metric, Task
from metier.trunk import base as bases
from metier.trunk.features import Trunk
from metier.tune import curve, folds, ladder, mitigation, private, shards
from metier.tune.answers import Tested, answers_of
from metier.tune.mitigation import Mitigation
from metier.workspace import Run, Workspace

if TYPE_CHECKING:
    from metier.compare.room import Comparison
    from metier.curate.curation import Curation
    from metier.evaluate.room import Evaluated
    from metier.explain.room import Explained


@dataclass(frozen=True)
class Tuned:
    """What tuning gives: where the expert, its run and its report lie, and the figures."""

    expert: Path
    run: Path
    report: Path
    figures: Mapping[str, Any]


def read(data: str | Path, plan: Plan, workspace: Workspace) -> Dataset:
    """A file as a Dataset, its rows cached in the workspace."""
    workspace.prepare()
    return reading.read(data, plan.data, workspace.cache / "tables")


def inspect(data: str | Path, *, workspace: str | Path | None = None, **choices: Any) -> dict[str, Any]:
    """What is in a file, what task it looks like, and what will hurt; the shape of `inspect --json`."""
    plan, place = Plan.of(**choices), Workspace.find(workspace)
    dataset = read(data, plan, place)
    if not dataset.schema.named("text"):
        return inspect_dataset(dataset, plan)
    trunk = Trunk(bases.find(plan.base.base, max_tokens=plan.base.max_tokens))
    return inspect_dataset(dataset, plan, token_lengths=trunk.lengths, limit=trunk.base.max_tokens)


def tune(
    data: str | Path,
    *,
    output: str | Path | None = None,
    workspace: str | Path | None = None,
    progress: Progress | None = None,
    plan: Plan | None = None,
    shards_of: Path | None = None,
    **choices: Any,
) -> Tuned:
    """Tune an expert on a table of labelled rows: `tune("tickets.csv", target="intent")`.

    `choices` are any of the plan's. `shards_of` is an earlier run's folder whose shards stand where their rows are the
    same. A run that was cut short goes on where it stood when the same call is made again.
    Raises MetierError.
    """
    progress = progress or Silent()
    plan, place = _chosen(data, plan, choices), Workspace.find(workspace)
    if output is not None:
        files.check_folder(output)
    dataset = read(data, plan, place)
    test = read(plan.data.test, plan, place) if plan.data.test else None
    task = tasks.of(dataset.schema, plan.data.kind)
    base = task.base(plan.base.base, max_tokens=plan.base.max_tokens)
    trunk = task.trunk(base, place.cache, progress)
    material = _material(dataset, test, task, trunk, plan, progress)
    beside = run_records.beside(material.examples, material.held_out_test)
    key = run_records.key(plan, dataset, test, base, **beside)
    with place.open_run(key, plan.name or "expert", run_records.read_from(dataset, test)) as run:
        if run.resumed:
            progress.say(f"going on with {run.folder.name}, {run.elapsed:.0f} s in")
        elif shards_of is not None:
            shards.inherit(shards_of, run.folder)
        tuned = _tune(run, material, trunk, plan, progress, output)
    reads = [read_act(some, name_of(some.source.path), "tune") for some in (dataset, test) if some is not None]
    note(place, *reads, _act("tuned", f"expert:{plan.name}", tuned.run), progress=progress)
    return tuned


@dataclass(frozen=True)
class _Material:
    """What a run starts from: everything that can be refused has been looked at before its folder is made."""

    dataset: Dataset
    test: Dataset | None
    task: Task
    examples: Examples
    held_out_test: Examples | None
    metric: Metric
    parts: Split
    mitigation: Mitigation | None

    @property
    def tested(self) -> Tested | None:
        """The test file and its rows, where there is one."""
        held_out = self.held_out_test
        return None if self.test is None or held_out is None else Tested(self.test, held_out)


def _material(
    dataset: Dataset, test: Dataset | None, task: Task, trunk: Trunk, plan: Plan, progress: Progress
) -> _Material:
    examples = task.prepare(dataset, plan)
    for problem in (*dataset.schema.problems, *examples.problems):
        if problem.severity != "note":
            progress.say(problem.detail)
    shards.check(plan)
    wanted = ladder.possible(task.rungs(examples.target), plan, examples, trunk)
    private.check(wanted, examples.target, plan)
    return _Material(
        dataset=dataset,
        test=test,
        task=task,
        examples=examples,
        held_out_test=None if test is None else task.prepare(test, plan, examples.target),
        metric=find_metric(plan.ladder.metric, examples.target),
        parts=split(examples, plan),
        mitigation=mitigation.chosen(dataset, examples, plan),
    )


def _tune(
    run: Run, material: _Material, trunk: Trunk, plan: Plan, progress: Progress, output: str | Path | None
) -> Tuned:
    dataset, task, examples = material.dataset, material.task, material.examples
    metric, parts, held_out_test = material.metric, material.parts, material.held_out_test
    eased = material.mitigation
    tried = folds.folds_of(
        examples, parts.train, parts.validation, plan.seed, once=private.asked(plan) or plan.ladder.shards > 1
    )
    every = examples.take(np.sort(np.concatenate([parts.train, parts.validation])))
    plain = tried
    if eased is not None:
        tried, every = tuple((eased.drawn(train), held_out) for train, held_out in tried), eased.drawn(every)
    course = ladder.Course(
        rungs=shards.sharded(task.rungs(examples.target), plan.ladder.shards),
        folds=tried,
        plan=plan,
        trunk=trunk,
        metric=metric,
        folder=run.folder / "rungs",
        progress=progress,
        clock=lambda: _left(plan, run),
    )
    climb = ladder.climb(course)
    final = ladder.finish(course, climb, every)

    answered = answers_of(climb, final.predictor, eased, dataset, material.tested)
    thresholds = answered.thresholds
    judged = judge(climb, answered.held_out, held_out_test, answered.tested, metric, plan)
    if judged.refused is not None:
        progress.say(f"{judged.refused.detail} {judged.refused.fix}")
    learning = curve.learning_curve(course, climb)

    drawn = every.rows if eased is not None and thresholds is None else None
    run_records.write(run.folder, dataset, material.test, examples, parts, trunk.base, plan, climb.folds, drawn)
    expert.write(
        run.folder / "expert",
        plan=plan,
        task=task,
        target=examples.target,
        base=trunk.base,
        base_is=plan.base.base,
        rung=climb.chosen.name,
        predictor=final.predictor,
        generic=(judged.generic_name, judged.generic),
        calibration=judged.calibration,
        threshold=judged.threshold,
        schema=dataset.schema,
        reads=task.reads(dataset.schema, plan),
        evidence={
            "generic_calibration": judged.generic_calibration,
            "metric": metric.name,
            "level": plan.ladder.level,
            "data": dataset.source.sha256,
            "run": run.folder.name,
            "settings": final.settings,
            "group_thresholds": thresholds and thresholds.record(),
        },
    )
    figures = run_records.figures(task.name, trunk.base, climb, metric.name, judged, run.seconds())
    if eased is not None:
        about = eased.record(None if drawn is None else every)
        figures["mitigation"] = about | mitigated.told(eased, course, climb, plain, answered, material.tested)
    evaluation = {**figures, "evaluation": judged.best.as_json(), "learning_curve": learning}
    files.write_json(run.folder / "evaluation.json", evaluation)
    page = report.compose(
        plan=plan,
        dataset=dataset,
        task=task,
        climb=climb,
        metric=metric,
        evaluation=judged.best,
        examples=climb.held_out if held_out_test is None else held_out_test,
        on_test=held_out_test is not None,
        learning=learning,
        calibration=judged.calibration,
        threshold=judged.threshold,
        record=record.chain(run.folder),
        base=trunk.base,
        mitigation=figures.get("mitigation"),
    )
    files.write_text(run.folder / "report.html", page)
    record.seal(run.folder)
    place = expert.copied(run.folder / "expert", output)
    whole = {"expert": str(place), "run": str(run.folder), "report": str(run.folder / "report.html"), **figures}
    return Tuned(place, run.folder, run.folder / "report.html", whole)


def curate(
    data: str | Path,
    *,
    output: str | Path | None = None,
    scores: str | Path | None = None,
    workspace: str | Path | None = None,
    progress: Progress | None = None,
    plan: Plan | None = None,
    **choices: Any,
) -> Curation:
    """What is wrong with a table, and a cleaned one: `curate("tickets.csv", target="intent")`.

    Everything is reported and proposed; `apply=True` acts on it. `output` is the cleaned file, `scores` a CSV of every
    row's scores. `choices` are any of the plan's. Raises MetierError.
    """
    from metier.curate import room

    progress = progress or Silent()
    plan, place = _chosen(data, plan, choices), Workspace.find(workspace)
    names = room.questions(plan.curate.only)
    dataset = read(data, plan, place)
    test = read(plan.data.test, plan, place) if plan.data.test else None
    base = bases.find(plan.base.base, max_tokens=plan.base.max_tokens)
    reviewed = files.sha256(plan.curate.review) if plan.curate.review else None
    key = run_records.key(plan, dataset, test, base, sections=None, reviewed=reviewed)
    with place.open_run(key, f"curate-{plan.name}", run_records.read_from(dataset, test)) as run:
        material = room.gather(dataset, test, Trunk(base, place.cache, progress), plan, progress)
        curation = room.curate(run, material, names, output=output, scores=scores)
    reads = [read_act(some, name_of(some.source.path), "curate") for some in (dataset, test) if some is not None]
    note(place, *reads, _act("curated", f"data:{plan.name}", curation.run), progress=progress)
    if files.sha256(curation.clean) != dataset.source.sha256:
        cleaned = read(
            curation.clean, plan.model_copy(update={"data": plan.data.model_copy(update={"query": None})}), place
        )
        versions.note(cleaned, place.cache / "tables", curated_from=dataset.source.sha256)
    return curation


def compare(data: str | Path, **choices: Any) -> Comparison:
    """Fine-tune, take as is, or train from scratch? `compare("tickets.csv", target="intent")`; see `compare.room`."""
    from metier.compare import room

    found = room.compare(data, **choices)
    place = Workspace.find(choices.get("workspace"))
    note(place, _act("compared", f"data:{name_of(data)}", found.run), progress=choices.get("progress"))
    return found


def explain(folder: str | Path, data: str | Path, **choices: Any) -> Explained:
    """Why does the expert say that? `explain("expert", "I lost my card")`, or of a file's rows; see `explain.room`."""
    from metier.explain import room

    found = room.explain(folder, data, **choices)
    if found.run is not None:
        place = Workspace.find(choices.get("workspace"))
        note(place, _act("explained", f"expert:{expert.name_of(folder)}", found.run), progress=choices.get("progress"))
    return found


def demo(
    *, workspace: str | Path | None = None, progress: Progress | None = None, **choices: Any
) -> tuple[Tuned, list[dict[str, Any]]]:
    """Tune the bundled help-desk tickets and answer three new ones. Returns what `tune` does, and the answers."""
    from metier import examples

    wanted = {
        "target": "intent",
        "name": "support",
        "time_limit": "100s",
        "test": str(examples.path("support/tickets-test.csv")),
        **choices,
    }
    tuned = tune(examples.path("support/tickets.csv"), workspace=workspace, progress=progress, **wanted)
    answers = Expert.load(tuned.expert, progress=progress).predict(list(examples.SPOKEN))
    return tuned, [{"text": text, **answer.as_json()} for text, answer in zip(examples.SPOKEN, answers, strict=True)]


def predict(
    folder: str | Path, data: str | Path, *, workspace: str | Path | None = None, progress: Progress | None = None
) -> Iterator[tuple[Dataset, list[Prediction]]]:
    """Answer the rows of a file, in pieces: (the rows, their predictions)."""
    place = Workspace.find(workspace)
    loaded = Expert.load(expert.folder_of(folder, place), progress=progress)
    dataset = loaded.dataset(read(data, loaded.plan, place))
    at = 0
    for answers in loaded.predicted(dataset):
        yield replace(dataset, table=dataset.table.slice(at, len(answers))), answers
        at += len(answers)
    own = files.sha256(loaded.folder / record.MANIFEST)
    act = Act("predicted", f"expert:{loaded.about['name']}", "", {"expert": own, "rows": at})
    note(place, read_act(dataset, name_of(dataset.source.path), "predict"), act, progress=progress)


def evaluate(
    folder: str | Path,
    data: str | Path,
    *,
    output: str | Path | None = None,
    workspace: str | Path | None = None,
    progress: Progress | None = None,
    **choices: Any,
) -> Evaluated:
    """The expert beside its generic base on labelled rows it has not seen: is it better, fair, robust, worth it?

    `choices` are any of the plan's; `questions` narrows what is asked. With `keep_general`, `output` is where the
    expert goes whose adapter is scaled to keep that much. Raises DataError without labels.
    """
    from metier.evaluate import gate, room

    progress, place = progress or Silent(), Workspace.find(workspace)
    names = room.questions(Plan.of(**choices).evaluate.questions)
    loaded = Expert.load(folder, cache=place.cache, progress=progress)
    own = {"seed": loaded.about["seed"], "name": loaded.about["name"], "kind": loaded.about["task"]}
    plan = Plan.of(**{**own, **choices})
    limits = gate.limits(plan.gate.fail_under, plan.gate.gate, loaded.target.metrics())
    dataset = loaded.dataset(read(data, plan, place))
    case = room.gather(loaded, dataset, plan, place, progress)
    key = room.key(loaded, dataset, plan)
    with place.open_run(key, f"evaluate-{plan.name}", run_records.read_from(dataset)) as run:
        evaluated = room.evaluate(run, case, names, limits, output)
    about = _act(
        "evaluated", f"expert:{plan.name}", evaluated.run, expert=files.sha256(loaded.folder / record.MANIFEST)
    )
    note(place, read_act(dataset, name_of(dataset.source.path), "evaluate"), about, progress=progress)
    return evaluated


# ------------------------------------------------------------------------------------------------------------- pieces


def _act(act: str, subject: str, run: Path, **more: Any) -> Act:
    """What a sealed run is in the ledger: where it lies, and the hash that stands for all of it."""
    return Act(act, subject, "", {"run": run.name, "root": files.read_json(run / "done.json")["root"], **more})


def _chosen(data: str | Path, plan: Plan | None, choices: Mapping[str, Any]) -> Plan:
    """The plan given, or the one its choices make, named like the data where it has no name."""
    if plan is not None and choices:
        raise UsageError(
            "plan-and-choices",
            "Give a plan or its choices, not both.",
            found=f"a plan and {', '.join(choices)}",
            fix="Make the choices part of the plan: Plan.of(...).",
        )
    plan = plan or Plan.of(**choices)
    return plan.model_copy(update={"name": plan.name or name_of(data)})


def _left(plan: Plan, run: Run) -> float | None:
    """Seconds of the time limit that are left, some kept back for the evidence."""
    limit = plan.ladder.time_limit
    return None if limit is None else limit - min(15.0, 0.1 * limit) - run.seconds()
