"""Encryption of what the prediction log keeps of people: AES-256-GCM with keys made from METIER_LOG_KEY.

METIER_LOG_KEY may hold several keys, with commas: the first one seals, all of them open, so that keys can be changed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from metier.errors import RecordError, UsageError

VARIABLE = "METIER_LOG_KEY"
_SHORTEST = 16
_NONCE = 12


@dataclass(frozen=True)
class Sealer:
    """Seals and opens values; each is bound to its row's id, so that none can be moved to another row."""

    keys: tuple[bytes, ...]

    def seal(self, id_: str, value: Any) -> str:
        """JSON types -> text of the form `<key's name>.<base64>`."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(_NONCE)
        plain = json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode("ascii")
        body = nonce + AESGCM(self.keys[0]).encrypt(nonce, plain, id_.encode())
        return f"{_name(self.keys[0])}.{base64.urlsafe_b64encode(body).decode('ascii')}"

    def open(self, id_: str, sealed: str) -> Any:
        """What was sealed. Raises RecordError where the key is not here or the text was changed."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        name, _, text = sealed.partition(".")
        key = next((key for key in self.keys if _name(key) == name), None)
        if key is None:
            raise RecordError(
                "log-key-missing",
                "The key that sealed this row must be here.",
                found=f"key {name[:8]}",
                fix=f"Set {VARIABLE} to it; several keys stand there with commas.",
            )
        try:
            body = base64.urlsafe_b64decode(text)
            return json.loads(AESGCM(key).decrypt(body[:_NONCE], body[_NONCE:], id_.encode()))
        except (InvalidTag, ValueError) as error:
            raise RecordError(
                "log-altered",
                "A sealed row must be as it was written.",
                found=f"row {id_}",
                fix="Put a backup of the records in their place.",
            ) from error

    def digest(self, content: bytes) -> str:
        """A keyed hash (HMAC-SHA-256): short texts can't be guessed from it without the key."""
        return hmac.digest(self.keys[0], b"input\0" + content, hashlib.sha256).hex()

    def digests(self, content: bytes) -> list[str]:
        """What `digest` gives with each of the keys."""
        return [Sealer((key,)).digest(content) for key in self.keys]


def sealer(environment: Mapping[str, str] = os.environ) -> Sealer | None:
    """The sealer of METIER_LOG_KEY, None where it is not set. Raises UsageError for a key that can be guessed."""
    given = [part.strip() for part in environment.get(VARIABLE, "").split(",") if part.strip()]
    if any(len(part) < _SHORTEST for part in given):
        raise UsageError(
            "weak-key",
            f"Each key in {VARIABLE} must have {_SHORTEST} characters or more: shorter ones can be guessed.",
            found=f"{min(map(len, given))} characters",
            fix="openssl rand -hex 32 makes a good one.",
        )
    return Sealer(tuple(_derived(part) for part in given)) if given else None


def _derived(text: str) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"metier prediction log 1").derive(text.encode())


def _name(key: bytes) -> str:
    return hashlib.sha256(b"name\0" + key).hexdigest()[:8]
