"""Column roles, the target, and what a person is told about them."""

from __future__ import annotations

import pyarrow as pa
import pytest

from metier.data.dataset import Schema
from metier.data.schema import infer_schema
from metier.errors import DataError
from metier.plan import DataPlan

ROWS = 60
TEXTS = [f"please help me with order {i * 7} as soon as possible" for i in range(ROWS)]
LABELS = [("refund", "delivery", "other")[i % 3] for i in range(ROWS)]


def infer(plan: DataPlan | None = None, **columns: list[object]) -> Schema:
    return infer_schema(pa.table({name: pa.array(values) for name, values in columns.items()}), plan or DataPlan())


def role(name: str, values: list[object]) -> str:
    table = {name: values, "other": [str(i % 7) + "x" for i in range(len(values))]}
    return infer(**table).column(name).role


@pytest.mark.parametrize(
    ("name", "values", "wanted"),
    [
        ("body", TEXTS, "text"),
        ("评论", [f"这家餐厅的菜真的非常好吃{i}" for i in range(ROWS)], "text"),
        ("colour", ["red", "green", "blue"] * 20, "category"),
        ("flag", ["0", "1"] * 30, "category"),
        ("amount", [f"{i * 1.5}" for i in range(ROWS)], "number"),
        ("price", [f"${i * 100:,}.50" for i in range(ROWS)], "number"),
        ("age", [str(20 + i % 40) for i in range(ROWS)], "number"),
        ("created", [f"2024-01-{i % 28 + 1:02}" for i in range(ROWS)], "time"),
        ("Unnamed: 0", [str(i) for i in range(ROWS)], "id"),
        ("column_1", [i + 1 for i in range(ROWS)], "id"),
        ("Complaint ID", [str(90_000 - i * 13) for i in range(ROWS)], "id"),
        ("ref", [f"A{i * 31:05}" for i in range(ROWS)], "id"),
        ("ZIP code", [str(10_000 + i % 30 * 37) for i in range(ROWS)], "category"),
        ("code", [f"0{i % 9}1" for i in range(ROWS)], "category"),
        ("diag", [f"{250 + i % 30}.1" for i in range(54)] + ["V57", "E909", "V10", "V11", "V12", "V13"], "category"),
        ("customer_id", [str(1000 + i // 2 * 3) for i in range(ROWS)], "group"),
        ("admission_type_id", [str(i % 8) for i in range(ROWS)], "category"),
        ("nothing", [None] * ROWS, "empty"),
        ("constant", ["same"] * ROWS, "empty"),
        ("set", ["train"] * 40 + ["test"] * 20, "split"),
        ("part", ["Train"] * 40 + ["valid"] * 10 + ["test"] * 10, "split"),
        ("tags", ['["a", "b"]', '["c"]'] * 30, "category"),
        ("picture", [b"\x89PNG"] * 59 + [b"x"], "image"),
        ("typed", [True, False] * 30, "category"),
    ],
)
def test_a_column_gets_the_role_its_values_have(name: str, values: list[object], wanted: str) -> None:
    assert role(name, values) == wanted


def test_every_role_comes_with_a_reason_and_exact_counts() -> None:
    schema = infer(text=[*TEXTS, None, None], label=[*LABELS, "refund", None])
    assert all(column.reason for column in schema.columns)
    assert (schema.column("text").missing, schema.column("text").distinct) == (2, ROWS)
    assert (schema.column("label").missing, schema.column("label").distinct) == (1, 3)
    assert schema.column("label").content == "category"


@pytest.mark.parametrize("name", ["label", "category", "Intent", "condition_label", "y", "is_fraud", "TX_FRAUD"])
def test_a_target_is_known_by_its_name(name: str) -> None:
    schema = infer(body=TEXTS, colour=["red", "blue"] * 30, **{name: LABELS})
    assert schema.target == name
    assert schema.column(name).role == "target"
    assert [problem.code for problem in schema.problems] == ["target-guessed"]
    assert "colour" in schema.problems[0].detail


def test_the_only_labels_beside_a_text_are_the_target() -> None:
    assert infer(body=TEXTS, kind_of_thing=LABELS, when=[f"2024-02-{i % 28 + 1:02}" for i in range(ROWS)]).target == (
        "kind_of_thing"
    )


def test_the_last_column_is_the_target_of_rows_where_it_stands_alone() -> None:
    schema = infer(width=[i * 1.5 for i in range(ROWS)], red=["y", "n"] * 30, species=LABELS)
    assert schema.target == "species"
    assert schema.problems[0].severity == "warning"


def test_an_unclear_target_is_not_guessed_and_candidates_are_named() -> None:
    schema = infer(body=TEXTS, topic_of_it=LABELS, colour=["red", "blue"] * 30)
    assert schema.target is None
    assert schema.problems[0].code == "no-target"
    assert "topic_of_it, colour" in schema.problems[0].detail
    flags = infer(width=[i * 1.5 for i in range(ROWS)], a=["0", "1"] * 30, b=["1", "0"] * 30)
    assert flags.target is None


def test_the_plan_decides() -> None:
    plan = DataPlan(target="colour", text=("body",), ignore=("secret",), group="colour2")
    two = {"colour": ["red", "blue"] * 30, "colour2": ["a", "b", "c"] * 20}
    schema = infer(plan, body=TEXTS, title=TEXTS[::-1], label=LABELS, secret=LABELS, **two)
    assert {column.name: column.role for column in schema.columns} == {
        "body": "text",
        "title": "empty",
        "label": "category",
        "secret": "empty",
        "colour": "target",
        "colour2": "group",
    }


@pytest.mark.parametrize(
    "plan", [DataPlan(target="Lable"), DataPlan(text=("lable",)), DataPlan(ignore=("lable",)), DataPlan(group="lable")]
)
def test_a_column_that_is_not_there_names_near_ones_and_all(plan: DataPlan) -> None:
    with pytest.raises(DataError) as caught:
        infer(plan, text=TEXTS, label=LABELS)
    assert caught.value.code == "no-such-column"
    assert "Did you mean label?" in caught.value.fix
    assert "text, label" in caught.value.found


def test_duplicate_names_are_refused() -> None:
    with pytest.raises(DataError) as caught:
        infer_schema(pa.table([pa.array(["a"]), pa.array(["b"])], names=["x", "x"]), DataPlan())
    assert caught.value.code == "duplicate-columns"


def test_words_among_numbers_are_counted_over_all_rows() -> None:
    weights = [str(i * 1.5) for i in range(50)] + ["see invoice"] * 10
    schema = infer(text=TEXTS, label=LABELS, weight=weights)
    problem = next(problem for problem in schema.problems if problem.code == "mixed-types")
    assert (problem.column, problem.rows) == ("weight", 10)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ([None] * ROWS, "target-missing"),
        (["same"] * ROWS, "target-one-value"),
        ([f"label {i}" for i in range(ROWS)], "target-all-distinct"),
    ],
)
def test_a_target_that_cannot_be_learnt_is_an_error_problem(values: list[object], code: str) -> None:
    schema = infer(DataPlan(target="it"), text=TEXTS, it=pa.array(values, pa.string()))
    assert [(problem.code, problem.severity) for problem in schema.problems] == [(code, "error")]


def test_a_quantity_may_be_all_distinct() -> None:
    schema = infer(DataPlan(target="it"), text=TEXTS, it=[str(i * 1.25) for i in range(ROWS)])
    assert schema.problems == ()
    assert schema.column("it").content == "number"
