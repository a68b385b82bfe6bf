"""How a comparison looks to a person in a terminal."""

from __future__ import annotations

import click

from metier.compare import advice
from metier.compare.room import Comparison
from metier.pages.words import count, figure, number
from metier.terminal import duration, table


def compared(found: Comparison) -> None:
    """The verdict, the ways from the best down, and where the page lies."""
    outcome, unit = found.outcome, advice.unit(found.outcome)
    needed = {one["way"]: one for one in outcome.needed}
    rows = [
        [
            ("> " if one.way.name == outcome.recommended else "  ") + one.way.title,
            count(one.rows),
            figure(one.interval.value, one.interval.low, one.interval.high, unit),
            duration(one.seconds),
            advice.energy(one.watt_hours),
            "" if one.cost_per_million is None else advice.money(one.cost_per_million),
            count(needed[one.way.name]["rows"]),
        ]
        for one in outcome.standings
    ]
    metric = outcome.field.metric.name
    goal = number(outcome.goal, unit)
    columns = ["way", "labels", metric, "one fit", "energy", "per million", f"labels for {goal}"]
    table(advice.headline(outcome), columns, rows)
    for sentence in advice.sentences(outcome):
        click.echo(sentence)
    for left_out in outcome.left_out:
        click.echo(f"left out: {left_out.way}: {left_out.reason}")
    click.echo(f"page: {found.report}")
