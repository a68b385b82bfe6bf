"""What `metier documents` tells a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from metier import terminal
from metier.govern.documents.room import Written


def written(found: Written) -> None:
    """The documents with their gaps, and what to do about those."""
    rows = [[one["name"], one["title"], len(one["gaps"]) or "none"] for one in found.manifest["documents"]]
    terminal.table("Documents", ["document", "title", "missing"], rows)
    click.echo(f"{len(found.files)} files written to {found.folder}")
    gaps = found.manifest["gaps"]
    asked = [gap for gap in gaps if gap["kind"] == "question"]
    if asked:
        click.echo(f"{len(asked)} questions are open: metier documents RELEASE --questions --json > answers.json")
    for fix in dict.fromkeys(gap["who"] for gap in gaps if gap["kind"] == "record"):
        click.echo(f"Something is not measured or recorded: {fix}")


def questions(skeleton: Mapping[str, Any]) -> None:
    """Every open question, and whom it is for."""
    asked = skeleton["answers"]
    if not asked:
        click.echo("No question is open.")
        return
    terminal.table(
        "Open questions", ["id", "for", "question"], [[id, one["for"], one["question"]] for id, one in asked.items()]
    )


def checked(problems: Sequence[str]) -> None:
    """Whether the documents are current."""
    click.echo("\n".join(problems) if problems else "The documents are as written, and drawn from what lies there now.")
