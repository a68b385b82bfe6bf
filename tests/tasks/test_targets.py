"""The target column: what it suggests, its codes, what is missing, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from metier.data.dataset import Column, Dataset, Schema, Source
from metier.errors import DataError
from metier.plan import Plan
from metier.tasks import targets
from metier.tasks.classes import Classes
from metier.tasks.quantity import Quantity

PLAN = Plan()


def table(target: str | None = "label", roles: dict[str, str] | None = None, **columns: Any) -> Dataset:
    """A dataset of these columns; roles as given, else text."""
    roles = {**({target: "target"} if target in columns else {}), **(roles or {})}
    described = []
    for name, values in columns.items():
        plain = [str(value) for value in values if value is not None]
        role: Any = roles.get(name, "text")
        missing = len(values) - len(plain)
        described.append(Column(name, role, "", missing, len(set(plain)), tuple(dict.fromkeys(plain))[:5]))
    arrays = {name: values if isinstance(values, pa.Array) else pa.array(values) for name, values in columns.items()}
    return Dataset(
        pa.table(arrays), Schema(tuple(described), target if target in columns else None), Source("", "", 0, "memory")
    )


def refused(dataset: Dataset, kind: str = "classes", target: Any = None) -> DataError:
    with pytest.raises(DataError) as caught:
        targets.read(dataset, kind, target)
    return caught.value


# ------------------------------------------------------------------------------------------------------------ suggestion


@pytest.mark.parametrize(
    ("values", "number", "suggested"),
    [
        (["yes", "no", "yes"], False, "classes"),
        (["1", "2", "3"], True, "classes"),
        ([str(n) for n in range(30)], True, "quantity"),
        ([f"{n}.5" for n in range(30)], True, "quantity"),
        ([f"word {n}" for n in range(30)], False, "classes"),
        ([None, None], False, "classes"),
    ],
)
def test_what_a_target_suggests(values: list[str | None], number: bool, suggested: str) -> None:
    schema = table(label=values).schema
    assert targets.is_number(schema) == number
    assert targets.suggested(schema) == suggested


# --------------------------------------------------------------------------------------------------------------- classes


def test_labels_become_codes_and_missing_ones_are_marked() -> None:
    found = targets.read(table(label=["b", None, "a", "b"]), "classes", None)
    assert isinstance(found.target, Classes)
    assert found.target.labels == ("a", "b")
    assert found.codes.tolist() == [1, -1, 0, 1]
    assert found.missing.tolist() == [False, True, False, False]
    assert found.known


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1, 0, 1, None]),
        pa.array([True, False, True, None]),
        pa.array(["x", "y", "x", None]).dictionary_encode(),
        pa.array([1.0, 0.0, 1.0, float("nan")]),
    ],
)
def test_typed_columns_are_labels_too(values: pa.Array) -> None:
    found = targets.read(table(label=values), "classes", None)
    assert found.target.width == 2
    assert found.codes[0] == found.codes[2] != found.codes[1]
    assert found.missing.tolist() == [False, False, False, True]
    assert found.codes[3] == -1


def test_an_experts_own_labels_keep_their_codes() -> None:
    own = Classes(("a", "b", "c"))
    found = targets.read(table(label=["c", "a", None]), "classes", own)
    assert found.target is own
    assert found.codes.tolist() == [2, 0, -1]


def test_labels_the_expert_never_saw_are_counted_and_named() -> None:
    error = refused(table(label=["a", "new", "other", "new", None]), target=Classes(("a", "b")))
    assert error.code == "unknown-labels"
    assert "3 rows with 2 labels" in error.found
    assert "'new' (2)" in error.found


def test_without_the_target_column_nothing_is_known() -> None:
    for own, unknown in ((Classes(("a", "b")), [-1, -1]), (Quantity(), [None, None])):
        kind = own.kind
        found = targets.read(table(text=["one", "two"]), kind, own)
        assert not found.known
        assert found.missing.all()
        assert found.target.values(found.codes) == ([None, None] if unknown else [])


@pytest.mark.parametrize(
    ("values", "code"),
    [
        (["a", "a", None], "one-label"),
        ([None, None], "one-label"),
        ([f"id {n}" for n in range(40)], "all-distinct"),
        ([f"id {n}" for n in range(12)] + ["id 1"] * 5, "all-distinct"),
    ],
)
def test_targets_that_teach_nothing_are_refused(values: list[str | None], code: str) -> None:
    error = refused(table(label=values))
    assert error.code == code
    assert "'label'" in error.problem
    assert error.fix


def test_many_labels_that_repeat_are_fine() -> None:
    assert targets.read(table(label=[f"id {n % 20}" for n in range(60)]), "classes", None).target.width == 20


def test_no_target_at_all_is_a_clear_error() -> None:
    error = refused(table(text=["one"], other=["two"]))
    assert error.code == "no-target"
    assert "text, other" in error.found


# -------------------------------------------------------------------------------------------------------------- quantities


def test_numbers_become_values_and_what_is_none_is_missing() -> None:
    found = targets.read(table(label=["1", "2.5", None, "soon", "-3"]), "quantity", None)
    assert found.target.kind == "quantity"
    np.testing.assert_array_equal(found.codes, [1, 2.5, np.nan, np.nan, -3])
    assert found.missing.tolist() == [False, False, True, True, False]


def test_a_quantity_that_does_not_vary_is_refused() -> None:
    error = refused(table(label=["7", "7", None]), "quantity")
    assert (error.code, "7 in all 2 rows" in error.found) == ("one-value", True)
    assert targets.read(table(label=["7", "7"]), "quantity", Quantity()).known


def test_targets_come_back_from_their_records() -> None:
    for target in (Classes(("a", "b", "c")), Quantity("EUR", 3.0)):
        assert targets.from_record(target.record()) == target


# ------------------------------------------------------------------------------------------------------- groups and splits


def test_groups_are_the_group_column_or_the_plans() -> None:
    data = table(label=["a", "b", "a"], who=["x", "y", "x"], where=["n", "n", "s"], roles={"who": "group"})
    rows = np.array([0, 1, 2])
    found = targets.groups(data, PLAN, rows)
    assert found is not None
    assert found[0] == found[2] != found[1]
    other = targets.groups(data, Plan.of(group="where"), rows)
    assert other is not None
    assert other[0] == other[1] != other[2]
    assert targets.groups(table(label=["a", "b"]), PLAN, np.arange(2)) is None


def test_groups_follow_the_rows_asked_for() -> None:
    data = table(label=["a", "b", "a", "b"], who=["x", None, "x", None], roles={"who": "group"})
    found = targets.groups(data, PLAN, np.array([3, 0, 1]))
    assert found is not None
    assert found[0] == found[2] != found[1]


def test_a_split_column_is_read_by_its_usual_words() -> None:
    said = ["Train", " test ", "dev", "validation", "VAL", "training", None, "whatever"]
    data = table(label=["a", "b"] * 4, part=said, roles={"part": "split"})
    found = targets.assigned(data, np.arange(8))
    assert found is not None
    assert found.tolist() == ["train", "test", "validation", "validation", "validation", "train", "train", "train"]
    assert targets.assigned(data, np.array([1])).tolist() == ["test"]  # type: ignore[union-attr]
    assert targets.assigned(table(label=["a", "b"]), np.arange(2)) is None
