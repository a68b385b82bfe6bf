"""What the prediction log keeps of where a row lies in an expert's feature space: little, and no text is read off it.

`norm` is the feature vector's length, `projection` its direction seen in eight fixed random directions (Johnson and
Lindenstrauss 1984: distances are kept, roughly), `margin` how far the first output is ahead of the second.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from metier.answering import Prediction
from metier.tasks.contract import Array

DIRECTIONS = 8
_SEED = 20_261_124  # the same directions for all servers and versions of a base


def summaries(features: Array | None, outputs: Array) -> list[dict[str, Any]]:
    """Features (n, width) or None, raw outputs (n, k) or (n,) -> a summary a row."""
    told: list[dict[str, Any]] = [{} for _ in range(len(outputs))]
    if outputs.ndim == 2 and outputs.shape[1] > 1:
        best = np.partition(np.asarray(outputs, np.float64), -2, axis=1)[:, -2:]
        for row, margin in zip(told, (best[:, 1] - best[:, 0]).tolist(), strict=True):
            row["margin"] = round(margin, 4)
    if features is not None and features.size:
        wide = np.asarray(features, np.float32)
        norms = np.linalg.norm(wide, axis=1)
        seen = (wide @ _directions(wide.shape[1])) / np.maximum(norms, 1e-12)[:, None]
        for row, norm, where in zip(told, norms.tolist(), seen.tolist(), strict=True):
            row |= {"norm": round(norm, 4), "projection": [round(value, 4) for value in where]}
    return told


def added(answers: list[Prediction], rows: Array, features: Array | None, outputs: Array) -> list[Prediction]:
    """Answers with summaries for those of them, `rows` (n,), that were read."""
    out = list(answers)
    for row, summary in zip(rows.tolist(), summaries(features, outputs), strict=True):
        out[row] = replace(out[row], summary=summary)
    return out


@lru_cache(maxsize=16)
def _directions(width: int) -> Array:
    drawn: Array = np.random.default_rng(_SEED).standard_normal((width, DIRECTIONS)).astype(np.float32)
    return drawn / np.float32(np.sqrt(DIRECTIONS))
