"""Rows of a table in: numbers, categories, moments and texts side by side, with a class or a quantity as the target."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metier.data.dataset import Dataset, Schema
from metier.errors import DataError
from metier.plan import Plan
from metier.progress import Progress
from metier.tasks import rows_units, targets
from metier.tasks.contract import Array, Examples, Inputs, Perturbation, Recognition, Rung, Target
from metier.tasks.rows_encoding import FEATURE_ROLES, fit_encoding, roles
from metier.trunk import base as bases
from metier.trunk.features import Trunk

_LONG_TEXT = 40  # mean characters from which a text column says more than the columns beside it
_LONGEST_SHOWN = 300
_BETWEEN = " · "


class Rows:
    """Any mixture of columns, each read by its role; texts come in through the trunk."""

    name = "rows"
    summary = "rows of a table, each with a label or a number"
    says = "said"
    compared = True

    def recognises(self, schema: Schema) -> Recognition:
        """Sure where numbers, categories and times dominate; unsure beside a column of long texts."""
        structured = len(schema.named("number", "category", "time"))
        texts = [schema.column(name) for name in schema.named("text")]
        if not structured:
            return Recognition(0.0, "no column of numbers, categories or times")
        why = f"{structured} {'column' if structured == 1 else 'columns'} of numbers, categories or times"
        if not texts:
            return Recognition(0.8, why)
        lengths = [float(np.mean([len(example) for example in column.examples or ("",)])) for column in texts]
        named = any(column.reason.startswith("named") for column in texts)
        if structured >= 3 and not named and max(lengths) < _LONG_TEXT:
            return Recognition(0.8, f"{why} and only short texts")
        # No column has more different values than there are rows: texts with half as many repeat for sure.
        most = max(column.distinct for column in schema.columns)
        if structured >= 3 and not named and max(column.distinct for column in texts) <= 0.5 * most:
            return Recognition(0.8, f"{why} and texts that repeat")
        return Recognition(0.3, f"{why} beside text in {', '.join(column.name for column in texts)}")

    def base(self, name: str, *, max_tokens: int | None = None, offline: bool = False) -> bases.Base:
        """An encoder of texts."""
        return bases.find(name, max_tokens=max_tokens, offline=offline)

    def trunk(self, base: bases.Base, cache: Path | None = None, progress: Progress | None = None) -> Trunk:
        """What reads texts through it."""
        return Trunk(base, cache, progress)

    def reads(self, schema: Schema, plan: Plan) -> tuple[str, ...]:
        """The columns of numbers, categories, times and texts."""
        return schema.named(*FEATURE_ROLES)

    def prepare(self, dataset: Dataset, plan: Plan, target: Target | None = None) -> Examples:
        """Lay out the feature columns; set rows aside that have no target, or no value in any column.

        The inputs are a pyarrow table whose fields carry their `role` as metadata; cells stay as they stood in the
        file. Raises DataError where there is no feature column, or where an expert's columns are missing.
        """
        features = _features(dataset, self.reads(dataset.schema, plan))
        kind = target.kind if target is not None else targets.suggested(dataset.schema) if dataset.schema.target else ""
        labels = targets.read(dataset, kind, target)
        aside = {"no value in any column": np.flatnonzero(_all_null(features))}
        if labels.known:
            aside["missing target"] = np.setdiff1d(np.flatnonzero(labels.missing), aside["no value in any column"])
        aside = {reason: found for reason, found in aside.items() if len(found)}
        keep = np.ones(len(dataset), bool)
        for found in aside.values():
            keep[found] = False
        if not keep.any() and target is None:
            raise DataError(
                "nothing-left",
                "At least one row must have a target and a value in some column.",
                found=", ".join(f"{len(found)} rows with {reason}" for reason, found in aside.items()) or "no rows",
                fix="Check the file and --target.",
            )
        rows = np.flatnonzero(keep)
        inputs = features if len(rows) == len(keep) else features.take(pa.array(rows))
        return targets.laid_out(inputs, labels, rows, aside, dataset, plan)

    def plain(self, texts: Sequence[str]) -> tuple[Inputs, Array] | None:
        """None: a row has columns."""
        return None

    def portable(self, dataset: Dataset, names: Sequence[str], most: int) -> list[dict[str, Any]] | None:
        """The cells as they are."""
        return list(dataset.table.select(list(names)).slice(0, most).to_pylist())

    def rungs(self, target: Target) -> tuple[Rung, ...]:
        """majority, linear, trees."""
        from metier.tasks.rows_rungs import Linear, Majority
        from metier.tasks.rows_trees import Trees

        return Majority(), Linear(), Trees()

    def vectors(self, inputs: Inputs, trunk: Trunk, like: Inputs | None = None) -> Array:
        """(n, d) float32: standardised numbers, one-hot levels, texts as the trunk reads them, scaled as `like`."""
        matrix = fit_encoding(inputs if like is None else like, trunk).linear_matrix(inputs, trunk)
        dense = matrix.toarray() if hasattr(matrix, "toarray") else matrix
        return np.asarray(dense, np.float32)

    def render(self, inputs: Inputs, position: int) -> str:
        """`column: value · column: value`, columns without a value left out."""
        return _BETWEEN.join(_pieces(inputs, position))

    def picture(self, inputs: Inputs, position: int) -> str | None:
        """None."""
        return None

    def columns(self, inputs: Inputs) -> dict[str, str]:
        """The feature columns with their roles."""
        return {name: str(role) for name, role in roles(inputs).items()}

    def values(self, inputs: Inputs, name: str) -> list[Any]:
        """The cells of a column, as they stood in the file."""
        return list(inputs.column(name).to_pylist())

    def with_values(self, inputs: Inputs, name: str, values: Sequence[Any]) -> Inputs:
        """The table with another column of that name, of the same type and role."""
        at = inputs.column_names.index(name)
        field = inputs.schema.field(at)
        return inputs.set_column(at, field, pa.chunked_array([pa.array(values, field.type)]))

    def spelled(self, inputs: Inputs, position: int) -> str:
        """What `render` gives."""
        return self.render(inputs, position)

    def units(self, inputs: Inputs, position: int) -> list[tuple[int, int]]:
        """One (start, end) a column shown, in the text `render` gives."""
        spans, start = [], 0
        for piece in _pieces(inputs, position):
            spans.append((start, start + len(piece)))
            start += len(piece) + len(_BETWEEN)
        return spans

    def places(self, inputs: Inputs, position: int) -> list[tuple[float, float, float, float]]:
        """None: there is no picture."""
        return []

    def names(self, inputs: Inputs, position: int) -> list[str]:
        """The columns."""
        return [inputs.column_names[number] for number in rows_units.shown(inputs, position)]

    def usual(self, inputs: Inputs) -> Inputs | None:
        """One row: the median of numbers and moments, the commonest category; texts are left empty."""
        return rows_units.usual(inputs)

    def keeping(self, inputs: Inputs, kept: Sequence[tuple[int, Array]], usual: Inputs | None) -> Inputs:
        """The rows with cells removed, each replaced by the usual value or left empty."""
        return rows_units.keeping(inputs, kept, usual)

    def exchanged(self, inputs: Inputs, position: int, unit: int, donors: Inputs, most: int) -> Inputs:
        """A cell replaced by the donors' values in its column."""
        return rows_units.exchanged(inputs, position, unit, donors, most)

    def unheard(self, heard: Inputs) -> Callable[[Inputs, int], list[int]]:
        """Categories that stand in none of the rows, and numbers beyond all of theirs."""
        return rows_units.unheard(heard)

    def perturbations(self, like: Examples | None = None, trunk: Trunk | None = None) -> tuple[Perturbation, ...]:
        """Noise on numbers, lost cells and columns, other units, misspelt and unseen categories, typos in texts."""
        from metier.tasks import rows_changes

        return rows_changes.perturbations(like)


def _features(dataset: Dataset, names: tuple[str, ...]) -> pa.Table:
    """The feature columns with their roles in the fields' metadata; every kind of string as plain strings."""
    absent = [name for name in names if name not in dataset.table.column_names]
    if absent or not names:
        raise DataError(
            "missing-columns" if absent else "no-columns",
            f"The table must have the columns {', '.join(absent)}."
            if absent
            else "The kind rows reads at least one column of numbers, categories, times or text beside the target.",
            found=f"columns {', '.join(dataset.table.column_names)}",
            fix="Rename or add them; empty cells are allowed." if absent else "Add columns, or choose another --kind.",
        )
    fields, columns = [], []
    for name in names:
        column = dataset.table.column(name)
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
            column = column.cast(pa.string())
        columns.append(column)
        fields.append(pa.field(name, column.type, metadata={"role": dataset.schema.column(name).role}))
    return pa.table(columns, schema=pa.schema(fields))


def _all_null(table: pa.Table) -> Array:
    """(n,) whether every cell of the row is missing."""
    empty = np.ones(table.num_rows, bool)
    for column in table.columns:
        empty &= np.asarray(pc.is_null(column, nan_is_null=True).to_numpy(), bool)
    return empty


def _pieces(inputs: pa.Table, position: int) -> Iterator[str]:
    for number in rows_units.shown(inputs, position):
        value: Any = inputs.column(number)[position].as_py()
        text = " ".join((f"{value:g}" if isinstance(value, float) else str(value)).split())
        short = text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"
        yield f"{inputs.column_names[number]}: {short}"


ROWS = Rows()
