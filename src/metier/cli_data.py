"""`metier data`: which data sets this workspace has seen, and how two versions of one differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from metier.cli_options import Screen, choices, common, given


@click.group()
def data() -> None:
    """Versions of data: what has been read, and what has changed."""


@data.command("list")
@common
def list_(screen: Screen, workspace: str | None, **_: Any) -> None:
    """Every data set this workspace has read, with its versions."""
    from metier.data.versions import versions
    from metier.terminal import table
    from metier.workspace import Workspace

    found = versions(Workspace.find(workspace))
    rows = [[v.reference, v.rows, v.sha256[:12], v.when[:16].replace("T", " "), _from(v), v.path] for v in found]
    told = ["version", "rows", "sha256", "first read (UTC)", "curated from", "path"]
    screen.show(
        {"versions": [version.as_json() for version in found]},
        lambda: table(f"{len(found)} versions", told, rows) if found else click.echo("nothing has been read yet"),
    )


@data.command()
@click.argument("a")
@click.argument("b")
@click.option("--id", "identifier", metavar="COLUMN", help="Match rows by this column; found when left out.")
@choices("data")
@common
def diff(
    screen: Screen, workspace: str | None, a: str, b: str, identifier: str | None, seed: int | None, **options: Any
) -> None:
    """What differs between A and B: paths, names such as tickets@2, or the start of a SHA-256."""
    from metier.data import versions
    from metier.plan import Plan
    from metier.workspace import Workspace

    plan, place = Plan.of(**given({**options, "seed": seed})), Workspace.find(workspace)
    place.prepare()
    found = versions.diff(versions.find(a, place, plan), versions.find(b, place, plan), plan, identifier).as_json()
    screen.show(found, lambda: _told(found))


def _from(version: Any) -> str:
    return "" if version.curated_from is None else str(version.curated_from)[:12]


def _told(found: Mapping[str, Any]) -> None:
    """Counts first, then columns, labels that moved, and shifts."""
    from metier.terminal import table

    by = "content" if found["matched_by"] == "content" else f"the column {found['matched_by']}"
    counts = [[name, rows] for name, rows in found["rows"].items()]
    table(f"{found['a']['rows']} rows -> {found['b']['rows']} rows, matched by {by}", ["rows", ""], counts)
    columns = [
        [what, column["name"], column.get("type") or f"{column['from']} -> {column['to']}"]
        for what, some in found["columns"].items()
        for column in some
    ]
    if columns:
        table("columns", ["", "column", "type"], columns)
    if found["label_moves"]:
        moves = [[move["from"], move["to"], move["rows"]] for move in found["label_moves"][:20]]
        table("relabelled", ["from", "to", "rows"], moves)
    shifts = [
        [shift["what"], shift["column"], f"{shift['statistic']:.3f}", f"{shift['adjusted']:.4f}", _most(shift)]
        for shift in sorted(found["shifts"], key=lambda shift: shift["adjusted"])
    ]
    if shifts:
        table("shifts; p is corrected for the number of columns", ["", "column", "size", "p", "largest change"], shifts)


def _most(shift: Mapping[str, Any]) -> str:
    if not shift["changes"]:
        return ""
    change = shift["changes"][0]
    share = change["value"] is not None
    figures = [format(change[key], ".1%" if share else ".4g") for key in ("before", "after")]
    span = " to ".join(format(change[key], "+.1%" if share else "+.4g") for key in ("low", "high"))
    what = f"{change['value']}: " if share else "mean: "
    return f"{what}{figures[0]} -> {figures[1]} ({span})" + ("" if shift["shifted"] else ", not beyond chance")
