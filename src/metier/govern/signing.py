"""Signatures of this workspace: an Ed25519 key (RFC 8032) that is made once, kept readable by its owner alone.

`METIER_SIGNING_KEY` names another key file (PEM, PKCS 8), `METIER_SIGNING_PASSPHRASE` opens an encrypted one.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from metier import files
from metier.errors import RecordError
from metier.workspace import Workspace

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY_FILE, PASSPHRASE = "METIER_SIGNING_KEY", "METIER_SIGNING_PASSPHRASE"


@dataclass(frozen=True)
class Signer:
    """A private key, able to sign; `public` is the raw public key (32 bytes) in hexadecimal."""

    key: Ed25519PrivateKey
    public: str

    @property
    def fingerprint(self) -> str:
        """The short name of the key, for people to compare."""
        return fingerprint(self.public)

    def sign(self, message: bytes) -> str:
        """The signature (64 bytes) in hexadecimal."""
        return self.key.sign(message).hex()


def signer(place: Workspace) -> Signer:
    """The workspace's key; made where there is none yet. Raises RecordError for a file that is no such key."""
    named = os.environ.get(KEY_FILE)
    path = Path(named) if named else place.root / "keys" / "signing.pem"
    if not named and not path.exists():
        place.prepare()
        _make(path)
    return read(path)


def read(path: str | Path) -> Signer:
    """The key in a PEM file. Raises RecordError for a file that is no such key, ResourceError."""
    with files.guard(path):
        content = Path(path).read_bytes()
    return _read(content, Path(path))


def fingerprint(public: str) -> str:
    """The first 16 digits of the SHA-256 of a public key."""
    return hashlib.sha256(bytes.fromhex(public)).hexdigest()[:16]


def signed(public: str, message: bytes, signature: str) -> bool:
    """Whether `signature` is that of `message` by the owner of `public`; all texts are hexadecimal."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _make(path: Path) -> None:
    """Write a new key; where another process was faster, its key stays."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    secret = os.environ.get(PASSPHRASE)
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(secret.encode()) if secret else serialization.NoEncryption(),
    )
    with files.guard(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        building = path.with_name(f"{files.TEMPORARY}{os.getpid()}-{os.urandom(4).hex()}")
        try:
            with os.fdopen(os.open(building, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                file.write(pem)
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(building, path)
        finally:
            building.unlink(missing_ok=True)


def _read(content: bytes, path: Path) -> Signer:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    secret = os.environ.get(PASSPHRASE)
    try:
        try:
            key = serialization.load_pem_private_key(content, secret.encode() if secret else None)
        except TypeError:
            if not secret:
                raise
            key = serialization.load_pem_private_key(content, None)  # the key is not encrypted after all
    except (ValueError, TypeError) as error:
        raise RecordError(
            "bad-signing-key",
            "The signing key must be an Ed25519 key (PEM), and its passphrase the right one.",
            found=f"{path}: {error}",
            fix=f"Set {PASSPHRASE} where it is encrypted, or name another key in {KEY_FILE}.",
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise RecordError(
            "bad-signing-key",
            "The signing key must be an Ed25519 key.",
            found=f"{path}: {type(key).__name__}",
            fix="openssl genpkey -algorithm ed25519 -out signing.pem",
        )
    return Signer(key, key.public_key().public_bytes_raw().hex())
