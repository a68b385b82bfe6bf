"""The command that asks why: `metier explain`."""

from __future__ import annotations

from typing import Any

import click

from metier.cli_options import Screen, choices, common, given


@click.command()
@click.argument("expert")
@click.argument("data", metavar="TEXT|DATA")
@choices("explain")
@common
def explain(screen: Screen, workspace: str | None, expert: str, data: str, **options: Any) -> None:
    """Why EXPERT answers TEXT as it does, or each of the rows of DATA (a file; a page is written then)."""
    from metier import lifecycle
    from metier.explain import answers

    found = lifecycle.explain(expert, data, workspace=workspace, progress=screen.progress, **given(options))
    screen.show(found.figures, lambda: answers.explained(found))
