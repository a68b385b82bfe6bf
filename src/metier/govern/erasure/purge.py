"""Taking out what was found: caches emptied of it, quotes redacted under a signed list, weights taken away."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from metier import files
from metier.data import cache as tables
from metier.data import erased
from metier.govern import record, redaction
from metier.govern.erasure import quotes
from metier.govern.erasure.search import TEXTUAL, Found, Quoted, Taught, wanted_keys
from metier.govern.redaction import Redacted
from metier.govern.signing import Signer
from metier.trunk.cache import drop
from metier.workspace import DONE, Workspace, is_held

# What other rooms read again: redacted in place or not at all.
_ESSENTIAL = frozenset(("data.json", "plan.json", "split.json", "base.json", "key.json", "expert/metier.json"))
_WEIGHTS = frozenset((".safetensors", ".npz", ".f16", ".bin", ".ubj", ".onnx"))
_WORDS = "words.json"


@dataclass
class Purged:
    """What is gone, and what stays and why."""

    done: dict[str, Any] = field(default_factory=dict)
    remains: list[dict[str, str]] = field(default_factory=list)

    def stays(self, what: str, why: str) -> None:
        """Note something that is still there."""
        self.remains.append({"what": what, "why": why})


def purge(place: Workspace, found: Found, erasure: str, at: str, signer: Signer) -> Purged:
    """Empty caches, unfinished runs and quotes of the subject; source files are left to their owners."""
    purged = Purged()
    purged.done["tables"] = [_blank(place, name, rows) for name, rows in found.tables]
    unwanted = wanted_keys(found.traces)
    vectors = sum(drop(place.cache / path, unwanted) for path, _ in found.features)
    purged.done["features"] = {"segments": len(found.features), "vectors": vectors}
    purged.done["downloads"] = [_unlinked(place.cache / path, path) for path in found.downloads]
    for name in found.derived:
        shutil.rmtree(place.cache / name, ignore_errors=True)
    purged.done["derived"] = list(found.derived)
    purged.done["unfinished"] = [name for name in found.unfinished if _removed(place.runs / name, purged)]
    purged.done["redacted"] = []
    for run in sorted({one.run for one in found.quotes}):
        some = [one for one in found.quotes if one.run == run]
        purged.done["redacted"] += _redact(place, run, some, found, (erasure, at), signer, purged)
    for one in found.data:
        if one.there and not one.ours:
            purged.stays(one.path, f"rows {_told(one.rows)} of a file that is its owner's to change")
    return purged


def take_away(place: Workspace, taught: Taught, erasure: str, at: str, signer: Signer, *, expert: bool) -> list[str]:
    """Remove the weights that a run fitted on its way, where the rows had a part in them; with `expert` its own too.

    The weights of `expert/` stay otherwise: what is served goes on until the re-tuned one takes its place.
    """
    folder = place.runs / taught.run
    rows = {*taught.learnt, *taught.held_out}
    gone = [path for path in _fitted(folder / "rungs") if not _other_shard(path, rows)]
    gone += list(_fitted(folder / "expert")) if expert else []
    paths = [path.relative_to(folder).as_posix() for path in gone]
    _explain(folder, dict.fromkeys(paths), erasure, at, signer)
    for path in gone:
        path.unlink(missing_ok=True)
    return paths


def _blank(place: Workspace, name: str, rows: tuple[int, ...]) -> dict[str, Any]:
    cache = place.cache / "tables"
    stored = tables.load(cache, name)
    if stored is not None:
        hits = np.zeros(stored.table.num_rows, bool)
        hits[list(rows)] = True
        erased.blanked(stored, cache, name, hits)
    return {"table": name, "rows": len(rows)}


def _unlinked(path: Path, name: str) -> str:
    path.unlink(missing_ok=True)
    return name


def _removed(folder: Path, purged: Purged) -> bool:
    if is_held(folder):
        purged.stays(f"runs/{folder.name}", "a process is working on it: stop it, then forget again")
        return False
    shutil.rmtree(folder)
    return True


# ---------------------------------------------------------------------------------------------------------- quotes


def _redact(
    place: Workspace,
    run: str,
    quoted: list[Quoted],
    found: Found,
    when: tuple[str, str],
    signer: Signer,
    purged: Purged,
) -> list[dict[str, Any]]:
    """Take the quotes out of a finished run's files: the list first, so that no change is ever unexplained."""
    folder, contents, out = place.runs / run, {}, []
    for one in quoted:
        content = _redacted(folder / one.path, found)
        if content is None and one.path in _ESSENTIAL:
            purged.stays(f"runs/{run}/{one.path}", "it quotes the text in pieces, and other rooms read it")
            continue
        notice = quotes.NOTICE.format(erasure=when[0], at=when[1][:10]).encode()
        contents[one.path] = notice if content is None else content
        out.append({"run": run, "path": one.path, "quotes": one.times, "whole": content is None})
    _explain(folder, contents, *when, signer)
    for path, content in contents.items():
        files.write_bytes(folder / path, content)
    own = {path.removeprefix("expert/"): content for path, content in contents.items() if path.startswith("expert/")}
    for copy in copies(place, folder / "expert") if own else ():
        _explain_in(copy, record.MANIFEST, own, *when, signer)
        for path, content in own.items():
            files.write_bytes(copy / path, content)
        out.append({"run": run, "path": copy.relative_to(place.root).as_posix(), "quotes": len(own), "whole": False})
    return out


def copies(place: Workspace, expert: Path) -> list[Path]:
    """The same expert elsewhere in the workspace: kept for a release, or unpacked."""
    manifest = expert / record.MANIFEST
    if not manifest.is_file():
        return []
    name = files.sha256(manifest)
    around = ("artefacts/*/*", "cache/artefacts/*", "cache/packs/*/expert")
    found = [folder for pattern in around for folder in sorted(place.root.glob(pattern))]
    return [
        folder
        for folder in found
        if (folder / record.MANIFEST).is_file() and files.sha256(folder / record.MANIFEST) == name
    ]


def _redacted(path: Path, found: Found) -> bytes | None:
    """The file without the quotes; None where they cannot be taken out in place."""
    if path.suffix not in TEXTUAL:
        return None
    cleaned = quotes.redacted(path, found.subject, found.traces)
    return None if cleaned.whole else cleaned.content.encode("utf-8", "surrogateescape")


def _explain(folder: Path, contents: dict[str, Any], erasure: str, at: str, signer: Signer) -> None:
    """Add the changes to the lists beside the run's record and the expert's own."""
    own = {path.removeprefix("expert/"): content for path, content in contents.items() if path.startswith("expert/")}
    _explain_in(folder, DONE, contents, erasure, at, signer)
    _explain_in(folder / "expert", record.MANIFEST, own, erasure, at, signer)


def _explain_in(folder: Path, name: str, contents: dict[str, Any], erasure: str, at: str, signer: Signer) -> None:
    if not (folder / name).is_file():
        return
    sealed = files.read_json(folder / name)
    before = {entry["path"]: entry["sha256"] for entry in sealed["files"]}
    entries = [
        Redacted(path, before[path], _hash(content), erasure, at)
        for path, content in contents.items()
        if path in before
    ]
    if entries:
        redaction.write(folder, sealed["root"], entries, signer)


def _hash(content: bytes | None) -> str | None:
    return None if content is None else hashlib.sha256(content).hexdigest()


def _fitted(folder: Path) -> Iterator[Path]:
    """Files that hold what was fitted: weights, and the words of a vocabulary."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and (path.suffix in _WEIGHTS or path.name == _WORDS):
            yield path


def _other_shard(path: Path, rows: set[int]) -> bool:
    """Whether a file belongs to a shard that none of these rows had a part in."""
    for parent in path.parents:
        told = parent / "rows.npy"
        if parent.name.startswith("shard-") and told.is_file():
            return not rows & set(files.read_array(told).tolist())
    return False


def _told(rows: tuple[int, ...]) -> str:
    return ", ".join(map(str, rows[:10])) + (f" and {len(rows) - 10:,} more" if len(rows) > 10 else "")
