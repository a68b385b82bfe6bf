"""Stages of a release: which acts move it, and how the tables follow the ledger within one transaction.

draft -> candidate (passes its gates) -> approved (has its approvals) -> live -> retired. An act that moves a release
carries the stage after it, `details["stage"]`: the ledger alone is enough to know what was live when.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metier.govern import acts, people, registry
from metier.govern.actor import Actor
from metier.govern.ledger.entry import Act, Record
from metier.store import artefacts

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from metier.govern.ledger.book import Ledger, Turn

PROPOSED, GATED, CHECKED, WAIVED = "proposed", "gated", "checked", "waived"
APPROVED_ACT, REVOKED = "approved", "revoked"
RELEASED, STOOD_DOWN, ROLLED_BACK, RETIRED_ACT, ALIASED = "released", "stood down", "rolled back", "retired", "aliased"


def stage(records: Sequence[Record]) -> str:
    """The stage that a release's records leave it in."""
    return next((str(one.facts["stage"]) for one in reversed(records) if "stage" in one.facts), registry.DRAFT)


def gated(records: Sequence[Record]) -> Mapping[str, Any] | None:
    """What the gates in force found: `{"policy", "hashes", "gates", "passed"}`."""
    return next((one.facts for one in reversed(records) if one.act == GATED), None)


def dossier(records: Sequence[Record]) -> Mapping[str, Any] | None:
    """The hashes that an approval signs now."""
    found = gated(records)
    return None if found is None else found["hashes"]


def in_the_way(gate: Mapping[str, Any]) -> bool:
    """Whether a recorded gate stands in the way."""
    return not gate["passed"] and not gate["waived"]


def project(connection: Connection, record: Record) -> None:
    """Bring the tables of releases and aliases up to one record of the ledger."""
    from metier.store.tables.registry import aliases, releases

    name, version = split(record.subject)
    facts = record.facts
    this = (releases.c.name == name) & (releases.c.version == version)
    if record.act == PROPOSED:
        row = {"name": name, "version": version, "stage": facts["stage"], "record": record.seq}
        row |= {key: facts[key] for key in ("manifest", "run", "root")}
        connection.execute(releases.insert().values(row))
    elif "stage" in facts:
        connection.execute(releases.update().where(this).values(stage=facts["stage"], record=record.seq))
    if record.act == ALIASED:
        connection.execute(aliases.delete().where(aliases.c.name == name, aliases.c.alias == facts["alias"]))
        if not facts["removed"]:
            row = {"name": name, "alias": facts["alias"], "version": version, "record": record.seq}
            connection.execute(aliases.insert().values(row))


def go_live(
    ledger: Ledger, turn: Turn, release: registry.Release, act: Act, actor: Actor, key: str | Path | None
) -> Record:
    """Put a release live by this act; the version that was live stands down, still approved. Raises ExpertError where
    the release's folder is not what was released."""
    artefacts.check(artefacts.get(ledger.place, release.manifest), release.manifest)
    for other in registry.rows(turn.connection, ledger.place):
        if other.name == release.name and other.stage == registry.LIVE:
            details = {"stage": registry.APPROVED, "for": release.version}
            down = Act(STOOD_DOWN, other.subject, act.reason, details)
            project(turn.connection, people.perform(ledger, turn, down, actor, key))
    record = people.perform(ledger, turn, act, actor, key)
    project(turn.connection, record)
    return record


def step_back(
    ledger: Ledger, turn: Turn, name: str, actor: Actor, reason: str, key: str | Path | None
) -> registry.Release | None:
    """Put the version live that was live before the present or last one, if one is still approved."""
    found = {each.version: each for each in registry.rows(turn.connection, ledger.place) if each.name == name}
    order = lived(acts.starting(turn.connection, f"release:{name}@"))
    target = next(
        (found[version] for version in reversed(order[:-1]) if found[version].stage == registry.APPROVED), None
    )
    if target is not None:
        act = Act(ROLLED_BACK, target.subject, reason, {"stage": registry.LIVE, "from": order[-1]})
        go_live(ledger, turn, target, act, actor, key)
    return target


def lived(records: Sequence[Record]) -> list[int]:
    """The versions that were live, each on top of the one it followed; what was rolled back from is no longer there."""
    order: list[int] = []
    for one in records:
        version = split(one.subject)[1]
        if one.act == RELEASED:
            order.append(version)
        elif one.act == ROLLED_BACK:
            while order and order[-1] != version:
                order.pop()
            order = order or [version]
    return order


def split(subject: str) -> tuple[str, int]:
    """(name, version) of a release's subject in the ledger."""
    name, _, version = subject.removeprefix("release:").rpartition("@")
    return name, int(version)
