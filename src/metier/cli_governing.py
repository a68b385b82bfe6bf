"""What the commands of governing ask, and how their answers are told to a person."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import click

from metier import files
from metier.errors import UsageError
from metier.govern import acts, approvals, registry, validation
from metier.govern.actor import Actor, who
from metier.govern.people import Person
from metier.govern.release import Outcome, Waiver
from metier.govern.release import release as release_
from metier.terminal import table
from metier.workspace import Workspace


def acting(workspace: str | None, name: str | None, role: str = "") -> tuple[Workspace, Actor]:
    """The workspace, and who acts in it."""
    return Workspace.find(workspace), who(name, role)


def release(workspace: str | None, options: Mapping[str, Any]) -> Outcome:
    """What `metier release` asks. Raises UsageError where a waiver is not whole."""
    told = [options[name] for name in ("waive", "until", "reason")]
    if any(told) and not all(told):
        raise UsageError(
            "bad-waiver",
            "A waiver names its gate, its last day and its reason.",
            found="one of --waive, --until, --reason without the others",
            fix="--waive GATE --until 2027-01-31 --reason TEXT --as NAME",
        )
    return release_(
        options["expert"],
        Workspace.find(workspace),
        policy=options["policy"],
        name=options["called"],
        waive=Waiver(*told) if all(told) else None,
        hold=options["hold"],
        actor=who(options["as_name"]),
        key=options["key"],
    )


def from_mlflow(workspace: str | None, address: str, model: str, options: Mapping[str, Any]) -> Outcome:
    """What `metier releases from-mlflow` asks."""
    from metier.govern import with_mlflow

    place, actor = acting(workspace, options["as_name"])
    asked = {name: options[name] for name in ("version", "policy", "key")}
    return with_mlflow.read(address, model, place, actor=actor, **asked)


def approve(workspace: str | None, options: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """What `metier approve` asks: (its JSON, its sentence)."""
    place, actor = acting(workspace, options["as_name"], options["role"])
    if options["revoke"]:
        told = approvals.revoke(place, options["release"], actor, options["reason"], key=options["key"])
        return {"revoked": True, "told": told}, told
    given = approvals.approve(place, options["release"], actor, options["reason"], key=options["key"])
    stands = registry.resolve(given.release, place)
    signed = "\n".join(f"  {name}: {value}" for name, value in given.hashes.items() if name != "all")
    told = f"{given.name} approved {given.release} as {given.role} (record {given.record}); it is {stands.stage}.\n"
    return {**given.as_json(), "stage": stands.stage}, f"{told}Signed:\n{signed}"


def ethics(workspace: str | None, reference: str, options: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """What `metier ethics` asks: (its JSON, its sentence)."""
    place, actor = acting(workspace, options["as_name"], "validator")
    if options["form"] is None:
        blank = validation.form(registry.resolve(reference, place, newest=True))
        if options["output"] is None:
            return blank, files.pretty(blank).decode()
        files.write_json(options["output"], blank)
        return blank, f"The form of {blank['release']}: {options['output']}. Fill in every answer and verdict."
    done = validation.review(place, reference, options["form"], actor, key=options["key"])
    refused = done.facts["refused"]
    told = {"record": done.seq, "by": done.actor, "refused": refused, "form_sha256": done.facts["form_sha256"]}
    return told, f"Reviewed by {done.actor} (record {done.seq}); refused: {', '.join(refused) or 'nothing'}."


def findings(workspace: str | None, reference: str) -> list[validation.Finding]:
    """The findings of a release."""
    place = Workspace.find(workspace)
    release = registry.resolve(reference, place, newest=True)
    with acts.reading(place) as connection:
        return validation.findings(acts.of(connection, subject=release.subject))


# --------------------------------------------------------------------------------------------------------------- told


def released(found: Outcome) -> None:
    """Every gate, and what is waited for."""
    rows = [
        [gate["gate"], gate["wanted"], _found(gate), _standing(gate), _cited(gate["evidence"])] for gate in found.gates
    ]
    table(f"{found.release.id}: {found.release.stage}", ["gate", "wanted", "found", "", "evidence"], rows)
    for waiting in found.waiting_for:
        click.echo(f"waiting for {waiting}")
    if found.released:
        click.echo(f"{found.release.id} is live.")


def history(found: Mapping[str, Any]) -> None:
    """The answer in a sentence, or all periods in a table."""
    if "at" in found:
        click.echo(f"{found['at'][:19].replace('T', ' ')} UTC; zone {found['zone']}.\n{found['why']}")
        for version in found["also"]:
            click.echo(f"A clock went back: by its time, version {version} was live then, too.")
        return
    rows = [
        [each["version"], each["since"][:19], (each["until"] or "")[:19], each["by"], each["act"], each["reason"]]
        for each in found["periods"]
    ]
    table(f"{found['name']}", ["version", "since (UTC)", "until", "by", "how", "why"], rows)


def releases(found: Sequence[registry.Release], again: Collection[str] = ()) -> None:
    """All releases in a table, and those to be tuned again because rows of theirs were erased (by their manifest)."""
    if not found:
        click.echo("no release yet: metier release EXPERT --policy general")
        return
    rows = [[each.id, each.stage, ", ".join(each.aliases), each.manifest[:12], each.run, each.record] for each in found]
    table(f"{len(found)} releases", ["release", "stage", "aliases", "expert", "run", "record"], rows)
    for each in found:
        if each.manifest in again:
            click.echo(f"note: {each.id} learnt rows that were erased since: tune it again (metier forget --retune).")


def shown(found: Mapping[str, Any]) -> None:
    """One release: who approved, what was found, what is waived."""
    click.echo(f"{found['release']['id']}: {found['release']['stage']}")
    rows = [[one["name"], one["role"], one["decision"], one["reason"], one["record"]] for one in found["approvals"]]
    table("approvals", ["who", "role", "", "why", "record"], rows)
    rows = [[gate["gate"], gate["wanted"], _found(gate), _standing(gate)] for gate in found["gates"]]
    table("gates", ["gate", "wanted", "found", ""], rows)
    rows = [[each["id"], each["severity"], each["text"], each["closed_by"] or "open"] for each in found["findings"]]
    table("findings", ["", "severity", "what", "closed by"], rows)


def people(found: Sequence[Person]) -> None:
    """Everybody in a table."""
    if not found:
        click.echo("nobody is registered: metier people add NAME --role admin")
        return
    rows = [[each["name"], ", ".join(each["roles"]), each["key"] or ""] for each in (one.as_json() for one in found)]
    table(f"{len(found)} people", ["name", "roles", "key"], rows)


def found(findings: Sequence[validation.Finding]) -> None:
    """Findings in a table."""
    rows = [
        [each.number, each.severity, each.text, each.by, each.closed["by"] if each.closed else "open"]
        for each in findings
    ]
    table(f"{len(rows)} findings", ["", "severity", "what", "by", "closed by"], rows)


def _found(gate: Mapping[str, Any]) -> str:
    value = "not measured" if gate["found"] is None else gate["found"]
    value = f"{value:.4g}" if isinstance(value, float) else str(value)
    return value if gate["low"] is None else f"{value} ({gate['low']:.4g} to {gate['high']:.4g})"


def _standing(gate: Mapping[str, Any]) -> str:
    if gate["passed"]:
        return "passed"
    return f"waived by {gate['waived']['by']} until {gate['waived']['until']}" if gate["waived"] else "failed"


def _cited(evidence: Mapping[str, Any] | None) -> str:
    if evidence is None:
        return ""
    return f"{evidence['run']}/{evidence['file']}" if "run" in evidence else f"record {evidence.get('record')}"
