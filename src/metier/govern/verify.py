"""One question for everything that was sealed: is it still what was written? Offline, the first difference named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metier.errors import RecordError, UsageError
from metier.govern import record, redaction
from metier.workspace import DONE, Workspace


@dataclass(frozen=True)
class Verdict:
    """Whether it is what it was; `record` is the first file (of a run) or record (of a ledger) that differs.

    `checked` of `unit` were looked at; `root` is the hash that stands for all of it.
    """

    ok: bool
    problem: str
    record: str | int | None
    notes: tuple[str, ...]
    checked: int
    unit: str
    root: str = ""

    def as_json(self) -> dict[str, Any]:
        """What `metier verify --json` prints."""
        return {"ok": self.ok, "problem": self.problem, "record": self.record, "notes": list(self.notes)}


def verify(path: str | Path, *, base: str | None = None, root: str | None = None, key: str | None = None) -> Verdict:
    """Verify a run, an expert (packed or not), a workspace, an exported ledger, a certificate of erasure.

    `base` and `root` are as in `record.verify`; `key` is the public key or fingerprint that must have signed, or for
    a pack's OpenSSF signature a PEM file. Raises RecordError where there is nothing to verify.
    """
    place = Path(path)
    if place.is_file():
        return _file(place, key)
    if place.is_dir() and not any((place / name).exists() for name in (DONE, record.MANIFEST)):
        from metier.store.records import FILE, exists

        if (place / FILE).is_file() or (place / "ledger").is_dir() or exists(Workspace(place.absolute())):
            return _workspace(Workspace(place.absolute()))
    if key is not None and place.is_dir() and not (place / redaction.FILE).exists():
        raise UsageError(
            "no-signature",
            "--key is for what is signed: exported ledgers, packed experts, certificates, what an erasure took out.",
            found=f"{path} is a folder, and nothing in it is signed",
            fix="Leave --key out.",
        )
    found = record.verify(place, base=base, root=root, key=key)
    whole = str(found.record["root"]) if found.record and "root" in found.record else ""
    return Verdict(found.ok, found.problem, found.first, found.notes, found.checked, "files", whole)


def _file(path: Path, key: str | None) -> Verdict:
    """A certificate of erasure, a packed expert, or an exported ledger, by what is in it."""
    from metier.govern.erasure import certificate
    from metier.govern.packing import packed

    if certificate.is_one(path):
        checked = certificate.check(path, key)
        return Verdict(checked.ok, checked.problem, None if checked.ok else path.name, checked.notes, 1, "certificates")
    if packed.is_one(path):
        return packed.verdict(path, key)
    return _exported(path, key)


def _exported(path: Path, key: str | None) -> Verdict:
    from metier.govern.ledger.book import verify_file

    if path.suffix not in (".jsonl", ".ndjson"):
        raise RecordError(
            "nothing-to-verify",
            "What can be verified is a run's or expert's folder, a workspace, an exported ledger (.jsonl), "
            "a packed expert, or a certificate of erasure.",
            found=str(path),
            fix="metier ledger export FILE.jsonl writes one.",
        )
    found = verify_file(path, key)
    return Verdict(found.ok, found.problem, found.record, found.notes, found.records, "records")


def _workspace(place: Workspace) -> Verdict:
    from metier.govern import projection
    from metier.govern.ledger.book import open_ledger

    ledger = open_ledger(place)
    try:
        found = ledger.verify()
        fault = projection.check(ledger) if found.ok else None
    finally:
        ledger.store.close()
    if fault is not None:
        return Verdict(False, fault[1], fault[0], found.notes, found.records, "records")
    return Verdict(found.ok, found.problem, found.record, found.notes, found.records, "records")
