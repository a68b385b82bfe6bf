"""comparison.html: the advice in words, one picture of score against labels, then what each way costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metier.pages.page import render
from metier.tasks.contract import Section

if TYPE_CHECKING:
    from metier.choose.ground import Ground
    from metier.compare.outcome import Outcome

_ESTIMATED = "an estimate: processor seconds times {watts:g} watts a busy core (--watts-per-core), the processor alone"
_MEASURED = "as the processor's own counters tell (RAPL), with whatever else the machine did meanwhile"


def compose(outcome: Outcome, ground: Ground) -> str:
    """The whole page as HTML."""
    from metier.compare import advice

    metric, plan = outcome.field.metric, ground.plan
    title = metric.title or metric.name
    sections = [
        Section("verdict", "Advice", {"headline": advice.headline(outcome), "sentences": advice.sentences(outcome)}),
        _curves(outcome, title, advice.unit(outcome)),
        _ways(outcome, title, advice.unit(outcome)),
        *_not_run(outcome),
        _facts(outcome, ground),
    ]
    where = f"{len(outcome.field.held_out):,} {'test' if ground.test is not None else 'held-out'} rows"
    facts = [("Data", ground.dataset.source.path), ("Base", outcome.field.trunk.base.name), ("Measured on", where)]
    return render(f"{plan.name}: which way to a model", sections, lead=ground.task.summary, facts=facts)


def _curves(outcome: Outcome, title: str, unit: str) -> Section:
    ahead = next((one for one in outcome.forecasts if one["way"] == outcome.recommended), None)
    data = {
        "metric": outcome.field.metric.name,
        "title": title,
        "greater_is_better": outcome.field.metric.greater_is_better,
        "unit": unit,
        "chosen": outcome.recommended,
        "rows": outcome.rows,
        "ways": [
            {"name": way.name, "title": way.title, "points": points}
            for way in outcome.ways
            if (points := [dict(point) for point in outcome.points if point["way"] == way.name])
        ],
        "forecast": [] if ahead is None else [dict(point) for point in ahead["path"]],
    }
    lead = f"Recommended: “{outcome.way(outcome.recommended).title}”, in the thick line."
    return Section("comparison", "What labels buy, each way", data, lead)


def _ways(outcome: Outcome, title: str, unit: str) -> Section:
    from metier.compare import advice

    needed = {one["way"]: one for one in outcome.needed}
    rows = [
        {
            "name": one.way.name,
            "title": one.way.title,
            "what": "the same architecture from random weights" if one.way.scratch else one.way.rung.summary,
            "labels": one.rows,
            **one.interval.as_json(),
            "seconds": one.seconds,
            "energy": advice.energy(one.watt_hours),
            "million_seconds": None if one.seconds_per_prediction is None else 1e6 * one.seconds_per_prediction,
            "million_cost": None if one.cost_per_million is None else advice.money(one.cost_per_million),
            "needed": needed[one.way.name]["rows"],
            "needed_known": needed[one.way.name]["known"],
            "needed_low": needed[one.way.name]["low"],
            "needed_high": needed[one.way.name]["high"],
        }
        for one in outcome.standings
    ]
    watts = outcome.field.plan.compare.watts_per_core
    data: dict[str, Any] = {
        "title": title,
        "unit": unit,
        "goal": outcome.goal,
        "energy": _MEASURED if outcome.energy_measured else _ESTIMATED.format(watts=watts),
        "chosen": outcome.recommended,
        "rows": rows,
    }
    return Section("ways", "What each way takes", data)


def _not_run(outcome: Outcome) -> list[Section]:
    rows = [
        {
            "severity": "note",
            "detail": f"{outcome.way(one.way).title} with {one.rows:,} labels, {one.repeats} of "
            f"{outcome.field.plan.compare.repeats} repeats: {one.reason}.",
            "rows": 0,
            "fix": "",
        }
        for one in outcome.skipped
    ]
    rows += [
        {"severity": "note", "detail": f"{one.way}: {one.reason}.", "rows": 0, "fix": ""} for one in outcome.left_out
    ]
    return [Section("problems", "What was not run", {"rows": rows})] if rows else []


def _facts(outcome: Outcome, ground: Ground) -> Section:
    plan, base = ground.plan, outcome.field.trunk.base
    limit = plan.ladder.time_limit
    rows = [
        ["Labels to learn from", f"{outcome.rows:,}"],
        ["Repeats", f"{plan.compare.repeats}, each on rows drawn anew (every smaller set within the larger)"],
        ["Chosen on", "rows each fit holds out of its own labels; it is then fitted to all of them"],
        ["Time limit", "none" if limit is None else f"{limit:g} s, shared out among ways and sizes"],
        ["Each way", "alone: metier tune also mixes the words in where that helps"],
        ["Data, SHA-256", ground.dataset.source.sha256],
        ["Base", f"{base.name}, {base.parameters:,} parameters, licence {base.licence}"],
        ["Base, SHA-256", base.sha256],
        ["Seed", str(plan.seed)],
    ]
    return Section("facts", "How it was measured", {"rows": rows})
