"""How an explanation looks to a person in a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from metier.explain.room import Explained
from metier.terminal import table

_BAR = 24


def explained(found: Explained) -> None:
    """One example: the sentence, its words by weight, the rows that pulled. A file: a sentence a row, and the page."""
    if found.run is None:
        one(found.figures)
        return
    for item in found.figures["explanations"]:
        click.echo(f"{item['row']}: {item['sentence']}")
    click.echo(f"{_measured(found.figures)}\nreport: {found.report}\nrun:    {found.run}")


def one(item: Mapping[str, Any]) -> None:
    """The sentence, the words by weight, the training rows, and how far the method can be believed."""
    click.echo(item["sentence"])
    parts = sorted(item["attribution"], key=lambda part: -abs(part["weight"]))[:12]
    most = max((abs(part["weight"]) for part in parts), default=0.0) or 1.0
    bars = [[part["token"], f"{part['weight']:+.3f}", _bar(part["weight"] / most)] for part in parts]
    table("what spoke for it (+) and against it (-)", ["part", "weight", ""], bars)
    if item["because"]:
        rows = [[row["row"], row["label"], f"{row['weight']:.1%}", row["text"][:90]] for row in item["because"]]
        table("rows it learnt from that pulled most", ["row", "label", "pull", "text"], rows)
    click.echo(_measured(item))


def _measured(figures: Mapping[str, Any]) -> str:
    found = figures["faithfulness"]
    if figures["method"] is None:
        return "method: none is better than random order on this expert, so no part of the text is named"
    if not found["comprehensiveness"] or found["comprehensiveness"]["value"] is None:
        return f"method: {figures['method']}; how faithful it is was not measured"
    own, random = found["comprehensiveness"]["value"], found["random"]["value"]
    return (
        f"method: {figures['method']}; what it names carries {own:.0%} of the answer's support when it is taken away, "
        f"random parts {random:.0%}"
    )


def _bar(share: float) -> str:
    return ("█" if share > 0 else "░") * max(1, round(_BAR * abs(share)))
