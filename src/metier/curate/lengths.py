"""Which texts are far longer or shorter than the data's own, and of which does the base read only the beginning?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metier.curate.columns import TextColumn, text_columns
from metier.curate.findings import Finding
from metier.curate.material import Material, Side

_FEWEST = 50
_FAR = 6.0  # robust standard deviations of log length
_FACTOR = 4.0  # times the 99th (or a part of the first) percentile: a long tail is not an outlier
_NORMAL_MAD = 1.4826
_PIECE = 8192


def outliers(column: TextColumn, side: Side) -> tuple[list[Finding], dict[str, Any]]:
    """Findings and facts (percentiles of characters) of one text column; empty cells are left out.

    A length is far out where its logarithm is 6 robust standard deviations from the median, by the deviation of its
    own side (double MAD), and it is also 4 times beyond the outermost hundredth of the rows.
    """
    length = column.lengths()
    filled = length > 0
    if filled.sum() < _FEWEST:
        return [], {"rows": 0}
    known = length[filled]
    percentiles = {f"p{q}": float(np.percentile(known, q)) for q in (0, 1, 50, 99, 100)}
    z = _double_z(np.log(np.maximum(length, 1)), filled)
    long = filled & (z >= _FAR) & (length >= _FACTOR * percentiles["p99"])
    short = filled & (z <= -_FAR) & (length <= percentiles["p1"] / _FACTOR)
    findings = []
    for at in np.flatnonzero(long | short):
        more = bool(long[at])
        times = length[at] / percentiles["p50"] if more else percentiles["p50"] / length[at]
        detail = (
            f"{length[at]:,} characters, {times:,.0f} times {'longer' if more else 'shorter'} than the middle text: "
            + ("several rows in one, or a quote left open?" if more else "was it cut off?")
        )
        score = float(1 - np.exp(-abs(z[at]) / _FAR))
        facts = {"characters": int(length[at]), "z": round(float(z[at]), 2)}
        row = int(side.examples.rows[at])
        findings.append(
            Finding("broken", row, side.file, score, detail, None, "review", column.name, (), facts | {"length": True})
        )
    return findings, percentiles | {"rows": len(findings)}


def truncated(material: Material, side: Side) -> tuple[list[Finding], dict[str, Any]]:
    """Texts of which the base reads only the beginning, each with the tokens lost, and the facts of all."""
    limit = material.trunk.base.max_tokens
    findings = []
    lost_tokens = 0
    for name, start, texts in _read(material, side):
        # A token is at least one character: only texts with more characters than the limit can be too long.
        maybe = [i for i, text in enumerate(texts) if len(text) > limit - 2]
        if not maybe:
            continue
        tokens = material.trunk.lengths([texts[i] for i in maybe])
        for i, count in zip(maybe, tokens.tolist(), strict=True):
            if count > limit:
                lost_tokens += count - limit
                findings.append(_cut(int(side.examples.rows[start + i]), side.file, name, count, limit))
    share = len({finding.row for finding in findings}) / max(len(side.examples), 1)
    return findings, {"limit": limit, "rows": len(findings), "share": round(share, 5), "tokens_lost": lost_tokens}


def _cut(row: int, file: str, name: str | None, count: int, limit: int) -> Finding:
    detail = (
        f"The base reads {limit} of its {count:,} tokens and {count - limit:,} are lost; "
        "whether what decides stands in that part cannot be known from here."
    )
    lost = (count - limit) / count
    facts = {"tokens": count, "limit": limit, "lost": count - limit}
    return Finding("truncated", row, file, lost, detail, None, "keep", name, (), facts)


def _read(material: Material, side: Side) -> Iterator[tuple[str | None, int, list[str]]]:
    """(column, position of the first, texts) as the trunk reads them: joined for texts, each column for a table."""
    inputs = side.examples.inputs
    if isinstance(inputs, pa.Table):
        for column in text_columns(material, side):
            for start, texts in column.pieces():
                yield column.name, start, texts
        return
    names = text_columns(material, side)
    if not names:
        return
    for start in range(0, len(inputs), _PIECE):
        piece = [text or "" for text in inputs.slice(start, _PIECE).to_pylist()]
        yield names[0].name if len(names) == 1 else None, start, piece


def _double_z(values: npt.NDArray[np.float64], known: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Distances from the median in robust deviations, each side by its own (double MAD, Rosenmai 2013)."""
    middle = float(np.median(values[known]))
    away = values - middle
    spreads = []
    for side in (away[known & (away <= 0)], away[known & (away >= 0)]):
        # Lengths differ by a tenth at least: a column of equal lengths must not make every other one absurd.
        spreads.append(max(_NORMAL_MAD * float(np.median(np.abs(side))), 0.1))
    return np.where(away < 0, away / spreads[0], away / spreads[1])
