"""Texts as a kind of task: recognised, laid out with nothing lost unseen, shown and disturbed."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metier import tasks
from metier.data.dataset import Column, Dataset, Schema, Source
from metier.errors import DataError
from metier.plan import Plan
from metier.tasks.classes import Classes
from metier.tasks.text import CLASSIFICATION, REGRESSION, Text, joined

PLAN = Plan()
TEXTS = st.lists(st.lists(st.none() | st.sampled_from(["", "a", "b c", "é🙂"]), min_size=3, max_size=3), max_size=12)


def column(name: str, role: Any, distinct: int = 5, examples: tuple[str, ...] = ()) -> Column:
    return Column(name, role, "", 0, distinct, examples)


def schema(*columns: Column, target: str | None = None) -> Schema:
    return Schema(columns, target)


def dataset(roles: dict[str, Any], target: str | None = None, **columns: Any) -> Dataset:
    described = []
    for name, values in columns.items():
        plain = [str(value) for value in values if value is not None]
        described.append(column(name, roles.get(name, "text"), len(set(plain)), tuple(plain[:5])))
    return Dataset(pa.table(columns), Schema(tuple(described), target), Source("", "", 0, "memory"))


def tickets(texts: list[str | None], labels: list[str | None]) -> Dataset:
    return dataset({"label": "target"}, "label", text=texts, label=labels)


# ------------------------------------------------------------------------------------------------------------ recognising


LABEL = column("label", "target", 4, ("card", "fees"))
STARS = column("stars", "target", 5, ("1", "5", "3"))
SIZE = column("size", "target", 400, ("1.5", "20"))
TEXT = column("body", "text", 900)
NUMBERS = [column(f"n{at}", "number", 100) for at in range(6)]


@pytest.mark.parametrize(
    ("columns", "target", "kind"),
    [
        ([TEXT, LABEL], "label", "text-classification"),
        ([TEXT, SIZE], "size", "text-regression"),
        ([TEXT, STARS], "stars", "text-regression"),
        ([TEXT, TEXT, LABEL, *NUMBERS[:2]], "label", "text-classification"),
        ([TEXT], None, "text-classification"),
        ([TEXT, LABEL, *NUMBERS], "label", "rows"),
        ([LABEL, *NUMBERS], "label", "rows"),
    ],
)
def test_the_kind_that_fits_claims_the_data_most_surely(columns: list[Column], target: str | None, kind: str) -> None:
    task, why = tasks.recognise(schema(*columns, target=target))
    assert task.name == kind
    assert 0 < why.score <= 1
    assert why.why


def test_without_a_text_column_texts_are_not_claimed() -> None:
    for task in (CLASSIFICATION, REGRESSION):
        found = task.recognises(schema(LABEL, *NUMBERS, target="label"))
        assert found.score == 0
        assert found.why == "no text column"


def test_the_reason_names_columns_and_target() -> None:
    why = CLASSIFICATION.recognises(schema(TEXT, LABEL, target="label")).why
    assert "body" in why
    assert "'label' is a class" in why


# --------------------------------------------------------------------------------------------------------------- preparing


def test_rows_without_text_or_target_are_set_aside_and_counted() -> None:
    texts = ["card", None, "", "  \n", "fee", "wire", "pin"]
    found = CLASSIFICATION.prepare(tickets(texts, ["a", "b", "a", None, None, "b", "a"]), PLAN)
    assert found.inputs.to_pylist() == ["card", "wire", "pin"]
    assert found.targets.tolist() == [0, 1, 0]
    assert found.rows.tolist() == [0, 5, 6]
    assert {reason: rows.tolist() for reason, rows in found.set_aside.items()} == {
        "empty text": [1, 2, 3],
        "missing target": [4],
    }
    assert [(problem.code, problem.rows) for problem in found.problems] == [("set-aside", 3), ("set-aside", 1)]
    assert found.set_aside["empty text"].size + found.set_aside["missing target"].size + len(found) == 7


def test_a_whole_table_is_taken_as_it_is() -> None:
    found = CLASSIFICATION.prepare(tickets(["card", "fee"], ["a", "b"]), PLAN)
    assert len(found) == 2
    assert found.set_aside == {}
    assert found.problems == ()


@given(rows=TEXTS)
def test_several_text_columns_are_joined_and_empty_cells_left_out(rows: list[list[str | None]]) -> None:
    cells = [pa.chunked_array([pa.array([row[at] for row in rows], pa.string())]) for at in range(3)]
    assert joined(cells, "\n").to_pylist() == ["\n".join(cell for cell in row if cell) for row in rows]
    assert joined(cells[:1], "\n").to_pylist() == [row[0] or "" for row in rows]


def test_the_columns_read_are_the_plans_or_all_texts_in_order() -> None:
    data = dataset({"label": "target"}, "label", subject=["s", ""], body=["b", "c"], label=["x", "y"])
    assert CLASSIFICATION.prepare(data, PLAN).inputs.to_pylist() == ["s\nb", "c"]
    chosen = Plan.of(text=("body", "subject"))
    assert CLASSIFICATION.prepare(data, chosen).inputs.to_pylist() == ["b\ns", "c"]
    assert CLASSIFICATION.reads(data.schema, chosen) == ("body", "subject")
    assert CLASSIFICATION.prepare(data, Plan.of(text=("body",))).inputs.to_pylist() == ["b", "c"]


@pytest.mark.parametrize(
    "values", [pa.array([1, 22]), pa.array(["1", "22"]).dictionary_encode(), pa.array(["1", "22"])]
)
def test_cells_of_any_type_are_read_as_text(values: pa.Array) -> None:
    data = dataset({"label": "target"}, "label", text=values, label=["x", "y"])
    assert CLASSIFICATION.prepare(data, PLAN).inputs.to_pylist() == ["1", "22"]


def test_chunked_tables_keep_texts_and_targets_together() -> None:
    whole = tickets([f"text {n}" if n % 7 else None for n in range(50)], [str(n % 3) for n in range(50)])
    parts = pa.concat_tables([whole.table.slice(at, 9) for at in range(0, 50, 9)])
    found = CLASSIFICATION.prepare(Dataset(parts, whole.schema, whole.source), PLAN)
    assert found.inputs.to_pylist() == [f"text {row}" for row in found.rows]
    assert found.target.values(found.targets) == [str(row % 3) for row in found.rows]


def test_a_number_is_prepared_as_a_quantity() -> None:
    found = REGRESSION.prepare(tickets(["good", "bad", "fair"], ["4.5", "1", "no idea"]), PLAN)
    assert found.target.kind == "quantity"
    assert found.targets.tolist() == [4.5, 1]
    assert found.set_aside["missing target"].tolist() == [2]


def test_labels_the_expert_never_saw_are_refused() -> None:
    with pytest.raises(DataError) as caught:
        CLASSIFICATION.prepare(tickets(["card", "fee"], ["a", "z"]), PLAN, Classes(("a", "b")))
    assert caught.value.code == "unknown-labels"


def test_without_a_target_column_all_texts_are_kept_for_prediction() -> None:
    own = Classes(("a", "b"))
    found = CLASSIFICATION.prepare(dataset({}, None, text=["card", "", "fee"]), PLAN, own)
    assert found.inputs.to_pylist() == ["card", "fee"]
    assert found.targets.tolist() == [-1, -1]
    assert found.rows.tolist() == [0, 2]
    assert set(found.set_aside) == {"empty text"}


@pytest.mark.parametrize("texts", [[None, "", "card"], ["", " ", "\t"]])
def test_a_table_of_which_nothing_is_left_says_why(texts: list[str | None]) -> None:
    with pytest.raises(DataError) as caught:
        CLASSIFICATION.prepare(tickets(texts, ["a", "b", None]), PLAN)
    assert caught.value.code == "nothing-left"
    assert "empty text" in caught.value.found


@pytest.mark.parametrize("plan", [Plan(), Plan.of(text=("subject",))])
def test_no_text_column_is_a_clear_error(plan: Plan) -> None:
    data = dataset({"label": "target", "n": "number"}, "label", n=["1", "2"], label=["a", "b"])
    with pytest.raises(DataError) as caught:
        CLASSIFICATION.prepare(data, plan)
    assert caught.value.code == "no-text-column"
    assert "n, label" in caught.value.found


def test_groups_and_splits_of_the_table_come_along() -> None:
    data = dataset(
        {"label": "target", "who": "group", "part": "split"},
        "label",
        text=["one", None, "two", "three"],
        label=["a", "a", "b", "a"],
        who=["x", "x", "y", "x"],
        part=["train", "test", "dev", "train"],
    )
    found = CLASSIFICATION.prepare(data, PLAN)
    assert found.groups is not None
    assert found.assigned is not None
    assert found.groups[0] == found.groups[2] != found.groups[1]
    assert found.assigned.tolist() == ["train", "validation", "train"]
    some = found.take(np.array([2, 1]))
    assert some.inputs.to_pylist() == ["three", "two"]
    assert some.assigned is not None
    assert some.assigned.tolist() == ["train", "validation"]


# ---------------------------------------------------------------------------------------------- rungs, shown and disturbed


def test_the_ladder_is_in_order_and_a_number_has_no_name_to_be_near_to() -> None:
    names = ["majority", "linear", "generic", "frozen", "adapter", "full"]
    assert [rung.name for rung in CLASSIFICATION.rungs(Classes(("a", "b")))] == names
    quantity = REGRESSION.rungs(REGRESSION.prepare(tickets(["x", "y"], ["1", "2"]), PLAN).target)
    assert [rung.name for rung in quantity] == [name for name in names if name != "generic"]
    assert [rung.trains for rung in quantity] == [False, False, False, True, True]
    assert all(rung.summary for rung in quantity)


@given(text=st.text(max_size=60))
def test_units_are_the_pieces_of_a_text_without_its_spaces(text: str) -> None:
    inputs = pa.array([text], pa.large_string())
    shown = CLASSIFICATION.render(inputs, 0)
    units = CLASSIFICATION.units(inputs, 0)
    assert shown == text
    assert all(0 <= start < end <= len(text) for start, end in units)
    assert all(one[1] <= other[0] for one, other in pairwise(units))
    covered = {at for start, end in units for at in range(start, end)}
    assert [text[at] for at in range(len(text)) if at not in covered and not text[at].isspace()] == []


def test_words_and_signs_are_units_of_their_own() -> None:
    inputs = pa.array(["", "I can't pay 5€!!"])
    found = [inputs[1].as_py()[start:end] for start, end in CLASSIFICATION.units(inputs, 1)]
    assert found == ["I", "can't", "pay", "5", "€!!"]
    assert CLASSIFICATION.units(inputs, 0) == []


def test_kinds_are_found_by_name() -> None:
    for task in (CLASSIFICATION, REGRESSION):
        assert isinstance(task, Text)
        assert tasks.get(task.name) is task
