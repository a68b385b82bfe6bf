"""The gate: who a request comes from, by its key or its token, before any of its body is read."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from metier.errors import ResourceError, UsageError
from metier.serve.access import keys
from metier.serve.access.caller import Caller, of_roles
from metier.serve.access.denials import NOBODY, Denials
from metier.serve.access.keys import Key
from metier.serve.access.rates import Rates
from metier.serve.access.tokens import Provider
from metier.serve.journal import say
from metier.serve.problems import Refused
from metier.store.records import Store, now

VARIABLE = "METIER_API_KEY"
LOCAL = Caller("local", frozenset({("admin", None)}), shown="local")
_SHORTEST = 16  # characters of a key from the environment
_FRESH = 1.0  # seconds between two looks for a key that is not known
_VERIFIED = 60.0  # seconds for which argon2's word is remembered
_REMEMBERED = 10_000
_WRONG_A_SECOND = 10.0  # wrong secrets of keys that exist: each costs argon2's work


@dataclass
class Gate:
    """Who may come in. With no key, no token and none in the environment everybody on this machine may.

    The rows of keys are held in memory, so that who was let in is let in while the database is away.
    """

    store: Store
    denials: Denials
    rates: Rates
    provider: Provider | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    _rows: dict[str, Key] = field(default_factory=dict)
    _looked: float = -1e9
    _salt: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    _known: OrderedDict[bytes, tuple[str, bool, float]] = field(default_factory=OrderedDict, repr=False)
    _asked: dict[bytes, asyncio.Future[bool]] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _guesses: Rates = field(default_factory=lambda: Rates(_WRONG_A_SECOND), repr=False)
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)
    _verifying: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2), repr=False)

    def __post_init__(self) -> None:
        given = self.environment.get(VARIABLE, "")
        if given and len(given) < _SHORTEST:
            raise UsageError(
                "weak-key",
                f"{VARIABLE} must have {_SHORTEST} characters or more: shorter ones can be guessed.",
                found=f"{len(given)} characters",
                fix="openssl rand -hex 32 makes a good one.",
            )

    @property
    def closed(self) -> bool:
        """Whether a key or a token is needed."""
        return bool(self._rows) or self.provider is not None or bool(self.environment.get(VARIABLE))

    def refresh(self) -> None:
        """Read the rows of keys; where the database is away the old ones stay."""
        with self._lock:
            self._looked = time.monotonic()
            try:
                self._rows = {key.id: key for key in keys.every(self.store)}
            except ResourceError as error:
                say("keys could not be read; those known stay valid", code=error.code, found=error.found)

    async def identify(self, headers: Mapping[bytes, bytes]) -> Caller:
        """Who sends a request. Raises Refused 401 or 429; what is denied is counted."""
        given = headers.get(b"authorization", b"").decode("latin-1").strip()
        try:
            caller = await self._caller(given, headers)
        except Refused as error:
            self.denials.count(error.caller or NOBODY, error.code)
            raise
        try:
            self.rates.take(caller.name, caller.rate)
        except Refused as error:
            self.denials.count(caller.name, error.code)
            raise
        return caller

    async def _caller(self, given: str, headers: Mapping[bytes, bytes]) -> Caller:
        if not self.closed:
            _from_this_machine(headers)
            return LOCAL
        scheme, _, token = given.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise Refused(
                401,
                "no-key",
                "A request must bring a key.",
                found="no Authorization: Bearer header",
                fix="Send Authorization: Bearer KEY; metier keys add NAME makes one.",
            )
        own = self.environment.get(VARIABLE)
        if own and hmac.compare_digest(own.encode(), token.encode("utf-8", "surrogatepass")):
            return Caller("environment", frozenset({("admin", None)}), shown=VARIABLE)
        match = keys.FORM.fullmatch(token)
        if match is not None:
            return await self._by_key(match[1], token)
        if self.provider is not None:
            return await asyncio.to_thread(self.provider.caller, token)
        raise _unknown()

    async def _by_key(self, id_: str, token: str) -> Caller:
        if id_ not in self._rows:
            await self._look_again(time.monotonic())
        key = self._rows.get(id_)
        if key is None or not await self._genuine(key, token):
            raise _unknown()
        standing = key.standing(now())
        if standing != "valid":
            raise Refused(
                401,
                f"key-{standing}",
                "A key must be neither expired nor revoked.",
                found=f"the key {id_} is {standing}",
                fix="Ask for a new one: metier keys add NAME makes it.",
                caller=f"key:{id_}",
            )
        return Caller(f"key:{id_}", of_roles(key.roles, key.experts), key.rate, shown=key.name)

    async def _look_again(self, since: float) -> None:
        """Have the keys read once after `since`: many who ask for new ones at a time share one look a second."""
        async with self._looking:
            if self._looked < since:
                await asyncio.sleep(max(0.0, self._looked + _FRESH - since))
                await asyncio.to_thread(self.refresh)

    async def _genuine(self, key: Key, token: str) -> bool:
        """argon2's word on a token, remembered by a fast keyed hash for a minute."""
        name = hmac.digest(self._salt, token.encode("ascii"), hashlib.sha256)
        found = self._known.get(name)
        if found is not None and found[0] == key.hash and found[2] > time.monotonic():
            return found[1]
        asked = self._asked.get(name)
        if asked is None:
            # Many requests that begin at once with one key are one guess, and one sum.
            self._guesses.take(key.id)
            asked = self._asked[name] = asyncio.ensure_future(self._summed(name, key, token))
            asked.add_done_callback(lambda _: self._asked.pop(name, None))
        return await asyncio.shield(asked)

    async def _summed(self, name: bytes, key: Key, token: str) -> bool:
        async with self._verifying:
            right = await asyncio.to_thread(keys.matches, key, token)
        self._known[name] = (key.hash, right, time.monotonic() + _VERIFIED)
        self._known.move_to_end(name)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return right


def check_host(host: str, gate: Gate) -> None:
    """Raise UsageError where a server without keys would be open to other machines."""
    if gate.closed or host in ("127.0.0.1", "::1", "localhost"):
        return
    raise UsageError(
        "keys-needed",
        "A server that other machines can reach needs keys.",
        found=f"--host {host} and no key",
        fix=f"metier keys add NAME makes one; or set {VARIABLE}, or name a sign-on provider with --oidc-issuer.",
    )


def _from_this_machine(headers: Mapping[bytes, bytes]) -> None:
    """Without keys a page in a browser must not speak for the person before it (DNS rebinding)."""
    host = headers.get(b"host", b"").decode("latin-1").lower()
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    if name not in ("127.0.0.1", "localhost", "[::1]"):
        raise Refused(
            403,
            "other-host",
            "Without keys a request must name this machine as its host.",
            found="another Host header",
            fix="Ask http://127.0.0.1, or make a key with metier keys add NAME.",
        )
    if b"origin" in headers:
        raise Refused(
            403,
            "other-origin",
            "Without keys a request must not come from a page in a browser.",
            found="an Origin header",
            fix="Make a key with metier keys add NAME.",
        )


def _unknown() -> Refused:
    return Refused(
        401,
        "unknown-key",
        "The key must be one of this server's.",
        found="a key or token that is not known",
        fix="metier keys list shows which there are; metier keys add NAME makes one.",
    )
