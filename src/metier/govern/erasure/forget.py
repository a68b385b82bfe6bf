"""`metier forget`: find, keep out, purge, tune again, certify; cut short, it is simply asked for again."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metier import files
from metier.data import erased
from metier.errors import RecordError, UsageError
from metier.govern.actor import Actor, who
from metier.govern.erasure import certificate as certificates
from metier.govern.erasure import log, near, records, retention
from metier.govern.erasure.purge import Purged, copies, purge, take_away
from metier.govern.erasure.retune import Retuned, described, retune
from metier.govern.erasure.search import Found, Taught, search
from metier.govern.erasure.subject import Subject, subject_of
from metier.govern.ledger.book import Ledger, open_ledger
from metier.govern.ledger.entry import Act
from metier.progress import Progress, Silent
from metier.store.records import now
from metier.workspace import Workspace

FOLDER = "erasure"


@dataclass(frozen=True)
class Ways:
    """How far an erasure goes."""

    dry_run: bool = False
    retune: bool = False
    remove_old: bool = False
    near: bool = False
    rewrite: tuple[str, ...] = ()
    reason: str = ""


def forget(
    identifier: str | None = None,
    text: str | None = None,
    *,
    ways: Ways = Ways(),
    workspace: str | Path | None = None,
    actor: Actor | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Find and erase a person's rows, `forget("customer=4711")`; returns what `metier forget --json` prints.

    Raises UsageError, RecordError for a subject under a legal hold, ResourceError.
    """
    subject, place, progress = subject_of(identifier, text), Workspace.find(workspace), progress or Silent()
    if not place.root.is_dir():
        raise UsageError(
            "no-workspace", "There must be a workspace to forget in.", found=str(place.root), fix="Say --workspace DIR."
        )
    held = retention.held_subject(place, subject)
    if held and not ways.dry_run:
        raise RecordError(
            "legal-hold",
            "What is under a legal hold may not be erased.",
            found=held,
            fix="Lift the hold in retention.json.",
        )
    found = search(place, subject)
    alike = near.near(place, found) if ways.near else None
    ledger = open_ledger(place)
    try:
        logged = log.search(place, ledger.store, subject, found)
        releases = records.releases(ledger.store, [one.expert for one in found.experts if one.touched])
        told = _told(found, logged, releases)
        if ways.dry_run:
            return {"erasure": None, "dry_run": True, **told, "held": held, "near": alike}
        work = _Work(place, ledger, actor or who(), subject, found, ways, progress)
        return {**_erase(work, told, logged), "near": alike}
    finally:
        ledger.store.close()


@dataclass(frozen=True)
class _Work:
    place: Workspace
    ledger: Ledger
    actor: Actor
    subject: Subject
    found: Found
    ways: Ways
    progress: Progress


def _erase(work: _Work, told: dict[str, Any], logged: log.Logged) -> dict[str, Any]:
    place, found, signer, at = work.place, work.found, work.ledger.signer, now()
    erasure = f"{at[:10].replace('-', '')}-{secrets.token_hex(6)}"
    secret = erased.secret_of(place.root, make=True)
    assert secret is not None
    touched = [one for one in found.experts if one.touched]
    stones = _stones(work.subject, found, secret, erasure)
    # First of all, so that nothing comes back while the rest is done, or should the rest be cut short.
    erased.write(place.root, stones)
    digest = work.subject.digest(secret)
    about = {"kind": work.subject.kind, "column": work.subject.column, "digest": digest}
    with work.ledger.turn(work.actor) as turn:
        records.enter(turn.connection, erasure, stones, touched)
        log.purge(turn.connection, logged)
        turn.add(
            Act("erasing", f"erasure:{erasure}", work.ways.reason, {**about, "experts": [one.run for one in touched]})
        )
    purged = purge(place, found, erasure, at, signer)
    purged.done["log"] = logged.as_json()
    purged.done["rewritten"] = _rewritten(work, purged)
    purged.remains += [{"what": one["what"], "why": f"not searched: {one['why']}"} for one in found.unsearched]
    purged.remains += [{"what": where, "why": why} for where, why in log.left(logged)]
    experts = [_expert(work, one, erasure, at, purged) for one in found.experts]
    body = {
        "erasure": erasure,
        "at": at,
        "by": work.actor.name,
        "reason": work.ways.reason,
        "subject": about,
        "found": told["found"],
        "purged": purged.done,
        "experts": experts,
        "releases": told["releases"],
        "remains": purged.remains,
        "tombstones": len(stones),
    }
    return _certify(work, erasure, body)


def _expert(work: _Work, taught: Taught, erasure: str, at: str, purged: Purged) -> dict[str, Any]:
    """Tune one expert again where that is asked for, and take away what its run fitted with the rows."""
    place = work.place
    if not taught.touched:
        return described(taught)
    done: Retuned | None = None
    if work.ways.retune:
        work.progress.say(f"{taught.name}: tuning again without the rows")
        done = retune(place, taught, work.found.kept.get(taught.data), work.progress)
    gone = done is not None and done.retuned is not None and work.ways.remove_old
    weights = take_away(place, taught, erasure, at, work.ledger.signer, expert=gone)
    purged.done.setdefault("weights", []).append({"run": taught.run, "files": len(weights), "expert": gone})
    for copy in copies(place, place.runs / taught.run / "expert"):
        purged.stays(copy.relative_to(place.root).as_posix(), "the same expert, kept for a release or unpacked")
    if not gone:
        why = "its weights were fitted with the rows" if taught.learnt else "its settings were chosen with the rows"
        purged.stays(f"runs/{taught.run}/expert and its copies", why)
    else:
        purged.stays(f"copies of {taught.name} outside the workspace", "metier does not know where they were taken")
    if done is None or done.retuned is None:
        purged.stays(
            taught.name, f"to be tuned again: {done.why}" if done is not None else "to be tuned again (--retune)"
        )
        return described(taught)
    with work.ledger.turn(work.actor) as turn:
        records.retuned(turn.connection, taught.run, done.retuned)
        turn.add(
            Act(
                "retuned",
                f"expert:{taught.name}",
                "",
                {"erasure": erasure, "run": done.retuned, "instead_of": taught.run},
            )
        )
    return done.as_json()


def _certify(work: _Work, erasure: str, body: Mapping[str, Any]) -> dict[str, Any]:
    signed = certificates.sign(body, work.ledger.signer)
    folder = work.place.root / FOLDER
    paths = {"certificate": folder / f"{erasure}.json", "page": folder / f"{erasure}.html"}
    files.write_json(paths["certificate"], signed)
    files.write_text(paths["page"], certificates.page(signed))
    with work.ledger.turn(work.actor) as turn:
        records.certify(turn.connection, erasure, work.actor.name, work.ways.reason, signed)
        facts = {"certificate": files.sha256(paths["certificate"]), "digest": body["subject"]["digest"]}
        facts |= {"experts": [one["run"] for one in body["experts"]], "remains": len(body["remains"])}
        turn.add(Act("erased", f"erasure:{erasure}", work.ways.reason, facts))
    return {"dry_run": False, **body, **{name: str(path) for name, path in paths.items()}}


def _told(found: Found, logged: log.Logged, releases: list[dict[str, Any]]) -> dict[str, Any]:
    """What was found, without a word of the person's."""
    experts = [described(one) for one in found.experts]
    return {
        "found": {
            "data": [one.as_json() for one in found.data],
            "tables": [{"table": name, "rows": len(rows)} for name, rows in found.tables],
            "features": {"segments": len(found.features), "vectors": sum(count for _, count in found.features)},
            "downloads": found.downloads,
            "derived": found.derived,
            "unfinished": found.unfinished,
            "quotes": [{"run": one.run, "path": one.path, "times": one.times} for one in found.quotes],
            "log": logged.as_json(),
            "texts_of_others_too": len(found.traces.shared),
        },
        "experts": experts,
        "releases": releases,
        "unsearched": found.unsearched,
    }


def _stones(subject: Subject, found: Found, secret: bytes, erasure: str) -> list[dict[str, str]]:
    """The tombstones: of the subject, and of the texts that are its alone."""
    own = {"digest": subject.digest(secret), "column": subject.column.lower(), "erasure": erasure}
    texts = {erased.text_of(secret, text) for text in found.traces.texts} - {own["digest"]}
    return [own, *({"digest": digest, "column": "", "erasure": erasure} for digest in sorted(texts))]


def _rewritten(work: _Work, purged: Purged) -> list[dict[str, Any]]:
    """The files that a person asked to have written without the rows."""
    from metier.govern.erasure.rewrite import rewrite

    out = []
    for path in work.ways.rewrite:
        rows = rewrite(path, work.subject)
        out.append({"path": path, "rows": rows})
        purged.remains[:] = [one for one in purged.remains if Path(one["what"]).absolute() != Path(path).absolute()]
    return out
