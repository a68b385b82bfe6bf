"""Which format a file is in, told from its bytes first and its name second."""

from __future__ import annotations

import json
from typing import Literal

from metier.data.archives import Content
from metier.data.encoding import Encoding, text_stream
from metier.errors import DataError

Format = Literal["parquet", "arrow", "excel", "text"]
TextFormat = Literal["json", "jsonl", "delimited"]

_MAGIC: tuple[tuple[bytes, Format], ...] = (
    (b"PAR1", "parquet"),
    (b"ARROW1", "arrow"),
    (b"FEA1", "arrow"),
    (b"\xff\xff\xff\xff", "arrow"),
    (b"PK\x03\x04", "excel"),  # other zip archives were opened before
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "excel"),
)
_STRANGERS: tuple[tuple[bytes, str, str], ...] = (
    (
        b"%PDF",
        "a PDF document",
        "Name the folder it lies in: {folder}, one row a document; or export its table as CSV.",
    ),
    (b"SQLite format 3", "an SQLite database", "Name a table in it: 'sqlite:///{path}#table', or a query after the #."),
    (b"\x89PNG", "a PNG image", "Name the folder it lies in: {folder}, one row a picture."),
    (b"\xff\xd8\xff", "a JPEG image", "Name the folder it lies in: {folder}, one row a picture."),
    (b"GIF8", "a GIF image", "Name the folder it lies in: {folder}, one row a picture."),
    (b"BZh", "bzip2-compressed", "Unpack it with bunzip2, or compress it with gzip."),
    (b"\xfd7zXZ", "xz-compressed", "Unpack it with unxz, or compress it with gzip."),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed", "Unpack it with unzstd, or compress it with gzip."),
    (b"7z\xbc\xaf", "a 7-Zip archive", "Unpack it."),
    (b"Rar!", "a RAR archive", "Unpack it."),
    (b"\x89HDF", "an HDF5 file", "Save the table as Parquet or CSV."),
    (b"Obj\x01", "an Avro file", "Save the table as Parquet or CSV."),
    (b"ORC", "an ORC file", "Save the table as Parquet or CSV."),
    (b"\x80\x04\x95", "a Python pickle, which may run code when it is opened", "Save the table as Parquet or CSV."),
    (b"\x80\x05\x95", "a Python pickle, which may run code when it is opened", "Save the table as Parquet or CSV."),
    (b"\x93NUMPY", "a NumPy array", "Save the table as Parquet or CSV."),
    (b"\x7fELF", "a program", "Name a table."),
    (b"<!DOCTYPE html", "a web page", "Download the table itself."),
    (b"<html", "a web page", "Download the table itself."),
    (b"<?xml", "an XML document", "Export the table as CSV."),
    (b"{\\rtf", "a rich-text document", "Export the table as CSV."),
)


def find_format(content: Content) -> Format:
    """The format of a file by its first bytes; DataError where it is known to be something else."""
    head = content.head(512)
    for magic, form in _MAGIC:
        if head.startswith(magic):
            return form
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for magic, what, fix in _STRANGERS:
        if head.startswith(magic) or start.lower().startswith(magic.lower()):
            raise _unknown(content, what, fix)
    if head[257:262] == b"ustar":
        raise _unknown(content, "a tar archive", "Unpack it and name the file inside.")
    if content.suffix in (".parquet", ".pq", ".xlsx", ".xlsm", ".xls", ".arrow", ".feather", ".ipc") and b"\0" in head:
        raise _unknown(content, f"bytes that are no {content.suffix[1:]}", "Copy or download it again.")
    return "text"


def _unknown(content: Content, what: str, fix: str) -> DataError:
    return DataError(
        "unknown-format",
        "The data must be CSV, TSV, JSON, JSON lines, Parquet, Arrow, Excel or text, or gzip or zip of these.",
        found=f"{content.name} is {what}",
        fix=fix.format(path=content.path, folder=content.path.parent),
    )


def find_text_format(content: Content, encoding: Encoding) -> TextFormat:
    """Whether a text file is JSON, JSON lines or columns of text."""
    if content.suffix in (".csv", ".tsv", ".tab"):
        return "delimited"
    with text_stream(content, encoding) as stream:
        sample = stream.read(2**18)
    start = sample.lstrip()
    if content.suffix in (".jsonl", ".ndjson"):
        return "jsonl"
    if not start.startswith(("{", "[")):
        return "json" if content.suffix == ".json" else "delimited"
    first, _, rest = start.partition("\n")
    if start.startswith("{") and _decodes(first) and rest.strip():
        return "jsonl"
    if content.suffix == ".json" or (start.startswith("{") and _opens(start)) or _opens_array(start):
        return "json"
    return "jsonl" if _decodes(first) and start.startswith("{") else "delimited"


def _decodes(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _opens(start: str) -> bool:
    """`{` and a quoted key, as JSON begins; `{name} called` is text."""
    inner = start[1:].lstrip()
    return inner.startswith(('"', "}"))


def _opens_array(start: str) -> bool:
    inner = start[1:].lstrip()
    return start.startswith("[") and (inner.startswith(("{", "]")) or _decodes(start))
