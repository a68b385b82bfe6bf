"""Independent validation: findings with their closing, and the ethical review; each an act in the ledger.

A finding is closed by somebody other than who raised it, and never by an author of the expert.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metier import files
from metier.errors import RecordError, UsageError
from metier.govern import acts, people, registry
from metier.govern.actor import Actor
from metier.govern.ledger.book import open_ledger
from metier.govern.ledger.entry import Act, Record
from metier.workspace import Workspace

SEVERITIES = ("low", "medium", "high", "critical")
FORM = Path(__file__).parent / "ethical_review.json"
_REVIEWERS = ("validator", "auditor", "approver", "admin")


@dataclass(frozen=True)
class Finding:
    """Something a validator found, by its number within the release; `closed` is who closed it, why, and the record."""

    number: int
    severity: str
    text: str
    by: str
    at: str
    record: int
    closed: Mapping[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {name: getattr(self, name) for name in ("number", "severity", "text", "by", "at", "record", "closed")}


def findings(records: Iterable[Record]) -> list[Finding]:
    """The findings among a release's records, in the order they were raised."""
    found: dict[int, Finding] = {}
    for one in records:
        if one.act == "finding raised":
            number = one.facts["number"]
            text = one.reason
            found[number] = Finding(number, one.facts["severity"], text, one.actor, one.at, one.seq)
        elif one.act == "finding closed":
            old, number = found[one.facts["number"]], one.facts["number"]
            closed = {"by": one.actor, "reason": one.reason, "at": one.at, "record": one.seq}
            found[number] = Finding(number, old.severity, old.text, old.by, old.at, old.record, closed)
    return list(found.values())


def open_finding(
    place: Workspace, reference: str, severity: str, text: str, actor: Actor, *, key: str | Path | None = None
) -> Finding:
    """Raise a finding against a release. Raises RecordError, UsageError."""
    if severity not in SEVERITIES or not text.strip():
        raise UsageError(
            "bad-finding",
            f"A finding has a text and one of the severities {', '.join(SEVERITIES)}.",
            found=f"{severity!r}, {text!r}",
            fix="metier findings add RELEASE --severity high --text TEXT",
        )
    release = registry.resolve(reference, place, newest=True)
    ledger = open_ledger(place)
    try:
        with ledger.turn(actor) as turn:
            people.entitled(turn.connection, actor, _REVIEWERS, "raise a finding")
            records = acts.of(turn.connection, subject=release.subject)
            details = {"number": len(findings(records)) + 1, "severity": severity}
            act = Act("finding raised", release.subject, text, details)
            return findings([*records, people.perform(ledger, turn, act, actor, key)])[-1]
    finally:
        ledger.store.close()


def close_finding(
    place: Workspace, reference: str, number: int, reason: str, actor: Actor, *, key: str | Path | None = None
) -> Finding:
    """Close a finding, with what was done about it. Raises RecordError."""
    from metier.govern.approvals import authors, own_work

    release = registry.resolve(reference, place, newest=True)
    ledger = open_ledger(place)
    try:
        with ledger.turn(actor) as turn:
            people.entitled(turn.connection, actor, _REVIEWERS, "close a finding")
            records = acts.of(turn.connection, subject=release.subject)
            finding = next((each for each in findings(records) if each.number == number), None)
            if finding is None or finding.closed is not None:
                raise RecordError(
                    "no-such-finding",
                    "The finding must be there and open.",
                    found=f"{number} of {release.id} is {'closed' if finding else 'not there'}",
                    fix=f"metier findings {release.id} lists them.",
                )
            own_work(actor, authors(records), f"close a finding of {release.id}")
            if people.same(actor.name, finding.by):
                raise RecordError(
                    "four-eyes",
                    "A finding is closed by somebody other than who raised it.",
                    found=f"{actor.name} raised finding {number}",
                    fix="Let a colleague close it: --as NAME.",
                )
            act = Act("finding closed", release.subject, reason, {"number": number})
            return findings([*records, people.perform(ledger, turn, act, actor, key)])[number - 1]
    finally:
        ledger.store.close()


# ------------------------------------------------------------------------------------------------- the ethical review


def form(release: registry.Release) -> dict[str, Any]:
    """The blank form of the ethical review of a release, to be filled in by a person."""
    blank = files.read_json(FORM)
    return {"release": release.id, "manifest": release.manifest, **blank}


def review(
    place: Workspace, reference: str, filled: str | Path, actor: Actor, *, key: str | Path | None = None
) -> Record:
    """Record a filled form, signed. Every question wants an answer and a verdict. Raises RecordError, UsageError."""
    from metier.govern.approvals import authors, own_work

    release = registry.resolve(reference, place, newest=True)
    answers = _answers(filled, release)
    refused = [name for name, each in answers.items() if each["verdict"] == "refused"]
    details = {"manifest": release.manifest, "answers": answers, "refused": refused}
    details["form_sha256"] = files.digest(answers)
    ledger = open_ledger(place)
    try:
        with ledger.turn(actor) as turn:
            people.entitled(turn.connection, actor, _REVIEWERS, "review a release")
            own_work(actor, authors(acts.of(turn.connection, subject=release.subject)), f"review {release.id}")
            return people.perform(ledger, turn, Act("ethically reviewed", release.subject, "", details), actor, key)
    finally:
        ledger.store.close()


def reviewed(records: Iterable[Record], manifest: str) -> Record | None:
    """The newest ethical review of this very expert."""
    found = [one for one in records if one.act == "ethically reviewed" and one.facts["manifest"] == manifest]
    return found[-1] if found else None


def _answers(filled: str | Path, release: registry.Release) -> dict[str, dict[str, str]]:
    try:
        given = files.read_json(filled)
        answers = {str(each["id"]): each for each in given["questions"]}
        problems = [] if given.get("manifest") == release.manifest else ["it was filled in for another expert"]
    except (ValueError, KeyError, TypeError) as error:
        answers, problems = {}, [f"{type(error).__name__}: {error}"]
    verdicts = files.read_json(FORM)["verdicts"]
    for question in files.read_json(FORM)["questions"] if not problems else ():
        each = answers.get(question["id"], {})
        if not str(each.get("answer") or "").strip():
            problems.append(f"{question['id']}: no answer")
        if each.get("verdict") not in verdicts:
            problems.append(f"{question['id']}: the verdict is none of {', '.join(verdicts)}")
    if problems:
        raise UsageError(
            "bad-review",
            "Every question of the ethical review wants an answer and a verdict.",
            found=f"{filled}: {'; '.join(problems[:6])}",
            fix=f"metier ethics {release.id} -o FORM.json writes the form.",
        )
    return {name: {key: str(each[key]) for key in ("question", "answer", "verdict")} for name, each in answers.items()}
