"""`metier forget` and `metier pack`: a person's rows taken out again, and an expert as one signed file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from metier.cli_options import Screen, common


@click.command()
@click.option("--id", "identifier", metavar="COLUMN=VALUE", help="Whose rows: those with this value in this column.")
@click.option("--text", metavar="TEXT", help="Or the rows with this text, the whole of it.")
@click.option("--dry-run", is_flag=True, help="Say what would be found and done; change nothing.")
@click.option("--retune", is_flag=True, help="Tune every expert that learnt from the rows again, by its own plan.")
@click.option("--remove-old", is_flag=True, help="With --retune: take the old experts' weights away.")
@click.option("--near", is_flag=True, help="List texts that are nearly the same, for a person to decide.")
@click.option("--rewrite", multiple=True, metavar="FILE", help="Write this data file anew without the rows.")
@click.option("--reason", metavar="TEXT", default="", help="Why; stands in the ledger and the certificate.")
@click.option("--expired", is_flag=True, help="Instead: delete what retention.json keeps no longer.")
@click.option("--as", "name", metavar="NAME", help="Who asks [METIER_USER or this machine's user].")
@common
def forget(screen: Screen, workspace: str | None, expired: bool, **options: Any) -> None:
    """Find and erase a person's rows everywhere in the workspace, with a certificate."""
    from metier.govern.actor import who
    from metier.govern.erasure import forget as erasing
    from metier.govern.erasure import retention

    actor = who(options.pop("name"))
    del options["seed"]
    if expired:
        _alone(options)
        gone = retention.expire(workspace, dry_run=options["dry_run"], actor=actor)
        screen.show(gone, lambda: _expired(gone))
        return
    identifier, text = options.pop("identifier"), options.pop("text")
    ways = erasing.Ways(**{**options, "rewrite": tuple(options["rewrite"])})
    found = erasing.forget(identifier, text, ways=ways, workspace=workspace, actor=actor, progress=screen.progress)
    screen.show(found, lambda: _forgotten(found))


@click.command()
@click.argument("expert")
@click.option("-o", "--output", metavar="FILE", required=True, help="Write the packed expert here (.metier).")
@click.option("--with-base", is_flag=True, help="Pack the base too: nothing else is needed to serve it.")
@click.option("--sign", type=click.Choice(["openssf"]), help="Sign in this form as well (an extra: signing).")
@click.option("--openssf-key", metavar="PEM", help="The private key (elliptic curve) for --sign openssf.")
@common
def pack(
    screen: Screen,
    workspace: str | None,
    expert: str,
    output: str,
    with_base: bool,
    sign: str | None,
    openssf_key: str | None,
    **_: Any,
) -> None:
    """Write EXPERT as one file, signed by the workspace's key; `metier verify` and `metier serve` check it."""
    from metier.errors import UsageError
    from metier.govern.packing.packed import pack as packing

    if (sign is None) != (openssf_key is None):
        raise UsageError(
            "half-a-signature",
            "--sign openssf and --openssf-key go together.",
            found="one of them alone",
            fix="Give both, or neither.",
        )
    found = packing(expert, output, with_base=with_base, openssf_key=openssf_key, workspace=workspace)
    told = f"{found['bytes'] / 2**20:.1f} MiB, signed by the key {found['key']}: {output}"
    screen.show(found, lambda: click.echo(told))


def _alone(options: Mapping[str, Any]) -> None:
    """Raise UsageError where --expired is asked for together with somebody's rows."""
    from metier.errors import UsageError

    others = [name for name, value in options.items() if value and name != "dry_run"]
    if others:
        raise UsageError(
            "expired-alone",
            "--expired deletes by the retention policy alone.",
            found=f"it together with {', '.join(sorted(others))}",
            fix="metier forget --expired --dry-run",
        )


def _forgotten(answer: Mapping[str, Any]) -> None:
    """What was found, what stays, and where the certificate lies."""
    from metier.terminal import table

    found = answer["found"]
    rows = [[f"data set {one['version']}", f"{len(one['rows'])} rows", one["path"]] for one in found["data"]]
    rows += [["cached table", f"{one['rows']} rows", one["table"]] for one in found["tables"]]
    rows += [["features", str(found["features"]["vectors"]), ""]] if found["features"]["vectors"] else []
    rows += [["run quotes it", f"{one['times']} times", f"{one['run']}/{one['path']}"] for one in found["quotes"]]
    rows += [["unfinished run", "", name] for name in found["unfinished"]]
    log = found["log"]
    rows += (
        [["prediction log", f"{log['predictions']} answers, {log['feedback']} feedback", ""]]
        if log["predictions"]
        else []
    )
    rows += [["expert", f"{one['learnt']} learnt, {one['held_out']} held out", one["run"]] for one in answer["experts"]]
    rows += [["release", one["stage"], one["release"]] for one in answer["releases"]]
    if rows:
        table("found", ["what", "how much", "where"], rows)
    else:
        click.echo("Nothing was found.")
    for one in answer.get("near") or ():
        click.echo(f"nearly the same, row {one['row']} of {one['version']}: {one['text']!r}")
    for one in answer.get("remains", ()):
        click.echo(f"stays: {one['what']}: {one['why']}")
    for one in answer["experts"]:
        if one["retuned"]:
            click.echo(f"tuned again in {one['seconds']:.1f} s: {one['retuned']}")
    click.echo("Nothing was changed." if answer["dry_run"] else f"certificate: {answer['page']}")


def _expired(answer: Mapping[str, Any]) -> None:
    from metier.terminal import table

    rows = [[one["kind"], one["what"], one["count"]] for one in answer["expired"]]
    word = "would go" if answer["dry_run"] else "gone"
    if rows:
        table(word, ["kind", "what", "count"], rows)
    else:
        click.echo("Nothing is older than its time.")
    for one in answer["held"]:
        click.echo(f"kept: {one['what']}: {one['why']}")
