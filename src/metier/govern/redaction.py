"""What an erasure took out of a sealed folder: a signed list beside the record, which itself stays as it was sealed.

The record (done.json, manifest.json) keeps the hashes of what was sealed. `redacted.json` says, file by file, what it
was, what it is now, through which erasure and when. A file that differs is explained by it or it is altered; nothing in
between. It is believed when it is signed by the key of the workspace that the folder lies in, or by one that is named.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from metier import files
from metier.errors import ResourceError
from metier.govern.signing import Signer, fingerprint, signed

FILE = "redacted.json"
_FORMAT = "metier-redaction-1"
_KEYS = {"format", "root", "entries", "key", "signature"}


@dataclass(frozen=True)
class Redacted:
    """One file: the hash it was sealed with, the hash it has now (None: taken away), the erasure and its time."""

    path: str
    before: str
    after: str | None
    erasure: str
    at: str

    @property
    def told(self) -> str:
        """What `metier verify` says of it."""
        what = "taken away" if self.after is None else "redacted"
        return f"{self.path} was {what} by erasure {self.erasure} on {self.at[:10]}."


@dataclass(frozen=True)
class Redactions:
    """What the list beside a record explains; `problem` says why it explains nothing."""

    entries: Mapping[str, Redacted]
    key: str = ""
    problem: str = ""

    def explains(self, path: str, before: str, after: str | None) -> bool:
        """Whether this very change of a file was made by an erasure."""
        entry = self.entries.get(path)
        return entry is not None and (entry.before, entry.after) == (before, after)

    @property
    def notes(self) -> list[str]:
        """One sentence a file, and whose word it is."""
        if not self.entries:
            return []
        return [*(entry.told for entry in self.entries.values()), f"Signed by the key {fingerprint(self.key)}."]


def allowed(path: str) -> bool:
    """Whether a file of a sealed folder is such a list, which no record holds."""
    return path in (FILE, f"expert/{FILE}")


def write(folder: Path, root: str, entries: Sequence[Redacted], signer: Signer) -> None:
    """Add to the list of a sealed folder whose record has this `root`; what was sealed is remembered, not steps."""
    known = dict(read(folder, root).entries)
    for entry in entries:
        before = known[entry.path].before if entry.path in known else entry.before
        known[entry.path] = Redacted(entry.path, before, entry.after, entry.erasure, entry.at)
    content = {"format": _FORMAT, "root": root, "entries": [asdict(known[path]) for path in sorted(known)]}
    signature = signer.sign(files.canonical(content))
    files.write_json(folder / FILE, {**content, "key": signer.public, "signature": signature})


def read(folder: Path, root: str, trusted: str | None = None) -> Redactions:
    """The list of a folder, empty where there is none; `trusted` is the key, or its fingerprint, that must have signed.

    The list's own signature is checked, and that it is about the record with this `root`.
    """
    path = folder / FILE
    if not path.exists():
        return Redactions({})
    try:
        found = files.read_json(path)
        if not isinstance(found, dict) or set(found) != _KEYS or found["format"] != _FORMAT:
            raise ValueError(f"it is not a {_FORMAT}")
        entries = {entry["path"]: Redacted(**entry) for entry in found["entries"]}
        message = files.canonical({name: found[name] for name in ("format", "root", "entries")})
        public = str(found["key"])
        if not signed(public, message, str(found["signature"])):
            raise ValueError("its signature is not that of its content")
    except (ResourceError, ValueError, KeyError, TypeError, json.JSONDecodeError) as error:
        return Redactions({}, problem=f"{FILE} cannot be believed: {error}")
    if found["root"] != root:
        return Redactions({}, problem=f"{FILE} is about another record, whose root is {str(found['root'])[:16]}")
    if trusted is not None and trusted.lower() not in (public, fingerprint(public)):
        return Redactions({}, problem=f"{FILE} is signed by the key {fingerprint(public)}, not by {trusted[:16]}")
    return Redactions(entries, public)


def believed(folder: Path, root: str, key: str | None) -> Redactions:
    """As `read`, by `key` or else by a key of the workspace that the folder lies in."""
    found = read(folder, root, key)
    if not found.entries or key is not None:
        return found
    own = fingerprint(found.key)
    if own in _keys_above(folder):
        return found
    problem = (
        f"{FILE} is signed by the key {own}, and no workspace around the folder has it: say --key {own} to trust it"
    )
    return Redactions({}, problem=problem)


def _keys_above(folder: Path) -> frozenset[str]:
    """The fingerprints of the keys that sign in the workspace that holds this folder."""
    from metier.govern.ledger.checkpoints import folder as checkpoints
    from metier.workspace import Workspace

    for parent in list(folder.absolute().parents)[:4]:
        if (parent / "runs").is_dir() and (parent / "cache").is_dir():
            return frozenset(path.stem for path in checkpoints(Workspace(parent)).glob("*.jsonl"))
    return frozenset()
