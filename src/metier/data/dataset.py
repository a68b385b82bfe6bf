"""The nouns of the data room: Dataset (a table on disk with what is known of it), Schema, Column, Problem, Split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import pyarrow as pa

Role = Literal["text", "target", "category", "number", "time", "id", "group", "split", "image", "empty"]
Severity = Literal["note", "warning", "error"]


@dataclass(frozen=True)
class Problem:
    """Something about the data a person should know: counted, never acted on silently."""

    code: str
    severity: Severity
    detail: str
    rows: int = 0
    column: str | None = None
    fix: str = ""


@dataclass(frozen=True)
class Column:
    """One column: its role in the task, why it was given that role, and what is in it."""

    name: str
    role: Role
    reason: str
    missing: int
    distinct: int
    examples: tuple[str, ...] = ()
    content: Role = "category"  # what the values look like by themselves, whatever the role: text, number, time, ...


@dataclass(frozen=True)
class Schema:
    """The roles of all columns, and the target's name when there is one."""

    columns: tuple[Column, ...]
    target: str | None = None
    problems: tuple[Problem, ...] = ()

    def named(self, *roles: Role) -> tuple[str, ...]:
        """The names of the columns with one of these roles, in the file's order."""
        return tuple(column.name for column in self.columns if column.role in roles)

    def column(self, name: str) -> Column:
        """The column of that name; KeyError if there is none."""
        return next(column for column in self.columns if column.name == name)


@dataclass(frozen=True)
class Source:
    """Where a table came from, exactly enough to recognise it again."""

    path: str
    sha256: str
    bytes: int
    format: str
    encoding: str | None = None
    delimiter: str | None = None
    header: bool | None = None
    member: str | None = None


@dataclass(frozen=True)
class Dataset:
    """A table whose rows lie on disk (memory-mapped Arrow), in the file's order, values as they stood in the file.

    Text formats give string columns with null where the cell was empty; typed formats keep their types.
    `schema` says what each column is for. Row numbers everywhere in metier count from 0 in this table.
    """

    table: pa.Table
    schema: Schema
    source: Source

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def record(self) -> Mapping[str, Any]:
        """What goes into a run's `data.json`."""
        return {"source": asdict(self.source), "rows": len(self), "schema": asdict(self.schema)}


@dataclass(frozen=True)
class Split:
    """Row positions (int64) of the examples that are trained on and those every rung is measured on."""

    train: np.ndarray
    validation: np.ndarray
    method: str
    seed: int
    notes: tuple[str, ...] = field(default=())
