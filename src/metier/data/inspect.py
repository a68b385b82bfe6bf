"""inspect: what is in a table, what task it looks like and what will hurt; plain data for terminal and programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from metier.data.audit import audit, is_labels, label_counts
from metier.data.dataset import Dataset, Schema
from metier.data.values import numbers, strings
from metier.errors import MetierError
from metier.plan import Plan

TokenLengths = Callable[[Sequence[str]], np.ndarray]
Recognise = Callable[[Schema], tuple[Any, Any]]

_MEASURED = 100_000  # texts whose tokens are counted; more are sampled evenly
_BATCH = 4096
_ORDER = {"error": 0, "warning": 1, "note": 2}


def inspect(
    dataset: Dataset,
    plan: Plan,
    token_lengths: TokenLengths | None = None,
    limit: int | None = None,
    recognise: Recognise | None = None,
) -> dict[str, Any]:
    """Everything `metier inspect` prints, JSON types only.

    `token_lengths` maps texts to their (n,) lengths in tokens and `limit` is how many the base reads; without them
    `tokens` is None. `recognise` asks the kinds of task; left out, all kinds there are. Keys: `rows`, `columns`,
    `target`, `task`, `task_reason`, `labels` (rows of each, commonest first), `quantity` (of a numeric target),
    `tokens`, `problems` (worst first) and `source`.
    """
    task, why = _task(dataset.schema, plan, recognise)
    fields = ("name", "role", "reason", "missing", "distinct", "examples", "content")
    problems = sorted(audit(dataset), key=lambda problem: _ORDER[problem.severity])
    return {
        "rows": len(dataset),
        "columns": [{name: _plain(getattr(column, name)) for name in fields} for column in dataset.schema.columns],
        "target": dataset.schema.target,
        "task": task,
        "task_reason": why,
        "labels": _labels(dataset),
        "quantity": _quantity(dataset),
        "tokens": _tokens(dataset, token_lengths, limit) if token_lengths else None,
        "problems": [asdict(problem) for problem in problems],
        "source": asdict(dataset.source),
    }


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _task(schema: Schema, plan: Plan, recognise: Recognise | None) -> tuple[str | None, str]:
    if plan.data.kind is not None:
        return plan.data.kind, "named in the plan"
    if schema.target is None:
        return None, "no column to predict is known yet"
    if recognise is None:
        from metier import tasks

        recognise = tasks.recognise
    try:
        task, recognition = recognise(schema)
    except MetierError as error:
        return None, error.problem
    return str(task.name), str(recognition.why)


def _labels(dataset: Dataset) -> list[dict[str, Any]]:
    if not is_labels(dataset):
        return []
    return [{"label": label, "rows": rows} for label, rows in label_counts(dataset).items()]


def _quantity(dataset: Dataset) -> dict[str, Any] | None:
    """Least, middle and largest value of a numeric target, and a histogram of ten bins."""
    name = dataset.schema.target
    if name is None or is_labels(dataset) or dataset.schema.column(name).content != "number":
        return None
    values = numbers(dataset.table, name)
    values = values[np.isfinite(values)]
    rows, edges = np.histogram(values, 10)
    bins = [
        {"from": float(low), "to": float(high), "rows": int(count)}
        for low, high, count in zip(edges[:-1], edges[1:], rows, strict=True)
    ]
    return {
        "least": float(values.min()),
        "median": float(np.median(values)),
        "largest": float(values.max()),
        "histogram": bins,
    }


def _tokens(dataset: Dataset, token_lengths: TokenLengths, limit: int | None) -> dict[str, Any] | None:
    """Histogram of token lengths in doubling bins, and how many texts the base will cut."""
    names = dataset.schema.named("text")
    if not names or not len(dataset):
        return None
    rows = np.arange(len(dataset))
    if len(rows) > _MEASURED:
        rows = np.linspace(0, len(rows) - 1, _MEASURED).astype(np.int64)
    lengths = np.concatenate(
        [token_lengths(_joined(dataset, names, rows[start : start + _BATCH])) for start in range(0, len(rows), _BATCH)]
    )
    top = int(lengths.max(initial=1))
    edges = [0, 8]
    while edges[-1] <= top:
        edges.append(edges[-1] * 2)
    counts = np.histogram(lengths, edges)[0]
    scale = len(dataset) / len(rows)
    return {
        "histogram": [
            {"from": low, "to": high - 1, "rows": round(int(count) * scale)}
            for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
        ],
        "limit": limit,
        "truncated": None if limit is None else round(int(np.count_nonzero(lengths > limit)) * scale),
        "measured": len(rows),
        "median": float(np.median(lengths)),
        "longest": top,
    }


def _joined(dataset: Dataset, names: tuple[str, ...], rows: np.ndarray) -> list[str]:
    taken = dataset.table.select(list(names)).take(rows)
    columns = [strings(taken, name).to_pylist() for name in names]
    return [" ".join(cell for cell in cells if cell) for cells in zip(*columns, strict=True)]
