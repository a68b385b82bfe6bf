"""How a text table is laid out: what stands between its columns, how cells are quoted, whether line one names them."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import Literal

from metier.data.dataset import Problem
from metier.data.header import has_header, is_number, known_name, name_columns
from metier.errors import DataError
from metier.plan import DataPlan

Quoting = Literal["double", "backslash", "none"]
_DELIMITERS = ("\t", ";", "|", ",")
_TABLE_SUFFIXES = (".csv", ".tsv", ".tab")
_MAX_RECORDS = 2000


@dataclass(frozen=True)
class Dialect:
    """The layout of a text table.

    `form` is `delimited`, `lines` (one text a line), `marked` (`sentence@label`) or `spaced` (numbers between runs of
    spaces). `skip` is the header's own text.
    """

    form: Literal["delimited", "lines", "marked", "spaced"]
    delimiter: str | None
    quoting: Quoting
    names: tuple[str, ...]
    header: bool
    skip: str = ""
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class _Reading:
    """A sample read one way: its records, and how well that way fits (0..1)."""

    delimiter: str
    quoting: Quoting
    records: list[list[str]]
    skip: str
    width: int
    share: float  # of records that have the commonest number of fields
    strays: int  # records whose quotes break the rules
    score: float


def sniff(sample: str, complete: bool, suffix: str, plan: DataPlan) -> Dialect:
    """Find the layout from the file's first characters; `complete` says that they are all of it.

    What the plan names (delimiter, header) is taken as said. Raises DataError where no header can be had.
    """
    delimiters = (_spelled(plan.delimiter),) if plan.delimiter else _DELIMITERS
    if delimiters == ("@",):
        return _marked(sample)
    readings = [_best_quoting(sample, complete, delimiter) for delimiter in delimiters]
    if plan.delimiter:
        return _delimited(readings[0], suffix, plan)
    best = max(readings, key=lambda reading: reading.score)
    if best.width > 1 and _is_table(best, suffix):
        return _delimited(best, suffix, plan)
    if _is_marked(sample, complete):
        return _marked(sample)
    if suffix not in _TABLE_SUFFIXES and (width := _spaced_width(sample, complete)):
        return Dialect("spaced", " ", "none", tuple(f"column_{i + 1}" for i in range(width)), False)
    return _single(sample, complete, suffix, plan)


def _spelled(delimiter: str) -> str:
    spelled = {"\\t": "\t", "tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
    delimiter = spelled.get(delimiter, delimiter)
    if len(delimiter) != 1:
        raise DataError(
            "bad-delimiter", "The delimiter must be one character.", found=repr(delimiter), fix="--delimiter ';'"
        )
    return delimiter


def parse(sample: str, complete: bool, delimiter: str, quoting: Quoting) -> tuple[list[list[str]], str, int]:
    """Records of a sample, the text of the first one, and how many break the quoting's rules.

    Blank lines are no records. The last record is dropped where the sample may have cut it.
    """
    csv.field_size_limit(2**31 - 1)
    lines = _Counted(sample)
    escape = "\\" if quoting == "backslash" else None
    style: Literal[0, 3] = csv.QUOTE_NONE if quoting == "none" else csv.QUOTE_MINIMAL
    reader = csv.reader(lines, delimiter=delimiter, quoting=style, escapechar=escape, strict=True)
    records: list[list[str]] = []
    first, strays, cut = "", 0, False
    while len(records) + strays < _MAX_RECORDS:
        try:
            record = next(reader)
        except StopIteration:
            cut = not complete
            break
        except csv.Error:
            if lines.ended:  # an open quote at the sample's end
                strays += complete
                break
            strays += 1
            record = []
        if record:
            records.append(record)
            first = first or sample[: lines.position]
    return (records[:-1] if cut and len(records) > 1 else records), first, strays


class _Counted:
    """Lines of a text, with the position reached; only CR, LF and CRLF end a line."""

    def __init__(self, text: str) -> None:
        self._lines, self.position, self.ended = io.StringIO(text, newline=""), 0, False

    def __iter__(self) -> _Counted:
        return self

    def __next__(self) -> str:
        line = self._lines.readline()
        if not line:
            self.ended = True
            raise StopIteration
        self.position += len(line)
        return line


def _read(sample: str, complete: bool, delimiter: str, quoting: Quoting) -> _Reading:
    records, skip, strays = parse(sample, complete, delimiter, quoting)
    widths = Counter(len(record) for record in records)
    width, count = max(widths.items(), key=lambda item: (item[1], item[0]), default=(1, 0))
    share = count / max(len(records) + strays, 1)
    others = re.compile("[" + "".join({"\t", ";", "|"} - {delimiter}) + "]")
    cells = [cell for record in records[:300] for cell in record]
    clean = sum(1 for cell in cells if not others.search(cell)) / max(len(cells), 1)
    # A delimiter that is in every record, header included, beats one that is in most.
    score = share**2 * (0.75 + 0.25 * clean) if width > 1 else 0.0
    return _Reading(delimiter, quoting, records, skip, width, share, strays, score)


def _best_quoting(sample: str, complete: bool, delimiter: str) -> _Reading:
    double = _read(sample, complete, delimiter, "double")
    plain = '"' not in sample
    if plain and delimiter != "\t":
        return double
    if plain or (delimiter == "\t" and _needless(sample, len(double.records))):
        return _read(sample, complete, delimiter, "none")
    if double.strays == 0:
        return double
    tried = [double, _read(sample, complete, delimiter, "none")]
    if '\\"' in sample:
        tried.append(_read(sample, complete, delimiter, "backslash"))
    return max(tried, key=lambda reading: (round(reading.score, 2), -reading.strays, reading is double))


def _needless(sample: str, records: int) -> bool:
    """Quotes around cells that need none, where not all cells have them: they are the text's own."""
    cells = re.findall(r'(?:^|[\t\r\n])"((?:[^"\t\r\n]|"")*)"(?=[\t\r\n]|$)', sample)
    idle = sum(1 for cell in cells if '""' not in cell)
    return 0 < idle < 0.9 * records


def _is_table(reading: _Reading, suffix: str) -> bool:
    """Whether delimiters are a table's, not punctuation that happens to repeat."""
    if reading.width == 2 and len(reading.records[0]) == 1:
        return False  # one named column, whose texts hold a comma
    if suffix in _TABLE_SUFFIXES:
        return reading.share >= 0.5
    if reading.delimiter == "\t":
        return reading.share >= 0.9
    if reading.share < 0.97 or len(reading.records) < 2:
        return False
    first = reading.records[0]
    if all(known_name(cell) or re.fullmatch(r"\w[\w .-]{0,30}", cell) for cell in first) and any(
        map(known_name, first)
    ):
        return True
    if all(len(cell.split()) <= 3 for record in reading.records[:100] for cell in record):
        return True
    return len(reading.records) >= 10 and "label" in name_columns(reading.records)


def _delimited(reading: _Reading, suffix: str, plan: DataPlan) -> Dialect:
    records, problems = reading.records, []
    if not records:
        raise DataError(
            "bad-layout",
            "The file must have rows.",
            found="no row could be told",
            fix="Name --delimiter and --encoding.",
        )
    header = plan.header == "yes" or (plan.header == "auto" and has_header(records, suffix in _TABLE_SUFFIXES))
    dialect = Dialect("delimited", reading.delimiter, reading.quoting, (), header, reading.skip if header else "")
    if not header:
        names = list(name_columns([record for record in records if len(record) == reading.width]))
    else:
        names = list(records[0])
        width = Counter(len(record) for record in records[1:]).most_common(1)
        if len(names) > 1 and width and width[0][0] == len(names) + 1 and width[0][1] >= 0.9 * (len(records) - 1):
            names.insert(0, "")
            detail = "The header has one name fewer than the rows have cells; the first column is taken as row names."
            problems.append(Problem("row-names", "note", detail))
    return replace(dialect, names=filled(names), problems=tuple(problems))


def filled(names: list[str]) -> tuple[str, ...]:
    """Column names without spaces around them, `column_3` where the third has none."""
    return tuple(name.strip() or f"column_{position}" for position, name in enumerate(names, 1))


def _single(sample: str, complete: bool, suffix: str, plan: DataPlan) -> Dialect:
    """One column: quoted cells, or one text a line."""
    quoted = _read(sample, complete, ",", "double")
    if quoted.width == 1 and quoted.share == 1 and quoted.strays == 0 and '"' in sample and suffix in _TABLE_SUFFIXES:
        return _delimited(quoted, suffix, plan)
    line = _Counted(sample)
    first = next(line, "")
    cell = first.strip("\r\n")
    unquoted = cell.strip().strip('"')
    named = known_name(unquoted) or (
        suffix in _TABLE_SUFFIXES and has_header([[row] for row in sample[:65536].splitlines()], True)
    )
    header = plan.header == "yes" or (plan.header == "auto" and named and len(sample) > len(first))
    names = filled([unquoted]) if header else ("text",)
    return Dialect("lines", None, "none", names, header, first if header else "")


def _is_marked(sample: str, complete: bool) -> bool:
    """Lines that all end in `@` and one of a few words, after a sentence."""
    lines = [line for line in sample.split("\n") if line.strip()]
    lines = lines[:_MAX_RECORDS] if complete else lines[:-1][:_MAX_RECORDS]
    parts = [line.rsplit("@", 1) for line in lines]
    if len(lines) < 2 or sum(len(part) == 2 for part in parts) < 0.99 * len(lines):
        return False
    labels = {part[1].strip() for part in parts if len(part) == 2}
    sentences = sum(" " in part[0] for part in parts)
    short = all(0 < len(label) <= 40 and len(label.split()) <= 3 for label in labels)
    return short and sentences >= 0.9 * len(lines) and len(labels) <= max(2, len(lines) // 4)


def _spaced_width(sample: str, complete: bool) -> int:
    """How many numbers every line holds between spaces; 0 where lines hold anything else."""
    lines = [line for line in sample.split("\n") if line.strip()][: _MAX_RECORDS + 1]
    lines = lines if complete and len(lines) <= _MAX_RECORDS else lines[:-1]
    widths = {len(line.split()) for line in lines}
    if len(lines) < 2 or len(widths) != 1 or not all(map(is_number, " ".join(lines[:200]).split())):
        return 0
    width = widths.pop()
    return width if width > 1 else 0


def _marked(sample: str) -> Dialect:
    first = next(_Counted(sample), "")
    cells = [cell.strip() for cell in first.rsplit("@", 1)]
    header = len(cells) == 2 and all(map(known_name, cells))
    return Dialect(
        "marked", "@", "none", tuple(cells) if header else ("text", "label"), header, first if header else ""
    )
