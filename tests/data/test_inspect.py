"""inspect: the whole picture of a table as plain JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from metier.data.dataset import Schema
from metier.data.inspect import inspect
from metier.data.read import read
from metier.plan import Plan


def words(texts: Sequence[str]) -> np.ndarray:
    return np.array([len(text.split()) for text in texts])


def kind(schema: Schema) -> tuple[Any, Any]:
    return SimpleNamespace(name="text-classification"), SimpleNamespace(why="one text, some labels")


def look(tmp_path: Path, rows: list[tuple[str, str]], **plan: Any) -> dict[str, Any]:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps({"text": text, "label": label}) for text, label in rows))
    chosen = Plan.of(**plan)
    found = inspect(read(path, chosen.data, tmp_path / "cache"), chosen, words, 8, kind)
    json.dumps(found, allow_nan=False)
    return found


def problem(found: dict[str, Any], code: str) -> dict[str, Any]:
    return next(item for item in found["problems"] if item["code"] == code)


def ordinary(count: int) -> list[tuple[str, str]]:
    return [(f"where is my parcel number {i}", f"label_{i % 3}") for i in range(count)]


def test_an_ordinary_table_has_no_problems_but_the_guess(tmp_path: Path) -> None:
    found = look(tmp_path, ordinary(60))
    assert (found["rows"], found["target"], found["task"]) == (60, "label", "text-classification")
    assert [(column["name"], column["role"]) for column in found["columns"]] == [("text", "text"), ("label", "target")]
    assert found["labels"] == [{"label": f"label_{i}", "rows": 20} for i in range(3)]
    assert [item["code"] for item in found["problems"]] == ["target-guessed"]


def test_token_lengths_are_counted_and_so_is_what_will_be_cut(tmp_path: Path) -> None:
    found = look(tmp_path, [*ordinary(60), ("word " * 9, "label_0"), ("word " * 40, "label_1")])
    tokens = found["tokens"]
    assert (tokens["limit"], tokens["truncated"], tokens["longest"]) == (8, 2, 40)
    assert sum(item["rows"] for item in tokens["histogram"]) == 62
    assert tokens["histogram"][0] == {"from": 0, "to": 7, "rows": 60}


def test_what_will_hurt_is_counted(tmp_path: Path) -> None:
    rows = ordinary(200)
    rows += [("same old question here", "label_0"), ("Same old  question here", "label_1")]
    rows += [("quite alone in the world", "rare"), ("  ", "label_0"), ("", "label_1"), ("no label for me here", "")]
    rows += [
        ("cafÃ© au lait bitte sehr", "Label_0 "),
        ("bell \x07 rings all day", "label_2"),
        ("long " * 9000, "label_2"),
    ]
    found = look(tmp_path, rows)
    assert problem(found, "duplicates")["rows"] == 1
    assert problem(found, "contradictions")["rows"] == 2
    assert problem(found, "single-example")["rows"] == 2
    assert "'Label_0 '" in problem(found, "similar-labels")["detail"]
    assert problem(found, "missing-text")["rows"] == 1
    assert problem(found, "blank-text")["rows"] == 1
    assert problem(found, "target-gaps")["rows"] == 1
    assert problem(found, "mojibake")["rows"] == 1
    assert problem(found, "control-characters")["rows"] == 1
    assert problem(found, "very-long-text")["rows"] == 1
    assert problem(found, "skewed-labels")["rows"] == 69
    severities = [item["severity"] for item in found["problems"]]
    assert severities == sorted(severities, key=["error", "warning", "note"].index)


def test_texts_that_repeat_beside_many_columns_do_not_make_a_task_of_texts(tmp_path: Path) -> None:
    loans = Path(__file__).parents[2] / "examples" / "credit" / "loans.csv"
    dataset = read(loans, Plan().data, tmp_path / "tables")
    assert inspect(dataset, Plan())["task"] == "rows"
    tickets = read(loans.parents[1] / "support" / "tickets.csv", Plan().data, tmp_path / "tables")
    assert inspect(tickets, Plan())["task"] == "text-classification"


def test_an_impossible_target_is_shown_first(tmp_path: Path) -> None:
    found = look(tmp_path, [(text, "same") for text, _ in ordinary(20)], target="label")
    assert (found["problems"][0]["code"], found["problems"][0]["severity"]) == ("target-one-value", "error")


def test_a_quantity_has_a_histogram_instead_of_labels(tmp_path: Path) -> None:
    found = look(tmp_path, [(text, str(i * 1.5)) for i, (text, _) in enumerate(ordinary(50))], target="label")
    assert found["labels"] == []
    assert (found["quantity"]["least"], found["quantity"]["largest"]) == (0, 73.5)
    assert sum(item["rows"] for item in found["quantity"]["histogram"]) == 50


def test_without_a_target_candidates_are_listed_and_the_rest_still_works(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "body,colour,shape\n" + "".join(f"some words about thing {i},c{i % 2},s{i % 3}\n" for i in range(40))
    )
    plan = Plan()
    found = inspect(read(path, plan.data, tmp_path / "cache"), plan)
    assert (found["target"], found["task"], found["tokens"], found["labels"]) == (None, None, None, [])
    assert "colour, shape" in problem(found, "no-target")["detail"]


def test_the_kinds_of_task_are_asked_when_none_is_given(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in ordinary(30)))
    plan = Plan()
    assert inspect(read(path, plan.data, tmp_path / "cache"), plan)["task"] == "text-classification"
