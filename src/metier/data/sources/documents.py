"""The text of one document: plain text, Markdown, PDF, DOCX; or why it has none. Nothing in it is run or fetched."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import IO
from xml.parsers import expat

from metier.data.sources.pdf import PdfReader
from metier.errors import UsageError

TEXTS = frozenset({".txt", ".text", ".md", ".markdown"})
DOCUMENTS = TEXTS | {".pdf", ".docx"}
MAX_TEXT = 2**24  # bytes of a text file
MAX_FILE = 2**28  # bytes of a PDF or DOCX file
MAX_XML = 2**28  # bytes of a DOCX file's text with its markup
_WORDS = "wordprocessingml"


class Documents:
    """Reads documents one after the other; `read(path)` gives (text, None), or (None, why there is none).

    An empty text file gives ("", None).
    """

    def __init__(self) -> None:
        self._pdf = PdfReader()

    def read(self, path: Path) -> tuple[str | None, str | None]:
        """The text of a document, or None and the reason. Raises UsageError where pypdf is needed and missing."""
        suffix = path.suffix.lower()
        limit = MAX_TEXT if suffix in TEXTS else MAX_FILE
        try:
            if path.stat().st_size > limit:
                return None, f"larger than {limit // 2**20} MiB"
            if suffix == ".docx":
                return _docx(path)
            if suffix != ".pdf":
                return _plain(path.read_bytes())
        except OSError as error:
            return None, (error.strerror or "not readable").lower()
        _require_pypdf()
        return self._pdf.text(path)

    def close(self) -> None:
        """Let the reader of PDF go."""
        self._pdf.__exit__(None, None, None)


def _require_pypdf() -> None:
    try:
        import pypdf  # noqa: F401
    except ImportError:
        raise UsageError(
            "driver-missing",
            "Reading PDF files needs pypdf.",
            found="it is not installed",
            fix="pip install 'metier[documents]'",
        ) from None


def _plain(data: bytes) -> tuple[str | None, str | None]:
    """UTF-8 with or without a mark, UTF-16 with one, else Windows' cp1252 with U+FFFD for what it leaves open."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace"), None
    if b"\0" in data:
        return None, "holds NUL bytes, so it is no text"
    try:
        return data.decode("utf-8-sig"), None
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace"), None


def _docx(path: Path) -> tuple[str | None, str | None]:
    try:
        with zipfile.ZipFile(path) as archive:
            info = archive.getinfo("word/document.xml")
            if info.flag_bits & 1:
                return None, "needs a password"
            if info.file_size > MAX_XML:
                return None, f"unpacks to more than {MAX_XML // 2**20} MiB"
            with archive.open(info) as stream:
                text = _Paragraphs().read(stream)
    except _Refused as error:
        return None, str(error)
    except KeyError:
        return None, "no Word document in it"
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, expat.ExpatError) as error:
        with path.open("rb") as stream:
            encrypted = stream.read(4) == b"\xd0\xcf\x11\xe0"
        return None, "needs a password, or is an old .doc" if encrypted else f"broken ({type(error).__name__})"
    return (text, None) if text else (None, "no text in it")


class _Refused(Exception):  # noqa: N818  ends the parse, never seen outside
    pass


class _Paragraphs:
    """The paragraphs of word/document.xml, as ISO/IEC 29500 has them (w:p, w:t, w:tab, w:br); entities are refused."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._letters = 0
        self._in_text, self._skipped = False, 0

    def read(self, stream: IO[bytes]) -> str:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartDoctypeDeclHandler = self._refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        read = 0
        while data := stream.read(2**16):
            read += len(data)
            if read > MAX_XML:  # the archive's own word on the size was a lie
                raise _Refused(f"unpacks to more than {MAX_XML // 2**20} MiB")
            parser.Parse(data, False)
        parser.Parse(b"", True)
        return "".join(self._parts).strip()

    def _refuse(self, *_: object) -> None:
        raise _Refused("declares entities, which no Word document does")

    def _start(self, name: str, _: object) -> None:
        space, _, local = name.rpartition(" ")
        if local == "Fallback":  # the same text once more, for old readers
            self._skipped += 1
        if _WORDS not in space or self._skipped:
            return
        if local == "t":
            self._in_text = True
        elif local == "tab":
            self._parts.append("\t")
        elif local in ("br", "cr"):
            self._parts.append("\n")

    def _end(self, name: str) -> None:
        space, _, local = name.rpartition(" ")
        if local == "Fallback":
            self._skipped -= 1
        elif _WORDS in space and not self._skipped:
            if local == "t":
                self._in_text = False
            elif local == "p":
                self._parts.append("\n")

    def _text(self, text: str) -> None:
        if not self._in_text:
            return
        self._letters += len(text)
        if self._letters > MAX_TEXT:
            raise _Refused(f"more than {MAX_TEXT:,} letters")
        self._parts.append(text)
