"""A person's own behavioural tests, asked of the expert and of its generic base: which of their cases fail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metier.errors import DataError, UsageError
from metier.evaluate.case import Answer, Card, Case
from metier.evaluate.intervals import wilson
from metier.evaluate.metrics import decisions, log_probabilities
from metier.evaluate.robustness.behaviours_file import Behaviour, Trial, read
from metier.tasks.contract import Array, Examples, Inputs, Perturbation, Section

_EXAMPLES = 5
_SHOWN = 8


@dataclass(frozen=True)
class Result:
    """How a behaviour went. `failed` are positions of its cases; `generic` how many of them the generic base fails.

    `texts` and `answers` are those of each failing case that is shown.
    """

    behaviour: Behaviour
    cases: int
    failed: int
    generic: int
    level: float
    examples: tuple[Mapping[str, Any], ...]

    @property
    def passed(self) -> bool:
        """Whether no more cases failed than are allowed to."""
        return self.failed <= self.behaviour.allowed * self.cases

    def as_json(self) -> dict[str, Any]:
        """The shape of `evaluate --json`; null where no case counted."""
        low, high = wilson(self.failed, self.cases, self.level) if self.cases else (None, None)
        return {
            "name": self.behaviour.name,
            "kind": self.behaviour.kind,
            "cases": self.cases,
            "failed": self.failed,
            "rate": self.failed / self.cases if self.cases else None,
            "low": low,
            "high": high,
            "generic": self.generic / self.cases if self.cases else None,
            "allowed": self.behaviour.allowed,
            "passed": self.passed,
            "examples": list(self.examples),
        }


def ask(case: Case) -> Answer:
    """Run the behaviours of the plan's file; nothing where it names none. Raises UsageError for a faulty file."""
    path = case.plan.evaluate.behaviours
    if path is None:
        return Answer()
    target = case.expert.target
    labels = [str(label) for label in target.values(np.arange(target.width))] if case.classes else []
    results = []
    behaviours = read(path, labels)
    with case.progress.stage("asking for behaviours", len(behaviours), "behaviours") as stage:
        for one in behaviours:
            results.append(run(case, one))
            stage.advance(1)
    figures = {
        "behaviours": [result.as_json() for result in results],
        "behaviours_passed": all(result.passed for result in results),
    }
    notes = [f"behaviours: no case of {one.behaviour.name!r} counted" for one in results if not one.cases]
    return Answer(figures, _sections(results), _card(results), notes)


@dataclass(frozen=True)
class _Asked:
    """All texts of a behaviour laid end to end, both models' outputs on them, and which belong to one case."""

    shown: Sequence[Any]
    expert: Array
    generic: Array
    groups: Sequence[Array]
    trials: Sequence[Trial]


def run(case: Case, one: Behaviour) -> Result:
    """Ask one behaviour."""
    asked = _perturbed(case, one) if one.perturbation else _spelt_out(case, one)
    counts = np.array([_counts(case, one, asked, group) for group in asked.groups], bool)
    failed, generic = (
        np.array(
            [_fails(case, one, outputs, group, trial) for group, trial in zip(asked.groups, asked.trials, strict=True)],
            bool,
        )
        & counts
        for outputs in (asked.expert, asked.generic)
    )
    examples = tuple(_example(case, one, asked, int(at)) for at in np.flatnonzero(failed)[:_EXAMPLES])
    return Result(one, int(counts.sum()), int(failed.sum()), int(generic.sum()), case.level, examples)


def _spelt_out(case: Case, one: Behaviour) -> _Asked:
    trials = one.trials or tuple(_set(case, one))
    items = [item for trial in trials for item in trial.items]
    ends = np.cumsum([len(trial.items) for trial in trials])
    groups = [np.arange(end - len(trial.items), end) for trial, end in zip(trials, ends, strict=True)]
    examples = _examples(case, items, one)
    outputs = (
        [np.full((len(items), *case.evaluation.outputs.shape[1:]), np.nan)] * 2
        if examples is None
        else [_placed(answers, examples.rows, len(items)) for answers in _both(case, examples.inputs)]
    )
    return _Asked([_told(item) for item in items], outputs[0], outputs[1], groups, trials)


def _set(case: Case, one: Behaviour) -> Iterator[Trial]:
    """Rows of the data with columns set to each of their values, all other columns as they are."""
    reads = [name for name in case.expert.about["reads"] if name in case.dataset.table.column_names]
    absent = sorted(set(one.set) - set(reads))
    if absent:
        raise _wrong(one, f"this expert does not read {', '.join(absent)}", f"columns to set are of {', '.join(reads)}")
    import pyarrow as pa

    rows = case.examples.rows[case.sample(one.rows)]
    for record in case.dataset.table.select(reads).take(pa.array(rows)).to_pylist():
        many = max(len(values) for values in one.set.values())
        settings = [{name: values[at % len(values)] for name, values in one.set.items()} for at in range(many)]
        yield Trial(tuple({**record, **setting} for setting in settings), one.labels)


def _perturbed(case: Case, one: Behaviour) -> _Asked:
    """Rows of the data, or the behaviour's own texts, as they are and as a perturbation of the kind makes them."""
    like = case.examples if case.origin is None else case.origin.examples
    known = {change.name: change for change in case.expert.task.perturbations(like, case.expert.trunk)}
    if one.perturbation not in known:
        raise _wrong(one, f"there is no perturbation {one.perturbation!r}", f"one of {', '.join(known)}")
    change: Perturbation = known[one.perturbation]
    severity = change.severities[0] if one.severity is None else one.severity
    if one.rows:
        examples = case.examples.take(case.sample(one.rows))
    else:
        some = _examples(case, [trial.items[0] for trial in one.trials], one)
        if some is None:
            raise _wrong(one, "at least one of its texts must be readable", "nothing but empty ones")
        examples = some
    changed = change.change(examples, severity, np.random.default_rng(case.seed))
    n, task = len(examples.inputs), case.expert.task
    outputs = [np.concatenate(sides) for sides in zip(_both(case, examples.inputs), _both(case, changed), strict=True)]
    shown = [task.render(inputs, at) for inputs in (examples.inputs, changed) for at in range(n)]
    groups = [np.array([at, n + at]) for at in range(n)]
    return _Asked(shown, outputs[0], outputs[1], groups, [Trial((), one.labels)] * n)


def _examples(case: Case, items: Sequence[Any], one: Behaviour) -> Examples | None:
    """What the expert reads of these; None where there is nothing in any of them."""
    try:
        return case.expert.examples(list(items))
    except DataError as error:
        if error.code == "nothing-left":
            return None
        raise _wrong(one, error.problem, error.found) from error


def _wrong(one: Behaviour, problem: str, found: str) -> UsageError:
    return UsageError(
        "bad-behaviours",
        f"The behaviour {one.name!r} must fit this expert: {problem}",
        found=found,
        fix="docs/behaviours.md shows each kind with an example.",
    )


def _both(case: Case, inputs: Inputs) -> tuple[Array, Array]:
    with case.expert.trunk.scratch():
        return case.expert_of(inputs), case.generic_of(inputs)


def _placed(outputs: Array, rows: Array, many: int) -> Array:
    """Outputs at the places of the items that could be read, NaN at the others."""
    placed = np.full((many, *outputs.shape[1:]), np.nan)
    placed[rows] = outputs
    return placed


def _told(item: Any) -> str:
    return " · ".join(f"{name}: {value}" for name, value in item.items()) if isinstance(item, Mapping) else str(item)


# ------------------------------------------------------------------------------------------------------- what fails


def _answers(outputs: Array) -> Array:
    """(m, k) outputs -> codes, -1 where there is none; (m,) values as they are."""
    if outputs.ndim == 1:
        return outputs
    known = np.isfinite(outputs).all(axis=1)
    return np.where(known, decisions(np.where(known[:, None], outputs, 0.0)), -1)


def _counts(case: Case, one: Behaviour, asked: _Asked, group: Array) -> bool:
    """Whether a case counts: all do, unless `when` says which first answers it is about."""
    if not one.when:
        return True
    return _name(case, _answers(asked.expert[group[:1]])[0]) in one.when


def _name(case: Case, answer: float) -> str:
    if not case.classes:
        return f"{answer:g}"
    return "no answer" if answer < 0 else str(case.expert.target.values(np.array([int(answer)]))[0])


def _fails(case: Case, one: Behaviour, outputs: Array, group: Array, trial: Trial) -> bool:
    some = outputs[group]
    if not np.isfinite(some).all():
        return True
    answers = _answers(some)
    if one.kind == "minimum":
        if one.between is not None and not case.classes:
            return bool(((answers < one.between[0]) | (answers > one.between[1])).any())
        return any(_name(case, answer) not in trial.labels for answer in answers)
    watched = _watched(case, one, some, answers, trial)
    moved = watched[1:] - watched[0]
    if one.kind == "invariance":
        far = np.abs(moved) > one.tolerance
        return bool((far & (answers[1:] != answers[0])).any() if case.classes else far.any())
    limit = one.tolerance
    return bool(
        {
            "not fall": moved < -limit,
            "not rise": moved > limit,
            "rise": moved <= limit,
            "fall": moved >= -limit,
        }[one.must].any()
    )


def _watched(case: Case, one: Behaviour, some: Array, answers: Array, trial: Trial) -> Array:
    """The number that is followed through a case: a label's probability, or the quantity itself."""
    if not case.classes:
        return some
    labels = [str(label) for label in case.expert.target.values(np.arange(some.shape[1]))]
    codes = [labels.index(label) for label in trial.labels] if one.kind == "directional" else []
    shares = np.exp(log_probabilities(some))
    return np.asarray(shares[:, codes or [int(answers[0])]].sum(axis=1))


def _example(case: Case, one: Behaviour, asked: _Asked, at: int) -> dict[str, Any]:
    """A failing case as it is shown: its texts, the answers, and the number that was followed."""
    group, trial = asked.groups[at], asked.trials[at]
    some = asked.expert[group]
    answers = _answers(some)
    shown = range(len(group)) if len(group) <= 2 else [0, _furthest(case, one, some, answers, trial)]
    follow = np.isfinite(some).all()
    watched = _watched(case, one, some, answers, trial) if follow else np.full(len(group), np.nan)
    return {
        "texts": [asked.shown[group[place]] for place in shown],
        "answers": [_name(case, answers[place]) for place in shown],
        "watched": [round(float(watched[place]), 4) if follow else None for place in shown],
        "expected": list(trial.labels) or (list(one.between) if one.between else None),
    }


def _furthest(case: Case, one: Behaviour, some: Array, answers: Array, trial: Trial) -> int:
    """Of many variants the one that broke the behaviour most plainly."""
    if not np.isfinite(some).all():
        return 1
    moved = _watched(case, one, some, answers, trial)[1:] - _watched(case, one, some, answers, trial)[0]
    if one.kind == "directional":
        return 1 + int(np.argmin(moved) if one.must in ("not fall", "rise") else np.argmax(moved))
    other = answers[1:] != answers[0] if case.classes else np.ones(len(moved), bool)
    return 1 + int(np.argmax(np.where(other, np.abs(moved), -1.0)))


# ------------------------------------------------------------------------------------------------------- what is shown


def _card(results: Sequence[Result]) -> Card:
    broken = [result.behaviour.name for result in results if not result.passed]
    if not broken:
        return Card("Robust?", f"All {len(results)} behaviours hold.", "good")
    return Card("Robust?", f"{len(broken)} of {len(results)} behaviours fail: {', '.join(broken[:3])}.", "bad")


def _sections(results: Sequence[Result]) -> list[Section]:
    rows = [
        {
            "name": one.behaviour.name,
            "value": one.failed / one.cases,
            **dict(zip(("low", "high"), wilson(one.failed, one.cases, one.level), strict=True)),
            "note": f"{'holds' if one.passed else 'FAILS'}: {one.failed} of {one.cases} cases, "
            f"{one.behaviour.allowed:.1%} allowed; generic base {one.generic / one.cases:.1%}",
        }
        for one in sorted(results, key=lambda one: one.passed)
        if one.cases
    ]
    caption = "The share of each behaviour's cases that failed."
    data = {"rows": rows, "axis": "Cases that failed", "unit": "%", "signed": False, "caption": caption, "notes": []}
    found = [Section("ranges", "Your own behaviours", data, _card(results).answer)]
    items = [_item(result.behaviour, example) for result in results for example in result.examples[:2]]
    if items:
        found.append(Section("turned", "Cases that failed", {"items": items[:_SHOWN]}))
    return found


def _item(one: Behaviour, example: Mapping[str, Any]) -> dict[str, Any]:
    """A failing case side by side: both texts with their answers, or one text with the answer that was expected."""
    alone = len(example["texts"]) == 1
    return {
        "row": None,
        "change": f"{one.name} ({one.kind})",
        "before": example["texts"][0],
        "after": None if alone else example["texts"][-1],
        "answer": _expected(example["expected"]) if alone else _answer(example, 0),
        "changed_answer": _answer(example, -1),
    }


def _expected(expected: Sequence[Any]) -> str:
    """Labels, any of which is right, or the two ends of a range."""
    if expected and isinstance(expected[0], float):
        return f"{expected[0]:g} to {expected[1]:g}"
    return " or ".join(map(str, expected))


def _answer(example: Mapping[str, Any], place: int) -> str:
    watched = example["watched"][place]
    return str(example["answers"][place]) + ("" if watched is None else f" ({watched:.2f})")
