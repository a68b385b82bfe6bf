"""An act, and the record of it: what is hashed, and how one record hangs on the one before it."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from metier import files

FORMAT = "metier-ledger-1"
FIELDS = ("seq", "id", "at", "actor", "role", "act", "subject", "reason", "details", "previous", "link")


@dataclass(frozen=True)
class Act:
    """Something done: `Act("approved", "release:banking@3", "validated", {"role": "validator"})`.

    `subject` is `kind:name` or `kind:name@version`; `details` are JSON types. The same `id` is written once only.
    """

    act: str
    subject: str
    reason: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(frozen=True)
class Record:
    """One line of the ledger; `details` is canonical JSON, the very text that was hashed."""

    seq: int
    id: str
    at: str
    actor: str
    role: str
    act: str
    subject: str
    reason: str
    details: str
    previous: str
    link: str

    @property
    def facts(self) -> dict[str, Any]:
        """The details as a dict."""
        found: dict[str, Any] = json.loads(self.details)
        return found

    def as_json(self) -> dict[str, Any]:
        """Plain JSON, details as an object."""
        return {**{name: getattr(self, name) for name in FIELDS}, "details": self.facts}

    def computed(self) -> str:
        """The link this record must have, from its content."""
        return link_of({name: getattr(self, name) for name in FIELDS if name != "link"})

    def line(self) -> str:
        """The record in an exported file; one spelling only, so that every changed byte is seen."""
        return files.canonical(self.as_json()).decode("ascii")


def first() -> str:
    """What the first record hangs on."""
    return hashlib.sha256(FORMAT.encode()).hexdigest()


def link_of(content: Mapping[str, Any]) -> str:
    """SHA-256 over all fields but the link itself, in canonical JSON."""
    return files.digest({"format": FORMAT, **content})


def next_record(act: Act, seq: int, previous: str, at: str, who: tuple[str, str]) -> Record:
    """The record of an act at this place of the chain; `who` is (actor, role)."""
    content: dict[str, Any] = {
        "seq": seq,
        "id": act.id,
        "at": at,
        "actor": plain(who[0]),
        "role": plain(who[1]),
        "act": plain(act.act)[:64],
        "subject": plain(act.subject),
        "reason": plain(act.reason),
        "details": files.canonical(json.loads(files.pretty(dict(act.details)))).decode("ascii"),
        "previous": previous,
    }
    return Record(**content, link=link_of(content))


def plain(text: str) -> str:
    """A text that every database takes: no zero bytes, no lone surrogates."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\0")


def parse(line: str) -> Record:
    """A line of an exported file. Raises ValueError where it is no record in its one spelling."""
    found = json.loads(line)
    if not isinstance(found, dict) or set(found) != set(FIELDS):
        raise ValueError("it has not the fields of a record")
    if not isinstance(found["seq"], int) or isinstance(found["seq"], bool) or not isinstance(found["details"], dict):
        raise ValueError("its fields have not the types of a record's")
    if not all(isinstance(found[name], str) for name in FIELDS if name not in ("seq", "details")):
        raise ValueError("its fields have not the types of a record's")
    record = Record(**{**found, "details": files.canonical(found["details"]).decode("ascii")})
    if record.line() != line:
        raise ValueError("it is spelt otherwise than metier writes it")
    return record
