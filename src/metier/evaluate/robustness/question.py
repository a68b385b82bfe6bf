"""Robust? What mistyped, shortened, reworded, misread or incomplete inputs cost the expert, and its generic base.

Every change is made at its strongest first, on all rows of the sample; milder ones follow, on half of the rows, where
that cost something. What a change is, is the kind's own: `Task.perturbations`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from metier.curate.balance import holm
from metier.evaluate.case import Answer, Card, Case
from metier.evaluate.evaluation import nested
from metier.evaluate.metrics import decisions
from metier.evaluate.robustness import behaviours
from metier.evaluate.robustness.severity import Cost, apply, cost
from metier.pages.words import number
from metier.tasks.contract import Array, Perturbation, Section

# Tokens that may go through the two models in all: about a minute of two cores, whatever the texts' length.
_TOKENS = 200_000
_FEWEST = 100
_CHARACTERS = 4  # to a token, roughly
# A strong change whose loss has a p above this is not followed to milder ones.
_FOLLOWED = 0.2
# The share of the clean figure that a middling change may cost before it is more than a blemish.
_BLEMISH = 0.05
_NAMED = 2  # changes that tuning made it brittle against, on the card
_SHOWN = 8


@dataclass(frozen=True)
class Curve:
    """One perturbation from mild to strong. `p` and `gap_p` are those of the strongest, adjusted for many (Holm)."""

    perturbation: Perturbation
    costs: tuple[Cost, ...]
    p: float = float("nan")
    gap_p: float = float("nan")

    @property
    def strongest(self) -> Cost:
        """What the strongest change costs, measured on all rows."""
        return self.costs[-1]

    @property
    def middling(self) -> Cost:
        """What the middling change costs; the strongest where milder ones were not worth measuring."""
        return self.costs[-2] if len(self.costs) > 1 else self.costs[-1]


def ask(case: Case) -> Answer:
    """Severity curves of every perturbation and, where the plan names a file of them, the user's own behaviours."""
    own = behaviours.ask(case)
    curves, idle = measure(case)
    if not curves:
        return Answer(own.figures, own.sections, own.card, [*own.notes, "no perturbation changes these rows"])
    level = 1 - case.level
    figures = {
        "robustness": [_plain(case, curve, one, level) for curve in curves for one in curve.costs],
        **own.figures,
    }
    notes = [f"these rows have nothing that {name} could change" for name in idle]
    strong = curves[0].strongest.changed
    if len(strong.positions) < len(case.examples):
        notes.append(f"measured on {len(strong.positions)} of {len(case.examples)} rows")
    sections = [_picture(case, curves, level), *_turned(case, curves), *own.sections]
    return Answer(figures, sections, _card(case, curves, level, own.card), [*notes, *own.notes])


def measure(case: Case) -> tuple[list[Curve], list[str]]:
    """A curve for every perturbation that changes something, and the names of those that change nothing."""
    like = case.examples if case.origin is None else case.origin.examples
    changes = case.expert.task.perturbations(like, case.expert.trunk)
    rows = case.sample(affordable(case, len(changes)))
    half = rows[nested(len(rows), [(len(rows) + 1) // 2], case.seed)[0]]
    curves, idle = [], []
    with case.progress.stage("changing inputs", len(changes), "changes") as stage:
        for change in changes:
            found = _curve(case, change, rows, half)
            curves += [found] if found else []
            idle += [] if found else [change.name]
            stage.advance(1)
    p = holm([curve.strongest.drop.p for curve in curves])
    # A base that gives every row the same answer has nothing to lose.
    blind = float(np.ptp(case.generic_outputs[rows], axis=0).max(initial=0.0)) == 0.0
    gap_p = np.full(len(curves), np.nan) if blind else holm([curve.strongest.gap.p for curve in curves])
    return [replace(curve, p=float(p[at]), gap_p=float(gap_p[at])) for at, curve in enumerate(curves)], idle


def affordable(case: Case, changes: int) -> int:
    """How many rows may be changed in every way: the plan's sample, fewer where the expert reads long texts."""
    most = case.plan.evaluate.sample
    if not any(column["role"] == "text" for column in case.expert.about["columns"]):
        return most
    some = case.examples.inputs.take(case.sample(_FEWEST))
    characters = np.mean([len(case.expert.task.render(some, at)) for at in range(len(some))])
    tokens = min(2 + float(characters) / _CHARACTERS, float(case.expert.trunk.base.max_tokens))
    # Two models; the strongest change on all rows, two milder ones on half of them for about half of the changes.
    return int(max(min(_FEWEST, most), min(most, _TOKENS / (tokens * changes * 2 * 1.5))))


def _curve(case: Case, change: Perturbation, rows: Array, half: Array) -> Curve | None:
    changed = apply(case, change, change.severities[-1], rows)
    if not changed.touched.any():
        return None
    costs = [cost(case, changed)]
    if costs[0].drop.points > 0 and costs[0].drop.p < _FOLLOWED:
        costs += [cost(case, apply(case, change, severity, half)) for severity in change.severities[-2::-1]]
    return Curve(change, tuple(costs[::-1]))


def _plain(case: Case, curve: Curve, one: Cost, level: float) -> dict[str, Any]:
    """One point of a curve as JSON. What is adjusted for many changes is told of the strongest alone."""
    last = one is curve.strongest
    changed, drop = one.changed, one.drop.as_json("clean")
    return {
        "perturbation": curve.perturbation.name,
        "severity": round(changed.severity, 4),
        "means": curve.perturbation.means,
        "metric": case.metric.name,
        **one.value.as_json(),
        "generic": _finite(one.generic),
        "clean": _finite(one.clean),
        "drop": drop["points"],
        "drop_low": drop["low"],
        "drop_high": drop["high"],
        "generic_clean": _finite(one.generic_clean),
        "generic_drop": _finite(one.generic_drop),
        "flip_rate": one.flipped and one.flipped[0],
        "generic_flip_rate": one.flipped and one.flipped[1],
        "p": _finite(curve.p) if last else None,
        "costs": _proven(curve.p, one.drop.points, level) if last else None,
        "gap": _finite(one.gap.points),
        "gap_low": _finite(one.gap.low),
        "gap_high": _finite(one.gap.high),
        "gap_p": _finite(curve.gap_p) if last else None,
        "brittle": bool(_brittle([curve], level)) if last and np.isfinite(curve.gap_p) else None,
        "rows": len(changed.positions),
        "changed": int(changed.touched.sum()),
    }


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _proven(p: float, points: float, level: float) -> bool:
    return bool(points > 0 and p < level)


def _costly(curves: Sequence[Curve], level: float) -> list[Curve]:
    """The curves whose strongest change costs something beyond chance, the costliest at a middling severity first."""
    found = [curve for curve in curves if _proven(curve.p, curve.strongest.drop.points, level)]
    return sorted(found, key=lambda curve: -curve.middling.drop.points)


def _brittle(curves: Sequence[Curve], level: float) -> list[Curve]:
    """The curves that cost something, more than they cost the base, and a larger share of what was there to lose.

    Those come first that cost most beyond what they cost the base. A base that gains by a change, as one that knows
    little may, says nothing of an expert that loses nothing by it.
    """
    found = [
        curve
        for curve in _costly(curves, level)
        if _proven(curve.gap_p, curve.strongest.gap.points, level) and curve.strongest.larger_share
    ]
    return sorted(found, key=lambda curve: -curve.strongest.gap.points)


def _card(case: Case, curves: Sequence[Curve], level: float, own: Card | None) -> Card:
    """The change that costs most when it is middling, and whether the expert still beats its generic base under it."""
    happening = [curve for curve in curves if not curve.perturbation.deliberate] or list(curves)
    costly, brittle = _costly(happening, level), _brittle(curves, level)
    worst = (costly or sorted(happening, key=lambda curve: -curve.middling.drop.points))[0].middling
    name, unit = worst.changed.perturbation.name, _unit(case, curves)
    answer = f"None of {len(happening)} ways to worsen the inputs costs anything beyond chance."
    if costly:
        what = f"{name}, {_severity(worst)}: {number(worst.clean, unit)} becomes {number(worst.value.value, unit)}"
        answer = f"{len(costly)} of {len(happening)} ways to worsen the inputs cost something. Most: {what}."
    for curve in _costly([curve for curve in curves if curve.perturbation.deliberate], level):
        if curve.strongest.flipped:
            answer += f" An {curve.perturbation.name} turns {number(curve.strongest.flipped[0], '%')} of the answers."
    if brittle:
        named = [one.perturbation.name for one in brittle]
        more = [f"{len(named) - _NAMED} more"] if len(named) > _NAMED else []
        answer += f" Tuning made it more brittle against {_listed([*named[:_NAMED], *more])}."
    if own is not None and own.standing == "bad":
        answer += f" {own.answer}"
    behind = worst.value.high < worst.generic if case.metric.greater_is_better else worst.value.low > worst.generic
    clear = (
        worst.drop.points <= _BLEMISH * abs(worst.clean) and not brittle and len(_costly(curves, level)) == len(costly)
    )
    bad = (costly and behind) or (own is not None and own.standing == "bad")
    return Card(
        "Robust?",
        answer,
        "bad" if bad else "good" if clear else "look",
        figure=f"{case.metric.title or case.metric.name} with {name}",
        value=worst.value.value,
        low=worst.value.low,
        high=worst.value.high,
        generic=worst.generic,
        rows=len(worst.changed.positions),
        unit=unit,
    )


def _unit(case: Case, curves: Sequence[Curve]) -> str:
    from metier.pages.charts import unit_of

    values = [value for curve in curves for one in curve.costs for value in (one.clean, one.value.value, one.generic)]
    return unit_of({"greater_is_better": case.metric.greater_is_better}, values)


def _label(one: Cost) -> str:
    """How strong, in a few characters: a share as a percent, else which of the three levels."""
    changed = one.changed
    if changed.perturbation.means.startswith("share of "):
        return f"{changed.severity:.0%}"
    return f"{changed.perturbation.severities.index(changed.severity) + 1}"


def _severity(one: Cost) -> str:
    """`25% of the words mistyped`, or `strength 2 of 3`."""
    means = one.changed.perturbation.means
    told = _label(one)
    return f"{told} {means.removeprefix('share ')}" if told.endswith("%") else f"strength {told} of 3"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _picture(case: Case, curves: Sequence[Curve], level: float) -> Section:
    """What each change costs, by how strong it is, as small pictures; the costliest first."""
    costly, brittle = _costly(curves, level), _brittle(curves, level)
    lead = f"{len(costly) or 'None'} of {len(curves)} changes {'cost' if len(costly) > 1 else 'costs'} something"
    lead += " beyond chance" if costly else " beyond chance; the strongest were tried"
    if brittle:
        lead += f"; against {_listed([one.perturbation.name for one in brittle])} the generic base holds better"
    elif costly and np.isfinite(curves[0].gap_p):
        lead += "; none costs the expert more than it costs the generic base"
    data = {
        "metric": case.metric.name,
        "title": case.metric.title or case.metric.name,
        "greater_is_better": case.metric.greater_is_better,
        "unit": _unit(case, curves),
        "rows": [
            {
                "name": curve.perturbation.name,
                "means": curve.perturbation.means,
                "deliberate": curve.perturbation.deliberate,
                "costs": curve in costly,
                "brittle": curve in brittle,
                "p": _finite(curve.p),
                "flipped": curve.strongest.flipped and curve.strongest.flipped[0],
                "points": [_point(one) for one in curve.costs],
            }
            for curve in [*costly, *(curve for curve in curves if curve not in costly)]
        ],
    }
    return Section("severity", "Worse inputs", data, f"{lead}.")


def _point(one: Cost) -> dict[str, Any]:
    """One point of a picture: what is lost, with its interval, and what is left."""
    drop = one.drop.as_json("clean")
    return {
        "severity": one.changed.severity,
        "label": _label(one),
        "value": drop["points"],
        "low": drop["low"],
        "high": drop["high"],
        "generic": _finite(one.generic_drop),
        "after": _finite(one.value.value),
        "rows": len(one.changed.positions),
    }


def _turned(case: Case, curves: Sequence[Curve]) -> list[Section]:
    """Answers that were right and are wrong after the mildest change that turned them, one a row and change."""
    if not case.classes:
        return []
    items: list[dict[str, Any]] = []
    seen: set[int] = set()
    for curve in sorted(curves, key=lambda curve: -curve.strongest.drop.points):
        item = _first_turned(case, curve, seen)
        if item is not None:
            items.append(item)
    if not items:
        return []
    lead = "Right before, wrong after the mildest change that turned the answer."
    return [Section("turned", "Answers that turned", {"items": items[:_SHOWN]}, lead)]


def _first_turned(case: Case, curve: Curve, seen: set[int]) -> dict[str, Any] | None:
    """Of the mildest change that turned any: the row that was surest before."""
    target, task = case.expert.target, case.expert.task
    for one in curve.costs:
        changed, at = one.changed, one.changed.positions
        before, after, truth = (
            decisions(case.evaluation.outputs[at]),
            decisions(changed.outputs),
            case.evaluation.truth[at],
        )
        turned = [place for place in np.flatnonzero((before == truth) & (after != truth)) if int(at[place]) not in seen]
        if turned:
            sure = case.evaluation.outputs[at].max(axis=1)
            place = max(turned, key=lambda place: sure[place])
            seen.add(int(at[place]))
            right, wrong = target.values(np.array([truth[place], after[place]]))
            return {
                "row": int(case.examples.rows[at[place]]),
                "change": f"{curve.perturbation.name}, {_severity(one)}",
                "before": task.render(case.examples.inputs, int(at[place])),
                "after": task.render(changed.inputs, int(place)),
                "before_picture": task.picture(case.examples.inputs, int(at[place])),
                "after_picture": task.picture(changed.inputs, int(place)),
                "answer": str(right),
                "changed_answer": str(wrong),
            }
    return None
