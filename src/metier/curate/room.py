"""The data room: put every question to the data, settle what becomes of each row, and write what comes of it."""

from __future__ import annotations

import csv
import io
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import numpy as np

from metier import files, tasks
from metier.curate import apply, export, fates, review, sheet, worth
from metier.curate.curation import FILE, Curation, summary, worst_first
from metier.curate.findings import Answer, Finding
from metier.curate.material import Material, Side
from metier.curate.pictures import PICTURES
from metier.curate.shown import Shown, hide
from metier.data.dataset import Dataset
from metier.errors import DataError, UsageError
from metier.govern import environment, record
from metier.plan import Plan
from metier.progress import Progress
from metier.questions import named
from metier.tasks.contract import Examples, Task
from metier.trunk.features import Trunk
from metier.workspace import Run

# Question -> where it lives; each module has `ask(material) -> Answer`. Duplicates come first: others use its clusters.
QUESTIONS: Mapping[str, str] = {
    "duplicates": "metier.curate.duplicates",
    "leakage": "metier.curate.leakage",
    "labels": "metier.curate.labels",
    "content": "metier.curate.content",
    "balance": "metier.curate.balance",
    "privacy": "metier.curate.privacy",
}
_SCORES = ("label_error", "off_topic")


@dataclass(frozen=True)
class Asked:
    """All answers: findings, facts by question, scores by example, and the seconds each question took."""

    findings: tuple[Finding, ...]
    facts: Mapping[str, Mapping[str, Any]]
    scores: Mapping[str, np.ndarray]
    seconds: Mapping[str, float]
    notes: tuple[str, ...] = ()


def questions(only: Sequence[str]) -> tuple[str, ...]:
    """The questions named; all where none is. Raises UsageError for names that are no question."""
    return named(only, QUESTIONS, "the data room")


def gather(dataset: Dataset, test: Dataset | None, trunk: Trunk, plan: Plan, progress: Progress) -> Material:
    """The material of all questions. Without a target every row is an example of no label."""
    task = _task(dataset, plan)
    examples = _prepared(task, dataset, plan)
    held_out = None
    if test is not None:
        held_out = Side(test, _prepared_test(task, test, plan, examples))
    return Material(task, Side(dataset, examples), held_out, trunk, plan, progress)


def ask(material: Material, names: Iterable[str]) -> Asked:
    """Put these questions to the material, in order. Rows nothing can be learnt from are findings, too."""
    findings: list[Finding] = list(_set_aside(material))
    facts: dict[str, Mapping[str, Any]] = {}
    scores: dict[str, np.ndarray] = {}
    seconds: dict[str, float] = {}
    notes: list[str] = []
    for name in names:
        started = time.monotonic()
        with material.progress.stage(f"asking for {name}"):
            answer: Answer = import_module(QUESTIONS[name]).ask(material)
        seconds[name] = round(time.monotonic() - started, 3)
        known = {(one.row, one.kind, one.column) for one in findings if one.row is not None and one.kind == "invalid"}
        findings += [one for one in answer.findings if (one.row, one.kind, one.column) not in known]
        facts[name] = answer.facts
        scores |= answer.scores
        notes += answer.notes
    return Asked(tuple(findings), facts, scores, seconds, tuple(notes))


def curate(
    run: Run,
    material: Material,
    names: Sequence[str],
    *,
    output: str | Path | None = None,
    scores: str | Path | None = None,
) -> Curation:
    """Ask, settle every row's fate, and write the run: the page, review.csv, the cleaned file, the data sheet."""
    from metier.pages import curation as pages

    plan, dataset = material.plan, material.train.dataset
    target = export.place(dataset, output, run.folder)
    asked = ask(material, names)
    findings = worst_first(_without_personal_data(asked.findings, material))
    reviewed = review.read(plan.curate.review, plan.curate.reviewer, material, findings) if plan.curate.review else None
    settled = fates.resolve(
        findings,
        file=material.train.file,
        rows=len(dataset),
        set_aside=_reasons(material),
        apply=plan.curate.apply,
        decisions=reviewed.decisions if reviewed else {},
        original=_originals(findings, material),
    )
    apply.check(dataset, settled)
    value = None
    if plan.curate.worth:
        value = _worth(material, findings, names, run.folder)
    split, notes = _split(material) if plan.curate.split else (None, [])
    with material.progress.stage("writing the cleaned file"):
        written = export.write(dataset, settled, target, split)
    told, shown = [_told(one, material) for one in findings], Shown(material)
    review.write(run.folder / "review.csv", told, settled, material, shown)
    _write_fates(run.folder / "fates.csv", dataset, settled)
    if scores is not None:
        _write_scores(Path(scores), material, asked.scores)
    noise = asked.facts.get("labels", {}).get("noise_rate") if material.labelled else None
    figures: dict[str, Any] = {
        "rows": len(dataset),
        "findings": [finding.as_json() for finding in told],
        "noise_rate": noise,
        "summary": summary(findings),
        "report": str(run.folder / "curation.html"),
        "clean": str(written.path),
        "run": str(run.folder),
        "task": material.task.name,
        "target": dataset.schema.target,
        "questions": dict(asked.seconds),
        "fates": settled.counts(),
        "applied": plan.curate.apply,
        "review": reviewed and reviewed.as_json(),
        "review_file": str(run.folder / "review.csv"),
        "datasheet": str(run.folder / "datasheet.json"),
        "worth": value and value.as_json(),
        "notes": [*asked.notes, *written.notes, *notes],
    }
    about = sheet.Sheet(
        material,
        told,
        settled,
        asked.facts,
        noise,
        written,
        here=written.path.parent == run.folder.absolute(),
        split=split is not None,
        asked=names,
    )
    _write_records(run.folder, material, about, figures)
    figures["seconds"] = round(run.seconds(), 2)
    figures["peak_memory_mib"] = environment.peak_memory_mib()
    page = pages.compose(about, shown, figures, record.chain(run.folder))
    files.write_text(run.folder / "curation.html", page)
    record.seal(run.folder)
    return Curation(
        rows=len(dataset),
        findings=findings,
        fates=settled,
        facts=asked.facts,
        run=run.folder,
        report=run.folder / "curation.html",
        clean=written.path,
        sheet=run.folder / "datasheet.json",
        figures=figures,
    )


# ------------------------------------------------------------------------------------------------------------ material


def _task(dataset: Dataset, plan: Plan) -> Task:
    """The kind the plan names or the data shows; pictures, which no kind of task reads yet, have one of this room."""
    if plan.data.kind:
        return tasks.get(plan.data.kind)
    if PICTURES.recognises(dataset.schema).score > 0:
        return cast(Task, PICTURES)
    return tasks.recognise(dataset.schema)[0]


def _prepared(task: Task, dataset: Dataset, plan: Plan) -> Examples:
    if dataset.schema.target is not None:
        return task.prepare(dataset, plan)
    from metier.tasks.classes import Classes

    # Nothing is known of what should come out; a vocabulary is needed only to say so.
    return task.prepare(dataset, plan, Classes(("", " ")))


def _prepared_test(task: Task, test: Dataset, plan: Plan, train: Examples) -> Examples:
    """The test side in the training side's vocabulary; a label that training lacks is unknown there, not an error."""
    try:
        return task.prepare(test, plan, train.target)
    except DataError as error:
        if error.code != "unknown-labels":
            raise
    bare = replace(test.schema, target=None)
    examples = task.prepare(replace(test, schema=bare), plan, train.target)
    name = test.schema.target
    assert name is not None
    return replace(examples, targets=train.target.encode(test.table.column(name).to_pylist())[examples.rows])


def _set_aside(material: Material) -> Iterable[Finding]:
    """Rows that no example was made of."""
    for side in (material.train, material.test):
        if side is None:
            continue
        for reason, rows in side.examples.set_aside.items():
            for row in rows.tolist():
                yield Finding("invalid", row, side.file, 1.0, f"Nothing can be learnt from this row: {reason}.")


def _reasons(material: Material) -> dict[int, str]:
    return {int(row): reason for reason, rows in material.train.examples.set_aside.items() for row in rows.tolist()}


# ---------------------------------------------------------------------------------------------------------------- fates


def _originals(findings: Sequence[Finding], material: Material) -> dict[tuple[int, str], str]:
    """The cells that several findings want to rewrite, or one would while another hides personal data in it."""
    wanted: dict[tuple[int, str], int] = defaultdict(int)
    for one in findings:
        if (
            one.row is not None
            and one.column is not None
            and one.action == "rewrite"
            and one.file == material.train.file
        ):
            wanted[one.row, one.column] += 1
    table = material.train.dataset.table
    found = {}
    for (row, column), count in wanted.items():
        if count > 1:
            cell = table.column(column)[row].as_py()
            if isinstance(cell, str):
                found[row, column] = cell
    return found


def _without_personal_data(findings: Sequence[Finding], material: Material) -> list[Finding]:
    """The findings, with personal data hidden in what other rooms would write into rows that hold some."""
    holding = {(one.row, one.file) for one in findings if one.kind == "personal_data"}
    return [
        replace(one, suggestion=hide(one.suggestion, material))
        if one.action == "rewrite"
        and one.kind != "personal_data"
        and isinstance(one.suggestion, str)
        and (one.row, one.file) in holding
        else one
        for one in findings
    ]


def _told(finding: Finding, material: Material) -> Finding:
    """The finding as it may be told: a new text that nobody searched for personal data is searched now."""
    searched = finding.kind == "personal_data" or not isinstance(finding.suggestion, str)
    if searched or finding.action != "rewrite":
        return finding
    return replace(finding, suggestion=hide(finding.suggestion, material))


def _change(change: fates.Change, material: Material) -> dict[str, Any]:
    cells = {name: hide(cell, material) if isinstance(cell, str) else cell for name, cell in change.cells.items()}
    return replace(change, cells=cells).as_json()


def _worth(material: Material, findings: Sequence[Finding], names: Sequence[str], folder: Path) -> worth.Worth:
    if not material.labelled:
        raise UsageError(
            "no-labels",
            "--worth measures models, which needs labels.",
            found="no target column",
            fix="Add --target COLUMN, or leave --worth out.",
        )
    if not material.embedded:
        raise UsageError(
            "no-features",
            "--worth fits models, which needs features.",
            found="pictures, which no base here reads",
            fix="Leave --worth out.",
        )
    return worth.measure(material, findings, lambda part: ask(part, names).findings, folder / "worth")


def _split(material: Material) -> tuple[np.ndarray | None, list[str]]:
    """(n,) of train, validation, test and None for rows that are no examples; None where the table has its own; notes.

    Examples in neither part, copies of rows that are held out, are marked as test: tuning leaves those alone.
    """
    dataset = material.train.dataset
    if apply.SPLIT in dataset.table.column_names or material.train.examples.assigned is not None:
        return None, ["No split was added: the table has one."]
    from metier.curate import splitting

    parts = splitting.offer(material)
    words = np.full(len(dataset), None, object)
    rows = material.train.examples.rows
    words[rows] = "test"
    words[rows[parts.train]], words[rows[parts.validation]] = "train", "validation"
    return words, [f"The column {apply.SPLIT} is {parts.method}.", *parts.notes]


# -------------------------------------------------------------------------------------------------------------- writing


def _write_fates(path: Path, dataset: Dataset, settled: fates.Fates) -> None:
    """One line for every row: its number, its content hash, its fate, why, and who decided."""
    with files.open_new(path, durable=False) as out:
        text = io.TextIOWrapper(out, encoding="utf-8", errors="backslashreplace", newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["row", "hash", "fate", "reason", "by"])
        writer.writerows([row, content, *settled.of(row)] for row, content in fates.contents(dataset))
        text.flush()
        text.detach()


def _write_scores(path: Path, material: Material, scores: Mapping[str, np.ndarray]) -> None:
    """Every row's scores; empty where there is none: rows set aside, and questions not asked."""
    rows = material.train.examples.rows
    columns = []
    for name in _SCORES:
        column = np.full(len(material.train.dataset), np.nan)
        if name in scores:
            column[rows] = scores[name]
        columns.append(column.tolist())
    with files.open_new(path, durable=False) as out:
        out.write(("row," + ",".join(_SCORES) + "\n").encode())
        for row, values in enumerate(zip(*columns, strict=True)):
            cells = ("" if value != value else f"{value:.6g}" for value in values)
            out.write(f"{row},{','.join(cells)}\n".encode())


def _write_records(folder: Path, material: Material, about: sheet.Sheet, figures: Mapping[str, Any]) -> None:
    train, test, plan = material.train, material.test, material.plan
    aside = {reason: rows.tolist()[:10_000] for reason, rows in train.examples.set_aside.items()}
    files.write_json(
        folder / "data.json",
        {"train": train.dataset.record(), "test": test.dataset.record() if test else None, "set_aside": aside},
    )
    whole = {
        "format": "metier-curation-1",
        **{key: value for key, value in figures.items() if key not in ("report", "run", "review_file", "datasheet")},
        "facts": about.facts,
        "changes": [_change(about.fates.done[row], material) for row in sorted(about.fates.done)],
        "proposals": [_change(about.fates.proposed[row], material) for row in sorted(about.fates.proposed)],
        "cleaned": about.clean.as_json(),
    }
    files.write_json(folder / FILE, whole)
    files.write_json(folder / "plan.json", plan.model_dump(mode="json"))
    files.write_json(folder / "environment.json", environment.describe())
    files.write_json(folder / "base.json", material.trunk.base.record())
    files.write_json(folder / "datasheet.json", sheet.croissant(about))
    files.write_text(folder / "datasheet.html", sheet.page(about))
