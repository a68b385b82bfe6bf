"""The `rows` kind: what it recognises, what it sets aside, what a person sees, and that its rungs hold the contract."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from metier.data.dataset import Dataset, Source
from metier.data.schema import infer_schema
from metier.errors import DataError
from metier.plan import Plan
from metier.tasks.contract import Examples
from metier.tasks.rows import ROWS
from metier.tasks.rows_encoding import roles


def table(rows: int = 200, seed: int = 0) -> pa.Table:
    """Mixed columns as a text file gives them: strings, some cells missing."""
    rng = np.random.default_rng(seed)
    amount, segment = (
        rng.gamma(2.0, 500.0, rows),
        rng.choice(["retail", "business", "private"], rows, p=[0.6, 0.3, 0.1]),
    )
    day = [datetime.date(2024, 1, 1) + datetime.timedelta(days=int(days)) for days in rng.integers(0, 600, rows)]
    risk = (amount > 900).astype(float) + (segment == "business") + rng.normal(0, 0.4, rows)
    return pa.table(
        {
            "amount": pa.array([f"{value:.2f}" for value in amount], mask=rng.random(rows) < 0.1),
            "segment": pa.array(segment.tolist(), mask=rng.random(rows) < 0.05),
            "opened": pa.array([one.isoformat() for one in day]),
            "age": pa.array([str(age) for age in rng.integers(18, 80, rows)]),
            "risky": pa.array(np.where(risk > 1.2, "yes", "no").tolist()),
            "loss": pa.array([f"{value:.3f}" for value in 10 * risk]),
        }
    )


def dataset(data: pa.Table, target: str | None = "risky", **choices: Any) -> tuple[Dataset, Plan]:
    plan = Plan.of(target=target, **choices)
    return Dataset(data, infer_schema(data, plan.data), Source("memory", "", 0, "memory")), plan


def examples(data: pa.Table | None = None, target: str = "risky", **choices: Any) -> Examples:
    data = table() if data is None else data
    other = {"risky": "loss", "loss": "risky"}.get(target, "loss")
    return ROWS.prepare(*dataset(data, target, ignore=(other,), **choices))


def test_tables_of_numbers_and_categories_are_recognised() -> None:
    found = ROWS.recognises(dataset(table())[0].schema)
    assert found.score == 0.8
    assert "numbers" in found.why


def test_long_texts_beside_columns_leave_the_claim_to_texts() -> None:
    long = [f"I have been waiting for my new card for three weeks now, case {i}, please help" for i in range(200)]
    found = ROWS.recognises(dataset(table().append_column("message", pa.array(long)))[0].schema)
    assert found.score == 0.3
    assert "message" in found.why


def test_texts_alone_are_not_rows() -> None:
    texts = pa.table({"text": [f"where is my parcel number {i} please" for i in range(50)], "label": ["a", "b"] * 25})
    assert ROWS.recognises(dataset(texts, "label")[0].schema).score == 0.0


def test_inputs_are_the_feature_columns_with_their_roles() -> None:
    prepared = examples()
    assert roles(prepared.inputs) == {"amount": "number", "segment": "category", "opened": "time", "age": "number"}
    assert len(prepared.inputs) == len(prepared.targets) == 200
    assert prepared.target.kind == "classes"


def test_a_target_of_many_numbers_is_a_quantity() -> None:
    prepared = examples(target="loss")
    assert prepared.target.kind == "quantity"
    assert prepared.targets.dtype == np.float64
    assert prepared.targets[3] == float(table()["loss"][3].as_py())


def test_rows_without_target_or_without_any_value_are_set_aside_and_counted() -> None:
    data = table(100)
    for name in ("amount", "segment", "opened", "age"):
        data = data.set_column(data.column_names.index(name), name, pa.array([None, *data[name].to_pylist()[1:]]))
    labels = data["risky"].to_pylist()
    labels[5] = labels[7] = None
    data = data.set_column(data.column_names.index("risky"), "risky", pa.array(labels))
    prepared = examples(data)
    aside = {reason: rows.tolist() for reason, rows in prepared.set_aside.items()}
    assert aside == {"no value in any column": [0], "missing target": [5, 7]}
    assert sorted(problem.rows for problem in prepared.problems) == [1, 2]
    assert not {0, 5, 7} & set(prepared.rows.tolist())
    assert len(prepared) == len(prepared.inputs) == 97


def test_a_table_without_the_target_is_prepared_for_predictions() -> None:
    target = examples().target
    prepared = ROWS.prepare(*dataset(table().drop_columns(["risky", "loss"]), None), target)
    assert len(prepared) == 200
    assert (prepared.targets == -1).all()


def test_labels_never_trained_on_are_an_error() -> None:
    target = examples().target
    data = table(50)
    strange = data.set_column(
        data.column_names.index("risky"), "risky", pa.array(["perhaps", *data["risky"].to_pylist()[1:]])
    )
    with pytest.raises(DataError, match="perhaps"):
        ROWS.prepare(*dataset(strange), target)


def test_taking_examples_keeps_inputs_targets_and_rows_together() -> None:
    prepared = examples()
    taken = prepared.take(np.array([9, 2, 4]))
    assert taken.rows.tolist() == [9, 2, 4]
    assert taken.inputs["age"].to_pylist() == [prepared.inputs["age"][i].as_py() for i in (9, 2, 4)]
    assert roles(taken.inputs) == roles(prepared.inputs)


def test_a_target_alone_is_an_error_that_says_what_to_add() -> None:
    data = pa.table({"risky": ["yes", "no"] * 10})
    with pytest.raises(DataError) as caught:
        ROWS.prepare(*dataset(data))
    assert caught.value.code == "no-columns"


def test_a_person_sees_columns_with_their_values_and_units_cover_them() -> None:
    data = pa.table({"city": ["Ulm", None], "size": [1.5, 2.0], "note": ["a\n b", "x" * 999]})
    assert ROWS.render(data, 0) == "city: Ulm · size: 1.5 · note: a b"
    for position in (0, 1):
        shown = ROWS.render(data, position)
        pieces = [shown[start:end] for start, end in ROWS.units(data, position)]
        assert " · ".join(pieces) == shown
    assert [piece.split(":")[0] for piece in pieces] == ["size", "note"]
    assert len(pieces[1]) < 400


def test_the_ladder_is_the_same_for_either_target(tmp_path: Path) -> None:
    names = [[rung.name for rung in ROWS.rungs(examples(target=target).target)] for target in ("risky", "loss")]
    assert names == [["majority", "linear", "trees"]] * 2
