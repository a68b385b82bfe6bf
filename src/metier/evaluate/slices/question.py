"""Is it good for everyone? Every part of the rows against the rest, those worse by more than chance, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from metier.evaluate.case import Answer, Card, Case
from metier.evaluate.intervals import Gain, Interval, bootstrap, paired_gain
from metier.evaluate.metrics import find_metric
from metier.evaluate.multiple_tests import benjamini_hochberg
from metier.evaluate.row_order import figure
from metier.evaluate.slices.clusters import clusters
from metier.evaluate.slices.permutation import lower_than_rest
from metier.evaluate.slices.slicing import FEWEST, Division, Slice, distinct, divisions
from metier.pages.metrics import is_share
from metier.tasks.contract import Array, Metric, Section

FALSE_ALARMS = 0.05  # the share of the slices called worse that may be so by chance
_EXAMPLES = 3
_PICTURED = 16
_REPLICATES = 500

# Why a slice is worse: tuning left it behind, it was so before, both, or these rows cannot tell.
Cause = Literal["tuning", "before", "both", "unclear"]


@dataclass(frozen=True)
class Judged:
    """A slice with the expert's figure, the generic base's, and how surely it is worse than the rest.

    `p` is the one-sided p-value, `q` the same for so many slices. `cause`, `gain` and `examples` are told of
    a slice that is `worse` alone.
    """

    slice: Slice
    metric: Metric
    figure: Interval
    generic: float
    p: float
    q: float
    cause: Cause | None = None
    gain: Gain | None = None  # over the generic base within the slice
    examples: tuple[dict[str, Any], ...] = ()

    @property
    def worse(self) -> bool:
        """Whether it is worse than the rest by more than chance, given how many slices were looked at."""
        return self.q <= FALSE_ALARMS

    @property
    def name(self) -> str:
        """What it is called on the page."""
        return f"{self.slice.by}: {self.slice.name}"

    def as_json(self) -> dict[str, Any]:
        """The shape of one entry of `slices`."""
        return {
            "by": self.slice.by,
            "slice": self.slice.name,
            "rows": self.slice.rows,
            "metric": self.metric.name,
            **self.figure.as_json(),
            "generic": self.generic,
            "p": self.p,
            "q": self.q,
            "worse": self.worse,
            "cause": self.cause,
            "gain": None if self.gain is None else self.gain.as_json("generic"),
            "examples": list(self.examples),
        }


def ask(case: Case) -> Answer:
    """Slices by column, length, language, time, truth and found cluster; figures under `slices`."""
    metric = row_metric(case)
    divided = divisions(case)
    divided.append(clusters(case, [one for division in divided for one in division.slices]))
    parts = distinct(divided, len(case.examples))
    judged = judge(case, parts, metric)
    notes = _notes(case, divided, metric)
    if not judged:
        card = Card("Good for everyone?", f"No part of these rows has {FEWEST} of them.", "unknown")
        return Answer({"slices": []}, card=card, notes=notes)
    sections = [_picture(case, judged, metric)]
    if any(one.examples for one in judged):
        sections.append(_errors(judged))
    return Answer({"slices": [one.as_json() for one in judged]}, sections, _card(judged, metric), notes)


def row_metric(case: Case) -> Metric:
    """The case's metric where it is a mean over rows, else the target's first one that is.

    Within a slice any other metric hangs on which labels happen to be there: macro F1 of rows of one label is low by
    nature, however good the answers.
    """
    if case.metric.per_row is not None:
        return case.metric
    known = case.expert.target.metrics().values()
    return next((metric for metric in known if metric.per_row is not None), find_metric(None, case.expert.target))


def judge(case: Case, parts: Sequence[Slice], metric: Metric) -> list[Judged]:
    """Every slice against all other rows, the surest to be worse first; examples and cause of those that are worse.

    One-sided tests on each row's share in the metric (see `lower_than_rest`), corrected by Benjamini & Hochberg.
    """
    if not parts:
        return []
    truth, ours, generic = case.evaluation.truth, case.evaluation.outputs, case.generic_outputs
    mine, its = _worth(metric, truth, ours), _worth(metric, truth, generic)
    members = np.stack([one.member for one in parts])
    p = lower_than_rest(mine, members, seed=case.seed)
    q = benjamini_hochberg(p)
    worse = np.flatnonzero(q <= FALSE_ALARMS)
    causes = dict(zip(worse.tolist(), _causes(mine, its, members[worse], case.seed), strict=True))
    found = []
    for at, one in enumerate(parts):
        right, said, before = truth[one.member], ours[one.member], generic[one.member]
        measured = bootstrap({"it": metric}, right, said, level=case.level, replicates=_REPLICATES, seed=case.seed)
        judged = Judged(one, metric, measured["it"], figure(metric, right, before), float(p[at]), float(q[at]))
        if at in causes:
            gain = paired_gain(metric, right, before, said, level=case.level, seed=case.seed)
            judged = replace(judged, cause=causes[at], gain=gain, examples=_examples(case, one.member, mine))
        found.append(judged)
    # What would be gained were it like the rest: rows times how far it lies behind.
    lost = [float((mine.mean() - mine[one.slice.member].mean()) * one.slice.rows) for one in found]
    return [found[at] for at in sorted(range(len(found)), key=lambda at: (not found[at].worse, -lost[at]))]


def _worth(metric: Metric, truth: Array, outputs: Array) -> Array:
    """(n,) what each row adds to the metric; more is always better."""
    assert metric.per_row is not None
    return np.asarray(metric.per_row(truth, outputs) * (1.0 if metric.greater_is_better else -1.0))


def _causes(mine: Array, its: Array, worse: Array, seed: int) -> list[Cause]:
    """Did tuning gain less here than elsewhere, and was the base worse here already? Both for so many slices."""
    if not len(worse):
        return []
    behind = benjamini_hochberg(lower_than_rest(mine - its, worse, seed=seed)) <= FALSE_ALARMS
    before = benjamini_hochberg(lower_than_rest(its, worse, seed=seed)) <= FALSE_ALARMS
    told: dict[tuple[bool, bool], Cause] = {
        (True, False): "tuning",
        (False, True): "before",
        (True, True): "both",
        (False, False): "unclear",
    }
    return [told[bool(one), bool(other)] for one, other in zip(behind, before, strict=True)]


def _examples(case: Case, inside: Array, worth: Array) -> tuple[dict[str, Any], ...]:
    """Up to three wrong rows of a slice, the worst and then the most confident ones first."""
    places = np.flatnonzero(inside)
    target = case.expert.target
    told = target.decode(case.evaluation.raw[places], case.expert.about["calibration"], None)
    truths = target.values(case.evaluation.truth[places])
    wrong = [at for at in range(len(places)) if told.values[at] != truths[at]]
    wrong.sort(key=lambda at: (worth[places[at]], -told.confidence[at]))
    return tuple(
        {
            "row": int(case.examples.rows[places[at]]),
            "text": case.expert.task.render(case.examples.inputs, int(places[at])),
            "truth": truths[at],
            "prediction": told.values[at],
            "confidence": float(told.confidence[at]),
        }
        for at in wrong[:_EXAMPLES]
    )


# -------------------------------------------------------------------------------------------------- the page

_WHY = {
    "tuning": "tuning gained less here than elsewhere",
    "before": "it was so before tuning",
    "both": "it was so before, and tuning gained less here than elsewhere",
    "unclear": "whether tuning caused it cannot be told",
}


def _picture(case: Case, judged: Sequence[Judged], metric: Metric) -> Section:
    """All slices that are worse and the largest others, one row each."""
    worse = [one for one in judged if one.worse]
    others = sorted((one for one in judged if not one.worse), key=lambda one: -one.slice.rows)
    shown = worse[:_PICTURED] + others[: max(4, _PICTURED - len(worse))]
    data = {
        "rows": [
            {
                "name": one.name,
                **one.figure.as_json(),
                "note": _note(one),
                "generic": one.generic,
                "worse": one.worse,
            }
            for one in shown
        ],
        "axis": metric.title or metric.name,
        "unit": "%" if is_share(metric.name) else "",
        "whole": figure(metric, case.evaluation.truth, case.evaluation.outputs),
        "caption": "Orange parts are worse than the rest by more than chance; the upright line is all rows together.",
    }
    return Section("ranges", "Good for everyone?", data, _lead(judged, worse))


def _note(one: Judged) -> str:
    rows = f"{one.slice.rows:,} rows"
    return f"{rows}; worse than the rest (q = {one.q:.2g}), {_WHY[one.cause]}" if one.cause else rows


def _lead(judged: Sequence[Judged], worse: Sequence[Judged]) -> str:
    looked = f"{len(judged):,} parts of the rows were looked at"
    if not worse:
        return f"{looked}; none is worse than the rest beyond chance."
    first = worse[0]
    unit = "%" if is_share(first.metric.name) else ""
    value = f"{first.figure.value:.1%}" if unit else f"{first.figure.value:.4g}"
    return (
        f"{looked}; {len(worse):,} {'is' if len(worse) == 1 else 'are'} worse than the rest beyond chance. Most is "
        f"lost on {first.name} ({first.metric.name} {value} on {first.slice.rows:,} rows; "
        f"{_WHY[first.cause or 'unclear']})."
    )


def _errors(judged: Sequence[Judged]) -> Section:
    rows: dict[int, dict[str, Any]] = {}
    for one in judged:
        for example in one.examples:
            rows.setdefault(example["row"], {**example, "text": f"[{one.name}] {example['text']}"})
    lead = "Up to three of each part that is worse, the surest first."
    return Section("errors", "Wrong answers in those parts", {"rows": list(rows.values())[:20]}, lead)


def _card(judged: Sequence[Judged], metric: Metric) -> Card:
    worse = [one for one in judged if one.worse]
    left = sum(one.cause in ("tuning", "both") for one in worse)
    harmed = sum(one.gain is not None and one.gain.high < 0 for one in worse)
    if not worse:
        answer = f"None of {len(judged):,} parts of the rows is worse than the rest beyond chance."
    else:
        answer = f"{len(worse):,} of {len(judged):,} parts of the rows are worse than the rest beyond chance"
        answer += f"; tuning did harm to {harmed:,}." if harmed else f"; tuning left {left:,} behind." if left else "."
    # With nothing flagged the lowest figure is mostly the smallest slice: the largest one tells more.
    shown = worse[0] if worse else max(judged, key=lambda one: one.slice.rows)
    return Card(
        "Good for everyone?",
        answer,
        "bad" if harmed else "look" if worse else "good",
        f"{metric.title or metric.name}, {shown.name}",
        shown.figure.value,
        shown.figure.low,
        shown.figure.high,
        shown.generic,
        shown.slice.rows,
        "%" if is_share(metric.name) else "",
    )


def _notes(case: Case, divided: Sequence[Division], metric: Metric) -> list[str]:
    notes = []
    if metric is not case.metric:
        notes.append(
            f"parts of the rows are compared by {metric.name}: {case.metric.name} is no mean over rows, so within a "
            "part it would hang on which labels happen to be there"
        )
    few = [one.by for one in divided if one.left_out and one.slices]
    if few:
        notes.append(f"values with under {FEWEST} rows are not looked at by themselves: some of {', '.join(few)}")
    return notes + [one.left_out for one in divided if one.left_out and not one.slices]
