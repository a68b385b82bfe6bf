"""The review loop: review.csv goes out, a person decides in a spreadsheet, and what they decided is read back.

Spreadsheets change what they save: encoding, delimiter, order, numbers, dates. A line counts only where both its row
number and its content hash are those of the data; everything else is listed, and nothing is ever matched by position.
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from metier import files
from metier.curate.fates import WORDS, Change, Decision, Fates, Word, contents, rewritten
from metier.curate.findings import Finding
from metier.curate.material import Material
from metier.curate.shown import Shown
from metier.data.archives import locate, open_content
from metier.data.encoding import find_encoding, text_stream
from metier.data.formats import find_format
from metier.errors import DataError, UsageError

COLUMNS = ("row", "hash", "label", "text", "kind", "finding", "proposal", "suggestion", "decision", "value")
_SHOWN = 300
# A spreadsheet runs a cell that begins like this as a formula.
_FORMULA = re.compile(r"^[=+\-@\t\r]")


@dataclass(frozen=True)
class Review:
    """A review file that was read: decisions by row, and the lines that could not be followed, each with why."""

    file: str
    sha256: str
    reviewer: str
    at: str
    decisions: Mapping[int, Decision]
    unmatched: tuple[Mapping[str, Any], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As `curation.json` keeps it; decided texts stand with the rows they changed."""
        decided = [
            {key: value for key, value in asdict(one).items() if key != "value" or one.word == "relabel"}
            for _, one in sorted(self.decisions.items())
        ]
        return {
            "file": self.file,
            "sha256": self.sha256,
            "reviewer": self.reviewer,
            "at": self.at,
            "decisions": decided,
            "unmatched": [dict(line) for line in self.unmatched],
        }


# ----------------------------------------------------------------------------------------------------------------- out


def write(path: Path, findings: Sequence[Finding], fates: Fates, material: Material, shown: Shown) -> int:
    """Write one line for each row that something was found in, the surest first; returns how many.

    UTF-8 with a mark, so that spreadsheets read it; personal data is hidden.
    """
    file, dataset = material.train.file, material.train.dataset
    by_row: dict[int, list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.row is not None and finding.file == file and finding.action != "keep":
            by_row[finding.row].append(finding)
    order = sorted(by_row, key=lambda row: (-max(one.score for one in by_row[row]), row))
    hashes = dict(contents(dataset, sorted(order)))
    with files.open_new(path, durable=False) as out:
        text = io.TextIOWrapper(out, encoding="utf-8-sig", errors="backslashreplace", newline="")
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(COLUMNS)
        for row in order:
            change = fates.done.get(row) or fates.proposed.get(row)
            writer.writerow([row, hashes[row], *map(_safe, _line(row, by_row[row], change, shown)), "", ""])
        text.flush()
        text.detach()
    return len(order)


def _line(row: int, found: Sequence[Finding], change: Change | None, shown: Shown) -> list[str]:
    found = sorted(found, key=lambda one: -one.score)
    return [
        shown.label(row) or "",
        " ".join(shown.text(row, _SHOWN).split()),
        ", ".join(dict.fromkeys(one.kind for one in found)),
        " ".join(dict.fromkeys(one.detail for one in found)),
        change.action if change is not None and change.action != "keep" else "look at it",
        shown.hidden(suggestion(found, change)),
    ]


def suggestion(found: Sequence[Finding], change: Change | None) -> str:
    """What would stand there: the new label, the new text, or the row that is kept instead."""
    if change is not None and change.action == "relabel":
        return str(change.label)
    if change is not None and change.action == "rewrite":
        return " ".join(" ".join(str(cell).split()) for cell in change.cells.values())[:_SHOWN]
    said = next((one.suggestion for one in found if one.suggestion is not None), None)
    if said is None:
        return ""
    return (
        f"row {said}"
        if isinstance(said, int) and change is not None and change.action == "drop"
        else str(said)[:_SHOWN]
    )


def _safe(text: str) -> str:
    """A cell that no spreadsheet takes for a formula; the text is there to be read, and never read back."""
    return f"'{text}" if _FORMULA.match(text) else text


# ------------------------------------------------------------------------------------------------------------------ in


@dataclass
class _Lines:
    """The lines with a decision, and those that can't be followed."""

    wanted: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    unmatched: list[dict[str, Any]] = field(default_factory=list)

    def refuse(self, number: int, line: Mapping[str, str], why: str) -> None:
        self.unmatched.append(
            {"line": number, "row": line.get("row", ""), "decision": line.get("decision", ""), "why": why}
        )


def read(path: str | Path, reviewer: str | None, material: Material, findings: Sequence[Finding]) -> Review:
    """The decisions in an edited review.csv (or .xlsx), each matched by its row number and its content hash.

    Raises UsageError without a reviewer's name, DataError where the file is no review at all.
    """
    if not (reviewer or "").strip():
        raise UsageError(
            "no-reviewer",
            "A review needs the name of who decided: it stands in the record.",
            found=f"--review {path} alone",
            fix="Add --reviewer NAME.",
        )
    file = locate(path)
    name, at = str(reviewer).strip(), datetime.now().astimezone().isoformat(timespec="seconds")
    lines = _Lines()
    for number, line in _table(file):
        if line.get("decision", "").strip():
            lines.wanted.append((number, line))
    decided = _matched(lines, material, findings, name, at)
    return Review(str(path), files.sha256(file), name, at, decided, tuple(lines.unmatched))


def _table(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, cells by column) of a review file, whatever a spreadsheet made of its encoding and delimiter."""
    content = open_content(file)
    records = _workbook(file) if find_format(content) == "excel" else None
    if records is None:
        with text_stream(content, find_encoding(content)) as stream:
            text = stream.read().removeprefix("\ufeff")
        if re.match(r"sep=.\r?\n", text, re.IGNORECASE):
            text = text.partition("\n")[2]
        head = text.splitlines()[0] if text.strip() else ""
        delimiter = max(",;\t|", key=lambda mark: len(set(_names(head.split(mark))) & set(COLUMNS)))
        records = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    names = _names(records[0]) if records else []
    if "decision" not in names:
        raise DataError(
            "not-a-review",
            "A review file must have a column named decision, as the review.csv of a curation has.",
            found=f"columns {', '.join(filter(None, names[:12])) or 'none'} in {file.name}",
            fix="Give the edited review.csv of this data's curation.",
        )
    for number, cells in enumerate(records[1:], 2):
        yield number, dict(zip(names, [*cells, *[""] * (len(names) - len(cells))], strict=False))


def _names(cells: Sequence[str]) -> list[str]:
    return [cell.strip().strip('"').lower() for cell in cells]


def _workbook(file: Path) -> list[list[str]]:
    import fastexcel
    import pyarrow as pa

    sheet = fastexcel.read_excel(file).load_sheet(0, header_row=None, dtypes="string")
    columns = [column.to_pylist() for column in pa.record_batch(sheet).columns]
    return [["" if cell is None else str(cell) for cell in row] for row in zip(*columns, strict=True)]


def _matched(
    lines: _Lines, material: Material, findings: Sequence[Finding], reviewer: str, at: str
) -> dict[int, Decision]:
    dataset = material.train.dataset
    by_row: dict[int, list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.row is not None and finding.file == material.train.file:
            by_row[finding.row].append(finding)
    claimed = {number: row_number(line.get("row", "")) for number, line in lines.wanted}
    inside = sorted({row for row in claimed.values() if row is not None and 0 <= row < len(dataset)})
    hashes = dict(contents(dataset, inside))
    several: dict[int, list[tuple[int, dict[str, str], Decision]]] = defaultdict(list)
    for number, line in lines.wanted:
        row, stated = claimed[number], line.get("hash", "").strip()
        why = _unlike(row, stated, hashes, line, len(dataset))
        if why or row is None:
            lines.refuse(number, line, why)
            continue
        word, value, why = _meant(line, row, by_row.get(row, []), material)
        if word is None:
            lines.refuse(number, line, why)
            continue
        several[row].append((number, line, Decision(row, stated, word, value, reviewer, at)))
    return _agreed(several, lines)


def row_number(text: str) -> int | None:
    """A row number as spreadsheets write it: `12`, `12.0`, `1,204`, `1.2E+03`; None for all else, such as a date."""
    plain = re.sub(r"(?<=\d)[,\u00a0\u202f ](?=\d{3}\b)", "", text.strip())
    if not re.fullmatch(r"\d+([.,]\d+)?([eE]\+?\d+)?", plain):
        return None
    value = float(plain.replace(",", "."))
    return int(value) if value.is_integer() and value < 2**53 else None


def _unlike(row: int | None, stated: str, hashes: Mapping[int, str], line: Mapping[str, str], rows: int) -> str:
    if "row" not in line or "hash" not in line:
        return "the column " + ("row" if "row" not in line else "hash") + " is gone"
    if row is None:
        return "the row is no row number"
    if row >= rows:
        return f"there is no such row: the data has {rows:,}, counted from 0"
    return "" if stated == hashes[row] else "the hash is not that of this row: the row or the line has changed"


def _meant(
    line: Mapping[str, str], row: int, found: Sequence[Finding], material: Material
) -> tuple[Word | None, Any, str]:
    """The word, its checked value, and why not."""
    said, value = line["decision"].strip().lower(), line.get("value", "").strip()
    if said not in WORDS:
        return None, None, f"a decision is one of {', '.join(WORDS)}"
    word = said
    if word == "relabel":
        label = _label(value, found, material)
        return (word, label, "") if label is not None else (None, None, _no_label(value, material))
    if word == "rewrite":
        cells = _rewriting(row, value, found, material)
        return (word, cells, "") if cells else (None, None, "there is no new text: write it into the column value")
    if word == "mask":
        hiding = [
            one for one in found if one.kind == "personal_data" and isinstance(one.suggestion, str) and one.column
        ]
        cells = rewritten(row, hiding, _originals(row, hiding, material))
        return (word, cells, "") if cells else (None, None, "no personal data was found in this row")
    return word, None, ""


def _label(value: str, found: Sequence[Finding], material: Material) -> Any:
    """The label meant, as the data writes it; the suggested one where none was written; None where there is none."""
    if not material.labelled:
        return None
    if not value:
        said = [
            one
            for one in found
            if (one.action == "relabel" or one.kind == "label_error") and one.suggestion is not None
        ]
        return max(said, key=lambda one: one.score).suggestion if said else None
    target = material.train.examples.target
    tried = [value, value.removeprefix("'")]
    if re.fullmatch(r"-?\d+[.,]\d+", value):  # a spreadsheet's own way to write a number
        tried += [value.replace(",", "."), f"{float(value.replace(',', '.')):g}"]
    for text in tried:
        try:
            known = target.values(target.encode([text]))[0]
        except (TypeError, ValueError):
            continue
        if known is not None:
            return known
    return None


def _no_label(value: str, material: Material) -> str:
    if not material.labelled:
        return "the data has no target to relabel"
    return f"there is no label {value[:60]!r} in the data" if value else "no label was given, and none is suggested"


def _rewriting(row: int, value: str, found: Sequence[Finding], material: Material) -> dict[str, Any]:
    rewriting = [one for one in found if one.action == "rewrite" and one.column is not None]
    if not value:
        return rewritten(row, rewriting, _originals(row, rewriting, material))
    columns = [str(one.column) for one in rewriting] or list(material.train.dataset.schema.named("text"))
    return {columns[0]: value} if columns else {}


def _originals(row: int, found: Sequence[Finding], material: Material) -> dict[tuple[int, str], str]:
    table = material.train.dataset.table
    return {(row, str(one.column)): table.column(one.column)[row].as_py() for one in found}


def _agreed(
    several: Mapping[int, Sequence[tuple[int, dict[str, str], Decision]]], lines: _Lines
) -> dict[int, Decision]:
    """One decision a row; where lines contradict each other none of them is followed."""
    decided: dict[int, Decision] = {}
    for row, entries in several.items():
        meant = {(decision.word, str(decision.value)) for _, _, decision in entries}
        if len(meant) == 1:
            decided[row] = entries[0][2]
            continue
        for number, line, _ in entries:
            lines.refuse(number, line, "this row has lines that decide differently")
    return decided
