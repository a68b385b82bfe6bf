"""The table with what was done: cells changed, rows left out, a column added, piece by piece in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metier.curate.fates import Change, Fates
from metier.data.dataset import Dataset
from metier.errors import DataError

_BATCH = 65_536
SPLIT = "split"


def cells_of(change: Change, target: str | None) -> dict[str, Any]:
    """Column -> new value of a row: the rewritten cells, and the new label where there is one."""
    cells = dict(change.cells)
    if change.action == "relabel" and target is not None:
        cells[target] = change.label
    return cells


def changed(dataset: Dataset, changes: Mapping[int, Change]) -> Dataset:
    """The data set with all cells changed and every row still in its place: rows to be dropped are the caller's."""
    pieces = [piece for _, piece in _pieces(dataset, changes)]
    return replace(dataset, table=pa.concat_tables(pieces) if pieces else dataset.table)


def cleaned(dataset: Dataset, fates: Fates, split: np.ndarray | None = None) -> Iterator[pa.Table]:
    """The rows that stay, changed as was decided, in pieces. `split` (n,) of words becomes a column of that name."""
    gone = np.zeros(len(dataset), bool)
    gone[fates.dropped()] = True
    for start, piece in _pieces(dataset, fates.done):
        if split is not None:
            piece = piece.append_column(SPLIT, pa.array(split[start : start + len(piece)].tolist(), pa.string()))
        left_out = gone[start : start + len(piece)]
        yield piece.filter(pa.array(~left_out)) if left_out.any() else piece


def check(dataset: Dataset, fates: Fates) -> None:
    """Raise DataError where nothing would be left."""
    if len(fates.dropped()) >= len(dataset):
        raise DataError(
            "nothing-left",
            "At least one row must be kept.",
            found=f"all {len(dataset):,} rows would be dropped",
            fix="Look at the report, and ask fewer questions with --only, or decide in review.csv.",
        )


def _pieces(dataset: Dataset, changes: Mapping[int, Change]) -> Iterator[tuple[int, pa.Table]]:
    """(first row, piece) over the whole table, its cells changed."""
    target = dataset.schema.target
    ordered = sorted(row for row, change in changes.items() if cells_of(change, target))
    at = 0
    for start in range(0, len(dataset), _BATCH):
        piece = dataset.table.slice(start, _BATCH)
        here: list[int] = []
        while at < len(ordered) and ordered[at] < start + len(piece):
            here.append(ordered[at])
            at += 1
        yield start, set_cells(piece, {row - start: cells_of(changes[row], target) for row in here}) if here else piece


def set_cells(piece: pa.Table, cells: Mapping[int, Mapping[str, Any]]) -> pa.Table:
    """The table with new values at (row, column); dictionary columns become plain ones. Raises DataError."""
    for name in dict.fromkeys(column for new in cells.values() for column in new):
        places = [place for place, new in cells.items() if name in new]
        index = piece.column_names.index(name)
        column = piece.column(index).combine_chunks()
        column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        mask = np.zeros(len(piece), bool)
        mask[places] = True
        values = [typed(cells[place][name], column.type) for place in places]
        column = pc.replace_with_mask(column, pa.array(mask), pa.array(values, column.type))
        piece = piece.set_column(index, piece.schema.field(index).with_type(column.type), column)
    return piece


def typed(value: Any, kind: pa.DataType) -> Any:
    """A label or text as a value of the column's type. Raises DataError where it is none of that type."""
    if value is None or (isinstance(value, str) and pa.types.is_string(kind)):
        return value
    try:
        return pa.scalar(str(value)).cast(kind).as_py()
    except pa.ArrowInvalid as error:
        raise DataError(
            "bad-value", f"A new value must fit its column, which holds {kind}.", found=repr(value)
        ) from error
