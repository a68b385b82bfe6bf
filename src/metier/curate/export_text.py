"""Text files written back as they stood: what was not touched keeps its bytes, its quoting and its line ends.

Every record is parsed beside the table that was read from it; where the two disagree, Unlike is raised and the caller
writes the table anew instead.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

import numpy as np

from metier.curate.apply import SPLIT, cells_of
from metier.curate.fates import Fates
from metier.data.archives import Content, read_exactly
from metier.data.dataset import Dataset
from metier.data.delimited import MISSING
from metier.data.json_rows import cell

Quoting = Literal["double", "backslash", "none"]
_MISSING = frozenset(MISSING)
_BATCH = 16_384
_BOMS = {
    "utf-8": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}
_DECODER = json.JSONDecoder()


class Unlike(Exception):  # noqa: N818  a signal between functions, not an error a user meets
    """The file can't be kept as it stood; the message says why, for a note."""


@dataclass(frozen=True)
class Edit:
    """What is done to the records of a file: which rows go, which cells change, and a column to add."""

    dataset: Dataset
    gone: np.ndarray  # (n,) bool
    cells: Mapping[int, Mapping[str, Any]]
    split: np.ndarray | None

    @classmethod
    def of(cls, dataset: Dataset, fates: Fates, split: np.ndarray | None) -> Edit:
        """All that the fates say was done."""
        gone = np.zeros(len(dataset), bool)
        gone[fates.dropped()] = True
        target = dataset.schema.target
        cells = {row: cells_of(change, target) for row, change in fates.done.items() if not gone[row]}
        return cls(dataset, gone, {row: new for row, new in cells.items() if new}, split)


def write_delimited(content: Content, edit: Edit, out: BinaryIO) -> int:
    """Columns of text: each record's own text, cells changed in place. Returns the rows written."""
    source = edit.dataset.source
    assert source.delimiter is not None
    start = out.tell()
    why = Unlike("")
    for quoting in ("double", "backslash", "none"):
        try:
            return _delimited(content, edit, out, source.delimiter, quoting)
        except Unlike as error:
            why = error if not str(why) or quoting == "double" else why
            out.seek(start)
            out.truncate()
    raise why


def _delimited(content: Content, edit: Edit, out: BinaryIO, delimiter: str, quoting: Quoting) -> int:
    names = edit.dataset.table.column_names
    encode, text = _coding(content, edit, out)
    rows = _Rows(edit)
    with text:
        for number, (raw, fields) in enumerate(_records(text, delimiter, quoting)):
            if number == 0 and edit.dataset.source.header:
                out.write(encode(_appended(raw, delimiter, SPLIT) if edit.split is not None else raw))
                continue
            if len(fields) != len(names):  # blank, or set aside when the file was read: it stays as it is
                out.write(encode(raw))
                continue
            row = rows.next([None if field in _MISSING else field for field in fields])
            if edit.gone[row]:
                continue
            if row in edit.cells:
                raw = _replaced(
                    raw, {names.index(name): new for name, new in edit.cells[row].items()}, delimiter, quoting
                )
            if edit.split is not None:
                raw = _appended(raw, delimiter, edit.split[row] or "")
            out.write(encode(raw))
    return rows.finish()


def _coding(content: Content, edit: Edit, out: BinaryIO) -> tuple[Callable[[str], bytes], io.TextIOWrapper]:
    """How text becomes the file's bytes again, and the file's text; its mark is written already."""
    name = edit.dataset.source.encoding or "utf-8"
    mark = _BOMS.get(name, b"")
    stream = content.open()
    out.write(read_exactly(stream, len(mark) if content.head(len(mark)) == mark else 0))
    escaping = "strict" if name.startswith(("utf-16", "utf-32")) else "surrogateescape"

    def encode(text: str) -> bytes:
        try:
            return text.encode(name, escaping)
        except UnicodeEncodeError as error:
            what = error.object[error.start : error.end]
            raise Unlike(f"the encoding {name} has no {what!r}, which a new value needs") from None

    return encode, io.TextIOWrapper(stream, encoding=name, errors=escaping, newline="")


class _Rows:
    """Counts the table's rows beside the file's records, and makes sure that they say the same."""

    def __init__(self, edit: Edit) -> None:
        self._table, self._gone = edit.dataset.table, edit.gone
        self._at, self._start = -1, 0
        self._columns: list[list[Any]] = []

    def next(self, fields: Sequence[str | None]) -> int:
        self._at += 1
        if self._at >= self._table.num_rows:
            raise Unlike("it holds more records than were read")
        if self._at % _BATCH == 0:
            piece = self._table.slice(self._at, _BATCH)
            self._start, self._columns = self._at, [column.to_pylist() for column in piece.columns]
        place = self._at - self._start
        for field, column in zip(fields, self._columns, strict=True):
            if field != column[place] and (field is None or _plain(field) != column[place]):
                raise Unlike(f"its record {self._at} reads differently when it is taken apart again")
        return self._at

    def finish(self) -> int:
        if self._at + 1 != self._table.num_rows:
            raise Unlike("it holds fewer records than were read")
        return int(self._table.num_rows - np.count_nonzero(self._gone))


def _plain(text: str) -> str:
    """Bytes that are no text, kept as lone surrogates, as the reader shows them."""
    return re.sub("[\ud800-\udfff]+", lambda found: _replacement(found[0]), text)


def _replacement(surrogates: str) -> str:
    return surrogates.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _records(text: io.TextIOWrapper, delimiter: str, quoting: Quoting) -> Iterator[tuple[str, list[str]]]:
    """(its own text, its cells) of every record; blank lines have no cells."""
    csv.field_size_limit(2**31 - 1)
    taken: list[str] = []

    def lines() -> Iterator[str]:
        for line in text:
            taken.append(line)
            yield line

    style: Literal[0, 3] = csv.QUOTE_NONE if quoting == "none" else csv.QUOTE_MINIMAL
    escape = "\\" if quoting == "backslash" else None
    reader = csv.reader(lines(), delimiter=delimiter, quoting=style, escapechar=escape, doublequote=quoting == "double")
    try:
        for fields in reader:
            yield "".join(taken), fields
            taken.clear()
    except (csv.Error, UnicodeDecodeError) as error:
        raise Unlike(str(error)) from None


def _ends(raw: str) -> tuple[str, str]:
    body = raw.rstrip("\r\n") if raw.endswith(("\n", "\r")) else raw
    # Of several ends (blank lines never share a record) only the last is this record's own.
    end = "\r\n" if raw.endswith("\r\n") else raw[-1:] if raw.endswith(("\n", "\r")) else ""
    return (raw[: len(raw) - len(end)], end) if end else (body, "")


def _appended(raw: str, delimiter: str, value: str) -> str:
    body, end = _ends(raw)
    return f"{body}{delimiter}{value}{end}"


def _replaced(raw: str, new: Mapping[int, Any], delimiter: str, quoting: Quoting) -> str:
    """The record with some cells changed; a cell that was quoted stays quoted."""
    body, end = _ends(raw)
    cells = _cut(body, delimiter, quoting)
    for place, value in new.items():
        cells[place] = _cell(str(value), cells[place].startswith('"') and quoting != "none", delimiter, quoting)
    return delimiter.join(cells) + end


def _cut(body: str, delimiter: str, quoting: Quoting) -> list[str]:
    """A record's cells as they are written, quotes included."""
    if quoting == "none":
        return body.split(delimiter)
    cells, start, at, inside = [], 0, 0, False
    while at < len(body):
        letter, pair = body[at], body[at : at + 2]
        doubled = inside and quoting == "double" and pair == '""'
        if doubled or (quoting == "backslash" and letter == "\\"):
            at += 1
        elif letter == '"' and (inside or at == start):
            inside = not inside
        elif letter == delimiter and not inside:
            cells.append(body[start:at])
            start = at + 1
        at += 1
    return [*cells, body[start:]]


def _cell(text: str, quoted: bool, delimiter: str, quoting: Quoting) -> str:
    special = any(letter in text for letter in (delimiter, '"', "\n", "\r"))
    if quoting == "none":
        if any(letter in text for letter in (delimiter, "\n", "\r")):
            raise Unlike("its cells are not quoted, and a new value needs quotes")
        return text
    if not quoted and not special and text == text.strip() and text not in _MISSING:
        return text
    if quoting == "backslash":
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return '"' + text.replace('"', '""') + '"'


# ---------------------------------------------------------------------------------------------------------------- JSON


def write_json_lines(content: Content, edit: Edit, out: BinaryIO) -> int:
    """One object a line: each line's own text, values changed in place. Returns the rows written."""
    encode, text = _coding(content, edit, out)
    row = -1
    with text:
        for line in text:
            if not line.strip():
                continue
            row += 1
            if row >= len(edit.gone):
                raise Unlike("it holds more lines than were read")
            if not edit.gone[row]:
                out.write(encode(_object(line, row, edit)))
    return _counted(row, edit)


def write_json_array(content: Content, edit: Edit, out: BinaryIO) -> int:
    """A list of objects: each object's own text, with the blanks that stood between the first two between all."""
    encode, stream = _coding(content, edit, out)
    with stream:
        text = stream.read()
    at = _skip(text, 0)
    if text[at : at + 1] != "[":
        raise Unlike("its values are laid out by column")
    items: list[tuple[int, int]] = []
    at = _skip(text, at + 1)
    first = at
    while text[at : at + 1] != "]":
        _, end = _DECODER.raw_decode(text, at)
        items.append((at, end))
        at = _skip(text, end, ",")
    if len(items) != len(edit.gone):
        raise Unlike("it holds other objects than were read")
    between = text[items[0][1] : items[1][0]] if len(items) > 1 else ","
    kept = [_object(text[start:end], row, edit) for row, (start, end) in enumerate(items) if not edit.gone[row]]
    out.write(encode(text[:first] + between.join(kept) + text[items[-1][1] :]))
    return _counted(len(items) - 1, edit)


def _object(raw: str, row: int, edit: Edit) -> str:
    new = edit.cells.get(row, {})
    if not new and edit.split is None:
        return raw
    spans = _values(raw)
    table = edit.dataset.table
    for name, value in sorted(new.items(), key=lambda item: -spans.get(item[0], (0, 0))[0]):
        start, end = spans.get(name, (0, 0))
        old = json.loads(raw[start:end]) if end else None
        if not end or isinstance(old, (dict, list)) or cell(old) != table.column(name)[row].as_py():
            raise Unlike(f"the value of {name} in object {row} can't be replaced where it stands")
        raw = raw[:start] + _as_json(value, old, raw) + raw[end:]
    if edit.split is not None:
        at = raw.rindex("}")
        wide = '": ' in raw
        raw = f'{raw[:at]},{" " if wide else ""}"{SPLIT}":{" " if wide else ""}{json.dumps(edit.split[row])}{raw[at:]}'
    return raw


def _values(raw: str) -> dict[str, tuple[int, int]]:
    """Key -> where its value stands in the text of one object."""
    spans: dict[str, tuple[int, int]] = {}
    at = _skip(raw, 0)
    if raw[at : at + 1] != "{":
        raise Unlike("its lines are no objects")
    at = _skip(raw, at + 1)
    while raw[at : at + 1] != "}":
        key, end = _DECODER.raw_decode(raw, at)
        start = _skip(raw, end, ":")
        _, end = _DECODER.raw_decode(raw, start)
        spans[key] = (start, end)
        at = _skip(raw, end, ",")
    return spans


def _skip(text: str, at: int, also: str = "") -> int:
    while at < len(text) and text[at] in " \t\r\n\ufeff" + also:
        at += 1
    return at


def _as_json(value: Any, old: Any, raw: str) -> str:
    """A new value of the type the old one had, with its letters escaped as in the line it goes into."""
    if isinstance(old, (int, float)) and not isinstance(old, bool):
        try:
            return json.dumps(type(old)(str(value)))
        except ValueError:
            pass
    return json.dumps(str(value), ensure_ascii=raw.isascii())


def _counted(last: int, edit: Edit) -> int:
    if last + 1 != len(edit.gone):
        raise Unlike("it holds fewer records than were read")
    return int(len(edit.gone) - np.count_nonzero(edit.gone))
