"""The whole comparison from the command line: JSON that is relied on, a page, advice, and tables without a base."""

from __future__ import annotations

from pathlib import Path

import pytest


def test_texts_are_compared_every_way(tiny_base: Path, ticket_rows, tmp_path: Path, metier) -> None:
    data = ticket_rows(260)
    words = ["compare", data, "--target", "intent", "--base", tiny_base, "--sizes", "3", "--repeats", "1"]
    words += ["--epochs", "2", "--time-limit", "none", "--price-per-hour", "3.6", "--workspace", tmp_path / "home"]
    answer = metier(*words, "--json")
    assert answer.code == 0, answer
    found = answer.json
    ways = {"majority", "linear", "generic", "frozen", "adapter", "scratch"}
    assert {point["way"] for point in found["curves"]} == ways
    assert all({"way", "rows", "metric", "value", "low", "high", "seconds"} <= set(point) for point in found["curves"])
    assert len(found["curves"]) == 3 * len(ways)
    assert all(point["low"] <= point["value"] <= point["high"] for point in found["curves"])
    assert found["recommended"] in ways
    assert isinstance(found["advice"], str)
    assert found["recommended"] != "majority"
    for one in found["standings"]:
        assert one["cost_per_million"] == pytest.approx(1e6 * one["seconds_per_prediction"] / 1000)
    assert {one["way"] for one in found["needed"]} == ways
    assert found["not_run"] == []
    page = Path(found["report"]).read_text(encoding="utf-8")
    assert "From scratch" in page
    assert "recommended" in page
    assert metier("verify", found["run"]).code == 0


def test_tables_are_compared_by_their_own_rungs_and_it_is_said(tmp_path: Path, metier) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(
        "amount,age,late\n" + "".join(f"{at % 50},{at % 7},{'yes' if at % 50 > 24 else 'no'}\n" for at in range(200))
    )
    words = ["compare", path, "--target", "late", "--sizes", "3", "--repeats", "1", "--workspace", tmp_path / "home"]
    answer = metier(*words, "--json")
    assert answer.code == 0, answer
    assert {point["way"] for point in answer.json["curves"]} == {"majority", "linear", "trees"}
    assert {one["way"] for one in answer.json["left_out"]} == {"generic", "frozen", "adapter", "scratch"}
    assert answer.json["recommended"] in ("linear", "trees")
    told = metier(*words)
    assert told.code == 0
    assert "left out: scratch" in told.out


def test_rows_without_labels_cannot_be_compared(tmp_path: Path, metier) -> None:
    path = tmp_path / "texts.csv"
    path.write_text("text\n" + "".join(f"my card {at} does not work at all today\n" for at in range(40)))
    answer = metier("compare", path, "--workspace", tmp_path / "home", "--json")
    assert answer.code == 1
    assert answer.json["error"]["code"] == "no-labels"
    assert "--target" in answer.json["error"]["fix"]
