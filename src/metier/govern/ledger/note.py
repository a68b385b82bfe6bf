"""How the verbs tell the ledger what they did: in one line, and never at the price of the work itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from metier.errors import ResourceError
from metier.govern.actor import Actor, who
from metier.govern.ledger import pending
from metier.govern.ledger.entry import Act
from metier.progress import Progress, Silent
from metier.workspace import Workspace

if TYPE_CHECKING:
    from metier.data.dataset import Dataset


def note(place: Workspace, *acts: Act, actor: Actor | None = None, progress: Progress | None = None) -> None:
    """Write acts to the ledger; where the database is away they wait in a file and are written with the next."""
    from metier.govern.ledger.book import open_ledger

    actor = actor or who()
    try:
        ledger = open_ledger(place)
        try:
            ledger.append(acts, actor)
        finally:
            ledger.store.close()
    except ResourceError as error:
        for act in acts:
            pending.keep(place, act, actor)
        (progress or Silent()).say(f"the ledger will be written when the database is back: {error.found}")


def read_act(dataset: Dataset, name: str, why: str) -> Act:
    """That data was read, and what for."""
    source = dataset.record()["source"]
    details: Mapping[str, Any] = {"sha256": source["sha256"], "path": source["path"], "rows": len(dataset), "for": why}
    return Act("read", f"data:{name}", "", details)
