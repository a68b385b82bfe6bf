"""The commands of serving: `metier serve` and `metier keys`."""

from __future__ import annotations

from typing import Any

import click

from metier.cli_options import Screen, choices, common, given


@click.command()
@click.argument("experts", nargs=-1, metavar="[EXPERT|RELEASE]...")
@choices("serve", "request", "prediction_log", "sign_on")
@common
def serve(screen: Screen, workspace: str | None, experts: tuple[str, ...], **options: Any) -> None:
    """Answer over HTTP: experts' folders (or NAME=FOLDER), releases, or everything live where none is named.

    A release without a version follows the registry. Keys: metier keys, or METIER_API_KEY.
    """
    from metier.plan import Plan
    from metier.serve import server
    from metier.workspace import Workspace

    def told(about: dict[str, Any]) -> None:
        named = ", ".join(f"{name} ({version})" for name, version in about["experts"].items())
        screen.show(about, lambda: click.echo(f"{named}: {about['url']}/v1/predict, all routes at {about['url']}/docs"))

    server.serve(experts, Plan.of(**given(options)), Workspace.find(workspace), told)


@click.group()
def keys() -> None:
    """Keys for metier serve: made, listed, rotated, revoked; only a hash of each is kept."""


@keys.command("add")
@click.argument("name")
@click.option(
    "--role",
    "roles",
    multiple=True,
    metavar="ROLE",
    help="predict, explain, feedback, operator or admin; several. [predict]",
)
@click.option("--expert", "experts", multiple=True, metavar="E", help="For these experts alone; all if left out.")
@click.option("--expires", metavar="TIME", help="Valid for so long, as 90d or 12h; for ever if left out.")
@click.option(
    "--rate",
    "calls",
    type=click.FloatRange(0, min_open=True),
    metavar="X",
    help="Requests a second it may send; the server's own limit if left out.",
)
@click.option("--as", "actor", metavar="NAME", help="Who does this, for the ledger [METIER_USER].")
@common
def add(screen: Screen, workspace: str | None, name: str, roles: tuple[str, ...], **options: Any) -> None:
    """Make a key called NAME and show it, this once."""
    from metier.govern.actor import who
    from metier.serve.access import keys as made

    choice = {"experts": options["experts"], "expires": options["expires"], "rate": options["calls"]}
    key, token = made.add(_ledger(workspace), who(options["actor"]), name, roles=roles or ("predict",), **choice)
    screen.show({**key.as_json(), "key": token}, lambda: _told(token))


@keys.command("list")
@common
def list_(screen: Screen, workspace: str | None, **_: Any) -> None:
    """All keys, those that are not valid any more too; never the keys themselves."""
    from metier.serve.access import keys as made
    from metier.terminal import table

    found = [key.as_json() for key in made.every(_ledger(workspace).store)]
    rows = [
        [
            key["id"],
            key["name"],
            key["standing"],
            ", ".join(key["roles"]),
            ", ".join(key["experts"] or ["all"]),
            (key["expires"] or "never")[:16].replace("T", " "),
        ]
        for key in found
    ]
    named = ["id", "name", "standing", "roles", "experts", "expires (UTC)"]
    screen.show(
        {"keys": found}, lambda: table(f"{len(found)} keys", named, rows) if found else click.echo("no key yet")
    )


@keys.command("revoke")
@click.argument("key")
@click.option("--as", "actor", metavar="NAME", help="Who does this, for the ledger [METIER_USER].")
@common
def revoke(screen: Screen, workspace: str | None, key: str, actor: str | None, **_: Any) -> None:
    """End KEY (its name or id) at once; running servers know within seconds."""
    from metier.govern.actor import who
    from metier.serve.access import keys as made

    gone = [found.id for found in made.revoke(_ledger(workspace), who(actor), key)]
    screen.show({"revoked": gone}, lambda: click.echo(f"revoked: {', '.join(gone)}"))


@keys.command("rotate")
@click.argument("key")
@click.option(
    "--grace", metavar="TIME", help="The old key stays valid for so long, as 24h; it ends at once if left out."
)
@click.option("--expires", metavar="TIME", help="Valid for so long; as long as the old one was if left out.")
@click.option("--as", "actor", metavar="NAME", help="Who does this, for the ledger [METIER_USER].")
@common
def rotate(screen: Screen, workspace: str | None, key: str, actor: str | None, **options: Any) -> None:
    """Make a new key in the place of KEY (its name or id) and show it, this once."""
    from metier.govern.actor import who
    from metier.serve.access import keys as made

    new, token = made.rotate(_ledger(workspace), who(actor), key, grace=options["grace"], expires=options["expires"])
    screen.show({**new.as_json(), "key": token}, lambda: _told(token))


def _ledger(workspace: str | None) -> Any:
    from metier.govern.ledger.book import open_ledger
    from metier.workspace import Workspace

    return open_ledger(Workspace.find(workspace))


def _told(token: str) -> None:
    click.echo(token)
    click.echo("Keep it now: it is not shown again. Send it as Authorization: Bearer KEY.", err=True)
