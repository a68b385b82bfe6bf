"""JSON and JSON lines, streamed: objects become rows, their keys columns. Every cell stays a string as it stood."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pyarrow as pa

from metier.data.archives import Content
from metier.data.cache import Reading
from metier.data.encoding import Encoding, text_stream
from metier.errors import DataError

_ROWS = 2**14
_PART = 2**20
_FIX = "A table is [{...}, {...}], one object a line, or {column: [...], ...}."
Row = dict[str, Any]


class _Written(float):
    """A number that remembers how it was written: 1.50 is not turned into 1.5."""

    text: str

    def __new__(cls, text: str) -> _Written:
        number = super().__new__(cls, text)
        number.text = text
        return number


_DECODER = json.JSONDecoder(parse_float=_Written, parse_constant=lambda _: None)


def read_json(content: Content, encoding: Encoding, form: str) -> Reading:
    """A Reading of `json` (an array of objects, or an object of columns) or `jsonl`; two passes: keys, then rows.

    Nested values become JSON text. Raises DataError where the file is no table, saying where.
    """
    source = _rows_of(content, encoding, form)
    names: dict[str, None] = {}
    total = 0
    for row in source():
        total += 1
        if not row.keys() <= names.keys():
            names.update(dict.fromkeys(row))
    if not total or not names:
        raise DataError("header-only", "The file must hold rows.", found=f"{content.name} has none", fix=_FIX)
    columns = pa.schema([(name, pa.string()) for name in names])
    facts = {"format": form, "encoding": encoding.name}
    return Reading(columns, _batches(source(), columns), facts, list(encoding.problems))


def _rows_of(content: Content, encoding: Encoding, form: str) -> Callable[[], Iterator[Row]]:
    if form == "jsonl":
        return lambda: _json_lines(content, encoding)
    with text_stream(content, encoding) as stream:
        first = stream.read(_PART).lstrip()[:1]
    if first == "[":
        return lambda: _array(content, encoding)
    rows = _object(content, encoding)
    return lambda: iter(rows)


def _batches(rows: Iterator[Row], columns: pa.Schema) -> Iterator[pa.RecordBatch]:
    while chunk := list(itertools.islice(rows, _ROWS)):
        arrays = [_strings([cell(row.get(name)) for row in chunk]) for name in columns.names]
        yield pa.RecordBatch.from_arrays(arrays, schema=columns)


def _strings(cells: list[str | None]) -> pa.Array:
    try:
        return pa.array(cells, pa.string())
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can write and no text holds
        whole = [None if text is None else re.sub("[\ud800-\udfff]", "\ufffd", text) for text in cells]
        return pa.array(whole, pa.string())


def cell(value: Any) -> str | None:
    """A JSON value as a cell: strings and numbers as written, true, false, nested values as JSON; null where empty."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, _Written):
        return value.text
    return json.dumps(value, ensure_ascii=False)


def _json_lines(content: Content, encoding: Encoding) -> Iterator[Row]:
    """One row a line; all bad lines are counted before the error, which names the first."""
    bad, first, why = 0, 0, ""
    with text_stream(content, encoding) as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                row = _DECODER.decode(line)
            except ValueError as error:
                row, reason = None, str(error)
            else:
                reason = f"{_kind(row)} instead of an object"
            if isinstance(row, dict):
                if not bad:
                    yield row
                continue
            if isinstance(row, str):
                yield {"text": row}
                continue
            bad, first, why = bad + 1, first or number, why or reason
    if bad:
        raise DataError(
            "bad-json-lines",
            "Every line must be one JSON object.",
            found=f"{bad:,} bad lines in {content.name}; the first is line {first:,}: {why}",
            fix="Mend or remove those lines.",
        )


def _array(content: Content, encoding: Encoding) -> Iterator[Row]:
    """The elements of a top-level array, decoded one at a time from a buffer that is refilled."""
    with text_stream(content, encoding) as stream:
        buffer = _Buffer(stream.read, content)
        buffer.skip("[")
        for index in itertools.count():
            if buffer.peek() == "]":
                return
            if index:
                buffer.skip(",")
            value = buffer.value(index)
            if isinstance(value, str):
                value = {"text": value}
            if not isinstance(value, dict):
                raise _no_table(content, f"element {index} (from 0) is {_kind(value)} instead of an object")
            yield value


class _Buffer:
    """Text that is read on as decoding needs it."""

    def __init__(self, more: Callable[[int], str], content: Content) -> None:
        self._more, self._content = more, content
        self._text, self._at, self._size = more(_PART), 0, _PART

    def peek(self) -> str:
        """The next character that is no space."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in " \t\r\n":
                self._at += 1
            if self._at < len(self._text) or not self._refill():
                return self._text[self._at : self._at + 1]

    def skip(self, mark: str) -> None:
        """Go past `mark`, or say that it is missing."""
        found = self.peek()
        if found != mark:
            raise _no_table(
                self._content, f"{mark!r} was due, and there is {found!r}" if found else "it ends too early"
            )
        self._at += 1

    def value(self, index: int) -> Any:
        """The next JSON value, refilling until it is whole."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except ValueError as error:
                if self._refill():
                    continue
                raise _no_table(self._content, f"element {index} (from 0): {error}") from None
            # A number at the buffer's end may go on after it.
            if end < len(self._text) or not self._refill():
                self._at = end
                return value

    def _refill(self) -> bool:
        self._size = _PART if self._at > _PART else min(self._size * 2, 2**28)
        more = self._more(self._size)
        self._text, self._at = self._text[self._at :] + more, 0
        return bool(more)


def _object(content: Content, encoding: Encoding) -> list[Row]:
    """An object of columns, of rows by key, or with its rows under one key; such files are small and read whole."""
    with text_stream(content, encoding) as stream:
        try:
            value = _DECODER.decode(stream.read())
        except ValueError as error:
            raise _no_table(content, str(error)) from None
    values = list(value.values())
    lists = [key for key, item in value.items() if isinstance(item, list)]
    if values and len(lists) == len(values) and not isinstance((value[lists[0]] or [None])[0], dict):
        return _columns(content, value, {key: len(item) for key, item in value.items()})
    if values and all(isinstance(item, dict) for item in values):
        if all(key.isdigit() for key in value):
            return list(value.values())
        if all(key.isdigit() for item in values for key in item):
            keys = list(dict.fromkeys(key for item in values for key in item))
            return [{name: item.get(key) for name, item in value.items()} for key in keys]
    tables = [key for key in lists if value[key] and all(isinstance(row, dict) for row in value[key])]
    if len(tables) == 1:
        return list(value[tables[0]])
    shape = ", ".join(f"{key!r}: {_kind(item)}" for key, item in itertools.islice(value.items(), 4))
    raise _no_table(content, f"an object with {{{shape}{', ...' if len(value) > 4 else ''}}}")


def _columns(content: Content, value: dict[str, list[Any]], lengths: dict[str, int]) -> list[Row]:
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name!r} has {length:,}" for name, length in lengths.items())
        raise _no_table(content, f"columns of different lengths: {said}")
    cells: Iterable[tuple[Any, ...]] = zip(*value.values(), strict=True)
    return [dict(zip(value, row, strict=True)) for row in cells]


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "an array", str: "a string", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


def _no_table(content: Content, found: str) -> DataError:
    return DataError("not-a-table", "The JSON must be a table.", found=f"{content.name}: {found}", fix=_FIX)
