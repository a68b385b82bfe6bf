"""Does an expert notice what it should not answer? Rows from outside its trade against rows from within, measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from metier.evaluate.intervals import Interval, bootstrap, wilson
from metier.tasks.contract import Array

# The share of rows from within that a threshold may turn away.
TURNED_AWAY = 0.05
_NEAREST = 10
_PIECE = 2048


@dataclass(frozen=True)
class Told:
    """How well a score tells the two apart: AUROC, and the share of outsiders noticed at `threshold`."""

    score: str
    auroc: Interval
    recall: Interval
    threshold: float

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "score": self.score,
            "auroc": self.auroc.as_json(),
            "recall": self.recall.as_json(),
            "threshold": self.threshold,
        }


def distances(vectors: Array, reference: Array) -> Array:
    """(n, d) vectors -> (n,) mean cosine distance to their ten nearest among the (m, d) reference rows.

    Sun et al., "Out-of-distribution detection with deep nearest neighbors", ICML 2022.
    """
    known = _unit(reference)
    count = min(_NEAREST, len(known))
    found = []
    for at in range(0, len(vectors), _PIECE):
        near = _unit(vectors[at : at + _PIECE]) @ known.T
        found.append(1 - np.partition(near, -count, axis=1)[:, -count:].mean(axis=1))
    return np.concatenate(found) if found else np.zeros(0)


def _unit(vectors: Array) -> Array:
    values = np.asarray(vectors, np.float32)
    return np.asarray(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12))


def told(scores: Mapping[str, tuple[Array, Array]], level: float, seed: int) -> list[Told]:
    """Scores by name, (within (n,), outside (m,)), greater is stranger -> how well each notices outsiders.

    The threshold is the value that `TURNED_AWAY` of the rows from within exceed.
    """
    from metier.evaluate.class_metrics import class_metrics

    auroc = {"auroc": class_metrics(2)["auroc"]}
    answers = []
    for name, (within, outside) in scores.items():
        values = np.concatenate([within, outside])
        truth = np.repeat([0, 1], [len(within), len(outside)])
        outputs = np.stack([np.zeros(len(values)), values], axis=1)
        threshold = float(np.quantile(within, 1 - TURNED_AWAY))
        noticed = int((outside > threshold).sum())
        low, high = wilson(noticed, len(outside), level)
        answers.append(
            Told(
                name,
                bootstrap(auroc, truth, outputs, level=level, seed=seed)["auroc"],
                Interval(noticed / len(outside), low, high),
                threshold,
            )
        )
    return answers
