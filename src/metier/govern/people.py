"""People and their roles: who may approve, validate, put live; and with whose key an act is signed.

While nobody is registered, names and roles are taken as they are typed, and every record says so. The first person
registered is an admin; from then on roles count only where an admin has given them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metier.errors import RecordError, UsageError
from metier.govern import acts, signing
from metier.govern.actor import Actor
from metier.govern.ledger.entry import Act, Record
from metier.workspace import Workspace

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from metier.govern.ledger.book import Ledger, Turn

ROLES = ("author", "validator", "approver", "auditor", "operator", "admin")
ADMIN, OPERATOR = "admin", "operator"
KEY = "METIER_PERSONAL_KEY"


@dataclass(frozen=True)
class Person:
    """Somebody registered: a name, roles, and the public key (hexadecimal) of their own, "" for none."""

    name: str
    roles: tuple[str, ...]
    public: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        key = signing.fingerprint(self.public) if self.public else None
        return {"name": self.name, "roles": list(self.roles), "key": key}


def same(one: str, other: str) -> bool:
    """Whether two names are one person's: case, spacing and forms of the same letter don't make another."""
    return folded(one) == folded(other)


def folded(name: str) -> str:
    """A name as it is compared."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def registered(connection: Connection) -> dict[str, Person]:
    """Everybody registered, by folded name."""
    import sqlalchemy

    from metier.store.tables.registry import people as table

    found: dict[str, Person] = {}
    for row in connection.execute(sqlalchemy.select(table).order_by(table.c.person, table.c.role)):
        known = found.get(row.person)
        roles = (*known.roles, row.role) if known else (row.role,)
        found[row.person] = Person(row.name, roles, row.public)
    return found


def entitled(connection: Connection, actor: Actor, roles: Sequence[str], what: str) -> None:
    """Raise RecordError where people are registered and this one has none of the roles that `what` needs."""
    known = registered(connection)
    if not known:
        return
    person = known.get(folded(actor.name))
    held = person.roles if person else ()
    if not set(roles) & set(held):
        who = f"{actor.name} is {', '.join(held)}" if person else f"{actor.name} is not registered"
        raise RecordError(
            "not-entitled",
            f"To {what}, a person must be {' or '.join(roles)}.",
            found=who,
            fix=f"An admin gives the role: metier people add {_quoted(actor.name)} --role {roles[0]} --as ADMIN.",
        )


def known(connection: Connection, actor: Actor, policy: str) -> None:
    """Raise RecordError where the actor is not registered: for policies that count registered people only."""
    if folded(actor.name) not in registered(connection):
        raise RecordError(
            "not-entitled",
            f"The policy {policy} counts approvals of registered people only.",
            found=f"{actor.name} is not registered",
            fix=f"An admin adds them: metier people add {_quoted(actor.name)} --role {actor.role or 'approver'}.",
        )


def perform(ledger: Ledger, turn: Turn, act: Act, actor: Actor, key: str | Path | None = None) -> Record:
    """Add an act to the ledger, signed with the actor's own key, or with the workspace's where they have none.

    Raises RecordError where the actor is registered with a key and `key` is not it.
    """
    person = registered(turn.connection).get(folded(actor.name))
    own = None if key is None else signing.read(key)
    if person is not None and person.public and (own is None or own.public != person.public):
        wanted = signing.fingerprint(person.public)
        raise RecordError(
            "own-key-needed",
            f"{person.name} signs with the key {wanted}.",
            found=f"the key {own.fingerprint}" if own else "no key",
            fix=f"Add --key FILE with {person.name}'s private key, or name the file in {KEY}.",
        )
    act = Act(act.act, act.subject, act.reason, {**act.details, "registered": person is not None}, act.id)
    signer, by = (ledger.signer, acts.WORKSPACE) if own is None else (own, acts.PERSON)
    return turn.add(acts.sign(act, actor, signer, by), actor)


def add(
    place: Workspace, name: str, role: str, actor: Actor, *, public: str | None = None, key: str | Path | None = None
) -> Person:
    """Give a person a role, and a public key where one is named. Only admins do, but for the first.

    `public` is hexadecimal or a PEM file. Raises RecordError, UsageError.
    """
    from metier.govern.ledger.book import open_ledger

    name = " ".join(name.split())
    if role not in ROLES or not 0 < len(name) <= 200 or not name.isprintable():
        raise UsageError(
            "no-such-role",
            f"A person has a name (up to 200 letters) and one of the roles {', '.join(ROLES)}.",
            found=f"{name[:200]!r} as {role!r}",
            fix="metier people add NAME --role validator",
        )
    hexadecimal = _public(public)
    ledger = open_ledger(place)
    try:
        with ledger.turn(actor) as turn:
            known = registered(turn.connection)
            _may_change(turn.connection, actor, first_admin=role == ADMIN)
            person = known.get(folded(name))
            held = person.public if person else ""
            details: dict[str, Any] = {"role": role, "public": hexadecimal if hexadecimal is not None else held}
            if not known:
                details["first"] = True
            record = perform(ledger, turn, Act("person added", f"person:{name}", "", details), actor, key)
            project(turn.connection, record)
            return registered(turn.connection)[folded(name)]
    finally:
        ledger.store.close()


def remove(place: Workspace, name: str, role: str | None, actor: Actor, *, key: str | Path | None = None) -> None:
    """Take a role, or all, from a person; one admin must be left. What they did stays recorded. Raises RecordError."""
    from metier.govern.ledger.book import open_ledger

    ledger = open_ledger(place)
    try:
        with ledger.turn(actor) as turn:
            _may_change(turn.connection, actor, first_admin=False)
            person = registered(turn.connection).get(folded(name))
            if person is None or (role is not None and role not in person.roles):
                raise RecordError(
                    "no-such-person",
                    "The person must be registered, in that role where one is named.",
                    found=f"{name} is {', '.join(person.roles)}" if person else f"{name} is not registered",
                    fix="metier people lists everybody.",
                )
            details = {"roles": list(person.roles) if role is None else [role]}
            record = perform(ledger, turn, Act("person removed", f"person:{person.name}", "", details), actor, key)
            project(turn.connection, record)
            if not any(ADMIN in each.roles for each in registered(turn.connection).values()):
                raise RecordError(
                    "last-admin",
                    "One admin must be left.",
                    found=f"{person.name} is the last",
                    fix="Register another first: metier people add NAME --role admin.",
                )
    finally:
        ledger.store.close()


def everybody(place: Workspace) -> list[Person]:
    """All registered people, by name."""
    from metier.store.records import exists

    if not exists(place):
        return []
    with acts.reading(place) as connection:
        return list(registered(connection).values())


def project(connection: Connection, record: Record) -> None:
    """Bring the table of people up to one record of the ledger."""
    from metier.store.tables.registry import people as table

    name, facts = record.subject.partition(":")[2], record.facts
    person = folded(name)
    taken = facts["roles"] if record.act == "person removed" else [facts["role"]]
    connection.execute(table.delete().where(table.c.person == person, table.c.role.in_(taken)))
    if record.act == "person removed":
        return
    row = {"person": person, "role": facts["role"], "name": name, "public": facts["public"], "record": record.seq}
    connection.execute(table.insert().values(row))
    connection.execute(table.update().where(table.c.person == person).values(public=facts["public"]))


def _may_change(connection: Connection, actor: Actor, *, first_admin: bool) -> None:
    if registered(connection):
        entitled(connection, actor, (ADMIN,), "give or take roles")
    elif not first_admin:
        raise RecordError(
            "no-admin",
            "The first person registered is an admin.",
            found="nobody is registered",
            fix="metier people add NAME --role admin",
        )


def _public(text: str | None) -> str | None:
    """A public key in hexadecimal, from that or from a PEM file (public or private)."""
    if text is None:
        return None
    if len(text) == 64 and not set(text.lower()) - set("0123456789abcdef"):
        return text.lower()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from metier import files

    with files.guard(text):
        content = Path(text).read_bytes()
    if b"PRIVATE KEY" in content:
        return signing.read(text).public
    try:
        key = serialization.load_pem_public_key(content)
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise RecordError(
            "bad-signing-key",
            "A person's key must be an Ed25519 key: PEM, or 64 hexadecimal digits.",
            found=text,
            fix="openssl genpkey -algorithm ed25519 -out NAME.pem",
        )
    return key.public_bytes_raw().hex()


def _quoted(name: str) -> str:
    import shlex

    return shlex.quote(name)
