"""The evidence of a run as a chain of hashes: seal it when all is written, verify it at any time, offline.

Each entry's link is SHA-256(previous link, the file's SHA-256, its path), so that no file can be altered, added, left
out or moved without the root, the last link, changing. The order is that of the work, with `report.html` last: the
link before it, which the report can print, is the root of all that the report was drawn from.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from metier import files
from metier.errors import BaseError, RecordError, ResourceError
from metier.govern import redaction
from metier.workspace import BOOKKEEPING, DONE

MANIFEST = "manifest.json"
_FORMAT = "metier-record-1"
_ORDER = (
    "key.json",
    "data.json",
    "curation.json",
    "split.json",
    "split.npy",
    "plan.json",
    "environment.json",
    "base.json",
    "rungs/",
    "expert/",
    "evaluation.json",
)
_LAST = "report.html"
# What file managers leave behind when somebody looks into a folder.
_LITTER = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_ENTRY = ("path", "sha256", "bytes", "link")


@dataclass(frozen=True)
class Verdict:
    """Whether a folder still is what was sealed; if not, `problem` names the first thing that differs.

    `first` is that file's path, `notes` what could not be checked or lies outside the folder, `checked` the number of
    files hashed, `record` what done.json (or an expert's manifest.json) holds.
    """

    ok: bool
    problem: str = ""
    first: str | None = None
    notes: tuple[str, ...] = ()
    checked: int = 0
    record: Mapping[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain JSON, as `metier verify --json` prints it."""
        return asdict(self)


def chain(folder: Path, name: str = DONE) -> dict[str, Any]:
    """The record of a folder as it lies there now.

    Returns `{"format", "files": [{"path", "sha256", "bytes", "link"}], "root"}`. Nothing is written; `name` is the file
    the record would go to, which is not part of it.
    """
    entries, link = [], _start()
    for path in _sealable(folder, name):
        full = folder / path
        if name == DONE and path.startswith(files.TEMPORARY):
            continue  # the run's clock is just writing its time, and takes this away itself
        if not full.is_file():
            raise RecordError("not-a-file", "A run holds files and folders only.", found=path, fix="Remove it.")
        sha256 = files.sha256(full)
        link = _link(link, path, sha256)
        entries.append({"path": path, "sha256": sha256, "bytes": full.stat().st_size, "link": link})
    return {"format": _FORMAT, "files": entries, "root": link}


def seal(run_folder: str | Path) -> dict[str, Any]:
    """Write `done.json`, the last file of a run, and return what it holds. Raises ResourceError, RecordError."""
    return _seal(Path(run_folder), DONE)


def seal_expert(folder: str | Path) -> dict[str, Any]:
    """Write an expert's `manifest.json`, so that it can be verified away from its run; returns what it holds."""
    return _seal(Path(folder), MANIFEST)


def verify(
    path: str | Path,
    *,
    base: str | None = None,
    root: str | None = None,
    inside: bool = False,
    key: str | None = None,
) -> Verdict:
    """Recompute the record of a run's or an expert's folder and name the first thing that differs.

    `base` is the name or folder of the base to compare with the recorded one (the bundled one is found by itself);
    `root` is a root noted elsewhere, which proves that the record itself was not written anew. `inside` leaves out
    what lies outside the folder: the base and the data. `key` must have signed what an erasure took out of the folder,
    where it lies in no workspace. Nothing is fetched. Raises RecordError when there is nothing to verify.
    """
    folder = Path(path)
    name = _record_name(folder)
    if not (folder / name).exists():
        return Verdict(False, f"{name} is missing: the work was never finished, or its record was removed.", name)
    try:
        raw = (folder / name).read_bytes()
        record = _parsed(raw)
    except (OSError, ValueError) as error:
        return Verdict(False, f"{name} cannot be read as a record: {error}.", name)
    redacted = redaction.believed(folder, record["root"], key)
    fault = _incoherent(record, raw, name) or _unlike_folder(folder, record, name, redacted)
    if fault is None and redacted.problem:
        fault = (redaction.FILE, redacted.problem[0].upper() + redacted.problem[1:])
    if fault is None and root is not None and root != record["root"]:
        fault = (name, f"The root is {record['root']}, not the {root} noted elsewhere: the record was written anew")
    checked = len(record["files"]) - len(redacted.entries)
    if fault is not None:
        return Verdict(False, f"{fault[1]}.", fault[0], (), checked, record)
    problem, notes = ("", []) if inside else _outside(folder, base)
    notes = [*redacted.notes, *notes]
    return Verdict(not problem, problem, "base.json" if problem else None, tuple(notes), checked, record)


# ------------------------------------------------------------------------------------------------------- the chain


def _start() -> str:
    return hashlib.sha256(_FORMAT.encode()).hexdigest()


def _link(previous: str, path: str, sha256: str) -> str:
    # Two fields of fixed length first: no two different entries can spell the same text.
    return hashlib.sha256(f"{previous}\n{sha256}\n{path}".encode("utf-8", "surrogateescape")).hexdigest()


def _rank(path: str) -> tuple[int, bytes]:
    """Where a file stands in the chain: by the order of the work, others by their path, the report last."""
    for place, start in enumerate(_ORDER):
        if path == start or (start.endswith("/") and path.startswith(start)):
            return place, os.fsencode(path)
    return len(_ORDER) + (path == _LAST), os.fsencode(path)


def _sealable(folder: Path, name: str) -> list[str]:
    found = (path for path in _listed(folder) if path != name and not redaction.allowed(path))
    if name == DONE:
        found = (path for path in found if path not in BOOKKEEPING)
    return sorted((path for path in found if path.rsplit("/", 1)[-1] not in _LITTER), key=_rank)


def _listed(folder: Path) -> Iterator[str]:
    """Every file under `folder`, links to folders included, as paths with forward slashes."""
    for parent, folders, names in os.walk(folder, onerror=_unreadable):
        links = [item for item in folders if Path(parent, item).is_symlink()]
        below = Path(parent).relative_to(folder).as_posix()
        for name in (*names, *links):
            yield name if below == "." else f"{below}/{name}"


def _unreadable(error: OSError) -> None:
    raise files.refusal(error, Path(error.filename or ".")) from error


def _seal(folder: Path, name: str) -> dict[str, Any]:
    files.sweep(folder)
    files.flush_tree(folder)
    record = chain(folder, name)
    files.write_json(folder / name, record)
    return record


# ------------------------------------------------------------------------------------------------------- verifying


def _record_name(folder: Path) -> str:
    """Which record this folder has, or ought to have."""
    if not folder.is_dir():
        raise RecordError(
            "no-such-run",
            "A run or an expert is a folder.",
            found=f"{folder} is {'a file' if folder.exists() else 'not there'}",
            fix="Give the folder that metier tune printed, such as metier/runs/<time>-<name>.",
        )
    for name, signs in ((DONE, (DONE,)), (MANIFEST, (MANIFEST, "metier.json")), (DONE, ("key.json", "plan.json"))):
        if any((folder / sign).exists() for sign in signs):
            return name
    raise RecordError(
        "no-record",
        f"A finished run holds {DONE}, an expert {MANIFEST}.",
        found=f"neither in {folder}",
        fix="Give the folder that metier tune printed, such as metier/runs/<time>-<name>.",
    )


def _parsed(raw: bytes) -> dict[str, Any]:
    """The record in these bytes. Raises ValueError when they are not of the form that `seal` writes."""
    record = json.loads(raw)
    if not isinstance(record, dict) or set(record) != {"format", "files", "root"} or record["format"] != _FORMAT:
        raise ValueError(f"it is not a {_FORMAT}")
    entries = record["files"]
    if not isinstance(entries, list) or not isinstance(record["root"], str):
        raise ValueError("it has no list of files")
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict) or tuple(entry) != _ENTRY:
            raise ValueError(f"its entry {number} is damaged")
        if not isinstance(entry["bytes"], int) or not all(
            isinstance(entry[k], str) for k in ("path", "sha256", "link")
        ):
            raise ValueError(f"its entry {number} is damaged")
    return record


def _incoherent(record: Mapping[str, Any], raw: bytes, name: str) -> tuple[str, str] | None:
    """Where the record disagrees with itself, as (path, words); the folder is not looked at."""
    link, last = _start(), (-1, b"")
    for entry in record["files"]:
        path = entry["path"]
        if _rank(path) <= last:
            return path, f"The record's entries were reordered: {path} does not belong where it stands in {name}"
        last = _rank(path)
        expected = _link(link, path, entry["sha256"])
        if entry["link"] != expected:
            return path, f"The record itself was altered: in {name}, the link of {path} does not follow from its entry"
        link = expected
    if record["root"] != link:
        return name, f"The record itself was altered: the root in {name} is not its last link"
    if raw != files.pretty(record):
        return name, f"The record itself was altered: {name} is not spelled as it was written"
    return None


def _unlike_folder(
    folder: Path, record: Mapping[str, Any], name: str, redacted: redaction.Redactions
) -> tuple[str, str] | None:
    """The first file, in the order of the chain, that is not as recorded or as an erasure left it: (path, words)."""
    there = _sealable(folder, name)
    recorded = {entry["path"]: entry for entry in record["files"]}
    added = [path for path in there if path not in recorded]
    for path in sorted({*recorded, *added}, key=_rank):
        if path not in recorded:
            return path, f"{path} was added: the record does not know it"
        full, entry = folder / path, recorded[path]
        if not os.path.lexists(full):
            if redacted.explains(path, entry["sha256"], None):
                continue
            return path, f"{path} is missing{_moved(folder, entry, added)}"
        if not full.is_file():
            return path, f"{path} was altered: it is no longer a file"
        sha256 = files.sha256(full)
        if redacted.explains(path, entry["sha256"], sha256):
            continue
        if sha256 != entry["sha256"]:
            return path, f"{path} was altered{_why(full, sha256, entry, record['files'])}"
        if full.stat().st_size != entry["bytes"]:
            return path, f"The record itself was altered: in {name}, the size of {path} is not the file's"
    return None


def _moved(folder: Path, entry: Mapping[str, Any], added: list[str]) -> str:
    """Where a missing file's content lies now, if it was only renamed."""
    for path in added:
        full = folder / path
        if full.is_file() and full.stat().st_size == entry["bytes"] and files.sha256(full) == entry["sha256"]:
            return f": it was renamed to {path}"
    return ""


def _why(full: Path, sha256: str, entry: Mapping[str, Any], entries: list[Mapping[str, Any]]) -> str:
    for other in entries:
        if other["sha256"] == sha256:
            return f": it now holds what was recorded for {other['path']}"
    size = full.stat().st_size
    if size != entry["bytes"]:
        return f": {size:,} bytes instead of {entry['bytes']:,}"
    return f": its SHA-256 is {sha256[:12]}... instead of {entry['sha256'][:12]}..."


# ------------------------------------------------------------------------------------- what lies outside the folder


def _outside(folder: Path, base: str | None) -> tuple[str, list[str]]:
    """A problem with the base, or "", and notes on the source data, which its owner may rightly move or add to."""
    notes = [note for source in _sources(_json(folder / "data.json")) if (note := _source_note(source))]
    about, plan = _json(folder / "metier.json"), _json(folder / "plan.json")
    recorded = _json(folder / "base.json") or about.get("base")
    if not isinstance(recorded, Mapping) or "sha256" not in recorded:
        return "", notes
    was = about.get("base_is") or plan.get("base", {}).get("base")
    if base is None and was == ".":  # a merged expert is its own base: its files have been checked already
        return "", notes
    kind = about.get("task") or _json(folder / "evaluation.json").get("task")
    problem, note = _base_fault(recorded, str(base or was or recorded.get("name")), kind)
    return problem, [*notes, note] if note else notes


def _json(path: Path) -> dict[str, Any]:
    try:
        found = files.read_json(path)
    except (ResourceError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _sources(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every data file named in data.json: the training rows, and the test rows where there were some."""
    if isinstance(value, Mapping):
        if isinstance(value.get("path"), str) and isinstance(value.get("sha256"), str):
            yield value
        for item in value.values():
            yield from _sources(item)


def _source_note(source: Mapping[str, Any]) -> str:
    path = Path(source["path"])
    try:
        if not path.is_file():
            return f"The data file {path} is no longer there; its recorded SHA-256 is {source['sha256']}."
        if files.sha256(path) != source["sha256"]:
            return f"The data file {path} is not the one that was used: its content has changed since."
    except ResourceError as error:
        return f"The data file {path} could not be read: {error.found}."
    return ""


def _base_fault(recorded: Mapping[str, Any], wanted: str, kind: str | None) -> tuple[str, str]:
    """(problem, note) on the base: the bundled one or a folder is compared, the hub is never asked.

    `kind` is the kind of task, which knows its bases; where none is recorded, as of a curation, it is one of texts.
    """
    from metier import tasks
    from metier.trunk import base as bases

    name = recorded.get("name")
    if wanted != bases.BUNDLED and not Path(wanted).is_dir():
        return "", f"The base {name} was not checked: {wanted} is not a folder here."
    try:
        found = (bases.find if kind is None else tasks.get(kind).base)(wanted).sha256
    except BaseError as error:
        if error.code == "bundled-base-missing":
            return "", f"The base {name} was not checked: {error.found}."
        return f"The base {name} is not the one that was tuned: {error.problem} Found: {error.found}.", ""
    if found != recorded["sha256"]:
        return f"The base {name} is not the one that was tuned: its SHA-256 is {found}, not {recorded['sha256']}.", ""
    return "", ""
