"""The commands that choose: `metier bases` (where to start from) and `metier compare` (whether tuning is worth it)."""

from __future__ import annotations

from typing import Any

import click

from metier.cli_options import Screen, choices, common, given

_METRIC = click.option("--metric", metavar="TEXT", help="What is compared: a metric's name or module:function.")


@click.command()
@click.argument("data")
@choices("data", "ladder.validation", "base", "choose", "")
@_METRIC
@click.option("--time-limit", metavar="TEXT", help="No new round of probes after this long: 90s, 10m, none. [10m]")
@common
def bases(screen: Screen, workspace: str | None, data: str, **options: Any) -> None:
    """Rank the bases that DATA could be tuned from, by short probes on its own rows."""
    from metier.choose import answers, room

    chosen = room.bases(data, workspace=workspace, progress=screen.progress, **given(options))
    screen.show(chosen.figures, lambda: answers.ranked(chosen))


@click.command()
@click.argument("data")
@choices("data", "ladder.validation", "base", "compare", "training", "adapter", "")
@_METRIC
@click.option("--time-limit", metavar="TEXT", help="Shared out among ways and sizes: 5m, 1h, none. [20m]")
@common
def compare(screen: Screen, workspace: str | None, data: str, **options: Any) -> None:
    """Tune, take as is, or train from scratch? Measured on DATA, over growing numbers of labels."""
    from metier import lifecycle
    from metier.compare import answers

    found = lifecycle.compare(data, workspace=workspace, progress=screen.progress, **given(options))
    screen.show(found.figures, lambda: answers.compared(found))
