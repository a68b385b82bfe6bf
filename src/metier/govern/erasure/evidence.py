"""Can one still tell that a row was trained on? What an expert's sureness gives away of it, beside rows never seen.

The score is that of the privacy question: how sure the expert is of the row's truth, less what the generic base's own
sureness explains (calibrated difficulty, Watson et al. 2022). A row that was never seen stands among the never-seen
rows as chance has it; one that stands above nearly all of them is remembered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from metier.data.dataset import Dataset, Schema, Source
from metier.errors import MetierError
from metier.evaluate.privacy.attack import residual, surprise
from metier.expert import Expert
from metier.tasks.contract import Array, Examples

_FEWEST, _MOST = 20, 2000  # never-seen rows
_SHOWN = 20


@dataclass(frozen=True)
class Membership:
    """How the erased rows stand among never-seen ones: for each, the share of those with as high a score or higher."""

    rows: int
    unseen: int
    scores: tuple[float, ...]
    above: tuple[float, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; a figure for a row, at most twenty of them."""
        return {
            "rows": self.rows,
            "never_seen_rows": self.unseen,
            "score": round(float(np.mean(self.scores)), 4),
            "never_seen_at_or_above": round(float(np.mean(self.above)), 4),
            "each": [round(share, 4) for share in self.above[:_SHOWN]],
        }


def membership(expert: Expert, erased: pa.Table, unseen: Dataset) -> Membership | None:
    """The erased rows under an expert; None where labels are missing or never-seen rows are too few."""
    own, others = labelled(expert, _dataset(erased)), labelled(expert, unseen)
    if own is None or others is None or len(others) < _FEWEST:
        return None
    if len(others) > _MOST:
        others = others.take(np.random.default_rng(0).permutation(len(others))[:_MOST])
    scores = _scores(expert, own, others)
    mine, theirs = scores[: len(own)], scores[len(own) :]
    above = [float((theirs >= score).mean()) for score in mine]
    return Membership(len(own), len(others), tuple(map(float, mine)), tuple(above))


def labelled(expert: Expert, dataset: Dataset) -> Examples | None:
    """The examples whose truth is known, None where there are none."""
    try:
        found = expert.task.prepare(expert.dataset(dataset), expert.plan, expert.target)
    except MetierError:
        return None
    known = np.isfinite(found.targets) if found.targets.dtype.kind == "f" else found.targets >= 0
    return found.take(np.flatnonzero(known)) if known.any() else None


def _scores(expert: Expert, own: Examples, others: Examples) -> Array:
    truth = np.concatenate([own.targets, others.targets])
    outputs = [
        np.concatenate([one.outputs(own.inputs), one.outputs(others.inputs)])
        for one in (expert.predictor, expert.generic)
    ]
    mine, generic = (surprise(expert.target, truth, found) for found in outputs)
    return residual(mine, generic)


def _dataset(table: pa.Table) -> Dataset:
    return Dataset(table, Schema(()), Source("memory", "", 0, "memory"))
