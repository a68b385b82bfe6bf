"""The cells of a row as an explanation takes them: put back to what is usual, exchanged, or never seen before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metier.data.schema import number_style, time_style, times
from metier.tasks.contract import Array, Inputs
from metier.tasks.rows_encoding import Feature, FeatureRole, numbers_of, roles, strings_of


def shown(inputs: pa.Table, position: int) -> list[int]:
    """The columns in which this row has a value: its units, in order."""
    values = [column[position].as_py() for column in inputs.columns]
    return [number for number, value in enumerate(values) if value is not None and value == value]


def usual(inputs: pa.Table) -> pa.Table:
    """One row: the median of numbers and moments, the commonest category; texts are left empty."""
    columns = []
    for name, role in roles(inputs).items():
        column = inputs.column(name)
        at = None if role == "text" else _middle(inputs, name, role) if role != "category" else _commonest(column)
        columns.append(pa.array([None if at is None else column[at].as_py()], column.type))
    return pa.table(columns, schema=inputs.schema)


def keeping(inputs: pa.Table, kept: Sequence[tuple[int, Array]], instead: pa.Table | None) -> pa.Table:
    """The rows with cells removed, each replaced by that of `instead` (one row) or left empty."""
    rows = np.concatenate([np.full(len(masks), position) for position, masks in kept])
    stays = np.ones((len(rows), inputs.num_columns), bool)
    at = 0
    for position, masks in kept:
        stays[at : at + len(masks), shown(inputs, position)] = masks
        at += len(masks)
    whole = inputs.take(pa.array(rows))
    for number, name in enumerate(inputs.column_names):
        column, other = whole.column(name), None
        if instead is not None:
            column, other = _alike(column, instead.column(name)[0])
        other = pa.scalar(None, column.type) if other is None else other
        field = whole.schema.field(number).with_type(column.type)
        whole = whole.set_column(number, field, pc.if_else(stays[:, number], column, other))
    return whole


def exchanged(inputs: pa.Table, position: int, unit: int, donors: pa.Table, most: int) -> Inputs:
    """A cell replaced by the donors' values in its column, those most of them have first."""
    number = shown(inputs, position)[unit]
    own = inputs.column(number)[position].as_py()
    counts = Counter(value for value in donors.column(number).to_pylist() if value is not None and value != own)
    values = [value for value, _ in counts.most_common(most)]
    whole = inputs.take(pa.array([position] * len(values), pa.int64()))
    return whole.set_column(number, whole.schema.field(number), pa.array(values, inputs.schema.field(number).type))


def unheard(heard: pa.Table) -> Callable[[Inputs, int], list[int]]:
    """A function naming categories that stand in none of these rows, and numbers beyond all of theirs."""
    features = {name: _as_number(heard, name) for name, role in roles(heard).items() if role == "number"}
    levels = {n: set(strings_of(heard, n).to_pylist()) for n, role in roles(heard).items() if role == "category"}
    ends: dict[str, tuple[float, float]] = {}
    for name, feature in features.items():
        values = numbers_of(heard, feature)
        if np.isfinite(values).any():
            ends[name] = float(np.nanmin(values)), float(np.nanmax(values))

    def missing(inputs: Inputs, position: int) -> list[int]:
        row, found = inputs.slice(position, 1), []
        for unit, number in enumerate(shown(inputs, position)):
            name = inputs.column_names[number]
            if name in levels:
                strange = strings_of(row, name)[0].as_py() not in levels[name]
            else:
                value = numbers_of(row, features[name])[0] if name in ends else np.nan
                strange = bool(value < ends[name][0] or value > ends[name][1]) if np.isfinite(value) else False
            if strange:
                found.append(unit)
        return found

    return missing


def _alike(column: pa.ChunkedArray, other: pa.Scalar) -> tuple[pa.ChunkedArray, pa.Scalar]:
    """A column and a value of one type: rows that come one by one are often typed otherwise than a file's."""
    try:
        return column, other.cast(column.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return column.cast(other.type), other


def _middle(inputs: pa.Table, name: str, role: FeatureRole) -> int | None:
    """Where the median of a column of numbers or moments stands."""
    column = inputs.column(name)
    if role == "time":
        typed = pa.types.is_temporal(column.type)
        values = times(inputs, name, None if typed else time_style(inputs, name)).astype("datetime64[s]")
        order = np.where(np.isnat(values), np.nan, values.astype(np.float64))
    else:
        order = numbers_of(inputs, _as_number(inputs, name))
    known = np.flatnonzero(~np.isnan(order))
    return int(known[np.argsort(order[known], kind="stable")[len(known) // 2]]) if len(known) else None


def _commonest(column: pa.ChunkedArray) -> int | None:
    """Where the commonest value of a column first stands."""
    codes = pc.fill_null(pc.index_in(column, value_set=pc.unique(column).drop_null()), -1).to_numpy()
    known = codes[codes >= 0]
    return int(np.flatnonzero(codes == np.bincount(known).argmax())[0]) if len(known) else None


def _as_number(inputs: pa.Table, name: str) -> Feature:
    worded = pa.types.is_string(inputs.column(name).type)
    return Feature(name, "number", number_style(inputs, name) if worded else None)
