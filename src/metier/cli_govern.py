"""`metier ledger`: every act that was recorded, and the ledger as a file for an auditor."""

from __future__ import annotations

from typing import Any

import click

from metier.cli_options import Screen, common


@click.group(invoke_without_command=True)
@click.option("--subject", metavar="S", help="Records about S alone: expert:banking, banking, release:banking@3.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="The newest N alone.")
@common
def ledger(screen: Screen, workspace: str | None, **options: Any) -> None:
    """Every act of this workspace, in order: who did what, when and why."""
    if click.get_current_context().invoked_subcommand is not None:
        return
    from collections import deque

    from metier.govern.ledger.book import open_ledger
    from metier.terminal import table
    from metier.workspace import Workspace

    book = open_ledger(Workspace.find(workspace))
    found = deque((record.as_json() for record in book.records(options["subject"])), options["limit"])
    rows = [[r["seq"], r["at"][:19].replace("T", " "), r["actor"], r["act"], r["subject"], r["reason"]] for r in found]
    told = ["record", "when (UTC)", "who", "did", "what", "why"]
    screen.show(
        {"records": list(found)},
        lambda: table(f"{len(found)} records", told, rows) if found else click.echo("nothing has been recorded yet"),
    )


@ledger.command("export")
@click.argument("file")
@common
def export_(screen: Screen, workspace: str | None, file: str, **_: Any) -> None:
    """Write the ledger to FILE (.jsonl): one record a line, a signed checkpoint last."""
    from metier.govern.ledger.book import open_ledger
    from metier.workspace import Workspace

    found = open_ledger(Workspace.find(workspace)).export(file)
    screen.show(found, lambda: click.echo(f"{found['records']} records, signed by the key {found['key']}: {file}"))
