"""What each fix is worth: the frozen rung with and without it, measured on the same rows that nothing was done to.

The rows it is measured on are a given test file, or the validation part of the leakage-safe split. In the latter case
all questions are asked once more, of the training part alone: had they seen the held-out rows' labels, a fix could
carry these into training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from metier.curate import apply
from metier.curate.fates import Change, resolve
from metier.curate.findings import Finding, Kind
from metier.curate.material import Material, Side
from metier.curate.splitting import offer
from metier.data.split import split
from metier.evaluate.intervals import Gain, Interval, bootstrap, paired_gain
from metier.evaluate.metrics import find_metric
from metier.plan import Plan
from metier.tasks.contract import Array, Examples, Metric, Predictor, Rung, Work

Ask = Callable[[Material], Sequence[Finding]]

# Fix -> the kinds of finding whose proposals it carries out, and which of the proposed actions.
_FIXES: Mapping[str, tuple[tuple[Kind, ...], str]] = {
    "drop copies": (("duplicate", "near_duplicate", "paraphrase"), "drop"),
    "relabel": (("label_error", "duplicate", "near_duplicate", "paraphrase"), "relabel"),
    "drop what would be relabelled": (("label_error",), "relabel"),
    "drop mislabelled rows": (("label_error",), "drop"),
    "drop off-topic rows": (("off_topic",), "drop"),
    "drop broken rows": (("broken", "invalid"), "drop"),
    "mend broken rows": (("broken",), "rewrite"),
    "drop wrong languages": (("wrong_language",), "drop"),
    "drop leaks": (("leakage",), "drop"),
    "hide personal data": (("personal_data",), "rewrite"),
    "drop personal data": (("personal_data",), "drop"),
}
_EVERYTHING = "everything proposed"
_DROPS_RELABELLED = "drop what would be relabelled"


@dataclass(frozen=True)
class Fix:
    """One fix: rows it touches, what the rung then reaches, and the paired gain over doing nothing."""

    name: str
    rows: int
    value: Interval
    gain: Gain
    apart: Gain | None  # the same, on the held-out rows whose own labels are not doubted

    def as_json(self) -> dict[str, Any]:
        """Plain JSON, gains in units of the metric."""
        return {
            "fix": self.name,
            "rows": self.rows,
            **self.value.as_json(),
            "gain": self.gain.as_json("as it is"),
            "gain_undoubted": None if self.apart is None else self.apart.as_json("as it is"),
        }


@dataclass(frozen=True)
class Worth:
    """All fixes beside the data as it is, on `rows` held-out rows, of which `doubted` have doubtful labels."""

    metric: str
    rung: str
    held_out: str
    train_rows: int
    rows: int
    doubted: int
    base: Interval
    fixes: tuple[Fix, ...]
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As `curate --json` tells it."""
        return {
            "metric": self.metric,
            "rung": self.rung,
            "held_out": self.held_out,
            "train_rows": self.train_rows,
            "rows": self.rows,
            "doubted": self.doubted,
            "base": self.base.as_json(),
            "fixes": [fix.as_json() for fix in self.fixes],
            "notes": list(self.notes),
        }


def measure(material: Material, findings: Sequence[Finding], ask: Ask, folder: Path) -> Worth:
    """Fit the last rung that trains no base, once for each fix, with the settings chosen before any of them.

    `ask` puts the questions that were asked to another material. The metric is the plan's, or the target's own.
    """
    plan, task = material.plan, material.task
    train, held_out, where, found, doubted = _sides(material, findings, ask)
    rung = [rung for rung in task.rungs(train.target) if not rung.trains][-1]
    metric = find_metric(plan.ladder.metric, train.target)
    fit = _Fit(rung, plan, material, metric, folder, _settings(rung, train, material, metric, folder))
    with material.progress.stage("what each fix is worth", None, "fits") as stage:
        before = fit.outputs(train, held_out)
        stage.advance()
        fixes = []
        for name, changes, rows in _variants(found, material, train):
            outputs = fit.outputs(_fixed(train, changes, material), held_out)
            stage.advance()
            fixes.append(_fix(name, rows, metric, held_out, before, outputs, doubted, plan))
    truth = held_out.targets
    base = bootstrap({metric.name: metric}, truth, before, level=plan.ladder.level, seed=plan.seed)[metric.name]
    notes = _notes(where, len(truth), int(doubted.sum()), fixes)
    return Worth(
        metric.name, rung.name, where, len(train), len(truth), int(doubted.sum()), base, tuple(fixes), tuple(notes)
    )


def _sides(
    material: Material, findings: Sequence[Finding], ask: Ask
) -> tuple[Examples, Examples, str, list[Finding], Array]:
    """Training examples, held-out ones, what those are, findings that saw the training side alone, rows in doubt."""
    file, examples = material.train.file, material.train.examples
    doubts = {one.row for one in findings if one.kind == "label_error" and one.file == file}
    if material.test is not None:
        known = material.task.prepare(material.test.dataset, material.plan, examples.target)
        usable = np.flatnonzero(_known(known.targets))
        held_out = known.take(usable)
        here = [one for one in findings if one.file == file]
        doubted = {one.row for one in findings if one.kind == "label_error" and one.file == material.test.file}
        return examples, held_out, "test", here, np.isin(held_out.rows, [row for row in doubted if row is not None])
    parts = offer(material)
    train, held_out = examples.take(parts.train), examples.take(parts.validation)
    part = Material(
        material.task,
        Side(material.train.dataset, train),
        None,
        material.trunk,
        material.plan,
        material.progress,
    )
    found = [one for one in ask(part) if one.file == file]
    return train, held_out, "validation", found, np.isin(held_out.rows, [row for row in doubts if row is not None])


@dataclass(frozen=True)
class _Fit:
    """The one rung with fixed settings, as a function from training examples to outputs for the held-out ones."""

    rung: Rung
    plan: Plan
    material: Material
    metric: Metric
    folder: Path
    settings: Mapping[str, Any]

    def outputs(self, train: Examples, held_out: Examples) -> Array:
        work = _work(train, None, self.material, self.metric, self.folder, self.settings)
        return self.rung.fit(work)[0].outputs(held_out.inputs)


def _settings(rung: Rung, train: Examples, material: Material, metric: Metric, folder: Path) -> Mapping[str, Any]:
    """The rung's settings, chosen inside the training rows as they are: no fix and no held-out row had a say."""
    inner = split(train, material.plan)
    work = _work(train.take(inner.train), train.take(inner.validation), material, metric, folder, None)
    return rung.fit(work)[1]


def _work(
    train: Examples,
    validation: Examples | None,
    material: Material,
    metric: Metric,
    folder: Path,
    settings: Mapping[str, Any] | None,
) -> Work:
    folder.mkdir(parents=True, exist_ok=True)
    earlier: dict[str, Predictor] = {}
    return Work(
        train, validation, material.plan, material.trunk, metric, folder, earlier, material.progress, settings=settings
    )


def _variants(
    found: Sequence[Finding], material: Material, train: Examples
) -> Iterable[tuple[str, Mapping[int, Change], int]]:
    """(fix, changes by row, rows touched) of every fix that has something to do, all of them together last."""
    trained = set(train.rows.tolist())
    several = 0
    for name, (kinds, action) in _FIXES.items():
        chosen = [one for one in found if one.kind in kinds and one.action == action and one.row in trained]
        changes = _changes(chosen, material)
        if name == _DROPS_RELABELLED:
            changes = {row: replace(change, action="drop", cells={}) for row, change in changes.items()}
        if changes:
            several += name != _DROPS_RELABELLED
            yield name, changes, len(changes)
    everything = _changes([one for one in found if one.row in trained], material)
    if several > 1:
        yield _EVERYTHING, everything, len(everything)


def _changes(chosen: Sequence[Finding], material: Material) -> dict[int, Change]:
    dataset = material.train.dataset
    fates = resolve(chosen, file=material.train.file, rows=len(dataset), set_aside={}, apply=True)
    return dict(fates.done)


def _fixed(train: Examples, changes: Mapping[int, Change], material: Material) -> Examples:
    """The training examples as they would be: read again from the changed table, without the rows that go."""
    gone = {row for row, change in changes.items() if change.action == "drop"}
    touched = {row: change for row, change in changes.items() if change.action in ("relabel", "rewrite")}
    if not touched:
        return train.take(np.flatnonzero(~np.isin(train.rows, list(gone))))
    dataset = apply.changed(material.train.dataset, touched)
    again = material.task.prepare(dataset, material.plan, train.target)
    wanted = np.isin(again.rows, train.rows) & ~np.isin(again.rows, list(gone))
    return again.take(np.flatnonzero(wanted))


def _fix(
    name: str,
    rows: int,
    metric: Metric,
    held_out: Examples,
    before: Array,
    after: Array,
    doubted: Array,
    plan: Plan,
) -> Fix:
    truth, level, seed = held_out.targets, plan.ladder.level, plan.seed
    value = bootstrap({metric.name: metric}, truth, after, level=level, seed=seed)[metric.name]
    gain = paired_gain(metric, truth, before, after, level=level, seed=seed)
    apart = None
    if doubted.any() and not doubted.all():
        sure = ~doubted
        apart = paired_gain(metric, truth[sure], before[sure], after[sure], level=level, seed=seed)
    return Fix(name, rows, value, gain, apart)


def _notes(where: str, rows: int, doubted: int, fixes: Sequence[Fix]) -> list[str]:
    notes = []
    if where == "validation":
        notes.append("For these figures all questions were asked again of the training part alone.")
    if doubted:
        notes.append(
            f"{doubted:,} of the {rows:,} rows it is measured on ({doubted / rows:.1%}) have doubtful labels "
            "themselves: a right answer counts as a mistake there, so gains from mended labels are understated. "
            "Without those rows a gain is overstated a little, since they were found by a similar model."
        )
    if any(fix.name == "drop leaks" for fix in fixes):
        notes.append("Without leaks a lower figure is the truer one: rows that were known beforehand no longer help.")
    return notes


def _known(targets: Array) -> Array:
    return np.isfinite(targets) if targets.dtype.kind == "f" else targets >= 0
