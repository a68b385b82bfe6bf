"""What a run writes down of itself: its key, data, split, plan, environment and base, and what it came to."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metier import __version__, files
from metier.data import erased
from metier.data.dataset import Dataset, Split
from metier.govern import environment
from metier.plan import Plan
from metier.tasks.contract import Examples
from metier.trunk.base import Base

if TYPE_CHECKING:
    from metier.evaluate.judge import Judged
    from metier.tune.ladder import Climb

_MOST_LISTED = 10_000
DRAWN = "drawn.npy"
# What of a plan an expert depends on: what other rooms are asked changes nothing in it.
TUNED = frozenset({"data", "base", "ladder", "training", "private", "fair", "adapter", "answer", "seed", "name"})


def key(
    plan: Plan,
    dataset: Dataset,
    test: Dataset | None,
    base: Base,
    *,
    sections: frozenset[str] | None = TUNED,
    **more: Any,
) -> str:
    """What a run would compute: the same key takes up the same unfinished run.

    `sections` names the parts of the plan that count, None for all of them; `more` is whatever else does.
    """
    about = {
        **more,
        "plan": plan.model_dump(mode="json", include=None if sections is None else set(sections)),
        "data": dataset.source.sha256,
        "test": test and test.source.sha256,
        "base": base.sha256,
        "version": __version__,
    }
    left_out = [_erased(part) for part in (dataset, test) if part is not None]
    if any(left_out):  # the same file, but no longer the same rows
        about["erased"] = left_out
    return files.digest(about)


def read_from(*datasets: Dataset | None) -> list[str]:
    """The SHA-256 of the data that a run reads."""
    return [dataset.source.sha256 for dataset in datasets if dataset is not None]


def beside(*parts: Examples | None) -> dict[str, Any]:
    """What of `key`'s `more` comes from examples whose content lies beside their table; empty where none does."""
    content = [part.content for part in parts if part is not None and part.content]
    return {"content": content} if content else {}


def write(
    folder: Path,
    dataset: Dataset,
    test: Dataset | None,
    examples: Examples,
    parts: Split,
    base: Base,
    plan: Plan,
    folds: int,
    drawn: np.ndarray | None = None,
) -> None:
    """Write data.json, split.json, split.npy, plan.json, environment.json and base.json into a run's folder.

    `drawn` are the table's rows that the last fit learnt from, where a mitigation drew them.
    """
    aside = {reason: rows.tolist()[:_MOST_LISTED] for reason, rows in examples.set_aside.items()}
    files.write_json(
        folder / "data.json",
        {
            "train": dataset.record(),
            "test": test.record() if test else None,
            "set_aside": aside,
            **({"content": examples.content} if examples.content else {}),
        },
    )
    files.write_json(
        folder / "split.json",
        {
            "method": parts.method,
            "seed": parts.seed,
            "notes": list(parts.notes),
            "folds": folds,
            "rows": {"train": len(parts.train), "validation": len(parts.validation)},
            "train_sha256": _hash(examples.rows[parts.train]),
            "validation_sha256": _hash(examples.rows[parts.validation]),
        },
    )
    files.write_array(folder / "split.npy", examples.rows[parts.validation])
    if drawn is not None:
        files.write_array(folder / DRAWN, np.unique(drawn))
    files.write_json(folder / "plan.json", plan.model_dump(mode="json"))
    files.write_json(folder / "environment.json", environment.describe())
    files.write_json(folder / "base.json", base.record())


def figures(task: str, base: Base, climb: Climb, metric: str, judged: Judged, seconds: float) -> dict[str, Any]:
    """The figures of `tune --json`, paths left out."""
    tested = judged.tested
    return {
        "task": task,
        "base": base.record(),
        "chosen": climb.chosen.name,
        "metric": metric,
        "rungs": [step.record() for step in climb.steps],
        "validation": {name: found.as_json() for name, found in judged.validation.metrics.items()},
        "test": None if tested is None else {name: found.as_json() for name, found in tested.metrics.items()},
        "seconds": round(seconds, 2),
        "peak_memory_mib": environment.peak_memory_mib(),
    }


def _erased(dataset: Dataset) -> int:
    """Rows of the file that were erased."""
    return sum(problem.rows for problem in dataset.schema.problems if problem.code == erased.CODE)


def _hash(rows: Any) -> str:
    return hashlib.sha256(np.ascontiguousarray(rows, np.int64).tobytes()).hexdigest()
