"""The cleaned file: in the form the data came in, what was not touched byte for byte as it stood."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from metier.curate import apply, export
from metier.curate.fates import Change, Fates
from metier.data.dataset import Dataset
from metier.data.read import read
from metier.errors import DataError, UsageError
from metier.plan import DataPlan

TABLE = (
    'id,"the text",intent,note\r\n'
    '007,"My card, it is gone",card_lost,"said ""help"""\r\n'
    "008,plain text,fees,\r\n"
    '009,"two\nlines",card_lost,NA\r\n'
    "010,last one,fees,ok\r\n"
)


def dataset(path: Path, target: str | None = "intent", **choices: Any) -> Dataset:
    return read(path, DataPlan(target=target, **choices), path.parent / "cache")


def fates(rows: int, *changes: Change) -> Fates:
    return Fates(rows, {change.row: change for change in changes}, {}, {})


def drop(row: int) -> Change:
    return Change(row, "drop", "", 1.0, ("duplicate",))


def relabel(row: int, label: Any) -> Change:
    return Change(row, "relabel", "", 1.0, ("label_error",), label=label)


def rewrite(row: int, column: str, text: Any) -> Change:
    return Change(row, "rewrite", "", 1.0, ("broken",), cells={column: text})


def written(data: Dataset, outcome: Fates, target: Path, split: Any = None) -> bytes:
    found = export.write(data, outcome, target, split)
    assert found.path == target.absolute()
    assert found.bytes == target.stat().st_size
    assert found.notes == ()
    return target.read_bytes()


@pytest.fixture
def table(tmp_path: Path) -> Dataset:
    path = tmp_path / "tickets.csv"
    path.write_bytes(TABLE.encode())
    return dataset(path, header="yes")


def test_where_nothing_changes_the_file_is_copied(table: Dataset, tmp_path: Path) -> None:
    assert written(table, fates(4), tmp_path / "out.csv") == TABLE.encode()


def test_dropping_a_row_takes_its_record_and_nothing_else(table: Dataset, tmp_path: Path) -> None:
    lines = TABLE.split("\r\n")
    expected = "\r\n".join([lines[0], lines[1], lines[2], lines[4], ""])
    assert written(table, fates(4, drop(2)), tmp_path / "out.csv") == expected.encode()


def test_a_new_label_changes_one_cell(table: Dataset, tmp_path: Path) -> None:
    out = written(table, fates(4, relabel(0, "fees")), tmp_path / "out.csv").decode()
    assert out == TABLE.replace('gone",card_lost', 'gone",fees')


def test_a_new_text_is_quoted_where_it_must_be_and_where_it_was(table: Dataset, tmp_path: Path) -> None:
    outcome = fates(4, rewrite(0, "the text", "short"), rewrite(1, "the text", 'a "b", c'))
    out = written(table, outcome, tmp_path / "out.csv").decode()
    assert '007,"short",card_lost' in out
    assert '008,"a ""b"", c",fees' in out
    assert "intent,note\r\n" in out


def test_the_split_becomes_a_column_that_tune_reads_as_one(table: Dataset, tmp_path: Path) -> None:
    words = np.array(["train", None, "validation", "train"], object)
    out = written(table, fates(4, drop(3)), tmp_path / "out.csv", words).decode()
    rows = list(csv.reader(io.StringIO(out, newline="")))
    assert [row[-1] for row in rows] == ["split", "train", "", "validation"]
    assert dataset(tmp_path / "out.csv", header="yes").schema.column("split").role == "split"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_encoding_mark_and_delimiter_stay(encoding: str, delimiter: str, tmp_path: Path) -> None:
    text = delimiter.join(("text", "intent")) + "\n"
    text += "".join(f"café number {n} – ça va?{delimiter}{'fees' if n % 2 else 'card'}\n" for n in range(40))
    path = tmp_path / ("a.tsv" if delimiter == "\t" else "a.csv")
    path.write_bytes(text.encode(encoding))
    out = written(dataset(path), fates(40, drop(1), relabel(2, "fees")), tmp_path / ("out" + path.suffix))
    lines = text.splitlines(keepends=True)
    lines[3] = lines[3].replace("card", "fees")
    assert out == "".join([*lines[:2], *lines[3:]]).encode(encoding)


def test_bytes_that_are_no_text_stay_as_they_are(tmp_path: Path) -> None:
    body = (
        b"text,intent\n"
        + b"".join(b"caf\xc3\xa9 %d,fees\n" % n for n in range(30))
        + b"bad \xff byte,card\nlast,card\n"
    )
    path = tmp_path / "a.csv"
    path.write_bytes(body)
    out = written(dataset(path), fates(32, drop(0)), tmp_path / "out.csv")
    assert out == body.replace(b"caf\xc3\xa9 0,fees\n", b"")


def test_a_letter_the_encoding_lacks_is_written_in_utf_8_and_said(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(("text,intent\n" + "café,fees\nça va,card\n" * 9).encode("cp1252"))
    found = export.write(dataset(path), fates(18, rewrite(0, "text", "日本")), tmp_path / "out.csv")
    assert "cp1252" in found.notes[0]
    assert (tmp_path / "out.csv").read_text(encoding="utf-8").startswith("text,intent\n日本,fees\n")


def test_records_set_aside_when_reading_stay_in_the_file(tmp_path: Path) -> None:
    body = "text,intent\n" + "".join(f"row {n},fees\n" for n in range(20)) + "one,two,three\n" + "end,card\n"
    path = tmp_path / "a.csv"
    path.write_text(body)
    out = written(dataset(path), fates(21, drop(0)), tmp_path / "out.csv").decode()
    assert out == body.replace("row 0,fees\n", "")


def test_json_lines_keep_their_spelling(tmp_path: Path) -> None:
    lines = [
        '{"text": "caf\\u00e9", "intent": 3, "price": 1.50, "more": {"a": [1, 2]}}',
        '{"intent":4,"text":"two"}',
        '{"text": "three", "intent": 4}',
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(lines) + "\n")
    outcome = fates(3, relabel(0, "4"), drop(1), rewrite(2, "text", "naïve"))
    out = written(dataset(path), outcome, tmp_path / "out.jsonl").decode().splitlines()
    assert out == [lines[0].replace('"intent": 3', '"intent": 4'), '{"text": "na\\u00efve", "intent": 4}']


def test_a_json_array_keeps_its_layout(tmp_path: Path) -> None:
    rows = [{"text": f"row {n}", "intent": "fees"} for n in range(4)]
    text = json.dumps(rows, indent=2)
    path = tmp_path / "a.json"
    path.write_text(text)
    out = written(dataset(path), fates(4, drop(3), relabel(1, "card")), tmp_path / "out.json").decode()
    rows[1]["intent"] = "card"
    assert out == json.dumps(rows[:3], indent=2)


def test_gzip_stays_gzip(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(TABLE.encode()))
    out = written(dataset(path, header="yes"), fates(4, drop(3)), tmp_path / "out.csv.gz")
    assert gzip.decompress(out).decode() == TABLE.replace("010,last one,fees,ok\r\n", "")


def test_parquet_keeps_its_schema_and_its_metadata(tmp_path: Path) -> None:
    schema = pa.schema(
        [("text", pa.large_string()), ("intent", pa.dictionary(pa.int8(), pa.string())), ("n", pa.int16())]
    ).with_metadata({b"owner": b"desk"})
    rows = {"text": [f"row {n}" for n in range(6)], "intent": ["fees", "card"] * 3, "n": range(6)}
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table(rows, schema=schema), path, compression="zstd")
    written(dataset(path), fates(6, drop(5), relabel(0, "card"), rewrite(1, "text", "new")), tmp_path / "out.parquet")
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.schema.equals(schema, check_metadata=True)
    assert found.column("intent").to_pylist() == ["card", "card", "fees", "card", "fees"]
    assert found.column("text").to_pylist()[1] == "new"
    assert pq.ParquetFile(tmp_path / "out.parquet").metadata.row_group(0).column(0).compression == "ZSTD"


def test_a_workbook_stays_one(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in [["text", "intent"], ["one", "fees"], ["two", "card"], ["three", "card"]]:
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    export.write(dataset(tmp_path / "a.xlsx"), fates(3, drop(1)), tmp_path / "out.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "out.xlsx").active
    assert [[cell.value for cell in row] for row in sheet.rows] == [
        ["text", "intent"],
        ["one", "fees"],
        ["three", "card"],
    ]


def test_another_ending_asks_for_another_form(table: Dataset, tmp_path: Path) -> None:
    export.write(table, fates(4, drop(0)), tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet").column("id").to_pylist() == ["008", "009", "010"]


def test_a_form_without_a_writer_becomes_csv_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "plain.txt"
    path.write_text("".join(f"a sentence number {n} without labels\n" for n in range(20)))
    data = dataset(path, target=None)
    place = export.place(data, None, tmp_path / "run")
    assert place == tmp_path / "run" / "plain.csv"
    found = export.write(data, fates(20, drop(0)), place)
    assert found.rows == 19
    assert found.format == "csv"
    assert found.notes == ("Written as csv; the data came as text.",)


def test_places_that_cannot_be_are_refused(table: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="must not replace"):
        export.place(table, table.source.path, tmp_path)
    with pytest.raises(UsageError, match="ending"):
        export.place(table, tmp_path / "out.docx", tmp_path)
    (tmp_path / "folder").mkdir()
    assert export.place(table, tmp_path / "folder", tmp_path) == tmp_path / "folder" / "tickets.csv"


def test_dropping_everything_is_refused(table: Dataset) -> None:
    with pytest.raises(DataError, match="At least one row"):
        apply.check(table, fates(4, *map(drop, range(4))))


def test_a_label_that_does_not_fit_a_typed_column_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a", "b"] * 5, "stars": [1, 2] * 5}), tmp_path / "a.parquet")
    data = dataset(tmp_path / "a.parquet", target="stars")
    with pytest.raises(DataError, match="must fit its column"):
        apply.changed(data, {0: relabel(0, "many")})
    assert apply.changed(data, {0: relabel(0, "2")}).table.column("stars")[0].as_py() == 2


CELLS = st.text(st.sampled_from('ab ,;"\n\\é'), max_size=8)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_the_cells_hold_the_other_rows_read_back_as_they_were(tmp_path: Path, data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.tuples(CELLS, CELLS.map(lambda text: f"x{text}")), min_size=3, max_size=12))
    gone = data.draw(st.sets(st.integers(0, len(rows) - 1), max_size=len(rows) - 1))
    touched = data.draw(st.integers(0, len(rows) - 1))
    path, out = tmp_path / "a.csv", tmp_path / "out.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "intent"), *rows])
    table = dataset(path, header="yes", delimiter=",", encoding="utf-8")
    # What the sniffer took for another quoting is read as other cells, and written as those.
    assume([tuple(cell or "" for cell in row.values()) for row in table.table.to_pylist()] == rows)
    changes = [drop(row) for row in gone] + ([] if touched in gone else [rewrite(touched, "text", 'new, "text"')])
    export.write(table, fates(len(rows), *changes), out)
    with out.open(newline="", encoding="utf-8") as file:
        found = [tuple(record) for record in csv.reader(file) if record][1:]
    expected = [row if n != touched else ('new, "text"', row[1]) for n, row in enumerate(rows) if n not in gone]
    assert found == expected
