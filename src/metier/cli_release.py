"""`metier release`, `approve`, `rollback`, `history`, `releases`: how an expert goes live, and what was live when."""

from __future__ import annotations

from typing import Any

import click

from metier.cli_options import Command, Screen, common


def acting(command: Command) -> Command:
    """The flags of commands that somebody answers for: who, and with which key."""
    command = click.option(
        "--as", "as_name", metavar="NAME", help="Who does it [METIER_USER, or this machine's user]."
    )(command)
    help_ = "Sign with this private key (PEM) of your own."
    return click.option("--key", metavar="FILE", envvar="METIER_PERSONAL_KEY", help=help_)(command)


@click.command()
@click.argument("expert")
@click.option("--policy", metavar="FILE", help="A policy's file, or finance, health, general [the one asked last].")
@click.option("--name", "called", metavar="TEXT", help="What the release is called [the expert's own name].")
@click.option("--waive", metavar="GATE", help="Answer for this gate, with --until and --reason.")
@click.option("--until", metavar="DATE", help="The last day of the waiver, such as 2027-01-31.")
@click.option("--reason", metavar="TEXT", help="Why the gate is waived.")
@click.option("--hold", is_flag=True, help="Ask the gates, but put nothing live.")
@acting
@common
def release(screen: Screen, workspace: str | None, **options: Any) -> None:
    """Put EXPERT (a folder, or NAME@VERSION) forward, ask its gates, and put it live once nothing is waited for."""
    from metier import cli_governing
    from metier.govern.release import EXIT

    found = cli_governing.release(workspace, options)
    screen.show(found.as_json(), lambda: cli_governing.released(found))
    raise SystemExit(0 if found.clear else EXIT)


@click.command()
@click.argument("release")
@click.option("--role", metavar="ROLE", default="approver", help="validator, approver, auditor, operator, admin.")
@click.option("--reason", metavar="TEXT", required=True, help="Why.")
@click.option("--revoke", is_flag=True, help="Take your approval back.")
@acting
@common
def approve(screen: Screen, workspace: str | None, **options: Any) -> None:
    """Answer for RELEASE with your name: a signature over exactly these hashes."""
    from metier import cli_governing

    found, told = cli_governing.approve(workspace, options)
    screen.show(found, lambda: click.echo(told))


@click.command()
@click.argument("name")
@click.option("--to", type=int, metavar="VERSION", help="The version [the one that was live before].")
@click.option("--reason", metavar="TEXT", default="", help="Why.")
@acting
@common
def rollback(screen: Screen, workspace: str | None, name: str, to: int | None, reason: str, **who: Any) -> None:
    """Put the version of NAME live that was live before."""
    from metier import cli_governing
    from metier.govern import moves

    place, actor = cli_governing.acting(workspace, who["as_name"])
    found = moves.rollback(place, name, actor, to=to, reason=reason, key=who["key"])
    screen.show(found.as_json(), lambda: click.echo(f"{found.id} is live."))


@click.command()
@click.argument("name")
@click.option("--at", metavar="TIME", help="A time such as '2026-03-03 14:05', with or without a zone.")
@common
def history(screen: Screen, workspace: str | None, name: str, at: str | None, **_: Any) -> None:
    """Which version of NAME was live when, and why."""
    from metier import cli_governing
    from metier.govern.history import history as asked
    from metier.workspace import Workspace

    found = asked(name, Workspace.find(workspace), at)
    screen.show(found, lambda: cli_governing.history(found))


@click.group(invoke_without_command=True)
@common
def releases(screen: Screen, workspace: str | None, **_: Any) -> None:
    """Every release with its stage; with a command, what is done to one."""
    if click.get_current_context().invoked_subcommand is not None:
        return
    from metier import cli_governing
    from metier.govern.erasure.records import pending
    from metier.govern.registry import releases as listed
    from metier.workspace import Workspace

    place = Workspace.find(workspace)
    found = listed(place)
    again = {each.expert for each in pending(place)}
    answer = [{**each.as_json(), "retune": each.manifest in again} for each in found]
    screen.show({"releases": answer}, lambda: cli_governing.releases(found, again))


@releases.command()
@click.argument("release")
@common
def show(screen: Screen, workspace: str | None, release: str, **_: Any) -> None:
    """One release whole: its hashes, gates, approvals, findings and waivers."""
    from metier import cli_governing
    from metier.govern.documented import facts
    from metier.workspace import Workspace

    found = facts(release, Workspace.find(workspace))
    screen.show(found, lambda: cli_governing.shown(found))


@releases.command()
@click.argument("release")
@click.argument("word")
@click.option("--remove", is_flag=True, help="Take the alias away.")
@acting
@common
def alias(screen: Screen, workspace: str | None, release: str, word: str, **options: Any) -> None:
    """Let WORD (challenger, stable) stand for RELEASE."""
    from metier import cli_governing
    from metier.govern import moves

    place, actor = cli_governing.acting(workspace, options["as_name"])
    found = moves.alias(place, release, word, actor, removed=options["remove"], key=options["key"])
    screen.show(found.as_json(), lambda: click.echo(f"{found.id}: {', '.join(found.aliases) or 'no alias'}"))


@releases.command()
@click.argument("release")
@click.option("--reason", metavar="TEXT", default="", help="Why.")
@acting
@common
def retire(screen: Screen, workspace: str | None, release: str, reason: str, **who: Any) -> None:
    """Take RELEASE out of use for good; its records stay."""
    from metier import cli_governing
    from metier.govern import moves

    place, actor = cli_governing.acting(workspace, who["as_name"])
    found = moves.retire(place, release, actor, reason=reason, key=who["key"])
    screen.show(found.as_json(), lambda: click.echo(f"{found.id} is retired."))


@releases.command("to-mlflow")
@click.argument("release")
@click.argument("address")
@common
def to_mlflow(screen: Screen, workspace: str | None, release: str, address: str, **_: Any) -> None:
    """Write RELEASE (all versions of a bare name) to the MLflow registry at ADDRESS: a folder, or sqlite:////path."""
    from metier.govern import with_mlflow
    from metier.terminal import table
    from metier.workspace import Workspace

    found = with_mlflow.write(release, Workspace.find(workspace), address)
    rows = [[one["release"], f"{one['model']} {one['version']}", one["written"]] for one in found]
    screen.show({"versions": found}, lambda: table(address, ["release", "in MLflow", "written now"], rows))


@releases.command("from-mlflow")
@click.argument("address")
@click.argument("model")
@click.option("--version", type=int, metavar="N", help="The version in MLflow [the newest].")
@click.option("--policy", metavar="FILE", help="A policy's file, or finance, health, general [general].")
@acting
@common
def from_mlflow(screen: Screen, workspace: str | None, address: str, model: str, **options: Any) -> None:
    """Put MODEL of the MLflow registry at ADDRESS forward here; its gates are asked anew."""
    from metier import cli_governing

    found = cli_governing.from_mlflow(workspace, address, model, options)
    screen.show(found.as_json(), lambda: cli_governing.released(found))
