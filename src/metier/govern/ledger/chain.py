"""Does a chain of records hold? The first record that differs is named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metier.govern.ledger.checkpoints import Checkpoint
from metier.govern.ledger.entry import Record, first


@dataclass(frozen=True)
class Finding:
    """Whether a ledger still is what was written; if not, `problem` says what differs and `record` where.

    `records` were looked at, `notes` say what could not be.
    """

    ok: bool
    problem: str = ""
    record: int | None = None
    records: int = 0
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain JSON, as `metier verify --json` prints it."""
        return {"ok": self.ok, "problem": self.problem, "record": self.record, "notes": list(self.notes)}


def check(records: Iterable[Record], checkpoints: Sequence[Checkpoint]) -> Finding:
    """Walk along the records, in the order they are kept, and hold them against the checkpoints.

    Finds an edited, deleted, inserted or moved record, and an end that was cut off where a checkpoint saw it.
    """
    marks: dict[int, list[Checkpoint]] = {}
    for checkpoint in checkpoints:
        if not checkpoint.genuine:
            return Finding(
                False, f"The checkpoint of record {checkpoint.seq} was not signed by its key.", checkpoint.seq
            )
        marks.setdefault(checkpoint.seq, []).append(checkpoint)
    previous, count = first(), 0
    for record in records:
        problem = _fault(record, count + 1, previous, marks)
        if problem is not None:
            return Finding(False, problem[1], problem[0], count)
        previous, count = record.link, count + 1
    last = max(marks, default=0)
    if last > count:
        lost = "record" if last == count + 1 else "records"
        return Finding(
            False, f"{last - count} {lost} at the end are gone: a checkpoint saw record {last}.", count + 1, count
        )
    return Finding(True, records=count)


def _fault(
    record: Record, place: int, previous: str, marks: Mapping[int, Sequence[Checkpoint]]
) -> tuple[int, str] | None:
    named = f"Record {record.seq} ({record.act} {record.subject})"
    if record.seq != place:
        if record.seq > place:
            return place, f"Record {place} is missing: {record.seq} stands in its place."
        return place, f"{named} stands where record {place} belongs: it was moved or put in."
    if record.computed() != record.link:
        return place, f"{named} was changed after it was written."
    if any(mark.link != record.link for mark in marks.get(place, ())):
        return place, f"{named} is not the one that was signed: it was written anew."
    if record.previous != previous:
        return place, f"{named} does not hang on the record before it: one of the two was written anew."
    return None
