"""Which version answered at a given time, and why: read from the ledger, whose order counts where clocks don't."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from metier.errors import RecordError, UsageError
from metier.govern import acts, registry, stages
from metier.govern.ledger.entry import Record
from metier.workspace import Workspace


@dataclass(frozen=True)
class Period:
    """A time that a version was live. `since` and `until` are UTC, `until` None while it lasts.

    `began` and `ended` are the ledger's records of that; `by`, `act` and `reason` tell how it went live; `gates` is
    the record of the gates it went live on, `approvals` those of the approvals (`[{"record", "by", "role"}]`).
    """

    version: int
    manifest: str
    root: str
    since: str
    by: str
    act: str
    reason: str
    began: int
    gates: int | None
    approvals: tuple[dict[str, Any], ...]
    until: str | None = None
    ended: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        told = {key: getattr(self, key) for key in ("version", "since", "until", "by", "act", "reason", "gates")}
        ledger = {"approvals": list(self.approvals), "records": [self.began, self.ended]}
        return {**told, **ledger, "expert": self.manifest, "root": self.root}


def periods(name: str, place: Workspace) -> list[Period]:
    """Every time that a version of this name was live, in the ledger's order. Raises RecordError, UsageError."""
    called, _ = registry.parse(name)
    with acts.reading(place) as connection:
        records = acts.starting(connection, f"release:{called}@")
    if not records:
        raise RecordError(
            "no-such-release",
            "The name must be one that was put forward.",
            found=f"the ledger has none called {called}",
            fix="metier releases lists them.",
        )
    return _periods(records)


def history(name: str, place: Workspace, at: str | None = None) -> dict[str, Any]:
    """All periods of a name; with `at` the one that answered then. The shape of `metier history --json`.

    Where the clock of a machine went back, a time may lie in several periods: the last by the ledger's order answers,
    and `also` names the others. Raises RecordError, UsageError.
    """
    found = periods(name, place)
    called, _ = registry.parse(name)
    if at is None:
        return {"name": called, "periods": [each.as_json() for each in found]}
    moment, zone = when(at)
    stamp = moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    then = [each for each in found if each.since <= stamp and (each.until is None or stamp < each.until)]
    about = {"name": called, "at": stamp, "asked": at, "zone": zone}
    if not then:
        nothing: dict[str, Any] = {
            "version": None,
            "expert": None,
            "since": None,
            "until": None,
            "by": None,
            "approvals": [],
        }
        return {**about, **nothing, "gates": None, "also": [], "why": f"No version of {called} was live then."}
    answer = then[-1]
    return {**about, **answer.as_json(), "also": [each.version for each in then[:-1]], "why": sentence(called, answer)}


def sentence(name: str, period: Period) -> str:
    """Why it answered, in words."""
    given = ", ".join(f"{one['by']} ({one['role']}, record {one['record']})" for one in period.approvals)
    how = {stages.RELEASED: "put it live", stages.ROLLED_BACK: "rolled back to it"}[period.act]
    reason = f": {period.reason}" if period.reason else ""
    until = f" until {_short(period.until)} (record {period.ended})" if period.until else ", and still is"
    return (
        f"{name}@{period.version} was live from {_short(period.since)}{until}. {period.by} {how} "
        f"(record {period.began}){reason}, on the gates of record {period.gates} "
        f"and {f'the approvals of {given}' if given else 'no approval: its policy wanted none'}."
    )


def when(text: str) -> tuple[datetime, str]:
    """A time as people type it, and the zone that was taken, in words. Raises UsageError.

    ISO 8601 with `T` or a space, seconds and fractions or none, `Z`, an offset, or a zone's name after a space;
    without one this machine's zone is taken. A day alone is its first moment.

    >>> when("2026-03-03 14:05Z")[0].isoformat()
    '2026-03-03T14:05:00+00:00'
    """
    words = text.strip()
    named = re.search(r"\s+([A-Za-z][A-Za-z_]+(?:/[A-Za-z0-9_+-]+)*)$", words)
    zone: tzinfo | None = None
    try:
        if named is not None:
            zone = UTC if named[1].upper() in ("UTC", "GMT") else ZoneInfo(named[1])
            words = words[: named.start()]
        # A space before an offset is how people type it, not how ISO 8601 does.
        found = datetime.fromisoformat(re.sub(r"\s+(?=[+-]\d\d:?\d\d$|[Zz]$)", "", words).replace("z", "Z"))
        found = found if zone is None else found.replace(tzinfo=zone)
        local = found.astimezone()
        local.astimezone(UTC)
    except (ValueError, OverflowError, ZoneInfoNotFoundError, OSError) as error:
        raise UsageError(
            "bad-time",
            "A time is typed like 2026-03-03 14:05, with or without a zone.",
            found=f"{text!r} ({error})",
            fix="--at 2026-03-03T14:05, --at '2026-03-03 14:05 +01:00', --at '2026-03-03 14:05 Europe/Vienna'",
        ) from error
    if found.tzinfo is not None:
        return found, f"{named[1] if named else found.strftime('%z')} as typed"
    return local, f"{local.tzname()} ({local.strftime('%z')}), this machine's, as none was typed"


def _periods(records: Sequence[Record]) -> list[Period]:
    """Walk along the ledger: a version is live from an act that says so to the next that says otherwise of it."""
    by_seq = {one.seq: one for one in records}
    made = {one.subject: one.facts for one in records if one.act == stages.PROPOSED}
    grounds: dict[int, tuple[int | None, tuple[dict[str, Any], ...]]] = {}
    found: list[Period] = []
    for one in records:
        version = stages.split(one.subject)[1]
        if one.facts.get("stage") == registry.LIVE:
            if one.act == stages.RELEASED:
                given = (by_seq[seq] for seq in one.facts["approvals"])
                told = tuple({"record": each.seq, "by": each.actor, "role": each.role} for each in given)
                grounds[version] = (one.facts["gates"], told)
            about = made[one.subject]
            if found and found[-1].ended == one.seq - 1:
                # One stood down for the other in one transaction: no moment lies between them.
                found[-1] = replace(found[-1], until=max(one.at, found[-1].since))
            period = Period(
                version,
                about["manifest"],
                about["root"],
                one.at,
                one.actor,
                one.act,
                one.reason,
                one.seq,
                *grounds[version],
            )
            found.append(period)
        elif "stage" in one.facts and found and found[-1].version == version and found[-1].until is None:
            # A clock that went back must not make a period end before it began.
            found[-1] = replace(found[-1], until=max(one.at, found[-1].since), ended=one.seq)
    return found


def _short(at: str | None) -> str:
    return "" if at is None else f"{at[:19].replace('T', ' ')} UTC"
