"""A desk to govern at: sealed runs of small experts, known to the ledger of a workspace on each database."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import write_tickets

from metier import files, lifecycle
from metier.govern import record
from metier.govern.actor import Actor
from metier.govern.ledger.entry import Act
from metier.govern.ledger.note import note
from metier.workspace import Workspace

# What a policy may hold against; the shape of evaluate --json.
FIGURES: dict[str, Any] = {
    "rows": 400,
    "metrics": {
        "accuracy": {"value": 0.93, "low": 0.9, "high": 0.95},
        "ece": {"value": 0.02, "low": 0.01, "high": 0.04},
    },
    "gain": {"metric": "accuracy", "over": "generic", "points": 0.1, "low": 0.05, "high": 0.15, "p": 0.001},
}
OPEN = {"name": "open", "approvals": {}}
TWO = {"name": "two", "approvals": {"validator": 1, "approver": 1}}


@dataclass(frozen=True)
class Desk:
    """A workspace, and how to put sealed runs into it."""

    place: Workspace
    tuned: Path

    def expert(self, seed: int = 0, by: str = "anna") -> Path:
        """A run that made an expert of its own (its seed is another), known to the ledger; returns the expert."""
        run = self.place.runs / f"20260101-00000{seed}-tickets"
        shutil.copytree(self.tuned, run)
        about = files.read_json(run / "expert" / "metier.json")
        files.write_json(run / "expert" / "metier.json", {**about, "seed": seed, "run": run.name})
        record.seal_expert(run / "expert")
        root = record.seal(run)["root"]
        read = Act("read", "data:tickets", "", {"sha256": about["data"], "for": "tune"})
        note(self.place, read, Act("tuned", "expert:tickets", "", {"run": run.name, "root": root}), actor=Actor(by))
        return run / "expert"

    def evaluated(
        self, expert: Path, figures: Mapping[str, Any] | None = None, data: str = "f" * 64, **extra: Any
    ) -> Path:
        """A sealed evaluation of an expert with these figures, on a file with this hash, known to the ledger."""
        number = len(list(self.place.runs.glob("*-evaluate-*")))
        run = self.place.runs / f"20260102-00000{number}-evaluate-tickets"
        run.mkdir()
        files.write_json(run / "data.json", {"evaluated": {"source": {"sha256": data}}, **extra})
        files.write_json(run / "evaluation.json", figures or FIGURES)
        details = {"run": run.name, "root": record.seal(run)["root"], "expert": files.sha256(expert / "manifest.json")}
        note(self.place, Act("evaluated", "expert:tickets", "", details), actor=Actor("anna"))
        return run

    def policy(self, table: Mapping[str, Any]) -> Path:
        """A policy's file."""
        path = self.place.root / "policies" / f"{table['name']}.json"
        files.write_json(path, table)
        return path


@pytest.fixture(scope="session")
def tuned(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a linear expert on 80 easy tickets. Only to be copied."""
    place = tmp_path_factory.mktemp("governed")
    data = write_tickets(place / "tickets.csv", 80)
    choices = {"target": "intent", "base": str(tiny_base), "rung": "linear", "name": "tickets"}
    return lifecycle.tune(data, workspace=place / "home", **choices).run


@pytest.fixture
def desk(workspace: Workspace, tuned: Path) -> Desk:
    """A desk on SQLite, then one on PostgreSQL."""
    workspace.prepare()
    return Desk(workspace, tuned)


@pytest.fixture
def small_desk(tmp_path: Path, tuned: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk on SQLite alone, for what no database changes."""
    monkeypatch.delenv("METIER_DATABASE_URL", raising=False)
    place = Workspace(tmp_path / "metier")
    place.prepare()
    return Desk(place, tuned)
