"""`metier people`, `findings`, `ethics`: who may do what, what validators found, and the ethical review."""

from __future__ import annotations

from typing import Any

import click

from metier.cli_options import Screen, common
from metier.cli_release import acting


@click.group(invoke_without_command=True)
@common
def people(screen: Screen, workspace: str | None, **_: Any) -> None:
    """Everybody registered, with their roles; with a command, who is added or removed."""
    if click.get_current_context().invoked_subcommand is not None:
        return
    from metier import cli_governing
    from metier.govern.people import everybody
    from metier.workspace import Workspace

    found = everybody(Workspace.find(workspace))
    screen.show({"people": [each.as_json() for each in found]}, lambda: cli_governing.people(found))


@people.command()
@click.argument("person")
@click.option("--role", metavar="ROLE", required=True, help="author, validator, approver, auditor, operator, admin.")
@click.option("--public", metavar="KEY", help="The person's own Ed25519 key: hexadecimal, or a PEM file.")
@acting
@common
def add(screen: Screen, workspace: str | None, person: str, role: str, public: str | None, **who: Any) -> None:
    """Give PERSON a role. The first is an admin; afterwards only admins do this."""
    from metier import cli_governing
    from metier.govern import people as registered

    place, actor = cli_governing.acting(workspace, who["as_name"])
    found = registered.add(place, person, role, actor, public=public, key=who["key"])
    screen.show(found.as_json(), lambda: click.echo(f"{found.name}: {', '.join(found.roles)}"))


@people.command()
@click.argument("person")
@click.option("--role", metavar="ROLE", help="This role alone [all].")
@acting
@common
def remove(screen: Screen, workspace: str | None, person: str, role: str | None, **who: Any) -> None:
    """Take a role, or all, from PERSON. What they did stays recorded."""
    from metier import cli_governing
    from metier.govern import people as registered

    place, actor = cli_governing.acting(workspace, who["as_name"])
    registered.remove(place, person, role, actor, key=who["key"])
    found = registered.everybody(place)
    screen.show({"people": [each.as_json() for each in found]}, lambda: cli_governing.people(found))


@click.group()
def findings() -> None:
    """What validators found in a release, and how it was closed."""


@findings.command("list")
@click.argument("release")
@common
def list_(screen: Screen, workspace: str | None, release: str, **_: Any) -> None:
    """The findings of RELEASE."""
    from metier import cli_governing

    found = cli_governing.findings(workspace, release)
    screen.show({"findings": [each.as_json() for each in found]}, lambda: cli_governing.found(found))


@findings.command("add")
@click.argument("release")
@click.option("--severity", metavar="S", required=True, help="low, medium, high, critical.")
@click.option("--text", metavar="TEXT", required=True, help="What was found.")
@acting
@common
def add_finding(screen: Screen, workspace: str | None, release: str, severity: str, text: str, **who: Any) -> None:
    """Raise a finding against RELEASE."""
    from metier import cli_governing
    from metier.govern import validation

    place, actor = cli_governing.acting(workspace, who["as_name"], "validator")
    found = validation.open_finding(place, release, severity, text, actor, key=who["key"])
    screen.show(found.as_json(), lambda: cli_governing.found([found]))


@findings.command()
@click.argument("release")
@click.argument("number", type=int)
@click.option("--reason", metavar="TEXT", required=True, help="What was done about it.")
@acting
@common
def close(screen: Screen, workspace: str | None, release: str, number: int, reason: str, **who: Any) -> None:
    """Close finding NUMBER of RELEASE; not who raised it, and no author."""
    from metier import cli_governing
    from metier.govern import validation

    place, actor = cli_governing.acting(workspace, who["as_name"], "validator")
    found = validation.close_finding(place, release, number, reason, actor, key=who["key"])
    screen.show(found.as_json(), lambda: cli_governing.found([found]))


@click.command()
@click.argument("release")
@click.option("-o", "--output", metavar="FILE", help="Write the blank form here (.json).")
@click.option("--form", metavar="FILE", help="Record this filled form.")
@acting
@common
def ethics(screen: Screen, workspace: str | None, release: str, **options: Any) -> None:
    """The ethical review of RELEASE: a form of questions, answered and signed by somebody who is no author."""
    from metier import cli_governing

    found, told = cli_governing.ethics(workspace, release, options)
    screen.show(found, lambda: click.echo(told))
