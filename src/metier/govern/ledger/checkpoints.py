"""Signed checkpoints, outside the database: how long the ledger was and what its last link was.

One file to a signing key, one line to a checkpoint. Whoever can change the database but not these files can neither
cut the ledger's end off nor write it anew. `METIER_CHECKPOINTS` names another folder: a disk that can't be rewritten is
best.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metier import files
from metier.errors import ResourceError
from metier.govern.ledger.entry import FORMAT, Record
from metier.govern.signing import Signer, fingerprint, signed
from metier.workspace import Workspace

FOLDER = "METIER_CHECKPOINTS"
_KEYS = ("seq", "link", "at", "key", "signature")


@dataclass(frozen=True)
class Checkpoint:
    """That the record `seq` had this `link`; signed by the owner of the public key `key`, all in hexadecimal."""

    seq: int
    link: str
    at: str
    key: str
    signature: str

    @property
    def genuine(self) -> bool:
        """Whether the signature is that of this checkpoint's own key."""
        return signed(self.key, _message(self.seq, self.link, self.at), self.signature)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {name: getattr(self, name) for name in _KEYS}


def sign(record: Record, signer: Signer) -> Checkpoint:
    """A checkpoint of the ledger as it stands with `record` as its last."""
    message = _message(record.seq, record.link, record.at)
    return Checkpoint(record.seq, record.link, record.at, signer.public, signer.sign(message))


def folder(place: Workspace) -> Path:
    """Where the checkpoints of a workspace lie."""
    return Path(os.environ.get(FOLDER) or place.root / "ledger")


def path_of(place: Workspace, public: str) -> Path:
    """The file of one key's checkpoints."""
    return folder(place) / f"{fingerprint(public)}.jsonl"


def keep(place: Workspace, checkpoint: Checkpoint) -> None:
    """Add a checkpoint to its file in one write. Raises ResourceError."""
    path = path_of(place, checkpoint.key)
    line = files.canonical(checkpoint.as_json()) + b"\n"
    with files.guard(path, len(line)):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, line)
        finally:
            os.close(handle)


def intend(place: Workspace, checkpoint: Checkpoint) -> None:
    """Say what the turn is about to keep, so that records of a process killed before its checkpoint can be told from
    records that somebody else put in. Raises ResourceError."""
    files.write_json(_intent(place, checkpoint.key), checkpoint.as_json(), durable=False)


def intended(place: Workspace, public: str) -> Checkpoint | None:
    """The last turn that this key was about to keep, whether it was kept or not."""
    try:
        found = parse(files.read_json(_intent(place, public)))
    except (ResourceError, ValueError):
        return None
    return found if found.key == public and found.genuine else None


def kept(path: Path) -> tuple[list[Checkpoint], str]:
    """The checkpoints of a file, and what is wrong with it ("" for nothing).

    A torn last line is what a killed process leaves, and is passed over.
    """
    with files.guard(path):
        content = path.read_bytes()
    lines = content.split(b"\n")
    found = []
    for number, line in enumerate(lines[:-1], start=1):
        try:
            found.append(parse(json.loads(line)))
        except ValueError:
            return found, f"line {number} of {path} is no checkpoint"
    return found, ""


def _intent(place: Workspace, public: str) -> Path:
    return path_of(place, public).with_suffix(".next")


def parse(found: Any) -> Checkpoint:
    """A checkpoint from its JSON. Raises ValueError."""
    if not isinstance(found, Mapping) or set(found) != set(_KEYS) or not isinstance(found["seq"], int):
        raise ValueError("it has not the fields of a checkpoint")
    if not all(isinstance(found[name], str) for name in _KEYS[1:]):
        raise ValueError("its fields have not the types of a checkpoint's")
    return Checkpoint(**{name: found[name] for name in _KEYS})


def _message(seq: int, link: str, at: str) -> bytes:
    return files.canonical({"format": f"{FORMAT}-checkpoint", "seq": seq, "link": link, "at": at})
