"""Tuning an expert again without the erased rows, by its run's own plan; what can be told of them before and after."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metier import files
from metier.data.read import read
from metier.errors import MetierError, RecordError
from metier.expert import Expert
from metier.govern import run_records
from metier.govern.erasure.evidence import Membership, membership
from metier.govern.erasure.search import Taught
from metier.plan import Plan
from metier.progress import Progress
from metier.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

    from metier.data.dataset import Dataset


@dataclass(frozen=True)
class Retuned:
    """What became of an expert; `retuned` is the new run's name, None where it could not be tuned (`why`)."""

    taught: Taught
    retuned: str | None
    seconds: float
    before: Membership | None
    after: Membership | None
    why: str = ""

    def as_json(self) -> dict[str, Any]:
        """An entry of the certificate's experts."""
        sides = {"before": self.before and self.before.as_json(), "after": self.after and self.after.as_json()}
        return {
            **described(self.taught),
            "retuned": self.retuned,
            "seconds": round(self.seconds, 2),
            "membership": sides,
        }


def described(taught: Taught) -> dict[str, Any]:
    """An expert and how many of the rows it had, not yet tuned again."""
    return {
        "name": taught.name,
        "run": taught.run,
        "expert": taught.expert,
        "learnt": len(taught.learnt),
        "held_out": len(taught.held_out),
        "tested": taught.tested,
        "retuned": None,
        "seconds": 0.0,
        "membership": {"before": None, "after": None},
    }


def retune(place: Workspace, taught: Taught, rows: pa.Table | None, progress: Progress) -> Retuned:
    """Tune again on what is left. `rows` are the erased ones, for the evidence; they are written nowhere."""
    from metier import lifecycle

    folder = place.runs / taught.run
    try:
        plan, data = plan_of(folder), _source(folder)
        unseen = _unseen(plan, place)
        before = _evidence(folder / "expert", rows, unseen)
        started = time.monotonic()
        tuned = lifecycle.tune(data, workspace=place.root, plan=plan, progress=progress, shards_of=folder)
        seconds = time.monotonic() - started
        _check(tuned.run, taught)
    except MetierError as error:
        return Retuned(taught, None, 0.0, None, None, " ".join(filter(None, (error.problem, error.found))))
    return Retuned(taught, tuned.run.name, seconds, before, _evidence(tuned.run / "expert", rows, unseen))


def plan_of(folder: Path) -> Plan:
    """The plan of a run, as far as an expert depends on it."""
    return Plan.load(folder / "plan.json", run_records.TUNED)


def _source(folder: Path) -> str:
    path = str(files.read_json(folder / "data.json")["train"]["source"]["path"])
    if "***" in path:
        raise RecordError(
            "no-password",
            "Data behind a password is read again by a person who has it.",
            found=path,
            fix=f"metier tune DATA with the choices of {folder / 'plan.json'}",
        )
    return path


def _unseen(plan: Plan, place: Workspace) -> Dataset | None:
    """Rows that neither expert was tuned on: the run's test file, without what was erased of it."""
    return read(plan.data.test, plan.data, place.cache / "tables") if plan.data.test else None


def _evidence(folder: Path, rows: pa.Table | None, unseen: Dataset | None) -> Membership | None:
    return None if rows is None or unseen is None else membership(Expert.load(folder), rows, unseen)


def _check(run: Path, taught: Taught) -> None:
    """Raise RecordError unless the new run set the rows aside or read another file, which no longer has them."""
    record: Mapping[str, Any] = files.read_json(run / "data.json")
    aside = {row for rows in record["set_aside"].values() for row in rows}
    rows = {*taught.learnt, *taught.held_out}
    if record["train"]["source"]["sha256"] == taught.data and not rows <= aside:
        raise RecordError(
            "not-left-out",
            "The new expert must be tuned without the rows.",
            found=f"{len(rows - aside)} of {len(rows)} rows in {run.name}",
            fix="This is a fault of metier: please report it.",
        )
