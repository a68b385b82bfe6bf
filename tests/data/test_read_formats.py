"""JSON, Parquet, Arrow, Excel, gzip and zip; the cache; files that can't be."""

from __future__ import annotations

import gzip
import json
import os
import zipfile
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metier.data.dataset import Dataset
from metier.data.read import read
from metier.errors import DataError, MetierError, ResourceError
from metier.plan import DataPlan

TABLE = [{"text": f"message number {i} of many", "label": f"kind_{i % 3}"} for i in range(30)]
CSV = "text,label\n" + "".join(f"{row['text']},{row['label']}\n" for row in TABLE)


def load(path: Path, **plan: object) -> Dataset:
    return read(path, DataPlan(**plan), path.parent / "cache")


def refused(path: Path) -> MetierError:
    with pytest.raises(MetierError) as caught:
        load(path)
    return caught.value


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(TABLE),
        json.dumps(TABLE, indent=2),
        json.dumps({"data": TABLE, "version": 1}),
        json.dumps({name: [row[name] for row in TABLE] for name in ("text", "label")}),
        json.dumps({name: {str(i): row[name] for i, row in enumerate(TABLE)} for name in ("text", "label")}),
        json.dumps({str(i): row for i, row in enumerate(TABLE)}),
        "\n".join(map(json.dumps, TABLE)),
        "\ufeff" + "\n\n".join(map(json.dumps, TABLE)) + "\n",
    ],
)
@pytest.mark.parametrize("name", ["a.json", "a"])
def test_json_tables_of_any_shape_are_read(tmp_path: Path, content: str, name: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    assert load(path).table.to_pylist() == TABLE


def test_json_cells_stay_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"a": 1.50, "b": true, "c": null}\n{"a": 7, "b": false, "c": ["x", 2], "d": "NA"}\n{"a": "", "b": NaN}\n'
    )
    assert load(path).table.to_pylist() == [
        {"a": "1.50", "b": "true", "c": None, "d": None},
        {"a": "7", "b": "false", "c": '["x", 2]', "d": "NA"},
        {"a": None, "b": None, "c": None, "d": None},
    ]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text(min_size=1, max_size=20).filter(lambda text: text.strip() != ""), min_size=1, max_size=20),
    lines=st.booleans(),
    ascii_only=st.booleans(),
)
def test_json_strings_come_back(tmp_path: Path, texts: list[str], lines: bool, ascii_only: bool) -> None:
    texts = [text.encode("utf-8", "ignore").decode() or "x" for text in texts]
    table = [{"text": text, "label": str(len(text))} for text in texts]
    content = "\n".join(json.dumps(row, ensure_ascii=ascii_only) for row in table) if lines else json.dumps(table)
    path = tmp_path / ("a.jsonl" if lines else "a.json")
    path.write_text(content, encoding="utf-8", newline="")
    assert load(path).table.to_pylist() == table


def test_half_a_surrogate_pair_is_read_as_unknown(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[{"text": "a \\ud83d b", "label": "x"}, {"text": "\\ud83d\\ude00", "label": "y"}]')
    assert load(path).table.column("text").to_pylist() == ["a \ufffd b", "\U0001f600"]


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ("[1, 2, 3]", "element 0"),
        ('[{"a": 1}, [2]]', "element 1"),
        ('[{"a": 1}, {"a": ', "element 1"),
        ('[{"a": 1} {"a": 2}]', "','"),
        ('{"a": [1, 2], "b": [1]}', "'b' has 1"),
        ('{"a": 1, "b": {"c": 2}}', "'a': a number"),
        ("{nothing}", "Expecting"),
    ],
)
def test_json_that_is_no_table_says_where(tmp_path: Path, content: str, where: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    error = refused(path)
    assert (error.code, where in error.found) == ("not-a-table", True), error.found


def test_bad_json_lines_are_counted_and_the_first_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": "b"}\n{"a": }\n{"a": "c"}\n[1]\n')
    error = refused(path)
    assert error.code == "bad-json-lines"
    assert error.found.startswith("2 bad lines in a.jsonl; the first is line 2")


def test_columnar_files_keep_their_types(tmp_path: Path) -> None:
    table = pa.table(
        {
            "n": [1, 2, 3],
            "label": pa.array(["a", None, "b"]).dictionary_encode(),
            "list": [[1], [2, 3], None],
            "big": pa.array(["x y", "z w", "v"], pa.large_string()),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    feather.write_feather(table, str(tmp_path / "b.feather"))
    with pa.ipc.new_stream(str(tmp_path / "c.arrows"), table.schema) as writer:
        writer.write_table(table)
    for path in (tmp_path / "a.parquet", tmp_path / "b.feather", tmp_path / "c.arrows"):
        dataset = load(path)
        assert dataset.table.to_pydict() == {
            "n": [1, 2, 3],
            "label": ["a", None, "b"],
            "list": ["[1]", "[2, 3]", None],
            "big": ["x y", "z w", "v"],
        }
        assert dataset.table.schema.field("n").type == pa.int64()


def test_cut_columnar_files_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": list(range(1000))}), tmp_path / "a.parquet")
    path = tmp_path / "cut.parquet"
    path.write_bytes((tmp_path / "a.parquet").read_bytes()[:-100])
    assert refused(path).code == "broken-file"


def workbook(path: Path, *sheets: list[list[object]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for number, rows in enumerate(sheets, 1):
        sheet = book.create_sheet(f"Sheet{number}")
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_a_workbook_is_read_with_its_types_and_other_sheets_are_named(tmp_path: Path) -> None:
    rows: list[list[object]] = [["text", "label", "amount"]]
    rows += [[f"message {i} about money", f"kind_{i % 2}", i + 0.5] for i in range(10)]
    dataset = load(workbook(tmp_path / "a.xlsx", [], rows, [["x"], [1]]))
    assert dataset.table.column_names == ["text", "label", "amount"]
    assert dataset.table.column("amount").to_pylist() == [i + 0.5 for i in range(10)]
    assert dataset.source.member == "Sheet2"
    assert "several-sheets" in {problem.code for problem in dataset.schema.problems}


def test_a_workbook_without_rows_or_with_a_header_only_is_refused(tmp_path: Path) -> None:
    assert refused(workbook(tmp_path / "a.xlsx", [])).code == "empty-file"
    assert refused(workbook(tmp_path / "b.xlsx", [["text", "label"]])).code == "header-only"


def zipped(path: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_gzip_and_zip_are_looked_into(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(CSV.encode("utf-16")))
    path = zipped(tmp_path / "b.zip", {"data/train.csv": CSV, "README.txt": "x" * 9999, "__MACOSX/a.csv": CSV * 9})
    assert load(tmp_path / "a.csv.gz").table.to_pylist() == TABLE
    dataset = load(path)
    assert dataset.table.to_pylist() == TABLE
    assert dataset.source.member == "data/train.csv"


def test_parquet_and_excel_inside_archives_are_read(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(TABLE), tmp_path / "a.parquet")
    (tmp_path / "a.parquet.gz").write_bytes(gzip.compress((tmp_path / "a.parquet").read_bytes()))
    assert load(tmp_path / "a.parquet.gz").table.to_pylist() == TABLE
    book = workbook(tmp_path / "a.xlsx", [["text", "label"], *([row["text"], row["label"]] for row in TABLE)])
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.write(book, "b.xlsx")
    assert load(tmp_path / "b.zip").table.to_pylist() == TABLE
    assert sorted(path.suffix for path in (tmp_path / "cache").iterdir()) == [".arrow"] * 2 + [".json"] * 2


def test_the_largest_table_of_an_archive_is_read_and_the_others_named(tmp_path: Path) -> None:
    dataset = load(zipped(tmp_path / "a.zip", {"small.csv": "a,b\n1,2\n", "big.csv": CSV}))
    assert dataset.source.member == "big.csv"
    problem = next(problem for problem in dataset.schema.problems if problem.code == "several-files")
    assert "small.csv" in problem.fix


def test_archive_bombs_are_refused(tmp_path: Path) -> None:
    bomb = "text,label\n" * 2_500_000
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(bomb.encode()))
    assert refused(tmp_path / "a.csv.gz").code == "archive-bomb"
    assert refused(zipped(tmp_path / "b.zip", {"a.csv": bomb})).code == "archive-bomb"
    sheet = {"[Content_Types].xml": "<Types/>", "xl/workbook.xml": bomb}
    assert refused(zipped(tmp_path / "c.xlsx", sheet)).code == "archive-bomb"


def test_a_zip_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a.csv": "text,label\n" * 2_500_000})
    raw = bytearray(path.read_bytes())
    directory = raw.rindex(b"PK\x01\x02")
    raw[directory + 24 : directory + 28] = (1000).to_bytes(4, "little")
    path.write_bytes(raw)
    assert refused(path).code in {"archive-bomb", "broken-archive"}


def test_encrypted_nested_empty_and_cut_archives_are_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a.csv": CSV})
    raw = bytearray(path.read_bytes())
    raw[raw.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(raw)
    assert refused(path).code == "encrypted-archive"
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(gzip.compress(CSV.encode())))
    assert refused(tmp_path / "b.csv.gz").code == "nested-archive"
    assert refused(zipped(tmp_path / "c.zip", {"a/": ""})).code == "empty-archive"
    (tmp_path / "d.csv.gz").write_bytes(gzip.compress(os.urandom(50_000).hex().encode())[:-2000])
    assert refused(tmp_path / "d.csv.gz").code == "broken-archive"


def test_a_missing_file_names_near_ones_and_a_folder_names_its_files(tmp_path: Path) -> None:
    (tmp_path / "Tickets.csv").write_text(CSV)
    error = refused(tmp_path / "tickts.csv")
    assert (error.code, "Tickets.csv" in error.fix) == ("no-such-file", True)
    error = refused(tmp_path)
    assert (error.code, "Tickets.csv" in error.found) == ("is-a-folder", True)
    assert refused(tmp_path / "no" / "such.csv").code == "no-such-file"


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(CSV)
    path.chmod(0)
    assert refused(path).code == "no-permission"


def test_a_cache_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(CSV)
    with pytest.raises(ResourceError) as caught:
        read(path, DataPlan(), path / "cache")
    assert caught.value.code == "no-workspace"


def test_the_cache_is_used_again_and_a_torn_table_is_redone(tmp_path: Path) -> None:
    path, cache = tmp_path / "a.csv", tmp_path / "cache"
    path.write_text(CSV)
    first = load(path)
    arrow = next(cache.glob("*.arrow"))
    written = arrow.stat().st_mtime_ns
    again = load(path)
    assert arrow.stat().st_mtime_ns == written
    assert again.record() == first.record()
    arrow.write_bytes(arrow.read_bytes()[:200])
    assert load(path).table.to_pylist() == TABLE
    load(path, header="no")
    assert len(list(cache.glob("*.arrow"))) == 2
    assert not [item for item in cache.iterdir() if item.name.startswith(".")]


def test_the_source_is_recognised_by_its_bytes(tmp_path: Path) -> None:
    import hashlib

    path = tmp_path / "a.csv"
    path.write_text(CSV)
    source = load(path).source
    assert source.sha256 == hashlib.sha256(CSV.encode()).hexdigest()
    assert (source.bytes, source.format, source.encoding) == (len(CSV), "csv", "utf-8")
    with pytest.raises(DataError):
        load(path, target="labels")
