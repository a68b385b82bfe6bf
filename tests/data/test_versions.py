"""Versions: what a workspace has read, and what differs between two contents; shifts as rates over many draws."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metier.data.dataset import Dataset
from metier.data.difference import match
from metier.data.read import read
from metier.data.shift import Chance, Pairs, Shift, holm, of_shares, of_values
from metier.data.versions import diff, find, note, versions
from metier.errors import DataError
from metier.plan import Plan
from metier.workspace import Workspace

Row = tuple[Any, ...]


@pytest.fixture
def home(tmp_path: Path) -> Workspace:
    place = Workspace(tmp_path / "home")
    place.prepare()
    return place


def write(path: Path, header: str, rows: Iterable[Row]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header.split(","))
        writer.writerows(rows)
    return path


def opened(path: Path, home: Workspace, **choices: Any) -> Dataset:
    return read(path, Plan.of(**choices).data, home.cache / "tables")


def compared(home: Workspace, a: Path, b: Path, identifier: str | None = None, **choices: Any) -> dict[str, Any]:
    plan = Plan.of(**choices)
    found = diff(opened(a, home, **choices), opened(b, home, **choices), plan, identifier).as_json()
    return json.loads(json.dumps(found))


def tickets(rows: int) -> list[Row]:
    return [(f"text {i} of a customer", "ab"[i % 2]) for i in range(rows)]


# ------------------------------------------------------------------------------------------------------------ matching


def test_rows_are_matched_by_content_however_they_are_ordered(home: Workspace, tmp_path: Path) -> None:
    rows = tickets(60)
    other = list(reversed(rows[10:]))
    other[0] = (other[0][0], "c")
    other[1] = (other[1][0].upper(), other[1][1])
    found = compared(
        home,
        write(tmp_path / "a.csv", "text,label", rows),
        write(tmp_path / "b.csv", "text,label", [*other, ("brand new here", "a")]),
        target="label",
    )
    assert found["rows"] == {"same": 48, "added": 1, "removed": 10, "changed": 1, "relabelled": 1}
    assert (found["removed"], found["added"]) == (list(range(10)), [50])
    assert found["relabelled"] == [{"a": 59, "b": 0, "from": "b", "to": "c"}]
    assert found["label_moves"] == [{"from": "b", "to": "c", "rows": 1}]
    assert found["changed"] == [{"a": 58, "b": 1}]


def test_copies_are_counted_one_by_one(home: Workspace, tmp_path: Path) -> None:
    one = [("the same text", "a")] * 3 + tickets(20)
    other = [("the same text", "a")] * 1 + [("the same text", "b")] + tickets(20)
    a, b = write(tmp_path / "a.csv", "text,label", one), write(tmp_path / "b.csv", "text,label", other)
    found = compared(home, a, b, target="label")["rows"]
    assert found == {"same": 21, "added": 0, "removed": 1, "changed": 0, "relabelled": 1}


def test_an_id_column_tells_changed_texts_and_a_row_number_is_not_believed(home: Workspace, tmp_path: Path) -> None:
    rows = [(f"T{i:04d}x", *row) for i, row in enumerate(tickets(60))]
    other = [row if i != 7 else (row[0], "wholly new words here", row[2]) for i, row in enumerate(rows)][1:]
    a = write(tmp_path / "a.csv", "ticket_id,text,label", rows)
    b = write(tmp_path / "b.csv", "ticket_id,text,label", other)
    found = compared(home, a, b, target="label")
    assert (found["matched_by"], found["rows"]["changed"], found["rows"]["removed"]) == ("ticket_id", 1, 1)
    assert found["changed"] == [{"a": 7, "b": 6}]

    numbered = [(i, *row[1:]) for i, row in enumerate(rows)]
    again = [(i, *row[1:]) for i, row in enumerate(rows[1:])]
    a = write(tmp_path / "c.csv", "index,text,label", numbered)
    b = write(tmp_path / "d.csv", "index,text,label", again)
    found = compared(home, a, b, target="label")
    assert (found["matched_by"], found["rows"]["removed"], found["rows"]["changed"]) == ("content", 1, 0)
    forced = compared(home, a, b, identifier="index", target="label")
    assert (forced["matched_by"], forced["rows"]["changed"]) == ("index", 59)
    with pytest.raises(DataError) as caught:
        compared(home, a, b, identifier="label", target="label")
    assert caught.value.code == "id-repeats"


def test_columns_that_came_went_or_changed_kind_are_told(home: Workspace, tmp_path: Path) -> None:
    a = write(
        tmp_path / "a.csv",
        "text,label,size,old",
        [(*row, i % 7, "x y"[:: i % 2 + 1]) for i, row in enumerate(tickets(40))],
    )
    b = write(
        tmp_path / "b.csv", "text,label,size,new", [(*row, "SML"[i % 3], i % 2) for i, row in enumerate(tickets(40))]
    )
    found = compared(home, a, b, target="label")
    assert [column["name"] for column in found["columns"]["added"]] == ["new"]
    assert [column["name"] for column in found["columns"]["removed"]] == ["old"]
    assert [(c["name"], c["from"], c["to"]) for c in found["columns"]["retyped"]] == [
        ("size", "string (number)", "string (category)")
    ]
    c = write(tmp_path / "c.csv", "other,columns", [(i, "u v"[:: i % 2 + 1]) for i in range(20)])
    with pytest.raises(DataError) as caught:
        compared(home, a, c)
    assert caught.value.code == "nothing-in-common"


def test_a_version_does_not_differ_from_itself(home: Workspace, tmp_path: Path) -> None:
    a = write(tmp_path / "a.csv", "text,label,age", [(*row, i % 50) for i, row in enumerate(tickets(200))])
    found = compared(home, a, a, target="label")
    assert found["rows"] == {"same": 200, "added": 0, "removed": 0, "changed": 0, "relabelled": 0}
    assert {shift["what"] for shift in found["shifts"]} == {"length", "label", "number"}
    for shift in found["shifts"]:
        assert (shift["statistic"], shift["p_value"], shift["shifted"]) == (0, 1, False)
        assert all(change["low"] == change["high"] == 0 for change in shift["changes"])


@given(st.lists(st.integers(0, 5), max_size=30), st.lists(st.integers(0, 5), max_size=30))
def test_matching_takes_as_many_pairs_as_there_are_and_each_row_once(one: list[int], other: list[int]) -> None:
    a, b = np.array(one, np.uint64), np.array(other, np.uint64)
    left, right = match(a, b)
    assert (a[left] == b[right]).all()
    assert len(set(left.tolist())) == len(set(right.tolist())) == len(left)
    assert len(left) == sum((Counter(one) & Counter(other)).values())


# -------------------------------------------------------------------------------------------------------------- shifts


def drawn(rng: np.random.Generator, kept: int, gone: int, come: int, moved: int, new: Callable[[int], Any]) -> Any:
    """(before, after, pairs) of standard normals; rows that come, and half of the new values of moved ones, by `new`."""
    stay = rng.normal(size=kept)
    old, fresh = rng.normal(size=moved), rng.normal(size=moved)
    before = np.concatenate([stay, old, rng.normal(size=gone)])
    after = np.concatenate([stay, fresh, new(come)])
    both = np.arange(kept + moved)
    return before, after, Pairs(both, both)


LAYOUTS = [(300, 100, 150, 0), (300, 0, 150, 0), (0, 200, 200, 0), (300, 50, 50, 60)]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_without_a_shift_alarms_are_as_rare_as_said(layout: tuple[int, int, int, int]) -> None:
    """At level .95, over 150 seeds: 5% expected; 17 or more has a chance of .0014."""
    alarms = {"values": 0, "shares": 0}
    for seed in range(150):
        rng = np.random.default_rng(seed)
        before, after, pairs = drawn(rng, *layout, lambda n, rng=rng: rng.normal(size=n))
        alarms["values"] += of_values("number", "x", before, after, pairs, Chance(0.95, seed, 99)).p_value <= 0.05
        codes = [np.digitize(side, [-0.5, 0.5, 1.5]).astype(np.int64) for side in (before, after)]
        alarms["shares"] += of_shares("label", "y", *codes, list("abcd"), pairs, Chance(0.95, seed, 99)).p_value <= 0.05
    assert max(alarms.values()) < 17
    assert min(alarms.values()) > 0


def test_a_shift_among_the_rows_that_came_is_seen_behind_many_that_stayed() -> None:
    """150 rows moved by .8 sd among 3,000 that stayed: two independent samples would hardly show it."""
    seen = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        before, after, pairs = drawn(rng, 3000, 0, 150, 0, lambda n, rng=rng: rng.normal(0.8, size=n))
        seen += of_values("number", "x", before, after, pairs, Chance(0.95, seed, 99)).p_value <= 0.05
    assert seen >= 38


@pytest.mark.parametrize("layout", LAYOUTS)
def test_intervals_hold_the_true_difference_as_often_as_said(layout: tuple[int, int, int, int]) -> None:
    """Rows that come are of another kind; over 300 seeds 95% of the intervals cover, 90.3% or less has a chance of .0006."""
    kept, _, come, moved = layout
    part = come / (kept + come + moved)
    covered = {"mean": 0, "share": 0}
    for seed in range(300):
        rng = np.random.default_rng(seed)
        before, after, pairs = drawn(rng, *layout, lambda n, rng=rng: rng.normal(0.5, size=n))
        mean = of_values("number", "x", before, after, pairs, Chance(draws=1)).changes[0]
        covered["mean"] += mean.low <= 0.5 * part <= mean.high
        codes = [(side > 0).astype(np.int64) for side in (before, after)]
        share = next(
            c
            for c in of_shares("label", "y", *codes, ["no", "yes"], pairs, Chance(draws=1)).changes
            if c.value == "yes"
        )
        covered["share"] += share.low <= 0.19146 * part <= share.high
    assert min(covered.values()) > 0.905 * 300


def test_relabelled_rows_that_move_one_way_are_a_shift_and_both_ways_are_none() -> None:
    before = np.repeat([0, 1], 500)
    both = Pairs(np.arange(1000), np.arange(1000))
    one_way, both_ways = before.copy(), before.copy()
    one_way[:20] = 1
    both_ways[490:510] = 1 - before[490:510]
    assert of_shares("label", "y", before, one_way, ["no", "yes"], both, Chance()).p_value <= 0.001
    assert of_shares("label", "y", before, both_ways, ["no", "yes"], both, Chance()).p_value == 1


def test_missing_cells_are_not_counted() -> None:
    before, after = np.array([0, 0, 1, -1]), np.array([0, 0, -1, 1])
    both = Pairs(np.arange(4), np.arange(4))
    shares = {
        c.value: (c.rows_before, c.rows_after)
        for c in of_shares("label", "y", before, after, "ab", both, Chance()).changes
    }
    assert shares == {"a": (2, 2), "b": (1, 1)}
    nothing = np.full(3, -1)
    assert of_shares("label", "y", nothing, nothing, "ab", Pairs(np.arange(3), np.arange(3)), Chance()).p_value == 1
    gaps = np.array([1.0, np.nan, 3.0])
    change = of_values(
        "number", "x", gaps, np.array([1.0, 2.0, np.nan]), Pairs(np.arange(3), np.arange(3)), Chance()
    ).changes[0]
    assert (change.before, change.after, change.rows_before, change.rows_after) == (2.0, 1.5, 2, 2)


def test_p_values_are_corrected_as_holm_says() -> None:
    told = holm([Shift("number", str(p), 0.1, p) for p in (0.04, 0.01, 0.03)], 0.95)
    assert [round(shift.adjusted, 6) for shift in told] == [0.06, 0.03, 0.06]
    assert [shift.shifted for shift in told] == [False, True, False]


# ------------------------------------------------------------------------------------------------------------ registry


def test_every_content_read_is_a_version_and_is_found_again(home: Workspace, tmp_path: Path) -> None:
    path = write(tmp_path / "tickets.csv", "text,label", tickets(20))
    first = opened(path, home)
    opened(path, home)
    write(path, "text,label", tickets(30))
    second = opened(path, home)
    listed = versions(home)
    assert [(item.reference, item.rows, item.kept) for item in listed] in (
        [("tickets@1", 20, True), ("tickets@2", 30, True)],
        [("tickets@1", 30, True), ("tickets@2", 20, True)],  # read within one second
    )
    assert {item.sha256 for item in listed} == {first.source.sha256, second.source.sha256}
    assert dict(listed[0].columns) == {"text": "string", "label": "string"}
    for item in listed:
        for reference in (item.reference, item.sha256[:12]):
            again = find(reference, home, Plan())
            assert (again.source.sha256, len(again)) == (item.sha256, item.rows)
    assert find("tickets", home, Plan()).source.sha256 == listed[-1].sha256
    assert find(str(path), home, Plan()).source.sha256 == second.source.sha256


def test_what_was_curated_says_from_what(home: Workspace, tmp_path: Path) -> None:
    raw = opened(write(tmp_path / "raw.csv", "text,label", tickets(20)), home)
    clean = opened(write(tmp_path / "clean.csv", "text,label", tickets(19)), home)
    note(clean, home.cache / "tables", curated_from=raw.source.sha256)
    opened(tmp_path / "clean.csv", home)
    assert {item.name: item.curated_from for item in versions(home)} == {"raw": None, "clean": raw.source.sha256}
    assert {item.name: item.kept for item in versions(home)} == {"raw": True, "clean": True}


def test_versions_that_are_gone_or_not_there_are_told(home: Workspace, tmp_path: Path) -> None:
    path = write(tmp_path / "tickets.csv", "text,label", tickets(20))
    opened(path, home)
    for file in (home.cache / "tables").iterdir():
        file.unlink()
    assert [item.kept for item in versions(home)] == [False]
    assert len(find("tickets@1", home, Plan())) == 20  # read again where it was
    for file in (home.cache / "tables").iterdir():
        file.unlink()
    path.unlink()
    codes = {"tickets@1": "version-gone", "tickets@9": "no-such-version", "0123456789": "no-such-version"}
    for reference, code in {**codes, "nowhere.csv": "no-such-file"}.items():
        with pytest.raises(DataError) as caught:
            find(reference, home, Plan())
        assert (caught.value.code, bool(caught.value.fix)) == (code, True)


def test_finished_runs_count_as_read_and_broken_notes_do_not(home: Workspace, tmp_path: Path) -> None:
    dataset = opened(write(tmp_path / "tickets.csv", "text,label", tickets(20)), home)
    run = home.runs / "20260101-000000-tickets"
    run.mkdir()
    (run / "data.json").write_text(json.dumps({"train": dataset.record(), "test": None}))
    (home.runs / "broken").mkdir()
    (home.runs / "broken" / "data.json").write_text("{")
    assert len(versions(home)) == 1
    for file in (home.root / "versions").iterdir():
        file.unlink()
    assert [(item.reference, item.rows, item.target) for item in versions(home)] == [("tickets@1", 20, "label")]
    (home.root / "versions" / "x.json").write_text("[]")
    assert len(versions(home)) == 1


def test_the_commands_answer_in_words_and_in_json(metier: Any, tmp_path: Path) -> None:
    place = ("--workspace", tmp_path / "home")
    assert "nothing" in metier("data", "list", *place).out
    a = write(tmp_path / "tickets.csv", "text,label", tickets(40))
    b = write(tmp_path / "later.csv", "text,label", [*tickets(39), ("new words", "a")])
    answer = metier("data", "diff", a, b, "--target", "label", *place, "--json")
    assert (answer.code, answer.json["rows"]["added"], answer.json["rows"]["removed"]) == (0, 1, 1)
    assert {"value", "before", "after", "difference", "low", "high"} <= set(answer.json["shifts"][0]["changes"][0])
    listed = metier("data", "list", *place, "--json").json["versions"]
    assert [item["version"] for item in listed] == ["later@1", "tickets@1"]
    told = metier("data", "diff", "tickets@1", "later@1", *place)
    assert (told.code, "39" in told.out, "added" in told.out) == (0, True, True)
    assert metier("data", "diff", "tickets@1", "nothing@1", *place).code == 1
