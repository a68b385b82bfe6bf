"""How a ranking of bases looks to a person in a terminal."""

from __future__ import annotations

import click

from metier.choose.room import Choice
from metier.pages.words import figure, number
from metier.terminal import duration, table


def ranked(choice: Choice) -> None:
    """The bases from the best down, those left out, and what to type next."""
    found = choice.figures
    unit = "%" if all(0 <= (entry["score"] or 0) <= 1 for entry in found["ranking"]) else ""
    rows = [
        [
            ("> " if entry["base"] == found["chosen"] else "  ") + entry["base"],
            figure(entry["score"], entry["low"], entry["high"], unit),
            entry["rows"],
            f"{entry['latency_ms']:.1f} ms",
            duration(entry["seconds"]),
            entry["reason"],
        ]
        for entry in found["ranking"]
    ]
    table(f"Bases by {found['metric']}", ["base", found["metric"], "rows", "a text", "probed", "why"], rows)
    for one in found["excluded"]:
        click.echo(f"left out: {one['name']}: {one['reason']}")
    regret = found["regret"]
    if len(rows) > 1:
        bound = f"{100 * regret['bound']:.1f} points" if unit else number(regret["bound"])
        click.echo(f"regret: with {regret['level']:.0%} confidence no base probed here is better by more than {bound}")
    click.echo(f"plan:   {found['plan']}\nnext:   {found['next']}")
