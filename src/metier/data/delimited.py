"""Text tables, streamed: delimited columns, one text a line, `sentence@label`; cells stay strings as they stood."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv

from metier.data.archives import Content
from metier.data.cache import Reading
from metier.data.dataset import Problem
from metier.data.encoding import Encoding, text_stream, utf8_stream
from metier.data.sniff import Dialect
from metier.errors import DataError

# Cells that say "nothing here", compared exactly: `none` and `na` in lower case are left alone, being common values.
MISSING = ("", "NA", "N/A", "#N/A", "n/a", "<NA>", "NaN", "nan", "NULL", "null", "None")
_BLOCK = 4 * 2**20
_LARGEST_BLOCK = 512 * 2**20
_LINES = 2**16
_SHOWN = 5


def read_text_table(content: Content, encoding: Encoding, dialect: Dialect, block: int = _BLOCK) -> Reading:
    """A Reading of a text table; what doesn't fit its columns is counted in `misfits` and described in `problems`."""
    columns = pa.schema([(name, pa.string()) for name in dialect.names])
    facts: dict[str, Any] = {
        "format": {"\t": "tsv"}.get(dialect.delimiter or "", "csv") if dialect.form == "delimited" else "text",
        "encoding": encoding.name,
        "delimiter": dialect.delimiter,
        "header": dialect.header,
    }
    reading = Reading(columns, iter(()), facts, [*encoding.problems, *dialect.problems])
    if dialect.form == "delimited":
        reading.batches = _delimited(content, encoding, dialect, reading, block)
    else:
        reading.batches = _lines(content, encoding, dialect, reading)
    return reading


class _Misfits:
    """Records that don't have the table's number of cells: counted, the first few kept to be shown."""

    def __init__(self, dialect: Dialect) -> None:
        self.records, self.lines = 0, 0
        self.shown: list[str] = []
        self._shift = 1 if dialect.header else 0

    def __call__(self, row: Any) -> str:
        self.records += 1
        self.lines += row.text.count("\n") + 1
        if len(self.shown) < _SHOWN:
            number = (row.number or 0) + self._shift
            self.shown.append(f"record {number:,} has {row.actual_columns}: {shortened(row.text, 80)!r}")
        return "skip"

    def problem(self, width: int) -> Problem:
        return Problem(
            "ragged-rows",
            "warning",
            f"{self.records:,} records don't have {width} cells and are set aside; {'; '.join(self.shown)}.",
            rows=self.records,
            fix="Quote cells that hold the delimiter, or name the delimiter with --delimiter.",
        )


def shortened(text: str, size: int) -> str:
    """The text, cut to `size` characters with an ellipsis where it is longer."""
    return text if len(text) <= size else text[: size - 1] + "…"


def _delimited(
    content: Content, encoding: Encoding, dialect: Dialect, reading: Reading, block: int
) -> Iterator[pa.RecordBatch]:
    misfits, words = _Misfits(dialect), Words(dialect.names)
    quoted = dialect.quoting != "none"
    parse = pcsv.ParseOptions(
        delimiter=dialect.delimiter,
        quote_char='"' if quoted else False,
        escape_char="\\" if dialect.quoting == "backslash" else False,
        newlines_in_values=quoted,
        invalid_row_handler=misfits,
    )
    convert = pcsv.ConvertOptions(
        column_types=dict.fromkeys(dialect.names, pa.string()), strings_can_be_null=False, check_utf8=False
    )
    options = pcsv.ReadOptions(use_threads=False, block_size=block, column_names=list(dialect.names))
    with utf8_stream(content, encoding, dialect.skip) as stream:
        try:
            for batch in pcsv.open_csv(stream, options, parse, convert):
                yield words.without(batch)
        except pa.ArrowInvalid as error:
            raise _unparsable(error, content, block) from None
    reading.misfits[:] = misfits.records, misfits.lines
    if misfits.records:
        reading.problems.append(misfits.problem(len(dialect.names)))
    reading.problems += words.problems()


class BlockTooSmall(Exception):  # noqa: N818  a signal between two functions, not an error a user meets
    """A record is longer than a block."""


def _unparsable(error: pa.ArrowInvalid, content: Content, block: int) -> Exception:
    text = str(error)
    if "straddl" in text and block < _LARGEST_BLOCK:
        return BlockTooSmall()
    if "Empty CSV file" in text:
        return header_only(content)
    return DataError(
        "bad-layout",
        "Every record must end before the file does.",
        found=shortened(text.splitlines()[0], 300),
        fix='Look for a quote (") that is never closed, or name --delimiter.',
    )


def larger(block: int) -> int:
    """The next block size to try."""
    return min(block * 8, _LARGEST_BLOCK)


def header_only(content: Content) -> DataError:
    """The error for a table without rows."""
    return DataError(
        "header-only",
        "The file must hold rows under its header.",
        found=f"{content.name} has a header and no rows",
        fix="Check that its export ran to the end; if the first line is a row, add --header no.",
    )


class Words:
    """Turns the cells that say "missing" into nulls, and counts the words that said so."""

    def __init__(self, names: Iterable[str]) -> None:
        self._counts: dict[str, Counter[str]] = {name: Counter() for name in names}
        self._set = pa.array(MISSING, pa.string())
        self._null = pa.scalar(None, pa.string())

    def without(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with nulls where its string cells said "missing"."""
        columns = []
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if pa.types.is_string(column.type):
                missing = pc.is_in(column, value_set=self._set)
                if pc.any(missing).as_py():
                    counted = pc.value_counts(column.filter(missing))
                    for item in counted.to_pylist():
                        self._counts[name][item["values"] or ""] += item["counts"]
                    column = pc.if_else(missing, self._null, column)
            columns.append(column)
        return pa.RecordBatch.from_arrays(columns, schema=batch.schema)

    def problems(self) -> list[Problem]:
        """A note for each column where `None`, which may be a label, was read as missing; one for all other words."""
        found, gaps = [], {}
        for name, counts in self._counts.items():
            if counts["None"]:
                detail = f"{counts['None']:,} cells of {name} say 'None' and count as missing."
                fix = "Where that is a value and not a gap, write it another way, such as 'none'."
                found.append(Problem("missing-words", "note", detail, counts["None"], name, fix))
            if rows := sum(count for word, count in counts.items() if word not in ("", "None")):
                gaps[name] = rows
        if gaps:
            words = sorted({word for counts in self._counts.values() for word in counts} - {"", "None"})
            where = ", ".join(f"{name} ({rows:,})" for name, rows in list(gaps.items())[:8])
            detail = f"Cells that say {', '.join(words)} count as missing: {where}{', ...' if len(gaps) > 8 else ''}."
            found.append(Problem("missing-words", "note", detail, sum(gaps.values())))
        return found


def _lines(content: Content, encoding: Encoding, dialect: Dialect, reading: Reading) -> Iterator[pa.RecordBatch]:
    """One row a line, blank ones included, so that predictions line up with the file."""
    misfits: list[int] = []
    width = len(dialect.names)
    with text_stream(content, encoding) as stream:
        stream.read(len(dialect.skip))
        numbered = enumerate(stream, 2 if dialect.header else 1)
        while chunk := list(itertools.islice(numbered, _LINES)):
            texts = [line.rstrip("\r\n") for _, line in chunk]
            if dialect.form == "lines":
                yield pa.RecordBatch.from_arrays([_strings(texts)], schema=reading.columns)
                continue
            parts = [text.split() if dialect.form == "spaced" else text.rsplit("@", 1) for text in texts]
            pairs = [part for part in parts if len(part) == width]
            numbered_parts = zip(chunk, parts, strict=True)
            misfits += [number for (number, line), part in numbered_parts if len(part) != width and line.strip()]
            columns = [_strings([part[side].strip() for part in pairs]) for side in range(width)]
            yield pa.RecordBatch.from_arrays(columns, schema=reading.columns)
    if misfits:
        reading.misfits[:] = len(misfits), len(misfits)
        lines = ", ".join(f"{number:,}" for number in misfits[:_SHOWN])
        detail = f"{len(misfits):,} lines don't have {width} parts and are set aside; the first: line {lines}."
        reading.problems.append(Problem("ragged-rows", "warning", detail, len(misfits)))


def _strings(values: list[str]) -> pa.Array:
    return pa.array([value if value.strip() else None for value in values], pa.string())
