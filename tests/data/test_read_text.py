"""Delimited and plain text files: layouts, encodings and quoting are found, and cells come back as they stood."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metier.data.dataset import Dataset
from metier.data.delimited import MISSING
from metier.data.read import read
from metier.errors import DataError
from metier.plan import DataPlan


def rows(dataset: Dataset) -> list[list[str | None]]:
    return [list(row.values()) for row in dataset.table.to_pylist()]


def load(path: Path, content: str | bytes, **plan: object) -> Dataset:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read(path, DataPlan(**plan), path.parent / "cache")


def codes(dataset: Dataset) -> set[str]:
    return {problem.code for problem in dataset.schema.problems}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    lines = [
        ["text", "label"],
        ["I lost my card", "card_lost"],
        ["where is my refund", "refund"],
        ["hello there", "other"],
    ]
    dataset = load(tmp_path / "a.csv", "\n".join(delimiter.join(line) for line in lines) + "\n")
    assert dataset.table.column_names == ["text", "label"]
    assert rows(dataset) == lines[1:]
    assert dataset.source.delimiter == delimiter
    assert dataset.source.header is True


def test_semicolons_win_over_decimal_commas(tmp_path: Path) -> None:
    dataset = load(tmp_path / "a.csv", "1,5;2,25;a\n3,5;4,75;b\n5,5;6,25;a\n")
    assert rows(dataset)[0] == ["1,5", "2,25", "a"]


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "latin-1"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_encoding_is_found(tmp_path: Path, encoding: str) -> None:
    body = "text,label\nfür die Straße,größe\nça va très bien,señor\n" * 1
    dataset = load(tmp_path / "a.csv", body.encode(encoding))
    assert dataset.table.column_names == ["text", "label"]
    assert rows(dataset) == [["für die Straße", "größe"], ["ça va très bien", "señor"]]


def test_headerless_label_tab_text_is_read_with_its_quotes(tmp_path: Path) -> None:
    lines = ['ham\tGo on, crazy.. "Available only"', 'spam\t"Free entry in 2 a wkly comp', 'ham\tU dun say so early"']
    dataset = load(tmp_path / "SMSSpamCollection", "".join(f"{lines[i % 3]} {i}\n" for i in range(15)))
    assert dataset.table.column_names == ["label", "text"]
    assert rows(dataset)[:3] == [f"{line} {i}".split("\t") for i, line in enumerate(lines)]
    assert dataset.schema.target == "label"


def test_a_headerless_csv_gets_names(tmp_path: Path) -> None:
    line = '"{}","Fears for pension after the {} talks","Unions at firm {} say they are disappointed"\n'
    dataset = load(tmp_path / "test.csv", "".join(line.format(i % 3, i, i) for i in range(30)))
    assert dataset.table.column_names == ["label", "column_2", "column_3"]
    assert len(dataset) == 30


def test_sentence_at_label_splits_at_the_last_at(tmp_path: Path) -> None:
    body = "Sales rose to EUR 5 m .@positive\nWrite to me@home or not .@neutral\nThe plant closes .@negative\n" * 4
    dataset = load(tmp_path / "Sentences.txt", body.replace("rose", "st\u00e4rkte").encode("latin-1"))
    assert rows(dataset)[1] == ["Write to me@home or not .", "neutral"]
    assert dataset.source.encoding == "cp1252"


def test_a_plain_text_file_is_one_text_a_line_blank_lines_included(tmp_path: Path) -> None:
    dataset = load(tmp_path / "in.txt", 'Hello, where is "my" card?\n\nOk, thanks; bye\nA | B, c\n')
    assert rows(dataset) == [['Hello, where is "my" card?'], [None], ["Ok, thanks; bye"], ["A | B, c"]]


def test_two_texts_with_one_comma_each_are_not_a_table(tmp_path: Path) -> None:
    dataset = load(tmp_path / "in.txt", "Hi, where is my card\nOk, I will wait for it\n")
    assert dataset.table.column_names == ["text"]


def test_one_named_column_of_texts_with_commas_stays_one(tmp_path: Path) -> None:
    dataset = load(tmp_path / "in.csv", "text\nHello, I lost my card\nOk, thanks for that\nFine, bye\n")
    assert rows(dataset) == [["Hello, I lost my card"], ["Ok, thanks for that"], ["Fine, bye"]]
    dataset = load(tmp_path / "q.csv", 'text\n"Hello, I lost\nmy card"\nplain\n')
    assert rows(dataset) == [["Hello, I lost\nmy card"], ["plain"]]


def test_one_row_is_enough(tmp_path: Path) -> None:
    assert rows(load(tmp_path / "one.csv", "text,label\nhello there you,a\n")) == [["hello there you", "a"]]
    assert rows(load(tmp_path / "one.txt", "hello there you")) == [["hello there you"]]


def test_numbers_between_spaces_are_columns(tmp_path: Path) -> None:
    dataset = load(tmp_path / "engine.txt", "1 1 -0.0007 518.67  \n1 2 0.0019 642.15  \n")
    assert rows(dataset) == [["1", "1", "-0.0007", "518.67"], ["1", "2", "0.0019", "642.15"]]


def test_what_the_plan_names_is_taken_as_said(tmp_path: Path) -> None:
    body = "text:label\na,b:c\n"
    dataset = load(tmp_path / "a.csv", body, delimiter=":", header="no", encoding="latin-1")
    assert rows(dataset) == [["text", "label"], ["a,b", "c"]]
    assert dataset.source.encoding == "iso8859-1"


def test_missing_words_become_null_and_are_counted(tmp_path: Path) -> None:
    dataset = load(tmp_path / "a.csv", "text,label\nhello you there,NA\nbye now friend,None\nso it is,none\n,x\n")
    assert rows(dataset) == [["hello you there", None], ["bye now friend", None], ["so it is", "none"], [None, "x"]]
    told = [problem for problem in dataset.schema.problems if problem.code == "missing-words"]
    assert {(problem.column, problem.rows, problem.severity) for problem in told} == {
        ("label", 1, "warning"),
        (None, 1, "note"),
    }
    dataset = load(tmp_path / "b.csv", "a,b\n1,NA\n2,x\n")
    assert [problem.severity for problem in dataset.schema.problems if problem.code == "missing-words"] == ["note"]


def test_rows_of_another_width_are_set_aside_and_shown(tmp_path: Path) -> None:
    body = "text,label\n" + "one text,a\n" * 20 + "too,many,cells\n" + "lonely\n"
    dataset = load(tmp_path / "a.csv", body)
    assert len(dataset) == 20
    problem = next(problem for problem in dataset.schema.problems if problem.code == "ragged-rows")
    assert problem.rows == 2
    assert "record 22 has 3: 'too,many,cells'" in problem.detail


def test_a_stray_quote_deep_in_a_file_swallows_nothing(tmp_path: Path) -> None:
    ordinary = "".join(f"plain text number {i},label_{i % 3}\n" for i in range(12_000))
    dataset = load(tmp_path / "a.csv", "text,label\n" + ordinary + '"never closed,label_1\n' + ordinary)
    assert len(dataset) == 24_001
    assert dataset.table.column("text")[12_000].as_py() == '"never closed'
    assert "stray-quotes" in codes(dataset)


def test_a_megabyte_in_one_cell_is_read(tmp_path: Path) -> None:
    long = "word " * 1_200_000  # six megabytes: more than one block
    dataset = load(tmp_path / "a.csv", f'text,label\nshort one,a\n"{long}",b\nshort two,a\n')
    assert dataset.table.column("text")[1].as_py() == long


def test_row_names_without_a_header_cell_get_a_name(tmp_path: Path) -> None:
    dataset = load(tmp_path / "r.csv", "height,width\n" + "".join(f"r{i},{i}.5,{i}.25\n" for i in range(10)))
    assert dataset.table.column_names == ["column_1", "height", "width"]
    assert "row-names" in codes(dataset)


def test_broken_utf8_is_counted_and_read(tmp_path: Path) -> None:
    body = b"text,label\n" + "schöne größe für öl,a\n".encode() * 5 + b"bad \xff\xfe byte,b\n"
    dataset = load(tmp_path / "a.csv", body)
    assert dataset.table.column("text")[5].as_py() == "bad \ufffd\ufffd byte"
    problem = next(problem for problem in dataset.schema.problems if problem.code == "broken-utf8")
    assert (problem.rows, "line 7" in problem.detail, "--encoding" in problem.fix) == (1, True, True)


def test_the_encoding_asked_for_is_enforced(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load(tmp_path / "a.csv", "text,label\nabc,a\nstra\u00dfe,b\n".encode("cp1252"), encoding="utf-8")
    assert caught.value.code == "bad-encoding"
    assert "line 3" in caught.value.found


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty-file"),
        (b"\n\n  \n", "empty-file"),
        (b"\xef\xbb\xbf", "empty-file"),
        (b"text,label\n", "header-only"),
        (b"text,label,text\na,b,c\nd,e,f\n", "duplicate-columns"),
        (b"text,label\n" + bytes(range(256)) * 40, "binary-file"),
        (b"a,b,c\n" + b"1,2\n" * 10, "ragged-rows"),
        (b"%PDF-1.7 ...", "unknown-format"),
        (b"SQLite format 3\x00 ...", "unknown-format"),
    ],
)
def test_bad_files_get_a_clear_error(tmp_path: Path, content: bytes, code: str) -> None:
    with pytest.raises(DataError) as caught:
        load(tmp_path / "data.csv", content)
    assert caught.value.code == code
    assert caught.value.fix
    with pytest.raises(DataError):  # and nothing half-read is found the second time
        load(tmp_path / "data.csv", content)


def test_what_is_read_another_way_is_told_how(tmp_path: Path) -> None:
    for content, wanted in (
        (b"SQLite format 3\x00 ...", f"sqlite:///{tmp_path / 'data.csv'}#table"),
        (b"%PDF-1.7 ...", str(tmp_path)),
        (b"\x89PNG ...", str(tmp_path)),
    ):
        with pytest.raises(DataError) as caught:
            load(tmp_path / "data.csv", content)
        assert wanted in caught.value.fix


# What a table of people's own text may hold; cells are at least one letter long so that none is missing.
LETTERS = st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\ufeff\ufffe\uffff") | st.sampled_from(
    ",;|\t\"'\n @"
)
CELL = st.text(LETTERS, min_size=1, max_size=12).filter(lambda text: text.strip() and text not in MISSING)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    table=st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=12),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    ending=st.sampled_from(["\n", "\r\n"]),
)
def test_what_the_csv_module_writes_comes_back(
    tmp_path: Path, table: list[tuple[str, ...]], delimiter: str, encoding: str, quoting: int, ending: str
) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=ending)  # type: ignore[arg-type]
    writer.writerows([("text", "label", "note"), *table])
    # The header's ASCII lets UTF-16 without a mark be told; the delimiter is said, since random cells may hold any.
    dataset = load(tmp_path / "a.csv", out.getvalue().encode(encoding), delimiter=delimiter, header="yes")
    assert [tuple(row) for row in rows(dataset)] == table


WORDS = st.lists(
    st.sampled_from(["card", "lost", "refund,", "where;", "is", "|", "money?", "it's", '"late"']),
    min_size=3,
    max_size=9,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(WORDS.map(" ".join), min_size=3, max_size=20),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_layouts_of_labelled_sentences_are_found(
    tmp_path: Path, texts: list[str], delimiter: str, encoding: str, quoting: int
) -> None:
    table = [(text, f"label_{len(text) % 3}") for text in texts]
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, quoting=quoting).writerows([("text", "label"), *table])  # type: ignore[arg-type]
    dataset = load(tmp_path / "a.csv", out.getvalue().encode(encoding))
    assert [tuple(row) for row in rows(dataset)] == table


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.text(LETTERS, max_size=30).map(lambda text: text.replace("\n", " ")), min_size=1, max_size=20))
def test_lines_of_a_named_text_column_line_up_with_the_file(tmp_path: Path, lines: list[str]) -> None:
    dataset = load(tmp_path / "a.txt", "\n".join(["say it", *lines, "the end"]), delimiter=None, header="no")
    if dataset.source.format == "text" and dataset.table.num_columns == 1:
        assert [cell or "" for (cell,) in rows(dataset)] == [
            line if line.strip() else "" for line in ["say it", *lines, "the end"]
        ]
