"""Texts that are nearly the subject's: listed for a person to decide, never erased on likeness alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from metier.curate.copies import sketch
from metier.data import cache as tables
from metier.data import versions
from metier.data.erased import normal
from metier.data.schema import infer_schema
from metier.govern.erasure.search import Found
from metier.pages.words import clip
from metier.plan import DataPlan
from metier.workspace import Workspace

_MOST, _SHOWN = 200, 160


def near(place: Workspace, found: Found) -> list[dict[str, Any]]:
    """`{"version", "row", "column", "likeness", "text"}`, the likest first, by the data room's finder of copies."""
    wanted = {normal(text) for text in found.traces.texts}
    out: list[dict[str, Any]] = []
    for version in versions.versions(place):
        stored = tables.load(place.cache / "tables", version.table) if version.table else None
        if stored is None or not wanted:
            continue
        for name in infer_schema(stored.table, DataPlan()).named("text"):
            texts = [*found.traces.texts, *(str(cell or "") for cell in stored.table.column(name).to_pylist())]
            first = len(found.traces.texts)
            for row, likeness in _alike(texts, first):
                if normal(texts[first + row]) not in wanted:
                    about = {"version": version.reference, "row": row, "column": name, "likeness": round(likeness, 3)}
                    out.append({**about, "text": clip(texts[first + row], _SHOWN)})
    return sorted(out, key=lambda one: -one["likeness"])[:_MOST]


def _alike(texts: list[str], first: int) -> list[tuple[int, float]]:
    """Which of texts[first:] are copies of one of texts[:first], and how like."""
    seen = sketch(pa.chunked_array([pa.array(texts, pa.large_string())]))
    pairs = seen.candidates(np.arange(len(texts)))
    pairs = pairs[(pairs < first).any(axis=1) & (pairs >= first).any(axis=1)]
    if not len(pairs):
        return []
    likeness, _ = seen.compare(pairs)
    best: dict[int, float] = {}
    for (one, other), value in zip(pairs.tolist(), likeness.tolist(), strict=True):
        row = max(one, other) - first
        if value > 0:
            best[row] = max(best.get(row, 0.0), value)
    return list(best.items())
