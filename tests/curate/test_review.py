"""The review loop: what spreadsheets do to a file is seen through, and what can't be matched is listed, never applied."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metier import tasks
from metier.curate import review
from metier.curate.fates import resolve
from metier.curate.findings import Finding
from metier.curate.material import Material, Side
from metier.curate.shown import Shown
from metier.data.read import read
from metier.errors import DataError, UsageError
from metier.plan import Plan
from metier.trunk import base
from metier.trunk.features import Trunk

ROWS = [
    ("my card is gone", "card"),
    ("what is the fee", "fees"),
    ("my card is gone", "card"),
    ("=cmd|' /C calc'!A0", "fees"),
    ("write to jane.doe@example.com about my card", "card"),
    ("why this charge", "card"),
]
Lines = list[dict[str, str]]


def written_table(path: Path, rows: list[tuple[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "intent"), *rows])
    return path


def material_of(path: Path, tiny_base: Path) -> Material:
    plan = Plan.of(target="intent", header="yes", text=("text",), base=str(tiny_base))
    dataset = read(path, plan.data, path.parent / "cache")
    task = tasks.get("text-classification")
    return Material(task, Side(dataset, task.prepare(dataset, plan)), None, Trunk(base.find(str(tiny_base))), plan)


@pytest.fixture
def material(tmp_path: Path, tiny_base: Path) -> Material:
    return material_of(written_table(tmp_path / "a.csv", ROWS * 3), tiny_base)


@pytest.fixture
def findings(material: Material) -> list[Finding]:
    file = material.train.file
    hidden = "write to [EMAIL] about my card"
    return [
        Finding("duplicate", 2, file, 1.0, "The same text as row 0.", 0, "drop"),
        Finding("label_error", 5, file, 0.8, "Looks like fees.", "fees", "relabel", column="intent"),
        Finding("label_error", 3, file, 0.6, "Looks like card.", "card", "review", column="intent"),
        Finding("personal_data", 4, file, 0.9, "An e-mail address.", hidden, "rewrite", column="text"),
    ]


@pytest.fixture
def lines(material: Material, findings: list[Finding], tmp_path: Path) -> Lines:
    """review.csv as it goes out."""
    fates = resolve(findings, file=material.train.file, rows=18, set_aside={}, apply=False)
    assert review.write(tmp_path / "review.csv", findings, fates, material, Shown(material)) == 4
    with (tmp_path / "review.csv").open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def back(material: Material, findings: list[Finding], tmp_path: Path) -> Callable[..., review.Review]:
    """Saves edited lines as a spreadsheet would, and reads them back."""

    def save(lines: Lines, *, encoding: str = "utf-8", delimiter: str = ",", names: Any = None) -> review.Review:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, names or list(lines[0]), delimiter=delimiter, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(lines)
        (tmp_path / "edited.csv").write_bytes(text.getvalue().encode(encoding))
        return review.read(tmp_path / "edited.csv", "Ana", material, findings)

    return save


def decided(lines: Lines, **words: tuple[str, str]) -> Lines:
    """Lines with decisions by row: `decided(lines, r5=("relabel", "fees"))`."""
    out = []
    for line in lines:
        word, value = words.get(f"r{line['row']}", ("", ""))
        out.append({**line, "decision": word, "value": value})
    return out


def told(found: review.Review) -> dict[int, tuple[str, Any]]:
    return {row: (decision.word, decision.value) for row, decision in found.decisions.items()}


def test_what_goes_out_is_one_line_a_row_the_surest_first(lines: Lines) -> None:
    assert tuple(lines[0]) == review.COLUMNS
    assert [line["row"] for line in lines] == ["2", "4", "5", "3"]
    assert [line["proposal"] for line in lines] == ["drop", "rewrite", "relabel", "look at it"]
    assert (lines[0]["suggestion"], lines[2]["suggestion"]) == ("row 0", "fees")
    assert all(line["decision"] == line["value"] == "" for line in lines)


def test_nobody_s_address_goes_out_and_no_formula(lines: Lines) -> None:
    by_row = {line["row"]: line for line in lines}
    assert "jane" not in str(lines)
    assert by_row["3"]["text"].startswith("'=cmd")


def test_decisions_come_back_with_who_and_when(lines: Lines, back: Callable[..., review.Review]) -> None:
    found = back(decided(lines, r2=("keep", ""), r5=("relabel", ""), r3=("Relabel ", "card"), r4=("mask", "")))
    assert told(found) == {
        2: ("keep", None),
        5: ("relabel", "fees"),
        3: ("relabel", "card"),
        4: ("mask", {"text": "write to [EMAIL] about my card"}),
    }
    assert found.unmatched == ()
    assert {decision.reviewer for decision in found.decisions.values()} == {"Ana"}
    assert all(decision.at[:2] == "20" and "T" in decision.at for decision in found.decisions.values())
    assert len(found.sha256) == 64


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_encodings_delimiters_and_orders_do_not_matter(
    lines: Lines, back: Callable[..., review.Review], encoding: str, delimiter: str
) -> None:
    edited = decided(lines, r2=("drop", ""), r5=("relabel", "fees"))[::-1]
    names = ["value", "decision", "hash", "finding", "row"]  # columns lost and moved
    found = back(edited, encoding=encoding, delimiter=delimiter, names=names)
    assert told(found) == {2: ("drop", None), 5: ("relabel", "fees")}
    assert found.unmatched == ()


def test_a_row_number_that_became_a_date_is_listed_and_not_applied(
    lines: Lines, back: Callable[..., review.Review]
) -> None:
    edited = decided(lines, r2=("drop", ""), r5=("relabel", "fees"))
    edited[0]["row"] = "02.Jan"
    found = back(edited)
    assert told(found) == {5: ("relabel", "fees")}
    assert [(line["line"], line["row"]) for line in found.unmatched] == [(2, "02.Jan")]
    assert "no row number" in found.unmatched[0]["why"]


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("12", 12), ("12.0", 12), ("12,0", 12), ("1,204", 1204), ("1.204E+03", 1204), ("1,204E+03", 1204), ("1e6", 1000000),
        (" 7 ", 7), ("1 204", 1204), ("1.5", None), ("02-Jan", None), ("2026-01-02", None), ("", None), ("-1", None),
        ("1/2", None), ("TRUE", None),
    ],
)  # fmt: skip
def test_row_numbers_are_read_however_a_spreadsheet_writes_them(text: str, row: int | None) -> None:
    assert review.row_number(text) == row


@given(st.integers(0, 10**9))
def test_every_row_number_survives_the_usual_ways_to_write_it(row: int) -> None:
    for text in (str(row), f"{row}.0", f"{row:,}", f"{row:.12E}", f"{row:,}".replace(",", " ")):
        assert review.row_number(text) == row


def test_lines_whose_rows_were_shifted_match_nothing(lines: Lines, back: Callable[..., review.Review]) -> None:
    edited = decided(lines, r2=("drop", ""), r4=("drop", ""), r5=("drop", ""))
    numbers = [line["row"] for line in edited]
    for line, other in zip(edited, numbers[1:] + numbers[:1], strict=True):
        line["row"] = other
    found = back(edited)
    assert found.decisions == {}
    assert len(found.unmatched) == 3
    assert all("hash" in line["why"] for line in found.unmatched)


def test_a_row_that_changed_since_is_not_decided_upon(
    lines: Lines, findings: list[Finding], tmp_path: Path, tiny_base: Path
) -> None:
    rows = ROWS * 3
    rows[5] = ("why this charge then", "card")
    changed = material_of(written_table(tmp_path / "b.csv", rows), tiny_base)
    with (tmp_path / "edited.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(decided(lines, r2=("drop", ""), r5=("drop", "")))
    found = review.read(tmp_path / "edited.csv", "Ana", changed, [])
    assert list(found.decisions) == [2]
    assert found.unmatched[0]["row"] == "5"


@pytest.mark.parametrize("lost", ["hash", "row"])
def test_without_the_hash_or_the_row_nothing_is_matched(
    lines: Lines, back: Callable[..., review.Review], lost: str
) -> None:
    found = back(decided(lines, r2=("drop", "")), names=[name for name in lines[0] if name != lost])
    assert found.decisions == {}
    assert found.unmatched[0]["why"] == f"the column {lost} is gone"


def test_words_and_labels_that_are_none_are_listed(lines: Lines, back: Callable[..., review.Review]) -> None:
    edited = decided(lines, r2=("delete", ""), r5=("relabel", "feees"), r3=("rewrite", ""), r4=("mask", ""))
    found = back(edited)
    assert list(found.decisions) == [4]
    assert sorted(line["why"] for line in found.unmatched) == [
        "a decision is one of keep, drop, relabel, rewrite, mask",
        "there is no label 'feees' in the data",
        "there is no new text: write it into the column value",
    ]


def test_lines_that_contradict_each_other_are_all_refused(lines: Lines, back: Callable[..., review.Review]) -> None:
    edited = decided(lines, r2=("drop", ""), r5=("drop", ""))
    found = back([*edited, {**edited[0], "decision": "keep"}, dict(edited[2])])
    assert list(found.decisions) == [5]
    assert len(found.unmatched) == 2


def test_a_new_text_goes_to_the_text_column(lines: Lines, back: Callable[..., review.Review]) -> None:
    assert told(back(decided(lines, r5=("rewrite", "why was I charged")))) == {
        5: ("rewrite", {"text": "why was I charged"})
    }


def test_numbers_as_labels_survive_a_spreadsheet(tmp_path: Path, tiny_base: Path, findings: list[Finding]) -> None:
    rows = [(f"text number {n}", str(n % 2)) for n in range(20)]
    material = material_of(written_table(tmp_path / "n.csv", rows), tiny_base)
    from metier.curate.fates import contents

    stated = dict(contents(material.train.dataset, [3]))[3]
    (tmp_path / "r.csv").write_text(f"row;hash;decision;value\n3,0;{stated};relabel;0,0\n")
    assert told(review.read(tmp_path / "r.csv", "Ana", material, findings)) == {3: ("relabel", "0")}


def test_a_workbook_is_read_too(lines: Lines, material: Material, findings: list[Finding], tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(list(lines[0]))
    for line in decided(lines, r2=("drop", ""), r5=("keep", "")):
        book.active.append([int(line["row"]), *list(line.values())[1:]])
    book.save(tmp_path / "r.xlsx")
    assert told(review.read(tmp_path / "r.xlsx", "Ana", material, findings)) == {2: ("drop", None), 5: ("keep", None)}


def test_a_review_needs_a_name_and_a_review_file(material: Material, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("row,hash,value\n1,h,x\n")
    with pytest.raises(UsageError, match="--reviewer"):
        review.read(tmp_path / "r.csv", "  ", material, [])
    with pytest.raises(DataError, match="decision") as error:
        review.read(tmp_path / "r.csv", "Ana", material, [])
    assert "row, hash, value" in error.value.found
    with pytest.raises(DataError, match="must exist"):
        review.read(tmp_path / "none.csv", "Ana", material, [])


def test_excel_s_own_first_line_is_no_header(lines: Lines, material: Material, tmp_path: Path) -> None:
    stated = next(line["hash"] for line in lines if line["row"] == "2")
    (tmp_path / "r.csv").write_text(f"sep=;\nrow;hash;decision;value\n2;{stated};drop;\n")
    assert told(review.read(tmp_path / "r.csv", "Ana", material, [])) == {2: ("drop", None)}
