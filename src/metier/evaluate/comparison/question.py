"""Is one expert better than another, as good, or at least not worse: both on the same rows, metric by metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metier import files
from metier.errors import UsageError
from metier.evaluate.case import Answer, Case
from metier.evaluate.comparison.equivalence import Equivalence, equivalence, usual_margin
from metier.evaluate.comparison.power import Power, power_of
from metier.evaluate.intervals import Gain, paired_gain
from metier.evaluate.multiple_tests import holm
from metier.expert import Expert
from metier.govern import record
from metier.tasks.contract import Array, Metric, Section, Target

# A label the other expert does not know gets this logarithm of a probability.
_NEVER = -1e4


@dataclass(frozen=True)
class Compared:
    """This model against another on the same `rows` rows; gains are this one's, positive is better.

    `p_holm` are corrected for the number of metrics.
    """

    metric: Metric
    rows: int
    gains: Mapping[str, Gain]
    p_holm: Mapping[str, float]
    equivalence: Equivalence
    power: Power

    def as_json(self) -> dict[str, Any]:
        """`{"gains": [{"metric", "points", "low", "high", "p", "p_holm"}], "equivalent", ..., "power"}`."""
        gains = []
        for name, gain in self.gains.items():
            figures = {key: value for key, value in gain.as_json("").items() if key != "over"}
            adjusted = self.p_holm[name]
            gains.append({"metric": name, **figures, "p_holm": adjusted if np.isfinite(adjusted) else None})
        return {"rows": self.rows, "gains": gains, **self.equivalence.as_json(), "power": self.power.as_json()}


def ask(case: Case) -> Answer:
    """The gain over the generic base in every metric and, where the plan names one, over another expert."""
    answer = with_generic(case)
    if case.plan.evaluate.against is None:
        return answer
    other = compare(case, Expert.load(case.plan.evaluate.against, cache=case.place.cache, progress=case.progress))
    figures = {**answer.figures, **other.figures}
    return Answer(figures, [*answer.sections, *other.sections], other.card, [*answer.notes, *other.notes])


def compare(case: Case, other: Expert) -> Answer:
    """This expert against another one on the rows both can read; figures under `against`.

    Raises UsageError where the other predicts something else.
    """
    truth, ours, theirs, lost = _side_by_side(case, other)
    found = compared(case, truth, theirs, ours)
    name = str(other.about.get("name") or other.folder)
    if name == case.expert.about.get("name"):
        name = str(other.folder)
    notes = [f"{lost:,} rows that {name} cannot read are left out of the comparison with it."] if lost else []
    section = _section(case, found, name, f"This expert against {name}")
    known = {"expert": name, "manifest": files.sha256(other.folder / record.MANIFEST)}
    return Answer(figures={"against": {**known, **found.as_json()}}, sections=[section], notes=notes)


def with_generic(case: Case) -> Answer:
    """This expert against its own generic base in every metric; figures under `gains` and `power`."""
    found = compared(case, case.evaluation.truth, case.generic_outputs, case.evaluation.outputs)
    figures = found.as_json()
    section = _section(case, found, "the generic base", "What tuning gained, metric by metric")
    return Answer(figures={"gains": figures["gains"], "power": figures["power"]}, sections=[section])


def compared(case: Case, truth: Array, theirs: Array, ours: Array, *, margin: float | None = None) -> Compared:
    """Paired gains of our outputs (n, k) or (n,) over theirs in every metric of the target, and the case's own.

    `margin` is what is too little to matter, in units of the case's metric; left out, see `usual_margin`.
    """
    metric = case.metric
    metrics = {**case.expert.target.metrics(), metric.name: metric}
    gains = {
        name: paired_gain(one, truth, theirs, ours, level=case.level, seed=case.seed) for name, one in metrics.items()
    }
    adjusted = holm([gain.p for gain in gains.values()])
    width = usual_margin(metric, metric.function(truth, theirs)) if margin is None else margin
    same = equivalence(metric, truth, theirs, ours, width, level=case.level, seed=case.seed)
    power = power_of(metric, truth, theirs, ours, gains[metric.name], level=case.level)
    return Compared(metric, len(truth), gains, dict(zip(gains, map(float, adjusted), strict=True)), same, power)


# -------------------------------------------------------------------------------------------------- two experts


def _side_by_side(case: Case, other: Expert) -> tuple[Array, Array, Array, int]:
    """Truth, our outputs and theirs on the rows both can read, in our labels; and how many rows only we can read."""
    places = _labels(case.expert.target, other)
    examples = other.examples(other.dataset(case.dataset))
    _, mine, its = np.intersect1d(case.examples.rows, examples.rows, return_indices=True)
    if not len(mine):
        raise UsageError(
            "no-common-rows",
            "Both experts must be able to read at least one labelled row.",
            found=f"{len(case.examples):,} rows for this one, {len(examples):,} for the other, none in common",
            fix="Give a file with the columns that both read.",
        )
    examples = examples.take(its)
    raw = other.outputs(examples.inputs, other.shifts(case.dataset.table, examples.rows))
    theirs = other.target.calibrated(raw, other.about["calibration"])
    if places is not None:
        theirs = np.where(places >= 0, theirs[:, places], np.float32(_NEVER))
    lost = len(case.examples) - len(mine)
    return case.evaluation.truth[mine], case.evaluation.outputs[mine], theirs, lost


def _labels(target: Target, other: Expert) -> Array | None:
    """Where each of our outputs stands among the other's; None where there is but one."""
    ours, its = _names(target), _names(other.target)
    if target.kind != other.target.kind or set(its) - set(ours):
        raise UsageError(
            "other-target",
            "Two experts that are compared must predict the same thing.",
            found=f"this one gives {_shown(target, ours)}, the other {_shown(other.target, its)}",
            fix="Give --against an expert tuned for the same labels.",
        )
    if target.width == 1:
        return None
    return np.array([its.index(name) if name in its else -1 for name in ours])


def _names(target: Target) -> list[str]:
    return [] if target.width == 1 else [str(name) for name in target.values(np.arange(target.width))]


def _shown(target: Target, names: Sequence[str]) -> str:
    return f"one of {len(names)} labels ({', '.join(names[:4])}, ...)" if names else f"a {target.kind}"


# -------------------------------------------------------------------------------------------------- in words


def _section(case: Case, found: Compared, other: str, title: str) -> Section:
    """The gains of metrics that are shares as one picture about zero; of a quantity all, in their own units."""
    known = case.expert.target.metrics()
    shares = [name for name in found.gains if name in known and _is_share(known[name], case)]
    rows = [
        {
            "name": known[name].title or name if name in known else name,
            **{end: _plain(value) for end, value in (("value", gain.points), ("low", gain.low), ("high", gain.high))},
            "note": f"{name}, p = {found.p_holm[name]:.2g} after Holm",
        }
        for name, gain in found.gains.items()
        if (name in shares) == bool(shares)
    ]
    data = {
        "rows": rows,
        "axis": f"Gain over {other}",
        "unit": "%" if shares else "",
        "signed": True,
        "caption": "Right of zero is better, whatever the metric.",
        "notes": [equivalent_in_words(found, other), found.power.sentence],
    }
    return Section("ranges", title, data, lead=_lead(found, other))


def _lead(found: Compared, other: str) -> str:
    gain, name = found.gains[found.metric.name], found.metric.name
    told = "better than" if gain.low > 0 else "worse than" if gain.high < 0 else "not to be told from"
    sure = sum(p <= 0.05 for p in found.p_holm.values())
    return (
        f"In {name} it is {told} {other} on {found.rows:,} rows; {sure} of {len(found.gains)} metrics differ beyond "
        "chance, corrected for their number."
    )


def equivalent_in_words(found: Compared, other: str) -> str:
    """What the tests of equivalence say, in one sentence."""
    same = found.equivalence
    margin = f"{100 * same.margin:.1f} points" if found.power.share else f"{same.margin:.3g}"
    if same.equivalent:
        return f"It is as good as {other}: the difference in {found.metric.name} is proven to be under {margin}."
    if same.non_inferior:
        return f"It is not worse than {other} by {margin} or more in {found.metric.name} (non-inferiority, proven)."
    return f"It is not proven that it is less than {margin} worse than {other} in {found.metric.name}."


def _is_share(metric: Metric, case: Case) -> bool:
    return metric.greater_is_better and case.classes


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
