"""Material made of small tables, for the questions asked of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pytest

from metier import tasks
from metier.curate.material import Material, Side
from metier.data.read import read
from metier.plan import Plan
from metier.trunk import base
from metier.trunk.features import Trunk

Table = dict[str, Sequence[Any]]
MaterialOf = Callable[..., Material]


@pytest.fixture
def material_of(tmp_path: Path, tiny_base: Path) -> MaterialOf:
    """`material_of({"text": [...], "label": [...]}, target="label")`: files, read and prepared as a run would."""
    trunk = Trunk(base.find(str(tiny_base)))

    def make(train: Table, test: Table | None = None, **choices: Any) -> Material:
        plan = Plan.of(**choices)

        def side(columns: Table, name: str, like: Any = None) -> Side:
            path = tmp_path / name
            pyarrow.csv.write_csv(pa.table({key: list(values) for key, values in columns.items()}), path)
            dataset = read(path, plan.data, tmp_path / "tables")
            task = tasks.get(plan.data.kind) if plan.data.kind else tasks.recognise(dataset.schema)[0]
            return Side(dataset, task.prepare(dataset, plan, like))

        first = side(train, "train.csv")
        second = None if test is None else side(test, "test.csv", first.examples.target)
        kind = plan.data.kind or tasks.recognise(first.dataset.schema)[0].name
        return Material(tasks.get(kind), first, second, trunk, plan)

    return make
