"""Which encoding a text file is in, how sure that is, and a stream of it as UTF-8."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal, cast

from metier.data.archives import Content, empty_file, read_exactly
from metier.data.dataset import Problem
from metier.errors import DataError

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CONTROL = bytes(set(range(32)) - {9, 10, 12, 13, 27} | {127})
_UNDEFINED_CP1252 = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
_CHUNK = 4 * 2**20


@dataclass(frozen=True)
class Encoding:
    """A text encoding, the length in bytes of the mark (BOM) before the text, and what to do with undefined bytes."""

    name: str
    mark: int = 0
    errors: Literal["strict", "replace"] = "strict"
    problems: tuple[Problem, ...] = ()


@dataclass
class _Survey:
    valid: int = 0  # characters of two or more bytes
    invalid: int = 0  # byte sequences that are not UTF-8
    lines: int = 0
    bad_lines: int = 0
    first_bad: int = 0
    undefined: int = 0  # bytes cp1252 has no character for


def find_encoding(content: Content, wanted: str | None = None) -> Encoding:
    """The encoding of a text file: as `wanted`, by its mark, or by reading all of it.

    What is not UTF-8 is taken as cp1252 (Windows, a superset of printable latin-1) or latin-1, unless most of its
    characters are UTF-8: then it is UTF-8 with broken bytes, which are counted and read as U+FFFD.
    Raises DataError for binary files and unknown encodings.
    """
    head = content.head(2**16)
    marked = next(((name, len(mark)) for mark, name in _BOMS if head.startswith(mark)), None)
    if marked and len(head) == marked[1]:
        raise empty_file(content.path)
    if wanted is not None:
        return _wanted(content, wanted, marked)
    if marked and marked[0] != "utf-8":
        return Encoding(*marked)
    if b"\0" in head:
        wide = _wide(head)
        if wide is None:
            raise binary_file(content, "NUL bytes")
        return Encoding(wide)
    if len(head.translate(None, _CONTROL)) < 0.95 * len(head):
        raise binary_file(content, "control bytes")
    mark = marked[1] if marked else 0
    return _judge(_survey(content), mark)


def _wanted(content: Content, wanted: str, marked: tuple[str, int] | None) -> Encoding:
    try:
        name = codecs.lookup(wanted).name
    except LookupError:
        raise DataError(
            "unknown-encoding",
            "The encoding must be one Python knows.",
            found=repr(wanted),
            fix="Use --encoding utf-8, utf-16, cp1252, latin-1, ...; or leave it out.",
        ) from None
    name = "utf-8" if name == "utf-8-sig" else name
    mark = marked[1] if marked and marked[0] == name else 0
    if name == "utf-8":
        survey = _survey(content)
        if survey.invalid:
            raise _not_in(name, content, survey.first_bad, "bytes that are not")
        return Encoding(name, mark)
    if marked and name in ("utf-16", "utf-32"):
        return Encoding(*marked)
    return Encoding("utf-16-le" if name == "utf-16" else name, mark)


def _not_in(name: str, content: Content, line: int, what: str) -> DataError:
    return DataError(
        "bad-encoding",
        f"The file must be in the encoding {name}.",
        found=f"line {line:,} of {content.name} holds {what}",
        fix="Leave --encoding out to have it found, or try --encoding cp1252.",
    )


def _wide(head: bytes) -> str | None:
    """UTF-16 without a mark: the NUL bytes of its ASCII characters stand on one side only."""
    head = head[: len(head) // 2 * 2]
    even, odd = head[::2].count(0), head[1::2].count(0)
    name = "utf-16-le" if odd > 20 * even else "utf-16-be" if even > 20 * odd else None
    if name is None:
        return None
    text = head.decode(name, "replace")
    controls = sum(1 for letter in text if letter < " " and letter not in "\t\n\r\f")
    return name if text.count("\ufffd") + controls <= 0.01 * len(text) + 1 else None


def _survey(content: Content) -> _Survey:
    """One pass over the whole file; costs little where it is UTF-8."""
    survey = _Survey()
    with content.open() as stream:
        for chunk in _whole_lines(stream):
            try:
                chunk.decode("utf-8")
            except UnicodeDecodeError:
                _count_broken(chunk, survey)
            else:
                survey.valid += len(chunk) - len(chunk.translate(None, bytes(range(0xC0, 256))))
                survey.lines += chunk.count(b"\n")
    return survey


def _whole_lines(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        if not chunk.endswith(b"\n"):
            chunk += stream.readline()
        yield chunk


def _count_broken(chunk: bytes, survey: _Survey) -> None:
    for line in chunk.split(b"\n"):
        survey.lines += 1
        text = line.decode("utf-8", "replace")
        invalid = text.count("\ufffd")
        survey.valid += sum(1 for letter in text if letter > "\x7f" and letter != "\ufffd")
        if invalid:
            survey.invalid += invalid
            survey.bad_lines += 1
            survey.first_bad = survey.first_bad or survey.lines
            survey.undefined += len(_UNDEFINED_CP1252.findall(line))
    survey.lines -= 1


def _judge(survey: _Survey, mark: int) -> Encoding:
    if survey.invalid == 0:
        return Encoding("utf-8", mark)
    if mark or survey.valid >= survey.invalid:
        problem = Problem(
            "broken-utf8",
            "warning",
            f"{survey.bad_lines:,} lines hold bytes that are not UTF-8 (the first is line {survey.first_bad:,}); "
            "those bytes are read as U+FFFD.",
            rows=survey.bad_lines,
            fix="If their letters look wrong, try --encoding cp1252.",
        )
        return Encoding("utf-8", mark, "replace", (problem,))
    name = "latin-1" if survey.undefined else "cp1252"
    problem = Problem(
        "encoding-guessed",
        "note",
        f"The file is not UTF-8 in {survey.bad_lines:,} lines, the first is line {survey.first_bad:,}; "
        f"it is read as {name}.",
        rows=survey.bad_lines,
        fix="If letters look wrong, name its encoding: --encoding cp1250, shift_jis, ...",
    )
    return Encoding(name, 0, "replace" if name == "cp1252" else "strict", (problem,))


def binary_file(content: Content, what: str) -> DataError:
    """The error for a file that is named like a table and holds something else."""
    return DataError(
        "binary-file",
        "The file must be text, Parquet, Arrow or Excel.",
        found=f"{content.name} holds {what}",
        fix="Export the table as CSV in UTF-8, or name its encoding with --encoding.",
    )


class _Transcoder(io.RawIOBase):
    """The rest of a stream as UTF-8, without its first `skip` characters."""

    def __init__(self, stream: BinaryIO, encoding: Encoding, skip: int, content: Content) -> None:
        self._stream, self._encoding, self._content = stream, encoding, content
        self._decoder = codecs.getincrementaldecoder(encoding.name)(encoding.errors)
        self._skip, self._pending, self._lines, self._ended = skip, b"", 1, False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        while not self._pending and not self._ended:
            self._pending = self._more().encode("utf-8", "replace")
        size = min(len(view), len(self._pending))
        view[:size], self._pending = self._pending[:size], self._pending[size:]
        return size

    def _more(self) -> str:
        data = self._stream.read(2**18)
        self._ended = not data
        try:
            text = self._decoder.decode(data, final=self._ended)
        except UnicodeDecodeError as error:
            line = self._lines + error.object[: error.start].count(b"\n")
            what = f"bytes {error.object[error.start : error.end]!r}"
            raise _not_in(self._encoding.name, self._content, line, what) from None
        self._lines += text.count("\n")
        dropped = min(self._skip, len(text))
        self._skip -= dropped
        return text[dropped:]

    def close(self) -> None:
        self._stream.close()
        super().close()


def utf8_stream(content: Content, encoding: Encoding, skip: str = "") -> BinaryIO:
    """The text of a file as a stream of UTF-8 bytes, without its mark and the text `skip` that it starts with."""
    stream = content.open()
    read_exactly(stream, encoding.mark)
    if encoding.name == "utf-8" and encoding.errors == "strict":
        read_exactly(stream, len(skip.encode("utf-8")))
        return stream
    return cast(BinaryIO, io.BufferedReader(_Transcoder(stream, encoding, len(skip), content), 2**18))


def text_stream(content: Content, encoding: Encoding) -> io.TextIOWrapper:
    """The text of a file, line endings as they stand."""
    return io.TextIOWrapper(utf8_stream(content, encoding), encoding="utf-8", newline="")
