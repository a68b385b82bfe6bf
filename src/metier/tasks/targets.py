"""The target column, read the same way for every kind of task: which target it suggests, its codes, what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metier.data.dataset import Dataset, Problem, Schema
from metier.errors import DataError
from metier.plan import Plan
from metier.tasks.contract import Array, Examples, Inputs, Target

# A whole number with at most this many different values names a class rather than measures something.
_MOST_NUMBERED_CLASSES = 20
_SPLIT_NAMES = {"train": "train", "training": "train", "test": "test", "testing": "test"}
_SPLIT_NAMES |= dict.fromkeys(("valid", "validation", "val", "dev"), "validation")


@dataclass(frozen=True)
class Labels:
    """The target of every row: codes (n,) int64 or values (n,) float64, and which rows have none."""

    target: Target
    codes: Array
    missing: Array
    known: bool


def from_record(record: Mapping[str, Any]) -> Target:
    """Rebuild the target an expert stores; the reverse of `Target.record`."""
    if record["kind"] == "quantity":
        from metier.tasks import quantity

        return quantity.from_record(record)
    from metier.tasks import classes

    return classes.from_record(record)


def is_number(schema: Schema) -> bool:
    """Whether the target's values, as far as they were shown, are all numbers."""
    assert schema.target is not None
    examples = schema.column(schema.target).examples
    return bool(examples) and all(_number(example) for example in examples)


def suggested(schema: Schema) -> str:
    """What the target column looks like: "classes" or "quantity"."""
    assert schema.target is not None
    distinct = schema.column(schema.target).distinct
    return "quantity" if is_number(schema) and distinct > _MOST_NUMBERED_CLASSES else "classes"


def read(dataset: Dataset, kind: str, target: Target | None) -> Labels:
    """Read the target column as classes or a quantity.

    With `target` (an expert's own) labels it has never seen raise DataError; without the column all are unknown.
    """
    name = dataset.schema.target
    if target is not None and (name is None or name not in dataset.table.column_names):
        unknown = np.full(len(dataset), np.nan) if target.kind == "quantity" else np.full(len(dataset), -1)
        return Labels(target, unknown, np.ones(len(dataset), bool), known=False)
    if name is None:
        raise DataError(
            "no-target",
            "The column to predict must be named when it is not plain.",
            found=f"columns {', '.join(dataset.table.column_names)}",
            fix="Add --target COLUMN.",
        )
    if kind == "quantity":
        return _quantity(dataset, name, target)
    return _classes(dataset, name, target)


def laid_out(
    inputs: Inputs, labels: Labels, rows: Array, aside: Mapping[str, Array], dataset: Dataset, plan: Plan
) -> Examples:
    """The examples of these rows of the table (inputs in the rows' order), and what was set aside, counted."""
    left = {reason: found for reason, found in aside.items() if len(found)}
    return Examples(
        inputs=inputs,
        targets=labels.codes[rows],
        target=labels.target,
        rows=rows,
        groups=groups(dataset, plan, rows),
        assigned=assigned(dataset, rows),
        set_aside=left,
        problems=tuple(
            Problem("set-aside", "warning", f"{len(found)} rows set aside: {reason}", len(found))
            for reason, found in left.items()
        ),
    )


def groups(dataset: Dataset, plan: Plan, rows: Array) -> Array | None:
    """Codes of the group column for these rows, or None when there is none."""
    names = [plan.data.group] if plan.data.group else list(dataset.schema.named("group"))
    if not names:
        return None
    codes = pc.dictionary_encode(dataset.table.column(names[0]).combine_chunks(), null_encoding="encode").indices
    return np.asarray(codes.to_numpy(zero_copy_only=False)[rows])


def assigned(dataset: Dataset, rows: Array) -> Array | None:
    """What a split column says of these rows: train, validation or test; None when there is no such column."""
    names = dataset.schema.named("split")
    if not names:
        return None
    said = np.array([_SPLIT_NAMES.get(str(value).strip().lower(), "train") for value in _plain(dataset, names[0])])
    return np.asarray(said[rows])


def _quantity(dataset: Dataset, name: str, target: Target | None) -> Labels:
    from metier.data.schema import numbers
    from metier.tasks.quantity import Quantity

    values = numbers(dataset.table, name)
    missing = ~np.isfinite(values)
    known = values[~missing]
    if target is None and len(known) and np.all(known == known[0]):
        raise DataError(
            "one-value",
            f"The target {name!r} must vary.",
            found=f"{known[0]:g} in all {len(known)} rows",
            fix="Choose another --target.",
        )
    return Labels(target or Quantity.of(values.tolist()), values, missing, known=True)


def _classes(dataset: Dataset, name: str, target: Target | None) -> Labels:
    from metier.tasks.classes import Classes

    column = dataset.table.column(name)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    missing = pc.is_null(column, nan_is_null=True).to_numpy(zero_copy_only=False)
    if target is None:
        made = Classes.of(column)
        _refuse_odd(name, made.width, int(np.count_nonzero(~missing)))
        target = made
    codes = np.asarray(target.encode(column))
    strange = (codes < 0) & ~missing
    if strange.any():
        seen = column.take(pa.array(np.flatnonzero(strange))).to_pylist()
        names, counts = np.unique([str(value) for value in seen], return_counts=True)
        listed = ", ".join(f"{str(label)!r} ({count})" for label, count in zip(names[:5], counts[:5], strict=True))
        raise DataError(
            "unknown-labels",
            "Every label here must be one the expert was trained on.",
            found=f"{int(strange.sum())} rows with {len(names)} labels never trained on: {listed}",
            fix="Correct or remove those rows, or tune again with examples of these labels.",
        )
    return Labels(target, codes, missing, known=True)


def _refuse_odd(name: str, labels: int, rows: int) -> None:
    if labels < 2:
        raise DataError(
            "one-label",
            f"The target {name!r} must have at least two labels.",
            found=f"{labels} label in {rows} rows",
            fix="Choose another --target, or add examples of what else there is.",
        )
    if labels > 10 and labels > 0.5 * rows:
        raise DataError(
            "all-distinct",
            f"The target {name!r} must repeat: a label seen once teaches nothing.",
            found=f"{labels} different values in {rows} rows",
            fix="It looks like an id or a free text. Choose another --target.",
        )


def _plain(dataset: Dataset, name: str) -> list[Any]:
    column = dataset.table.column(name)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return list(column.to_pylist())


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
