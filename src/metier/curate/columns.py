"""The texts of a side as a model reads them: one column for a task of texts, each text column for a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from metier.curate.material import Material, Side
from metier.data.values import strings

_PIECE = 16_384


@dataclass(frozen=True)
class TextColumn:
    """The cells of one text column, one an example in the order of `side.examples`; null where empty."""

    name: str
    cells: pa.ChunkedArray

    def __len__(self) -> int:
        return len(self.cells)

    def pieces(self) -> Iterator[tuple[int, list[str]]]:
        """(position of the first, texts) piece by piece; missing cells are empty texts."""
        for start in range(0, len(self.cells), _PIECE):
            yield start, [text or "" for text in self.cells.slice(start, _PIECE).to_pylist()]

    def texts(self, positions: npt.NDArray[np.int64]) -> list[str]:
        """The texts at these positions."""
        return [text or "" for text in self.cells.take(pa.array(positions)).to_pylist()]

    def matching(self, pattern: str) -> npt.NDArray[np.int64]:
        """Positions of the cells in which the pattern (RE2) is found; far quicker than one by one in Python."""
        found, start = [np.zeros(0, np.int64)], 0
        for chunk in self.cells.chunks:
            for at in range(0, len(chunk), _PIECE):
                piece = pc.match_substring_regex(chunk.slice(at, _PIECE), pattern).fill_null(False)
                found.append(start + at + np.flatnonzero(piece.to_numpy(zero_copy_only=False)))
            start += len(chunk)
        return np.concatenate(found)

    def lengths(self) -> npt.NDArray[np.int64]:
        """Characters of each cell, 0 where it is empty."""
        counted = [np.zeros(0, np.int64)]
        counted += [pc.utf8_length(chunk).fill_null(0).to_numpy().astype(np.int64) for chunk in self.cells.chunks]
        return np.concatenate(counted)


def text_columns(material: Material, side: Side) -> list[TextColumn]:
    """The text columns the task reads, each with one cell an example; none for a table of numbers and categories."""
    schema, rows, table = side.dataset.schema, side.examples.rows, side.dataset.table
    names = [name for name in material.task.reads(schema, material.plan) if schema.column(name).role == "text"]
    whole = len(rows) == table.num_rows and bool(np.all(rows == np.arange(len(rows))))
    columns = []
    for name in names:
        cells = strings(table, name)
        columns.append(TextColumn(name, cells if whole else cells.take(pa.array(rows))))
    return columns
