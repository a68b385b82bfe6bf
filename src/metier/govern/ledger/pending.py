"""Acts that could not be written when they were done (the database was away): files until it is back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from metier import files
from metier.govern.actor import Actor
from metier.govern.ledger import checkpoints
from metier.govern.ledger.entry import Act
from metier.store.records import now
from metier.workspace import Workspace

if TYPE_CHECKING:
    from metier.govern.ledger.book import Turn


def folder(place: Workspace) -> Path:
    """Where they wait."""
    return checkpoints.folder(place) / "pending"


def keep(place: Workspace, act: Act, actor: Actor) -> None:
    """Keep an act for later, under its own id. Raises ResourceError."""
    at = now()
    details = {**act.details, "happened": at}
    about = {"act": act.act, "subject": act.subject, "reason": act.reason, "details": details, "id": act.id}
    name = f"{at.replace(':', '')}-{act.id}.json"
    files.write_json(folder(place) / name, {**about, "actor": actor.name, "role": actor.role})


def replay(place: Workspace, turn: Turn) -> list[Path]:
    """Add every waiting act that the ledger does not have yet, in order; the files to remove once that is kept."""
    from metier.store.tables.ledger import ledger

    done = []
    for path in sorted(folder(place).glob("[0-9]*.json")):
        found = json.loads(path.read_bytes())
        actor = Actor(found.pop("actor"), found.pop("role"))
        act = Act(**found)
        if turn.connection.execute(ledger.select().where(ledger.c.id == act.id)).first() is None:
            turn.add(act, actor)
        done.append(path)
    return done
