"""What the registry knows of a release, as plain data for its documents, and which documents were made of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from metier.errors import RecordError, UsageError
from metier.govern import acts, approvals, evidence, registry, stages, validation
from metier.govern.ledger.entry import Record
from metier.workspace import Workspace

MADE = "documented"


def newest(records: Iterable[Record]) -> Record | None:
    """The newest record of documents made of this release; its details are `{"root", "sha256", "gaps"}`."""
    found = [one for one in records if one.act == MADE]
    return found[-1] if found else None


def basis(made: Record | None) -> str | None:
    """The hash that approvals sign: that of the documents' manifest."""
    return None if made is None else str(made.facts["sha256"])


def facts(reference: str | Path, place: Workspace) -> dict[str, Any]:
    """All that documents are drawn from: folders (`expert`, `run`, `evaluations` newest first, `curation`), and plain
    data: `release`, `approvals`, `gates`, `waivers`, `findings`, `review`, `ledger`; `previous` is the id of the
    version before. Raises RecordError.
    """
    release = registry.resolve(reference, place, newest=True)
    with acts.reading(place) as connection:
        records = acts.of(connection, subject=release.subject)
        found = evidence.gather(connection, place, release.expert)
        older = [each for each in registry.rows(connection, place) if each.name == release.name]
    gated = stages.gated(records)
    review = validation.reviewed(records, release.manifest)
    before = [each.id for each in older if each.version < release.version]
    return {
        "expert": release.expert,
        "run": found.tuned and found.tuned.folder,
        "evaluations": tuple(run.folder for run, _ in found.evaluations),
        "curation": found.curation and found.curation.folder,
        "release": {"name": release.name, "version": release.version, "stage": release.stage, "id": release.id},
        "approvals": [_approval(one) for one in approvals.given(records)],
        "gates": list(gated["gates"]) if gated else [],
        "waivers": [
            {"gate": gate["gate"], "name": gate["waived"]["by"], **gate["waived"]}
            for gate in (gated["gates"] if gated else ())
            if gate["waived"]
        ],
        "findings": [_finding(each) for each in validation.findings(records)],
        "review": {} if review is None else {id: each["answer"] for id, each in review.facts["answers"].items()},
        "ledger": {"records": records[-1].seq, "root": records[-1].link},
        "previous": before[-1] if before else None,
    }


def known(reference: str, place: Workspace) -> dict[str, Any] | None:
    """`facts` for the documents, what is not known left out; None for what is no release."""
    try:
        found = facts(reference, place)
    except (RecordError, UsageError) as error:
        if error.code in ("no-such-release", "no-reference"):
            return None
        raise
    return {name: value for name, value in found.items() if value}


def _approval(one: approvals.Approval) -> dict[str, Any]:
    decision = "revoked" if one.revoked else "lapsed" if one.lapsed else "approved"
    return {**one.as_json(), "decision": decision}


def _finding(each: validation.Finding) -> dict[str, Any]:
    closed = each.closed or {}
    about = {"id": each.number, "severity": each.severity, "text": each.text, "by": each.by, "at": each.at}
    return {**about, "closing": closed.get("reason"), "closed_by": closed.get("by"), "closed_at": closed.get("at")}
