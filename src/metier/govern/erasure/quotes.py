"""Quotes of a text in reports, tables and records: found in every spelling that files use, and taken out in place."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metier.data.erased import normal
from metier.govern.erasure.subject import Subject, Traces, quotable

ERASED = "[erased]"
NOTICE = "This file quoted what was erased, and was taken out whole by erasure {erasure} on {at}.\n"
_HEAD = 32  # characters by which the beginning of a longer text is recognised, where it was cut short
_CUT = re.compile(r"\s*(?:…|\.\.\.|\\u2026|&hellip;|&#8230;)")
_SHORTEST = 8  # letters and digits
_BARE = 16  # letters and digits from which a text is told even where marks or tags stand between its words
_TAGS = re.compile(r"<[^<>]*>")


@dataclass(frozen=True)
class Quotes:
    """How often a file quotes the subject, and the file without it; `whole`: it cannot be taken out in place."""

    count: int
    content: str
    whole: bool


def redacted(path: Path, subject: Subject, traces: Traces) -> Quotes:
    """A text file without the subject: of tables its whole rows, elsewhere its texts and values."""
    content = path.read_bytes().decode("utf-8", "surrogateescape")
    rows = 0
    if path.suffix in (".csv", ".tsv"):
        content, rows = _rows_of_csv(content, "\t" if path.suffix == ".tsv" else ",", subject, traces)
    elif path.suffix == ".jsonl":
        content, rows = _rows_of_lines(content, subject, traces)
    found = redact(content, traces)
    return Quotes(rows + found.count, found.content, found.whole)


def redact(content: str, traces: Traces) -> Quotes:
    """The content without the subject's texts and values, each replaced by a mark."""
    count = 0
    for text in filter(tellable, traces.texts):
        for spelling in dict.fromkeys(spellings(text)):
            content, found = _without(content, spelling)
            count += found
    for value in traces.values:
        if quotable(value):
            for spelling in dict.fromkeys(spellings(value)):
                pattern = rf"(?<![^\W_]){re.escape(spelling)}(?![^\W_])"
                content, found = re.subn(pattern, ERASED, content)
                count += found
    bare = [letters for text in traces.texts if len(letters := _letters(normal(text))) >= _BARE]
    left = _letters(html.unescape(_TAGS.sub("", content))).casefold() if bare else ""
    whole = any(text in left for text in bare)
    return Quotes(count + whole, content, whole)


def tellable(text: str) -> bool:
    """Whether a text is long enough to be told from the words of a report; a shorter one is found in cells only."""
    return len(_letters(text)) >= _SHORTEST


def spellings(text: str) -> Iterator[str]:
    """The text as it stands in plain text, JSON, CSV and HTML."""
    for form in (text, " ".join(text.split()), text.strip()):
        yield form
        yield json.dumps(form, ensure_ascii=False)[1:-1]
        yield json.dumps(form)[1:-1]
        yield form.replace('"', '""')
        yield html.escape(form)
        yield html.escape(form).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")


def _rows_of_csv(content: str, delimiter: str, subject: Subject, traces: Traces) -> tuple[str, int]:
    """A delimited table in which every cell of the subject's rows is the mark."""
    records = list(csv.reader(io.StringIO(content), delimiter=delimiter))
    hits = [
        at
        for at, cells in enumerate(records)
        if at and _is_its(dict(zip(records[0], cells, strict=False)), subject, traces)
    ]
    if not hits:
        return content, 0
    for at in hits:
        records[at] = [ERASED] * len(records[at])
    out = io.StringIO(newline="")
    ending = "\r\n" if "\r\n" in content else "\n"
    csv.writer(out, delimiter=delimiter, lineterminator=ending).writerows(records)
    return out.getvalue(), len(hits)


def _rows_of_lines(content: str, subject: Subject, traces: Traces) -> tuple[str, int]:
    """JSON lines in which every value of the subject's rows is the mark."""
    lines, count = content.split("\n"), 0
    for at, line in enumerate(lines):
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and _is_its(row, subject, traces):
            lines[at] = json.dumps(dict.fromkeys(row, ERASED), ensure_ascii=False)
            count += 1
    return "\n".join(lines), count


def _is_its(row: Mapping[str, Any], subject: Subject, traces: Traces) -> bool:
    """Whether a row is the subject's, by its id or by a text that is its alone."""
    texts = {normal(text) for text in traces.texts}
    for name, cell in row.items():
        if subject.column and str(name).lower() == subject.column.lower() and str(cell).strip() == subject.value:
            return True
        if isinstance(cell, str) and normal(cell) in texts:
            return True
    return False


def _without(content: str, text: str) -> tuple[str, int]:
    """Whole occurrences of a text, and beginnings of it that were cut short with an ellipsis, replaced by the mark."""
    head = text[:_HEAD]
    if not head or head not in content:
        return content, 0
    out, at, count = [], 0, 0
    while (found := content.find(head, at)) >= 0:
        end = found + len(head)
        while end - found < len(text) and content[end : end + 1] == text[end - found]:
            end += 1
        whole = end - found == len(text) and not (_word(content, found - 1, text[0]) or _word(content, end, text[-1]))
        cut = len(text) > _HEAD and _CUT.match(content, _back(content, found, end)) is not None
        if whole or cut:
            out += [content[at:found], ERASED]
            count += 1
            at = end
        else:
            out.append(content[at : found + 1])
            at = found + 1
    out.append(content[at:])
    return "".join(out), count


def _back(content: str, start: int, end: int) -> int:
    """The end of what was matched without spaces: a cut text loses those before its ellipsis."""
    while end > start and content[end - 1].isspace():
        end -= 1
    return end


def _word(content: str, at: int, edge: str) -> bool:
    """Whether the text goes on as a word at this place: then it is part of another."""
    return 0 <= at < len(content) and content[at].isalnum() and edge.isalnum() and content[at - 1 : at] != "\\"


def _letters(text: str) -> str:
    return "".join(character for character in text if character.isalnum())
