"""Do the registry's tables say what the ledger says, and is every signature right? The first fault is named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from metier.errors import ExpertError
from metier.govern import acts, people, registry, stages
from metier.govern.ledger.book import Ledger
from metier.govern.ledger.entry import Record
from metier.store import artefacts

if TYPE_CHECKING:
    from sqlalchemy import Connection

Rows = dict[tuple[Any, ...], dict[str, Any]]
_PEOPLE = ("person added", "person removed")


def check(ledger: Ledger) -> tuple[int | None, str] | None:
    """(record, what differs) for the first disagreement, None where all agrees. Raises ResourceError."""
    with ledger.store.read() as connection:
        records = sorted(
            (*acts.starting(connection, "release:"), *acts.starting(connection, "person:")), key=lambda one: one.seq
        )
        keys = {one.facts["public"] for one in acts.of(connection, acts=("signs",))}
        fault = next(chain(_signatures(records, keys), _differences(connection, replay(records))), None)
        if fault is not None:
            return fault
        standing = [
            each for each in registry.rows(connection, ledger.place) if each.stage in (registry.APPROVED, registry.LIVE)
        ]
    for release in standing:
        try:
            artefacts.check(artefacts.get(ledger.place, release.manifest), release.manifest)
        except ExpertError as error:
            return release.record, f"{release.id} is {release.stage}, but its folder was altered: {error.found}"
    return None


def replay(records: Iterable[Record]) -> dict[str, Rows]:
    """The tables as the ledger's records make them: rows by their primary key."""
    found: dict[str, Rows] = {"releases": {}, "aliases": {}, "people": {}}
    for one in records:
        if one.act in _PEOPLE:
            _person(found["people"], one)
        elif one.subject.startswith("release:"):
            _release(found, one)
    return found


def _release(found: dict[str, Rows], one: Record) -> None:
    name, version = stages.split(one.subject)
    facts, row = one.facts, found["releases"].get((name, version))
    if one.act == stages.PROPOSED:
        row = {"name": name, "version": version}
        row |= {key: facts[key] for key in ("manifest", "run", "root")}
        found["releases"][name, version] = row
    if row is not None and "stage" in facts:
        row |= {"stage": facts["stage"], "record": one.seq}
    if one.act == stages.ALIASED:
        found["aliases"].pop((name, facts["alias"]), None)
        if not facts["removed"]:
            about = {"name": name, "alias": facts["alias"], "version": version, "record": one.seq}
            found["aliases"][name, facts["alias"]] = about


def _person(rows: Rows, one: Record) -> None:
    name, facts = one.subject.partition(":")[2], one.facts
    person = people.folded(name)
    if one.act == "person removed":
        for role in facts["roles"]:
            rows.pop((person, role), None)
        return
    about = {"role": facts["role"], "name": name, "public": facts["public"], "record": one.seq}
    rows[person, facts["role"]] = {"person": person, **about}
    for key, row in rows.items():
        if key[0] == person:
            row["public"] = facts["public"]


def _differences(connection: Connection, wanted: dict[str, Rows]) -> Iterator[tuple[int | None, str]]:
    import sqlalchemy

    from metier.store.tables import registry as tables

    for name, rows in wanted.items():
        table = getattr(tables, name)
        keys = [column.name for column in table.primary_key]
        there = {
            tuple(row[key] for key in keys): dict(row)
            for row in connection.execute(sqlalchemy.select(table)).mappings()
        }
        for key in sorted({*rows, *there}):
            mine, found = rows.get(key), there.get(key)
            if mine != found:
                yield (mine or found or {}).get("record"), _told(name, key, mine, found)


def _told(table: str, key: tuple[Any, ...], mine: dict[str, Any] | None, found: dict[str, Any] | None) -> str:
    what = "@".join(map(str, key))
    if mine is None:
        return f"The table {table} has {what}, which the ledger knows nothing of."
    if found is None:
        return f"The table {table} lacks {what} of record {mine['record']}."
    name = next(column for column in mine if mine[column] != found[column])
    return f"The table {table} says {name} {found[name]!r} of {what}; record {mine['record']} says {mine[name]!r}."


def _signatures(records: Iterable[Record], keys: set[str]) -> Iterator[tuple[int, str]]:
    """Acts whose signature is wrong, or that of a key that was not the workspace's or the person's."""
    rows: Rows = {}
    for one in records:
        mark = one.facts.get(acts.SIGNED)
        named = f"Record {one.seq} ({one.act} {one.subject})"
        if mark is not None:
            mine = next((row["public"] for key, row in rows.items() if key[0] == people.folded(one.actor)), "")
            if not acts.genuine(one):
                yield one.seq, f"{named} was not signed by the key it names."
            elif mark["by"] == acts.WORKSPACE and mark["key"] not in keys:
                yield one.seq, f"{named} was signed by a key that is not of this workspace."
            elif mine and (mark["by"] != acts.PERSON or mark["key"] != mine):
                yield one.seq, f"{named} was not signed by {one.actor}'s own key."
        if one.act in _PEOPLE:
            _person(rows, one)
