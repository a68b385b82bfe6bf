"""Explanations and similar rows for experts that are served: opened when first asked for, outside of any batch.

An explanation runs an expert of its own, whose weights it may send gradients through, beside those that answer.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from metier.errors import DataError, ExpertError
from metier.expert import Expert
from metier.plan import Plan
from metier.progress import Silent
from metier.serve.engine.opening import Opened
from metier.workspace import Workspace

_MOST = 2  # experts held open: each brings a base of its own
_QUOTED = 400  # characters of a training row


@dataclass
class _Open:
    """An expert open for explaining; the lock lets one question in at a time."""

    expert: Expert
    memory: Any = None
    no_memory: str = ""
    explainers: dict[str, Any] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Explainers:
    """The few experts last explained. `cache` is that of the workspace whose runs tell what an expert learnt from."""

    def __init__(self, cache: Path | None) -> None:
        self._place = Workspace.find() if cache is None else Workspace(cache.absolute().parent)
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._lock = threading.Lock()

    def forget(self, root: str) -> None:
        """Close an expert."""
        with self._lock:
            self._open.pop(root, None)

    def similar(self, found: Opened, row: Any, most: int) -> list[dict[str, Any]]:
        """The rows nearest to this one among those the expert learnt from. Raises ExpertError, DataError."""
        from metier.explain import neighbours
        from metier.govern import origin

        held = self._opened(found)
        with held.lock:
            inputs, _ = _inputs(held.expert, row)
            if held.memory is None and not held.no_memory:
                known, held.no_memory = origin.find(held.expert, self._place)
                if known is not None:
                    held.memory = neighbours.remember(held.expert, known, self._place.cache, Silent())
            if held.memory is None:
                raise ExpertError(
                    "no-training-rows",
                    "Similar rows are found among those that the expert learnt from.",
                    found=held.no_memory,
                    fix="Serve from the workspace that the expert was tuned in, with its data where it was.",
                )
            seen = neighbours.seen(held.expert, inputs, held.memory.examples.inputs)
            cosines = held.memory.similarity(seen)[0]
            return [_row(held.memory, int(at), cosines) for at in np.argsort(-cosines, kind="stable")[:most]]

    def explain(self, found: Opened, row: Any, choices: Mapping[str, Any]) -> dict[str, Any]:
        """Why the expert answers so. Raises DataError where there is nothing to read, UsageError for odd choices."""
        from metier.explain import room

        held = self._opened(found)
        plan = Plan.of(**{"kind": held.expert.about["task"], **choices})
        with held.lock:
            inputs, shifts = _inputs(held.expert, row)
            key = plan.explain.model_dump_json()
            if key not in held.explainers:
                held.explainers[key] = room.load(held.expert, self._place, plan, Silent())
                held.memory = held.explainers[key].memory or held.memory
            told: dict[str, Any] = held.explainers[key].explain(inputs, shifts)[0]
            return told

    def _opened(self, found: Opened) -> _Open:
        with self._lock:
            if found.root not in self._open:
                expert = Expert.load(found.expert.folder, cache=self._place.cache, progress=Silent())
                self._open[found.root] = _Open(expert)
            self._open.move_to_end(found.root)
            while len(self._open) > _MOST:
                self._open.popitem(last=False)
            return self._open[found.root]


def _inputs(expert: Expert, row: Any) -> tuple[Any, Any]:
    """One row as the expert reads it, and what its group has taken off."""
    asked = expert.asked(expert.dataset([row]))
    if not len(asked):
        raise DataError(
            "nothing-left",
            "There must be something to explain.",
            found="an empty row",
            fix="Give a text with at least one word, or a row with at least one value.",
        )
    return asked.inputs, asked.shifts


def _row(memory: Any, at: int, cosines: Any) -> dict[str, Any]:
    text = memory.expert.task.render(memory.examples.inputs, at)
    return {
        "row": int(memory.examples.rows[at]),
        "text": text if len(text) <= _QUOTED else text[: _QUOTED - 1] + "…",
        "label": memory.expert.target.values(memory.examples.targets[at : at + 1])[0],
        "similarity": round(float(cosines[at]), 6),
    }
