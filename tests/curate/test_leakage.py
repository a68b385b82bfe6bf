"""Leakage: planted copies, groups, times and columns are found; clean tables give none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from metier.curate import leakage
from metier.curate.findings import Finding

from .conftest import MaterialOf

WORDS = ["river", "stone", "cloud", "forest", "meadow", "island", "valley", "desert", "harbour", "mountain", "glacier"]


def texts(count: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, 9)) for _ in range(count)]


def table(rows: int, seed: int = 0, **more: Any) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    return {
        "amount": rng.lognormal(3, 1, rows).round(3),
        "weight": x.round(4),
        "region": rng.choice(list("NESW"), rows),
        "bought": np.where(x + rng.normal(size=rows) > 0, "yes", "no"),
        **more,
    }


def of(findings: tuple[Finding, ...], how: str) -> list[Finding]:
    return [one for one in findings if one.facts["how"] == how]


def test_rows_in_both_files_are_told_of_the_test_row_and_dropped_from_training(material_of: MaterialOf) -> None:
    some = texts(100)
    near = some[5][:20] + "q" + some[5][20:]
    material = material_of(
        {"text": some, "label": ["a", "b"] * 50},
        {"text": ["nothing of the kind", some[3].upper(), near], "label": ["a", "a", "b"]},
        target="label",
        kind="text-classification",
    )
    assert material.test is not None
    answer = leakage.ask(material)
    held = {one.row: one for one in answer.findings if one.file == material.test.file}
    assert {row: (one.related, one.facts["how"], one.facts["conflict"]) for row, one in held.items()} == {
        1: ((3,), "exact", True),
        2: ((5,), "near", False),
    }
    assert {one.action for one in held.values()} == {"keep"}
    trained = {one.row: one for one in answer.findings if one.file == material.train.file}
    assert {row: (one.action, one.facts["held_out_rows"]) for row, one in trained.items()} == {
        3: ("drop", [1]),
        5: ("drop", [2]),
    }
    assert answer.facts["copies"] == {"test": 2, "split": 0}


def test_every_copy_on_either_side_is_found(material_of: MaterialOf) -> None:
    some = texts(60)
    near = some[0][:20] + "q" + some[0][20:]
    material = material_of(
        {"text": [*some, some[0], some[0], some[0]], "label": ["a", "b"] * 30 + ["a"] * 3},
        {"text": [some[0], near, some[0], "quite another thing"], "label": ["a"] * 4},
        target="label",
        kind="text-classification",
    )
    assert material.test is not None
    answer = leakage.ask(material)
    assert {one.row for one in answer.findings if one.file == material.test.file} == {0, 1, 2}
    assert {one.row for one in answer.findings if one.file == material.train.file} == {0, 60, 61, 62}


def test_copies_across_the_tables_own_split(material_of: MaterialOf) -> None:
    some = texts(100)
    some[80] = some[2] + "!"
    where = ["train"] * 70 + ["validation"] * 20 + ["test"] * 10
    material = material_of(
        {"text": some, "label": ["a", "b"] * 50, "split": where}, target="label", kind="text-classification"
    )
    answer = leakage.ask(material)
    assert {(one.row, one.action) for one in answer.findings} == {(80, "keep"), (2, "drop")}


@pytest.mark.parametrize("seed", range(4))
def test_a_clean_table_gives_no_finding(material_of: MaterialOf, seed: int) -> None:
    train, test = table(800, seed, case=range(1, 801)), table(200, seed + 50, case=range(1, 201))
    answer = leakage.ask(material_of(train, test, target="bought", kind="rows"))
    assert not answer.findings
    assert answer.facts["columns"][0]["column"] == "weight"
    assert 0.05 < answer.facts["columns"][0]["told"] < 0.5


def test_groups_on_both_sides(material_of: MaterialOf) -> None:
    train = table(400, customer=[f"c{at % 100}" for at in range(400)])
    test = table(100, 1, customer=[f"c{at + 75}" for at in range(100)])
    answer = leakage.ask(material_of(train, test, target="bought", kind="rows", group="customer"))
    (found,) = of(answer.findings, "group")
    assert found.row is None
    assert found.score == pytest.approx(0.25)
    assert answer.facts["groups"] == {"column": "customer", "shared": 25, "rows": 25, "share": 0.25}


def test_test_rows_older_than_the_training_rows(material_of: MaterialOf) -> None:
    day = np.datetime64("2024-01-01")
    train = table(300, opened=[str(day + at) for at in range(300)])
    later = table(100, 1, opened=[str(day + 300 + at) for at in range(100)])
    mixed = table(100, 1, opened=[str(day + 250 + at) for at in range(100)])
    assert not of(leakage.ask(material_of(train, later, target="bought", kind="rows")).findings, "time")
    (found,) = of(leakage.ask(material_of(train, mixed, target="bought", kind="rows")).findings, "time")
    assert found.facts["older"] == 49
    assert found.score == pytest.approx(0.49)


@pytest.mark.parametrize("how", ["level", "missing", "number"])
def test_a_column_that_is_the_answer(material_of: MaterialOf, how: str) -> None:
    rng = np.random.default_rng(0)
    train = table(600)
    yes = train["bought"] == "yes"
    train["closed"] = {
        "level": np.where(yes, "paid", "void").tolist(),
        "missing": [f"agent {rng.integers(5)}" if one else "" for one in yes],
        "number": np.where(yes, rng.normal(8, 1, 600), rng.normal(-8, 1, 600)).round(3).tolist(),
    }[how]
    (found,) = of(leakage.ask(material_of(train, target="bought", kind="rows")).findings, "column")
    assert (found.column, found.action) == ("closed", "review")
    assert found.score > 0.9
    assert "--ignore" in found.detail


def test_a_column_that_is_the_quantity_in_another_unit(material_of: MaterialOf) -> None:
    rng = np.random.default_rng(0)
    price = rng.lognormal(5, 1, 600)
    train = {**table(600), "price": price.round(2), "price_in_cents": (100 * price).round(0)}
    del train["bought"]
    found = of(leakage.ask(material_of(train, target="price", kind="rows")).findings, "column")
    assert [one.column for one in found] == ["price_in_cents"]


def test_a_value_that_is_always_one_label(material_of: MaterialOf) -> None:
    rng = np.random.default_rng(0)
    rows = 2000
    fails = rng.random(rows) < 0.1
    flag = np.where(fails & (rng.random(rows) < 0.4), "1", "0")
    train = {"load": rng.normal(size=rows).round(3), "flag": flag, "fails": np.where(fails, "yes", "no")}
    (found,) = of(leakage.ask(material_of(train, target="fails", kind="rows")).findings, "column")
    assert found.column == "flag"
    assert found.facts["pure_rows"] == (flag == "1").sum()
    assert "always 'yes'" in found.detail


def test_one_column_better_than_the_linear_rung_on_all(material_of: MaterialOf) -> None:
    train = table(1500)
    rng = np.random.default_rng(3)
    train["dial"] = rng.uniform(-3, 3, 1500).round(3)
    train["bought"] = np.where((np.abs(train["dial"]) < 1.5) ^ (rng.random(1500) < 0.05), "yes", "no")
    (found,) = of(leakage.ask(material_of(train, target="bought", kind="rows")).findings, "column")
    assert found.column == "dial"
    assert "linear" in found.detail
    assert found.facts["over_linear"]["low"] > 0


def test_identifiers_that_follow_the_label(material_of: MaterialOf) -> None:
    train = {"text": texts(400), "ticket_id": [f"T-{at:05}" for at in range(400)], "label": ["a"] * 200 + ["b"] * 200}
    answer = leakage.ask(material_of(train, target="label", kind="text-classification"))
    (found,) = of(answer.findings, "column")
    assert (found.column, found.action) == ("ticket_id", "keep")
    assert answer.facts["order"] > 0.8


def test_dates_that_follow_the_label(material_of: MaterialOf) -> None:
    day = np.datetime64("2024-01-01")
    train = {"text": texts(400), "sent": [str(day + at) for at in range(400)], "label": ["a"] * 200 + ["b"] * 200}
    found = of(leakage.ask(material_of(train, target="label", kind="text-classification")).findings, "column")
    assert [one.column for one in found] == ["sent"]


def test_a_handful_of_rows_is_no_trouble(material_of: MaterialOf) -> None:
    train = {"text": ["a b c", "d e f"], "label": ["x", "y"]}
    answer = leakage.ask(material_of(train, train, target="label", kind="text-classification", text=("text",)))
    assert answer.facts["copies"]["test"] == 2
    assert answer.facts["columns"] == []
