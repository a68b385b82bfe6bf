"""How an expert reads rows and words its answers: all of it but the model, so that others may compute the outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from metier.data.dataset import Column, Dataset, Schema, Source
from metier.errors import DataError, ExpertError
from metier.plan import Plan
from metier.tasks.contract import Array, Examples, Inputs, Target, Task
from metier.tune.mitigation import GroupThresholds


@dataclass(frozen=True)
class Prediction:
    """One answer: a label or a number, how sure (0..1), and whether a person should answer instead.

    `low` and `high` hold a number's interval. A row that could not be read has prediction None and abstains. `summary`
    says where the row lies among the expert's features, where that was asked for.
    """

    prediction: Any
    confidence: float
    abstain: bool
    low: float | None = None
    high: float | None = None
    summary: Mapping[str, Any] | None = field(default=None, compare=False)

    def as_json(self) -> dict[str, Any]:
        """What `predict` writes for one row."""
        out = {"prediction": self.prediction, "confidence": round(self.confidence, 6), "abstain": self.abstain}
        return out if self.low is None else {**out, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Asked:
    """What is asked of a model about a table of `total` rows: n inputs, and which of the rows (n,) they are.

    `shifts` (n,) are what the rows' groups have taken off, where the expert has a threshold for each. Rows that cannot
    be read are not among them.
    """

    total: int
    inputs: Inputs
    rows: Array
    shifts: Array | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @staticmethod
    def joined(parts: Sequence[Asked]) -> Asked:
        """Several tables one below the other, without their inputs."""
        starts = np.cumsum([0, *(part.total for part in parts)])
        rows = np.concatenate([part.rows + start for part, start in zip(parts, starts, strict=False)])
        shifts = [part.shifts for part in parts if part.shifts is not None]
        return Asked(int(starts[-1]), (), rows, np.concatenate(shifts) if shifts else None)


@dataclass(frozen=True)
class Answering:
    """An expert without its model: `asked` and `answered` stand before and behind it."""

    folder: Path
    about: Mapping[str, Any]
    task: Task
    target: Target

    def dataset(self, rows: Any) -> Dataset:
        """Any rows as a Dataset whose columns mean what they meant in tuning."""
        if isinstance(rows, Dataset):
            table = self._renamed(rows)
            return replace(rows, table=table, schema=self._schema(table))
        table = _table(rows, self.about["reads"])
        return Dataset(table, self._schema(table), Source("memory", "", 0, "memory"))

    def examples(self, rows: Any) -> Examples:
        """Rows -> Examples with this expert's own labels."""
        return self.task.prepare(self.dataset(rows), self.plan, self.target)

    def unlabelled(self, dataset: Dataset) -> Examples:
        """Rows -> Examples that no label is read for, whatever stands in a column of labels."""
        without = replace(dataset, schema=replace(dataset.schema, target=None))
        return self.task.prepare(without, self.plan, self.target)

    @property
    def thresholds(self) -> GroupThresholds | None:
        """What is taken off a label's outputs group by group, where the expert was tuned so."""
        record = self.about.get("group_thresholds")
        return None if record is None else GroupThresholds.read(record)

    def shifts(self, table: pa.Table, rows: Array) -> Array | None:
        """(n,) what `thresholds` take off these rows of a table, None where there are none; for `outputs`."""
        thresholds = self.thresholds
        return None if thresholds is None else thresholds.of(table, rows)

    def shifted(self, outputs: Array, shifts: Array | None) -> Array:
        """Raw outputs less what each row's group has taken off."""
        thresholds = self.thresholds
        if thresholds is None or shifts is None:
            return outputs
        return thresholds.applied(outputs, shifts, self.target)

    def asked(self, dataset: Dataset) -> Asked:
        """The rows that can be read, as the model reads them."""
        try:
            # Whatever stands in a column of labels: nothing, or a label nobody has trained on.
            examples = self.unlabelled(dataset)
        except DataError as error:
            if error.code == "nothing-left":
                return Asked(len(dataset), (), np.zeros(0, np.int64))
            raise
        return Asked(len(dataset), examples.inputs, examples.rows, self.shifts(dataset.table, examples.rows))

    def asked_texts(self, texts: Sequence[str]) -> Asked:
        """The same of plain texts, without the detour over a table where the kind of task can do without."""
        read = self.task.plain(texts) if self.thresholds is None else None
        if read is None:
            return self.asked(self.dataset(texts))
        return Asked(len(texts), *read)

    def answered(self, asked: Asked, outputs: Array | None) -> list[Prediction]:
        """The model's raw outputs (n, k) or (n,) for what was asked -> an answer for each of the table's rows.

        None are needed where nothing could be read.
        """
        answers = [Prediction(None, 0.0, True)] * asked.total
        if outputs is None:
            return answers
        shifted = self.shifted(outputs, asked.shifts)
        found = self.target.decode(shifted, self.about["calibration"], self.about["threshold"])
        for at, row in enumerate(asked.rows):
            low, high = (None, None) if found.interval is None else map(float, found.interval[at])
            answers[row] = Prediction(found.values[at], float(found.confidence[at]), bool(found.abstain[at]), low, high)
        return answers

    @property
    def plan(self) -> Plan:
        """What its kind is asked with: nothing but the kind."""
        return _plan_of(self.about["task"])

    def _renamed(self, dataset: Dataset) -> pa.Table:
        """A folder's table, whose names are our own, with the name that the one column this expert reads goes by."""
        table, reads = dataset.table, self.about["reads"]
        if dataset.source.format != "folder" or len(reads) != 1 or reads[0] in table.column_names:
            return table
        (role,) = (column["role"] for column in self.about["columns"] if column["name"] == reads[0])
        alike = dataset.schema.named(role)
        return table.rename_columns({alike[0]: reads[0]}) if len(alike) == 1 else table

    def _schema(self, table: pa.Table) -> Schema:
        absent = [name for name in self.about["reads"] if name not in table.column_names]
        if absent:
            raise ExpertError(
                "missing-columns",
                f"This expert reads the columns {', '.join(self.about['reads'])}.",
                found=f"no {', '.join(absent)} among {', '.join(table.column_names)}",
                fix="Rename the columns, or give texts as a plain list or one text a line.",
            )
        columns = tuple(Column(**column) for column in self.about["columns"] if column["name"] in table.column_names)
        named = {column.name for column in columns}
        target = self.about["target_column"]
        return Schema(columns, target if target in named else None)


@lru_cache
def _plan_of(kind: str) -> Plan:
    return Plan.of(kind=kind)


def _table(rows: Any, reads: Sequence[str]) -> pa.Table:
    if isinstance(rows, pa.Table):
        return rows
    if hasattr(rows, "to_arrow"):
        return rows.to_arrow()
    if hasattr(rows, "to_dict") and hasattr(rows, "columns"):
        return pa.Table.from_pandas(rows, preserve_index=False)
    rows = [rows] if isinstance(rows, str | Mapping) else list(rows)
    if rows and isinstance(rows[0], Mapping):
        names = dict.fromkeys(name for row in rows for name in row)
        return pa.table({str(name): _values([row.get(name) for row in rows]) for name in names})
    texts = pa.array([None if text is None else str(text) for text in rows], pa.large_string())
    return pa.table(
        {name: texts if at == 0 else pa.nulls(len(rows), pa.large_string()) for at, name in enumerate(reads)}
    )


def _values(values: list[Any]) -> pa.Array:
    """A column of Python values; of several types in one column, as the texts that a file would hold."""
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        return pa.array([None if value is None else str(value) for value in values], pa.large_string())
