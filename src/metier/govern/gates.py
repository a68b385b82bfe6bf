"""Gates: a policy held against sealed evidence, one row a gate, each with the place its figure comes from.

A figure that nobody measured fails its gate and names the command that measures it. Nothing is computed here: what a
gate finds stands in a run's sealed file or in the ledger.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from metier.evaluate.gate import Limit
from metier.govern.evidence import EVALUATION, Evidence, Sealed
from metier.govern.policy import Bound, Policy

_GAPS = {
    "selection": "demographic_parity_difference",
    "errors": "equalized_odds_difference",
    "accuracy": "accuracy_difference",
    "mean_error": "mean_error_difference",
    "mean_absolute_error": "mean_absolute_error_difference",
}


@dataclass(frozen=True)
class Gate:
    """One gate: what was wanted, what was found with its interval, and the evidence. `next` is what to type.

    `waived` is `{"by", "reason", "until", "record"}` where somebody answers for a gate that is not passed.
    """

    gate: str
    wanted: str
    found: Any
    passed: bool
    low: float | None = None
    high: float | None = None
    evidence: Mapping[str, Any] | None = None
    next: str = ""
    waived: Mapping[str, Any] | None = None

    @property
    def open(self) -> bool:
        """Whether it stands in the way."""
        return not self.passed and self.waived is None

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        named = ("gate", "wanted", "found", "low", "high", "passed", "evidence", "next", "waived")
        return {name: getattr(self, name) for name in named}


@dataclass(frozen=True)
class Figure:
    """A figure with its interval, as it stands in a run."""

    value: float | None
    low: float | None
    high: float | None
    run: Sealed
    path: str


def measured(policy: Policy, evidence: Evidence) -> list[Gate]:
    """Every gate on a figure of an evaluation, in the policy's order."""
    found = [_figure(name, bound, evidence) for name, bound in policy.figures.items()]
    for gate, (find, flags) in _FIGURES.items():
        bound = getattr(policy, gate)
        if bound is not None:
            command = f"{evaluate(evidence)} --only {flags}"
            found.append(held(gate, bound, find(evidence, bound), command, evidence))
    if policy.rows is not None:
        found.append(_rows(policy.rows, evidence))
    if policy.evaluation_days is not None:
        found.append(_age(policy.evaluation_days, found, evidence))
    return found


def held(gate: str, bound: Bound, figure: Figure | None, command: str, evidence: Evidence) -> Gate:
    """A figure held against its bound: at the worse end of its interval, or where the bound says."""
    wanted = words(bound)
    if figure is None:
        why = evidence.why("evaluated")
        return Gate(gate, wanted, None, False, next=command + (f" (did not count: {why})" if why else ""))
    passed = all(
        Limit(figure.path, **{side: limit}).holds(getattr(figure, bound.bound or end))
        for side, limit, end in (("least", bound.min, "low"), ("greatest", bound.max, "high"))
        if limit is not None
    )
    cited = figure.run.cite(EVALUATION, figure.path)
    told = "" if passed else "tune or evaluate again, with more rows where the interval is wide"
    return Gate(gate, wanted, figure.value, passed, figure.low, figure.high, cited, told)


def words(bound: Bound) -> str:
    """A bound as it is read: `low >= 0.9`."""
    parts = []
    if bound.min is not None:
        parts.append(f"{bound.bound or 'low'} >= {bound.min:g}")
    if bound.max is not None:
        parts.append(f"{bound.bound or 'high'} <= {bound.max:g}")
    return " and ".join(parts)


def evaluate(evidence: Evidence) -> str:
    """The command that measures this expert."""
    return f"metier evaluate {shlex.quote(str(evidence.expert))} DATA"


def days_since(at: str) -> float:
    """Days from a record's time until now."""
    return (datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds() / 86_400


# ---------------------------------------------------------------------------------------------------- single figures


def _figure(name: str, bound: Bound, evidence: Evidence) -> Gate:
    """A figure by its path in evaluate --json; `accuracy.low` is short for `metrics.accuracy.low`."""
    for path in (name, f"metrics.{name}"):
        found = evidence.find(path)
        if found is None:
            continue
        run, value = found
        stem, _, end = path.rpartition(".")
        if isinstance(value, Mapping):
            figure = Figure(
                _number(value.get("value")), _number(value.get("low")), _number(value.get("high")), run, path
            )
            return held(name, bound, figure, "", evidence)
        if end in ("low", "high", "value"):
            around = evidence.find(stem)
            inside = around[1] if around is not None and isinstance(around[1], Mapping) else {}
            figure = Figure(_number(value), _number(inside.get("low")), _number(inside.get("high")), run, path)
        else:
            figure = Figure(_number(value), None, None, run, path)
        # The path says which end is meant; what is held is what stands there.
        gate = held(name, bound.model_copy(update={"bound": "value"}), figure, "", evidence)
        return replace(gate, wanted=words(bound.model_copy(update={"bound": end})))
    return held(name, bound, None, evaluate(evidence), evidence)


def _gain(evidence: Evidence, _: Bound) -> Figure | None:
    return _from(evidence, "gain", value="points")


def _group_gap(evidence: Evidence, bound: Any) -> Figure | None:
    """The largest gap of all columns compared and their crossings."""
    name = _GAPS[bound.of]
    found = evidence.find("bias.intervals")
    if found is None:
        return None
    run, _ = found
    bias = run.read(EVALUATION)["bias"]
    compared = [("bias", bias), *((f"bias.others.{at}", each) for at, each in enumerate(bias.get("others", ())))]
    gaps = [
        Figure(_number(each[name]), _end_of(each, name, "low"), _end_of(each, name, "high"), run, f"{path}.{name}")
        for path, each in compared
        if name in each
    ]
    undefined = [gap for gap in gaps if gap.value is None]
    return undefined[0] if undefined else max(gaps, key=lambda gap: gap.value or 0.0, default=None)


def _end_of(compared: Mapping[str, Any], name: str, end: str) -> float | None:
    return _number(compared.get("intervals", {}).get(name, {}).get(end))


def _robustness_loss(evidence: Evidence, _: Bound) -> Figure | None:
    """The costliest of the middling changes: the one below the strongest, where milder ones were measured."""
    found = evidence.find("robustness")
    if found is None or not found[1]:
        return None
    run, points = found
    curves: dict[str, list[tuple[float, int]]] = {}
    for at, point in enumerate(points):
        curves.setdefault(point["perturbation"], []).append((point["severity"], at))
    middling = [sorted(curve)[-2 if len(curve) > 1 else -1][1] for curve in curves.values()]
    worst = max(middling, key=lambda at: points[at]["drop"] if points[at]["drop"] is not None else float("inf"))
    point = points[worst]
    value, low, high = (_number(point[key]) for key in ("drop", "drop_low", "drop_high"))
    return Figure(value, low, high, run, f"robustness.{worst}.drop")


def _forgetting(evidence: Evidence, _: Bound) -> Figure | None:
    general = evidence.find("forgetting.general")
    if general is not None and general[1] is None and "merged_from" not in evidence.about:
        # An expert that doesn't read through a base has nothing general to forget: it keeps all of nothing.
        return Figure(1.0, 1.0, 1.0, general[0], "forgetting.note")
    return _from(evidence, "forgetting.general.share")


def _from(evidence: Evidence, path: str, value: str = "value") -> Figure | None:
    found = evidence.find(path)
    if found is None:
        return None
    run, inside = found
    inside = inside if isinstance(inside, Mapping) else {}
    found_value, low, high = (_number(inside.get(key)) for key in (value, "low", "high"))
    return Figure(found_value, low, high, run, f"{path}.{value}")


_Find = Callable[[Evidence, Any], Figure | None]
# Gate -> how its figure is found, and what to add to `metier evaluate EXPERT DATA --only`.
_FIGURES: Mapping[str, tuple[_Find, str]] = {
    "gain": (_gain, "comparison"),
    "group_gap": (_group_gap, "bias --group COLUMN"),
    "robustness_loss": (_robustness_loss, "robustness"),
    "forgetting": (_forgetting, "forgetting"),
    "membership_auc": (lambda evidence, _: _from(evidence, "privacy.auc"), "privacy"),
    "calibration_error": (lambda evidence, _: _from(evidence, "metrics.ece"), "calibration"),
    "conformal_coverage": (lambda evidence, _: _from(evidence, "conformal", value="coverage"), "calibration"),
}


# -------------------------------------------------------------------------------------------------- all evaluations


def _rows(least: int, evidence: Evidence) -> Gate:
    wanted = f">= {least}"
    found = evidence.find("rows")
    if found is None:
        return Gate("rows", wanted, None, False, next=evaluate(evidence))
    run, rows = found
    told = "" if rows >= least else "evaluate on a file with more rows"
    return Gate("rows", wanted, rows, rows >= least, evidence=run.cite(EVALUATION, "rows"), next=told)


def _age(most: float, gates: list[Gate], evidence: Evidence) -> Gate:
    """The age of the oldest evaluation that a gate stands on."""
    wanted = f"<= {most:g} days"
    cited = {gate.evidence["run"] for gate in gates if gate.evidence is not None}
    used = [run for run, _ in evidence.evaluations if run.folder.name in cited or not cited]
    if not used:
        return Gate("evaluation_days", wanted, None, False, next=evaluate(evidence))
    oldest = min(used, key=lambda run: run.act.seq)
    age = round(max(0.0, days_since(oldest.act.at)), 2)
    told = "" if age <= most else evaluate(evidence)
    return Gate("evaluation_days", wanted, age, age <= most, evidence=oldest.cite(EVALUATION, ""), next=told)


def runs_used(gates: list[Gate]) -> Iterator[str]:
    """The roots of the evaluations that gates stand on, each once."""
    yield from dict.fromkeys(gate.evidence["root"] for gate in gates if gate.evidence and gate.evidence.get("root"))


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
