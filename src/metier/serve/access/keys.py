"""API keys: made, listed, rotated and revoked in the records, which hold a hash of each (argon2id) and never the key.

A key reads `mtr_<id>_<secret>`: the id finds its row and is no secret, the secret has 256 random bits.
"""

from __future__ import annotations

import json
import re
import secrets
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from metier.errors import UsageError
from metier.govern import people
from metier.govern.actor import Actor
from metier.govern.ledger.entry import Act, plain
from metier.store.records import Store, now

if TYPE_CHECKING:
    from argon2 import PasswordHasher
    from sqlalchemy import Connection

    from metier.govern.ledger.book import Ledger

ROLES = ("predict", "explain", "feedback", "operator", "admin")
FORM = re.compile(r"mtr_([a-z0-9]{12})_([A-Za-z0-9_\-]{43})")
_MAY = ("admin", "operator")  # of the people registered, where any are
_LETTERS = string.ascii_lowercase + string.digits
_EXPIRES = re.compile(r"(\d{1,5})([dhm])")
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


@dataclass(frozen=True)
class Key:
    """A key as the records know it: `roles` it may act in, for these `experts` (None: all), at most `rate` requests a
    second (None: the server's own limit). Times are ISO 8601, UTC."""

    id: str
    name: str
    hash: str
    roles: tuple[str, ...]
    experts: tuple[str, ...] | None
    rate: float | None
    created: str
    created_by: str
    expires: str | None
    revoked: str | None

    def standing(self, at: str) -> str:
        """`valid`, `revoked` or `expired` at a time. A rotated key is revoked from a time to come on."""
        if self.revoked is not None and self.revoked <= at:
            return "revoked"
        return "expired" if self.expires is not None and self.expires <= at else "valid"

    def as_json(self) -> dict[str, Any]:
        """What `metier keys list` shows: all but the hash."""
        return {
            "id": self.id,
            "name": self.name,
            "roles": list(self.roles),
            "experts": None if self.experts is None else list(self.experts),
            "rate": self.rate,
            "created": self.created,
            "created_by": self.created_by,
            "expires": self.expires,
            "revoked": self.revoked,
            "standing": self.standing(now()),
        }


def add(
    ledger: Ledger,
    actor: Actor,
    name: str,
    *,
    roles: Sequence[str] = ("predict",),
    experts: Sequence[str] = (),
    expires: str | None = None,
    rate: float | None = None,
) -> tuple[Key, str]:
    """A new key and, this once, the key itself. `expires` as 90d or 12h. Raises UsageError, ResourceError."""
    _check(roles, name)
    with ledger.turn(actor) as turn:
        people.entitled(turn.connection, actor, _MAY, "make a key")
        if any(key.name == name and key.standing(now()) == "valid" for key in _all(turn.connection)):
            raise UsageError(
                "key-exists",
                "A key's name must not be that of another valid key.",
                found=name,
                fix=f"metier keys rotate {name} gives a new one in its place, or choose another name.",
            )
        key, token = _made(name, tuple(roles), tuple(experts) or None, _until(expires), rate, actor)
        _insert(turn.connection, key)
        turn.add(Act("key added", f"key:{key.name}", "", _facts(key)))
    return key, token


def revoke(ledger: Ledger, actor: Actor, which: str) -> list[Key]:
    """Keys of this name or id, valid no longer. Raises UsageError where there is none."""
    at = now()
    with ledger.turn(actor) as turn:
        people.entitled(turn.connection, actor, _MAY, "revoke a key")
        found = _valid(turn.connection, which)
        for key in found:
            _end(turn.connection, key, at)
            turn.add(Act("key revoked", f"key:{key.name}", "", {"id": key.id}))
    return found


def rotate(
    ledger: Ledger, actor: Actor, which: str, *, grace: str | None = None, expires: str | None = None
) -> tuple[Key, str]:
    """A new key of the same name, roles and experts; the old one is valid for `grace` (as 24h) or no longer."""
    at = _until(grace) or now()
    with ledger.turn(actor) as turn:
        people.entitled(turn.connection, actor, _MAY, "rotate a key")
        old = _valid(turn.connection, which)
        like = old[-1]
        until = _until(expires) if expires else _renewed(like)
        key, token = _made(like.name, like.roles, like.experts, until, like.rate, actor)
        for each in old:
            _end(turn.connection, each, min(at, each.revoked or at))
        _insert(turn.connection, key)
        ended = [each.id for each in old]
        turn.add(Act("key rotated", f"key:{key.name}", "", {**_facts(key), "instead_of": ended, "until": at}))
    return key, token


def every(store: Store) -> list[Key]:
    """All keys that ever were, oldest first."""
    with store.read() as connection:
        return _all(connection)


def hasher() -> PasswordHasher:
    """argon2id with OWASP's least parameters: 256 random bits need no more, and a guess must not cost us 64 MiB."""
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def matches(key: Key, token: str) -> bool:
    """Whether a token is this key; takes some 20 ms on purpose."""
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return hasher().verify(key.hash, token)
    except (VerificationError, InvalidHashError):
        return False


def _check(roles: Sequence[str], name: str) -> None:
    odd = [role for role in roles if role not in ROLES]
    if odd or not roles:
        raise UsageError(
            "no-such-role",
            "A key acts in one role or more.",
            found=", ".join(odd) or "none",
            fix=f"Roles: {', '.join(ROLES)}.",
        )
    if not name.strip() or len(name) > 100 or plain(name) != name or not name.isprintable():
        raise UsageError(
            "bad-key-name",
            "A key's name must be 1 to 100 printable characters.",
            found=repr(name[:100]),
            fix="Name who will use it, as web-shop.",
        )


def _until(duration: str | None) -> str | None:
    """`90d` -> the time it is in 90 days. Raises UsageError."""
    if duration is None:
        return None
    match = _EXPIRES.fullmatch(duration.strip())
    if match is None or int(match[1]) == 0:
        raise UsageError(
            "bad-duration",
            "How long a key is valid must be a number of days, hours or minutes.",
            found=duration,
            fix="As 90d, 12h or 30m.",
        )
    until = datetime.now(UTC) + timedelta(**{_UNITS[match[2]]: int(match[1])})
    return until.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _renewed(key: Key) -> str | None:
    """When a key that takes this one's place expires: as long after its making as this one did."""
    if key.expires is None:
        return None
    lasted = datetime.fromisoformat(key.expires) - datetime.fromisoformat(key.created)
    return (datetime.now(UTC) + lasted).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _made(
    name: str,
    roles: tuple[str, ...],
    experts: tuple[str, ...] | None,
    expires: str | None,
    rate: float | None,
    actor: Actor,
) -> tuple[Key, str]:
    id_ = "".join(secrets.choice(_LETTERS) for _ in range(12))
    token = f"mtr_{id_}_{secrets.token_urlsafe(32)}"
    key = Key(id_, name, hasher().hash(token), roles, experts, rate, now(), plain(actor.name), expires, None)
    return key, token


def _facts(key: Key) -> Mapping[str, Any]:
    return {"id": key.id, "roles": list(key.roles), "experts": list(key.experts or ()), "expires": key.expires}


def _all(connection: Connection) -> list[Key]:
    from metier.store.tables.serving import api_keys

    rows = connection.execute(api_keys.select().order_by(api_keys.c.created, api_keys.c.id)).mappings()
    return [_read(row) for row in rows]


def _valid(connection: Connection, which: str) -> list[Key]:
    found = [key for key in _all(connection) if which in (key.name, key.id) and key.standing(now()) == "valid"]
    if not found:
        raise UsageError(
            "no-such-key",
            "The key must be a valid one, by its name or its id.",
            found=which,
            fix="metier keys list shows them.",
        )
    return found


def _read(row: Mapping[Any, Any]) -> Key:
    experts = row["experts"]
    return Key(
        **{
            **row,
            "roles": tuple(json.loads(row["roles"])),
            "experts": None if experts is None else tuple(json.loads(experts)),
        }
    )


def _insert(connection: Connection, key: Key) -> None:
    from metier.store.tables.serving import api_keys

    experts = None if key.experts is None else json.dumps(key.experts)
    values = {**vars(key), "roles": json.dumps(key.roles), "experts": experts}
    connection.execute(api_keys.insert().values(values))


def _end(connection: Connection, key: Key, at: str) -> None:
    from metier.store.tables.serving import api_keys

    connection.execute(api_keys.update().where(api_keys.c.id == key.id).values(revoked=at))
