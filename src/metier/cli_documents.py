"""The command that writes an expert's documents: `metier documents`."""

from __future__ import annotations

from typing import Any

import click

from metier.cli_options import Screen, common


@click.command()
@click.argument("release")
@click.option("-o", "--output", metavar="DIR", help="Write the documents here; with --check, look at those there.")
@click.option(
    "--format",
    "formats",
    type=click.Choice(["md", "html", "pdf"]),
    multiple=True,
    default=("md", "html"),
    help="Write this form; give several. PDF is an extra [md and html].",
)
@click.option("--answers", metavar="FILE", help="A JSON file of people's answers to what only they can say.")
@click.option("--since", metavar="RELEASE", help="The version before, for the change log; the registry's if left out.")
@click.option("--questions", is_flag=True, help="Only list the open questions; with --json as a file to fill in.")
@click.option("--check", is_flag=True, help="Only say whether the documents in DIR are out of date; exit 1 if so.")
@common
def documents(screen: Screen, workspace: str | None, release: str, output: str | None, **options: Any) -> None:
    """Write the model card, data sheet, technical files, crosswalks and bill of materials of RELEASE (or an expert)."""
    from metier.errors import UsageError
    from metier.govern.documented import known
    from metier.govern.documents import room, told
    from metier.govern.documents.find import dossier_of
    from metier.govern.ledger.note import note
    from metier.workspace import Workspace

    place = Workspace.find(workspace)
    dossier = dossier_of(release, place, registry=lambda name: known(name, place), since=options["since"])
    if options["questions"]:
        open_ = room.questions(dossier, options["answers"])
        screen.show(open_, lambda: told.questions(open_))
        return
    if output is None:
        raise UsageError(
            "no-output", "Documents need a folder.", found="no -o", fix=f"metier documents {release} -o DIR"
        )
    if options["check"]:
        found = room.stale(output, dossier)
        screen.show({"current": not found, "problems": found}, lambda: told.checked(found))
        raise SystemExit(1 if found else 0)
    written = room.documents(dossier, output, options["formats"], options["answers"])
    note(place, written.act(), progress=screen.progress)
    answer = {"folder": str(written.folder), "files": written.files, **written.manifest}
    screen.show(answer, lambda: told.written(written))
