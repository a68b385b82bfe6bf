"""How long things are kept: `retention.json` of the workspace, carried out by `metier forget --expired`.

    {"keep": {"predictions": "90d", "feedback": "365d", "caches": "180d", "runs": "400d", "unfinished": "14d"},
     "holds": [{"what": "run:20261122-120000-support", "reason": "claim 4711/26", "until": "2027-06-30"}]}

A run that a release stands on, that is a data set's or an expert's only evidence while one is pending, or that is under
a hold is kept however old it is. `until` is the last day of a hold; without it the hold stands until it is taken out.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from metier import files
from metier.errors import ResourceError, UsageError
from metier.govern.actor import Actor, who
from metier.govern.erasure import records
from metier.govern.erasure.subject import Subject
from metier.govern.ledger.book import Ledger, open_ledger
from metier.govern.ledger.entry import Act
from metier.workspace import DONE, Workspace, is_held

FILE = "retention.json"
_KINDS = ("predictions", "feedback", "caches", "runs", "unfinished")
_UNITS = {"d": 1, "w": 7, "y": 365}
_HOLD = {"what", "reason", "until"}


@dataclass(frozen=True)
class Hold:
    """What may not be deleted: `run:NAME`, `id:COLUMN=VALUE`, `predictions`, `feedback`, or `everything`."""

    what: str
    reason: str
    until: str

    def stands(self, today: str) -> bool:
        """Whether it holds on this day."""
        return not self.until or today <= self.until


@dataclass(frozen=True)
class Policy:
    """Days that each kind is kept, and the holds."""

    keep: Mapping[str, int]
    holds: tuple[Hold, ...]

    def held(self, what: str, today: str) -> str:
        """Why this may not be deleted today, or an empty string."""
        for hold in self.holds:
            if hold.stands(today) and hold.what in (what, "everything"):
                return f"{hold.what}: {hold.reason}" + (f" (until {hold.until})" if hold.until else "")
        return ""


def load(place: Workspace) -> Policy | None:
    """The policy of a workspace, None where there is none. Raises UsageError naming everything wrong with it."""
    path = place.root / FILE
    if not path.is_file():
        return None
    try:
        found = files.read_json(path)
    except (ValueError, ResourceError) as error:
        raise _bad(path, [str(error)]) from error
    if not isinstance(found, dict):
        raise _bad(path, ["it is not an object"])
    problems = [f"{name}: not known" for name in sorted(set(found) - {"keep", "holds"})]
    keep = found.get("keep", {})
    days: dict[str, int] = {}
    for name, value in keep.items() if isinstance(keep, dict) else ():
        if name not in _KINDS:
            problems.append(f"keep.{name}: not one of {', '.join(_KINDS)}")
        elif (match := re.fullmatch(r"(\d{1,5})([dwy])", str(value))) is None:
            problems.append(f"keep.{name}: {value!r} is not so many days, weeks or years, as 90d, 12w or 2y")
        else:
            days[name] = int(match[1]) * _UNITS[match[2]]
    holds = [hold for entry in found.get("holds", []) if (hold := _hold(entry, problems)) is not None]
    if problems:
        raise _bad(path, problems)
    return Policy(days, tuple(holds))


def held_subject(place: Workspace, subject: Subject) -> str:
    """Why a subject may not be erased today, or an empty string."""
    policy = load(place)
    return (
        policy.held(f"id:{subject.column}={subject.value}", _today()) if policy is not None and subject.column else ""
    )


def expire(
    workspace: str | Path | None = None,
    *,
    dry_run: bool = False,
    actor: Actor | None = None,
    today: datetime | None = None,
) -> dict[str, Any]:
    """Delete what is older than its time, or say what would be. Returns `{"expired": [{"kind", "what", "count"}],
    "held": [{"what", "why"}], "dry_run"}`. Raises UsageError without a policy."""
    place = Workspace.find(workspace)
    policy = load(place)
    if policy is None:
        raise UsageError(
            "no-retention-policy",
            f"A workspace's {FILE} says how long things are kept.",
            found=f"none in {place.root}",
            fix='Write {"keep": {"predictions": "90d", "caches": "180d"}} there.',
        )
    moment = today or datetime.now(UTC)
    ledger = open_ledger(place)
    try:
        return _expired(place, policy, ledger, moment, dry_run, actor or who())
    finally:
        ledger.store.close()


def _expired(
    place: Workspace, policy: Policy, ledger: Ledger, moment: datetime, dry_run: bool, actor: Actor
) -> dict[str, Any]:
    gone: list[dict[str, Any]] = []
    held: list[dict[str, str]] = []
    day = moment.date().isoformat()
    old: list[Path] = []
    for folder, kind in _runs(place, policy, moment):
        why = policy.held(f"run:{folder.name}", day) or _needed(folder, ledger)
        if why:
            held.append({"what": f"run:{folder.name}", "why": why})
        else:
            gone.append({"kind": kind, "what": folder.name, "count": 1})
            old.append(folder)
    if "caches" in policy.keep and not policy.held("caches", day):
        before = moment - timedelta(days=policy.keep["caches"])
        cached = _caches(place, before)
        gone += [{"kind": "caches", "what": f"written before {before.date()}", "count": len(cached)}] if cached else []
        old += cached
    logs = {
        name: (moment - timedelta(days=policy.keep[name])).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        for name in ("feedback", "predictions")
        if name in policy.keep and not policy.held(name, day)
    }
    held += [{"what": name, "why": why} for name in ("feedback", "predictions") if (why := policy.held(name, day))]
    with ledger.store.read() as connection:
        counts = {name: records.older(connection, name, written, delete=False) for name, written in logs.items()}
    gone += [
        {"kind": name, "what": f"before {logs[name][:10]}", "count": count} for name, count in counts.items() if count
    ]
    if not dry_run and gone:
        with ledger.turn(actor) as turn:
            for name, written in logs.items():
                records.older(turn.connection, name, written, delete=True)
            turn.add(Act("expired", "retention:policy", "", {"expired": gone, "keep": dict(policy.keep)}))
        for path in old:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return {"expired": gone, "held": held, "dry_run": dry_run}


def _runs(place: Workspace, policy: Policy, moment: datetime) -> Iterator[tuple[Path, str]]:
    """Runs older than their time; an unfinished one that a process works on is left."""
    for folder in sorted(path for path in place.runs.glob("*") if path.is_dir()):
        done = (folder / DONE).exists()
        kind = "runs" if done else "unfinished"
        if kind not in policy.keep:
            continue
        mark = folder / (DONE if done else "key.json")
        age = moment.timestamp() - (mark if mark.exists() else folder).stat().st_mtime
        if age > policy.keep[kind] * 86_400 and (done or not is_held(folder)):
            yield folder, kind


def _needed(folder: Path, ledger: Ledger) -> str:
    """Why a run is kept however old it is, or an empty string."""
    if not (folder / DONE).exists():
        return ""
    if any(one.run == folder.name for one in records.pending(ledger.place)):
        return "its expert is to be tuned again after an erasure"
    stage = records.stage_of_run(ledger.store, folder.name)
    return f"a release stands on it ({stage})" if stage else ""


def _caches(place: Workspace, before: datetime) -> list[Path]:
    """Cached files not written since; they are computed again when they are needed."""
    return [
        path
        for path in sorted(place.cache.rglob("*"))
        if path.is_file() and path.name != "CACHEDIR.TAG" and path.stat().st_mtime < before.timestamp()
    ]


def _hold(entry: Any, problems: list[str]) -> Hold | None:
    if not isinstance(entry, dict) or not {"what", "reason"} <= set(entry) <= _HOLD or not entry.get("reason"):
        problems.append(f"holds: {entry!r} must have what, a reason and, if it ends, until")
        return None
    until = str(entry.get("until") or "")
    if until and re.fullmatch(r"\d{4}-\d{2}-\d{2}", until) is None:
        problems.append(f"holds: until {until!r} is not a day, as 2027-06-30")
        return None
    return Hold(str(entry["what"]), str(entry["reason"]), until)


def _bad(path: Path, problems: list[str]) -> UsageError:
    return UsageError(
        "bad-retention-policy",
        "A retention policy must be understood whole before anything is deleted.",
        found=f"{path}: {'; '.join(problems)}",
        fix='{"keep": {"predictions": "90d", "runs": "400d"}, "holds": []}',
    )


def _today() -> str:
    return datetime.now(UTC).date().isoformat()
