"""Acts of the registry in the ledger: read back within a transaction, and signed by whoever does them.

A signature covers the whole act (what, of what, who, in which role, why, all details), so that no part of it can be
put under another act. `details["signed"]` is `{"by", "key", "signature"}`; `by` is "person" for a key of the
actor's own and "workspace" where the workspace's key signs on their behalf.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from metier import files
from metier.govern.actor import Actor
from metier.govern.ledger.entry import Act, Record, plain
from metier.govern.signing import Signer, signed
from metier.workspace import Workspace

if TYPE_CHECKING:
    from sqlalchemy import Connection

SIGNED, PERSON, WORKSPACE = "signed", "person", "workspace"
_FORMAT = "metier-act-1"
# What the ledger itself adds to an act's details.
_ADDED = (SIGNED, "clock_went_back_from", "happened")


@contextmanager
def reading(place: Workspace) -> Iterator[Connection]:
    """The records of a workspace, for a block that only reads. Raises ResourceError."""
    from metier.store.records import open_store

    store = open_store(place)
    try:
        with store.read() as connection:
            yield connection
    finally:
        store.close()


def of(connection: Connection, *, subject: str | None = None, acts: tuple[str, ...] = ()) -> list[Record]:
    """The ledger's records of exactly this subject, or with these acts, in order; a turn's own only after it."""
    import sqlalchemy

    from metier.store.tables.ledger import ledger

    asked = sqlalchemy.select(ledger).order_by(ledger.c.seq)
    if subject is not None:
        asked = asked.where(ledger.c.subject == subject)
    if acts:
        asked = asked.where(ledger.c.act.in_(acts))
    return [Record(**row) for row in connection.execute(asked).mappings()]


def starting(connection: Connection, prefix: str) -> list[Record]:
    """The ledger's records whose subject starts so, in order."""
    import sqlalchemy

    from metier.store.tables.ledger import ledger

    asked = sqlalchemy.select(ledger).where(ledger.c.subject.startswith(prefix, autoescape=True))
    return [Record(**row) for row in connection.execute(asked.order_by(ledger.c.seq)).mappings()]


def sign(act: Act, actor: Actor, signer: Signer, by: str) -> Act:
    """The act with its signature among its details."""
    message = _message(act.act, act.subject, (actor.name, actor.role), act.reason, act.details)
    mark = {"by": by, "key": signer.public, "signature": signer.sign(message)}
    return replace(act, details={**act.details, SIGNED: mark})


def genuine(record: Record) -> bool:
    """Whether a signed record's signature is that of the key it names; True where it has none."""
    facts = record.facts
    if SIGNED not in facts:
        return True
    mark = facts[SIGNED]
    message = _message(record.act, record.subject, (record.actor, record.role), record.reason, facts)
    return signed(str(mark.get("key")), message, str(mark.get("signature")))


def _message(act: str, subject: str, who: tuple[str, str], reason: str, details: Mapping[str, Any]) -> bytes:
    told = {name: value for name, value in details.items() if name not in _ADDED}
    content = {"act": act, "subject": plain(subject), "actor": plain(who[0]), "role": plain(who[1])}
    return files.canonical({"format": _FORMAT, **content, "reason": plain(reason), "details": told})
