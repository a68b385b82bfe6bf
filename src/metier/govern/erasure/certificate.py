"""The certificate of an erasure: what was found where, what is gone, what stays and why; signed, and read by people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metier import files
from metier.errors import ResourceError
from metier.govern.signing import Signer, fingerprint, signed
from metier.tasks.contract import Section

FORMAT = "metier-erasure-1"


@dataclass(frozen=True)
class Checked:
    """Whether a certificate is what was signed; `erasure` is its number."""

    ok: bool
    problem: str
    notes: tuple[str, ...] = ()
    erasure: str = ""


def sign(body: Mapping[str, Any], signer: Signer) -> dict[str, Any]:
    """The certificate of this content."""
    content = json.loads(files.pretty({"format": FORMAT, **body}))
    return {**content, "key": signer.public, "signature": signer.sign(files.canonical(content))}


def is_one(path: Path) -> bool:
    """Whether a file is meant as a certificate: by its first words, whatever became of the rest."""
    with files.guard(path), path.open("rb") as file:
        return path.suffix == ".json" and FORMAT.encode() in file.read(256)


def check(path: Path, trusted: str | None = None) -> Checked:
    """Whether the file is as it was signed, by `trusted` where a key or fingerprint is given. Offline."""
    try:
        found = files.read_json(path)
        content = {name: value for name, value in found.items() if name not in ("key", "signature")}
        key, signature = str(found["key"]), str(found["signature"])
        if content["format"] != FORMAT or files.pretty(found) != path.read_bytes():
            return Checked(False, f"{path.name} is not spelt as it was written.")
        sound = signed(key, files.canonical(content), signature)
    except (ResourceError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return Checked(False, f"{path.name} cannot be read as a certificate: {error}.")
    erasure = str(content.get("erasure", ""))
    if not sound:
        return Checked(False, f"{path.name} was altered: the signature is not that of its content.", (), erasure)
    own = fingerprint(key)
    if trusted is not None and trusted.lower() not in (key, own):
        return Checked(False, f"It was signed by the key {own}, not by {trusted[:16]}.", (), erasure)
    notes = () if trusted else (f"Signed by the key {own}: compare it with the one you were told.",)
    return Checked(True, "", notes, erasure)


def page(certificate: Mapping[str, Any]) -> str:
    """The certificate as a page."""
    from metier.pages.page import render

    found, purged = certificate["found"], certificate["purged"]
    whose = f"an id in the column {certificate['subject']['column']}" if certificate["subject"]["column"] else "a text"
    lead = f"Erasure {certificate['erasure']} of {whose}, by {certificate['by']} on {certificate['at'][:10]}."
    remains = [f"{one['what']}: {one['why']}." for one in certificate["remains"]]
    headline = "Everything found in this workspace is gone." if not remains else f"{len(remains)} things stay."
    sections = [
        Section("verdict", "In short", {"headline": headline, "sentences": remains or ["Nothing remains here."]}),
        Section("facts", "What was found", {"rows": [(name, _told(value)) for name, value in found.items()]}),
        Section("facts", "What is gone", {"rows": [(name, _told(value)) for name, value in purged.items()]}),
        Section("facts", "Experts", {"rows": [(one["name"], _expert(one)) for one in certificate["experts"]]}),
    ]
    facts = [
        ("tombstone", str(certificate["subject"]["digest"])),
        ("reason", str(certificate["reason"]) or "none was given"),
        ("key", fingerprint(str(certificate["key"]))),
        ("signature", str(certificate["signature"])),
    ]
    return render("Certificate of erasure", sections, lead=lead, facts=facts)


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{_told(item)} {name}" for name, item in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "nothing" if not value else "; ".join(_one(item) for item in value[:50])
    return str(value)


def _one(item: Any) -> str:
    if not isinstance(item, Mapping):
        return str(item)
    return ", ".join(f"{name} {value}" for name, value in item.items() if value not in ("", None, []))


def _expert(one: Mapping[str, Any]) -> str:
    """What became of an expert, in a sentence."""
    part = f"{one['learnt']} rows learnt, {one['held_out']} held out, {one['tested']} tested on"
    if one["retuned"] is None:
        return (
            f"{one['run']}: {part}; to be tuned again" if one["learnt"] or one["held_out"] else f"{one['run']}: {part}"
        )
    out = f"{one['run']}: {part}; tuned again in {one['seconds']:.0f} s as {one['retuned']}"
    before, after = one["membership"]["before"], one["membership"]["after"]
    if before and after:
        shares = (before["never_seen_at_or_above"], after["never_seen_at_or_above"])
        out += "; of never-seen rows {:.0%} score as high under the old expert, {:.0%} under the new one".format(
            *shares
        )
    return out
