"""The rows an expert was tuned on, found again through its run's record and proven by their hash."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metier import files
from metier.data import read as reading
from metier.data.sources import masked
from metier.errors import MetierError
from metier.govern import run_records
from metier.plan import Plan
from metier.tasks.contract import Array, Examples
from metier.workspace import Workspace

if TYPE_CHECKING:
    from metier.data.dataset import Dataset
    from metier.expert import Expert


@dataclass(frozen=True)
class Origin:
    """The training data of an expert: `examples` in its own vocabulary, in the file's order.

    `held_out` (n,) marks the rows every rung was measured on. Where the plan's `refit` is on (the default), the last
    fit learnt from them too: then all n rows are training rows of the expert, and `learnt` says so.
    """

    run: Path | None
    plan: Plan
    dataset: Dataset
    examples: Examples
    held_out: Array
    drawn: Array | None = None  # (n,) which rows a mitigation drew for the last fit, where one did

    @property
    def learnt(self) -> Array:
        """Which rows (n,) the expert's weights were fitted on."""
        if self.drawn is not None:
            return self.drawn
        return np.ones(len(self.examples), bool) if self.plan.ladder.refit else ~self.held_out

    def shifts(self, expert: Expert, rows: Array) -> Array | None:
        """What the groups of these table rows have taken off the expert's outputs, None where it has no thresholds."""
        return expert.shifts(self.dataset.table, rows)


def find(expert: Expert, place: Workspace, data: str | Path | None = None) -> tuple[Origin | None, str]:
    """The expert's training rows, or None and why not.

    The run is looked for where the expert lies and in the workspace. `data` names the file where it has moved; it must
    be the same file. A changed file is not used: what it says of other rows would be no evidence.
    """
    run = run_of(expert.about, expert.folder, place)
    if run is None:
        return None, "the run that made this expert is not in the workspace"
    about: dict[str, Any] = files.read_json(run / "data.json")
    record: dict[str, Any] = about["train"]
    plan = Plan.load(run / "plan.json", run_records.TUNED)
    path = str(data or record["source"]["path"])
    try:
        dataset = reading.read(path, plan.data, place.cache / "tables")
        examples = expert.task.prepare(dataset, plan, expert.target)
    except MetierError as error:
        return None, f"the training data cannot be read again: {error.problem}"
    if dataset.source.sha256 != record["source"]["sha256"]:
        return None, f"{masked(path)} is no longer what the expert was tuned on"
    if examples.content != about.get("content", ""):
        return None, f"what {masked(path)} names is no longer what the expert was tuned on"
    held_out = np.isin(examples.rows, np.load(run / "split.npy"))
    drawn = np.isin(examples.rows, np.load(run / run_records.DRAWN)) if (run / run_records.DRAWN).is_file() else None
    return Origin(run, plan, dataset, examples, held_out, drawn), ""


def run_of(about: Mapping[str, Any], expert: Path, place: Workspace) -> Path | None:
    """The finished run that made the expert in this folder, where it lies about the expert or in the workspace."""
    name = about.get("run", "")
    for folder in (expert.absolute().parent, place.runs / name):
        if name and folder.name == name and (folder / "done.json").is_file():
            return folder
    return None
