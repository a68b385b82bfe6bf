"""Single sign-on: bearer tokens (JWT) of an OpenID provider, checked with the provider's published keys (JWKS).

What a token may is in its `scope` or `roles`: `metier:predict`, or `metier:predict:banking` for one expert alone.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from metier import files
from metier.errors import ResourceError, UsageError
from metier.serve.access.caller import Caller
from metier.serve.access.keys import ROLES
from metier.serve.journal import say
from metier.serve.problems import Refused

# Signatures only the provider can make; never a shared secret, never none.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
_LEEWAY = 30.0  # seconds two clocks may differ
_AGAIN = 60.0  # seconds between two looks at the provider's keys for one that is not known
_PATIENCE = 5.0
_LARGEST = 1 << 20


@dataclass
class Provider:
    """An OpenID provider: its `issuer`, who its tokens must be for (`audience`), where its keys are (`jwks`)."""

    issuer: str
    audience: str
    jwks: str
    _keys: dict[str, Any] = field(default_factory=dict)
    _read: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def caller(self, token: str) -> Caller:
        """Who a token stands for. Raises Refused (401) for one that is not valid. May ask the provider for its keys."""
        import jwt

        try:
            head = jwt.get_unverified_header(token)
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key(str(head.get("kid", ""))),
                algorithms=_ALGORITHMS,
                audience=self.audience,
                issuer=self.issuer,
                leeway=_LEEWAY,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise Refused(
                401,
                "bad-token",
                "A token must be valid, unexpired, of the issuer and for the audience set here.",
                found=type(error).__name__,
                fix="Sign in again.",
            ) from None
        subject = hashlib.sha256(f"{self.issuer}\0{claims['sub']}".encode()).hexdigest()[:16]
        return Caller(f"sso:{subject}", grants(claims), shown=f"sso:{subject}")

    def load(self) -> None:
        """Read the provider's keys. Raises UsageError where they are none, ResourceError where they can't be read."""
        import jwt

        try:
            found = jwt.PyJWKSet.from_dict(json.loads(_content(self.jwks)))
            keys = {str(key.key_id or ""): key for key in found.keys}
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError) as error:
            raise UsageError(
                "bad-jwks",
                "The provider's keys must be a JSON Web Key Set.",
                found=f"{self.jwks}: {error}",
                fix="Give the file or address that the provider calls jwks_uri.",
            ) from error
        self._keys, self._read = keys, time.monotonic()

    def _key(self, kid: str) -> Any:
        if kid not in self._keys:
            with self._lock:
                if kid not in self._keys and time.monotonic() - self._read > _AGAIN:
                    self._read = time.monotonic()
                    try:
                        self.load()
                    except (UsageError, ResourceError) as error:
                        say("the provider's keys could not be read", error=error)
        if kid not in self._keys:
            raise ValueError("no such key")
        return self._keys[kid]


def provider(issuer: str | None, audience: str | None, jwks: str | None) -> Provider | None:
    """The provider that these choices name, None for none. Raises UsageError where one is missing or not installed."""
    given = {"--oidc-issuer": issuer, "--oidc-audience": audience, "--oidc-jwks": jwks}
    if not any(given.values()):
        return None
    missing = [name for name, value in given.items() if not value]
    if missing:
        raise UsageError(
            "oidc-incomplete",
            "Single sign-on needs the issuer, the audience and the keys.",
            found=f"no {', '.join(missing)}",
            fix="Give all three.",
        )
    try:
        import jwt  # noqa: F401
    except ImportError:
        raise UsageError(
            "oidc-missing",
            "Single sign-on needs the extra oidc.",
            found="PyJWT is not installed",
            fix="pip install 'metier[oidc]'",
        ) from None
    made = Provider(issuer or "", audience or "", jwks or "")
    made.load()
    return made


def grants(claims: Mapping[str, Any]) -> frozenset[tuple[str, str | None]]:
    """What a token's claims allow.

    >>> sorted(grants({"scope": "openid metier:predict:banking metier:sing"}))
    [('predict', 'banking')]
    """
    found: set[tuple[str, str | None]] = set()
    for name in ("scope", "roles"):
        value = claims.get(name, ())
        words = value.split() if isinstance(value, str) else value if isinstance(value, (list, tuple)) else ()
        for word in words:
            home, _, rest = str(word).partition(":")
            role, _, expert = rest.partition(":")
            if home == "metier" and role in ROLES:
                found.add((role, expert or None))
    return frozenset(found)


def _content(where: str) -> bytes:
    if "://" not in where:
        with files.guard(where):
            return Path(where).read_bytes()
    address = urlsplit(where)
    if address.scheme != "https" and address.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise UsageError(
            "bad-jwks",
            "The provider's keys must be read over https.",
            found=f"{address.scheme}://",
            fix="Give an https address, or save the keys to a file and name it.",
        )
    from urllib.request import urlopen

    try:
        with urlopen(where, timeout=_PATIENCE) as answer:
            content: bytes = answer.read(_LARGEST)
            return content
    except OSError as error:
        raise ResourceError(
            "jwks-unreachable",
            "The provider of the sign-on keys must answer.",
            found=f"{address.hostname}: {error}",
            fix="Check the address, or save the keys to a file and name it.",
        ) from error
