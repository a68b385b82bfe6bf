"""read: a path becomes a Dataset. The kind of file is found out; what had to be decided or set aside is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from metier.data import cache as tables
from metier.data import erased, versions
from metier.data.archives import Content, empty_file, locate, open_content, sha256
from metier.data.cache import Reading, Stored, temporary
from metier.data.dataset import Dataset, Problem, Source
from metier.data.delimited import BlockTooSmall, header_only, larger, read_text_table
from metier.data.encoding import Encoding, find_encoding, text_stream
from metier.data.formats import find_format, find_text_format
from metier.data.json_rows import read_json
from metier.data.schema import check_names, infer_schema
from metier.data.sniff import Dialect, sniff
from metier.data.sources import Found, find, masked
from metier.data.typed import read_arrow, read_excel, read_parquet
from metier.errors import DataError
from metier.plan import DataPlan

_SAMPLE = 2**18
_LARGEST_SAMPLE = 2**26
_BLOCK = 2**22


def read(path: str | Path, plan: DataPlan, cache: Path) -> Dataset:
    """Read CSV, TSV, JSON, JSON lines, Parquet, Arrow, Excel or plain text, also inside gzip or zip, into a Dataset.

    `path` may also be a database's address (what is asked of it is `plan.query`, or stands after a #), an object
    store's or a web address, a folder of text files, PDF or DOCX, a data set that Hugging Face's library saved, or a
    folder of Parquet shards.

    Rows stream into an Arrow file under `cache`, named by the file's SHA-256 and the reading choices of `plan`
    (header, encoding, delimiter), and are memory-mapped from there; reading the same bytes again finds it. Memory is
    bounded by a block of rows, not by the file. Raises DataError or ResourceError, with what to do next.

    >>> from metier.plan import DataPlan
    >>> dataset = read("tickets.csv", DataPlan(target="intent"), Path("metier/cache/tables"))  # doctest: +SKIP
    """
    source = find(path, plan, cache)
    found = source if isinstance(source, Found) else _read_file(source, plan, cache)
    schema = infer_schema(found.stored.table, plan)
    stored = erased.set_aside(found.stored, cache, found.table, schema)
    if stored is not found.stored:
        schema = infer_schema(stored.table, plan)
    schema = replace(schema, problems=_weighed(stored.problems, schema.target) + schema.problems)
    dataset = Dataset(stored.table, schema, Source(masked(path), found.sha256, found.bytes, **stored.facts))
    versions.note(dataset, cache, found.table)
    return dataset


def _read_file(path: Path, plan: DataPlan, cache: Path) -> Found:
    file = locate(path)
    digest = sha256(file)
    options = {
        "header": plan.header,
        "encoding": plan.encoding,
        "delimiter": plan.delimiter,
        "suffixes": file.suffixes[-2:],
    }
    name = tables.key(digest, options)
    stored = tables.load(cache, name)
    if stored is None:
        try:
            stored = _read_into(open_content(file), plan, cache, name)
        except DataError:
            tables.forget(cache, name)  # what was written before the error must not be found as a table
            raise
    return Found(stored, digest, file.stat().st_size, name)


def _weighed(problems: tuple[Problem, ...], target: str | None) -> tuple[Problem, ...]:
    """Words read as missing are a note in most columns; in the target they may be a label, which is a warning."""
    return tuple(
        replace(problem, severity="warning")
        if problem.code == "missing-words" and problem.column is not None and problem.column == target
        else problem
        for problem in problems
    )


def _read_into(content: Content, plan: DataPlan, cache: Path, name: str) -> Stored:
    form = find_format(content)
    if form == "text":
        stored = _read_text(content, plan, cache, name)
    else:
        with temporary(cache) as work:
            if form == "excel":
                reading = read_excel(content, plan, work)
            else:
                reading = (read_parquet if form == "parquet" else read_arrow)(content, work)
            stored = _store(content, reading, cache, name)
    if stored.table.num_rows == 0:
        raise header_only(content)
    return stored


def _store(content: Content, reading: Reading, cache: Path, name: str) -> Stored:
    check_names(reading.columns.names)
    reading.facts.setdefault("member", content.member)
    reading.problems[:0] = content.problems
    return tables.store(cache, name, reading)


def _read_text(content: Content, plan: DataPlan, cache: Path, name: str) -> Stored:
    encoding = find_encoding(content, plan.encoding)
    form = "delimited" if plan.delimiter else find_text_format(content, encoding)
    if form != "delimited":
        return _store(content, read_json(content, encoding, form), cache, name)
    dialect = _dialect(content, encoding, plan)
    stored = _store_delimited(content, encoding, dialect, cache, name)
    if isinstance(stored, DataError) or (stored.misfits[0] and dialect.form == "delimited"):
        stored = _second_opinion(content, encoding, dialect, cache, name, stored)
    rows, misfits = stored.table.num_rows, stored.misfits[0]
    if misfits > rows:
        raise DataError(
            "ragged-rows",
            f"Most records must have the {len(dialect.names)} cells that the first one has.",
            found=next(problem.detail for problem in stored.problems if problem.code == "ragged-rows"),
            fix="Name the delimiter with --delimiter, or say --header no if the first line is a row.",
        )
    return stored


def _dialect(content: Content, encoding: Encoding, plan: DataPlan) -> Dialect:
    """Sniff a sample that grows until it holds some records."""
    size = _SAMPLE
    while True:
        with text_stream(content, encoding) as stream:
            sample = stream.read(size)
            complete = not stream.read(1)
        if not sample.strip("\ufeff\r\n\t "):
            raise empty_file(content.path)
        if complete or sample.count("\n") + sample.count("\r") >= 20 or size >= _LARGEST_SAMPLE:
            return sniff(sample, complete, content.suffix, plan)
        size *= 8


def _store_delimited(
    content: Content, encoding: Encoding, dialect: Dialect, cache: Path, name: str
) -> Stored | DataError:
    """The stored table, or the error that reading it this way gave."""
    block = _BLOCK
    while True:
        try:
            return _store(content, read_text_table(content, encoding, dialect, block), cache, name)
        except BlockTooSmall:
            block = larger(block)
        except DataError as error:
            if error.code == "bad-layout":
                return error
            raise


def _second_opinion(
    content: Content, encoding: Encoding, dialect: Dialect, cache: Path, name: str, first: Stored | DataError
) -> Stored:
    """A stray quote deep in a file swallows lines; reading quotes as letters may then lose less."""
    lost = float("inf") if isinstance(first, DataError) else first.misfits[1]
    if dialect.quoting != "none":
        plain = replace(dialect, quoting="none")
        second = _store_delimited(content, encoding, plain, cache, f"{name}-plain")
        if isinstance(second, Stored) and second.misfits[1] < lost:
            detail = "Quotes (\") in this file don't pair up; they are read as letters."
            reading = Reading(
                second.table.schema,
                iter(second.table.to_batches()),
                second.facts,
                [*second.problems, Problem("stray-quotes", "warning", detail)],
                list(second.misfits),
            )
            first = tables.store(cache, name, reading)
        tables.forget(cache, f"{name}-plain")
    if isinstance(first, DataError):
        raise first
    return first
