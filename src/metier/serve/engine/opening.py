"""An expert's folder opened for serving: verified, and held as the little that it adds to a trunk that others share."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metier import expert as experts
from metier.answering import Answering
from metier.errors import ExpertError
from metier.govern import record
from metier.progress import Silent
from metier.serve.engine.trunk import PLAIN, Adapter, SharedTrunk
from metier.tasks.contract import Predictor, Shared, SharingRung
from metier.trunk import base as bases

FindTrunk = Callable[[bases.Base], SharedTrunk]


@dataclass(frozen=True, eq=False)
class Opened:
    """An expert that can be asked: `shared` on `trunk`, or through a predictor of its `own`.

    `root` is the hash its folder was sealed with, `bytes` about what it takes in memory beside the trunk.
    """

    expert: Answering
    root: str
    bytes: int
    seconds: float
    trunk: SharedTrunk | None = None
    shared: Shared | None = None
    adapter: Adapter = PLAIN
    own: Predictor | None = None


def verified(folder: Path) -> str:
    """The root of an expert's folder that is just as it was sealed. Raises ExpertError for one that is not."""
    verdict = record.verify(folder)
    if not verdict.ok or verdict.record is None or not (folder / record.MANIFEST).is_file():
        raise ExpertError(
            "altered-expert",
            "Only an expert whose folder is as it was sealed is served.",
            found=verdict.problem or f"a run in {folder}, not an expert",
            fix=f"Copy the whole folder again; metier verify {folder} names the first file that differs.",
        )
    return str(verdict.record["root"])


def opened(folder: Path, root: str, trunk_of: FindTrunk) -> Opened:
    """Read an expert: on the trunk of its base where its rung can share one, else with a predictor of its own.

    Raises ExpertError where the folder is broken, BaseError where its base is not here.
    """
    began = time.perf_counter()
    with experts.whole(folder):
        expert = experts.manner(folder)
        base, rung = experts.base_of(expert), experts.rung_of(expert, expert.about["rung"])
        texts = expert.task.plain([]) is not None  # the shared trunk reads texts alone
        if texts and isinstance(rung, SharingRung) and "runtime" not in expert.about:
            trunk = trunk_of(base)
            shared = rung.share(folder, trunk, expert.target)
            if shared is not None and (not shared.updates or trunk.takes(shared.updates)):
                adapter = Adapter(shared.updates, root.encode()[:32]) if shared.updates else PLAIN
                size = _held(shared) + (folder / experts.ABOUT).stat().st_size
                return Opened(expert, root, size, time.perf_counter() - began, trunk, shared, adapter)
        own = experts.own_predictor(expert, expert.task.trunk(base, None, Silent()))
        return Opened(expert, root, _on_disk(folder), time.perf_counter() - began, own=own)


def _held(shared: Shared) -> int:
    tensors = [part for update in shared.updates.values() for part in (update.down, update.up)]
    return sum(int(part.nbytes) for part in (*shared.parts, *tensors))


def _on_disk(folder: Path) -> int:
    """What a predictor of its own may take: its files, all but what the generic base has there."""
    size = 0
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != experts.GENERIC]
        size += sum(Path(parent, name).stat().st_size for name in names)
    return size


def facts(found: Opened) -> dict[str, Any]:
    """What is said of an expert that is loaded, as plain JSON."""
    about = found.expert.about
    return {
        "folder": str(found.expert.folder),
        "root": found.root,
        "title": about["name"],
        "task": about["task"],
        "rung": about["rung"],
        "base": about["base"]["name"],
        "shares_trunk": found.shared is not None and not found.shared.featureless,
        "mib": round(found.bytes / 2**20, 2),
        "seconds": round(found.seconds, 3),
    }
