"""What becomes of every row: the questions' proposals and a person's decisions brought together, one fate a row."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from metier.curate.findings import Action, Finding, Kind
from metier.data.dataset import Dataset

Fate = Literal["kept", "dropped", "relabelled", "rewritten", "set_aside"]
FATES: tuple[Fate, ...] = get_args(Fate)
Word = Literal["keep", "drop", "relabel", "rewrite", "mask"]
WORDS: tuple[Word, ...] = get_args(Word)

_COPIES: tuple[Kind, ...] = ("duplicate", "near_duplicate", "paraphrase")
_ACTS: tuple[Action, ...] = ("drop", "relabel", "rewrite")
_BATCH = 16_384
# Longer cells are not compared letter by letter: of several rewritings the one that hides personal data is taken.
_COMPARED = 20_000


@dataclass(frozen=True)
class Decision:
    """What a person said of one row: `word` and, for a label or a text, `value`; who said it, and when (ISO 8601)."""

    row: int
    hash: str
    word: Word
    value: Any
    reviewer: str
    at: str


@dataclass(frozen=True)
class Change:
    """What is proposed for a row, or done with it, and why.

    `action` is drop, relabel, rewrite or keep; a relabelled row may have rewritten `cells` (column -> text), too.
    `by` is empty for the data room's own proposal, else the reviewer. `score` is that of the surest finding behind it.
    """

    row: int
    action: Action
    reason: str
    score: float
    kinds: tuple[Kind, ...]
    label: Any = None
    cells: Mapping[str, Any] = field(default_factory=dict)
    by: str = ""
    at: str | None = None

    @property
    def fate(self) -> Fate:
        """The fate of a row with which this is done."""
        fates: dict[Action, Fate] = {"drop": "dropped", "relabel": "relabelled", "rewrite": "rewritten"}
        return fates.get(self.action, "kept")

    def as_json(self) -> dict[str, Any]:
        """As `curation.json` keeps it."""
        return {
            "row": self.row,
            "action": self.action,
            "reason": self.reason,
            "kinds": list(self.kinds),
            "label": self.label,
            "cells": dict(self.cells),
            "by": self.by or "metier",
            "at": self.at,
        }


@dataclass(frozen=True)
class Fates:
    """The fate of each of `rows` rows: `done` and `proposed` by row; every other row is kept or was set aside.

    `set_aside` holds rows nothing can be learnt from as they are (no text, no label) and why; they stay in the file
    unless they are dropped.
    """

    rows: int
    done: Mapping[int, Change]
    proposed: Mapping[int, Change]
    set_aside: Mapping[int, str]

    def of(self, row: int) -> tuple[Fate, str, str]:
        """(fate, reason, who decided) of a row."""
        change = self.done.get(row)
        if change is not None and change.action != "keep":
            return change.fate, change.reason, change.by or "metier"
        if row in self.set_aside:
            return "set_aside", self.set_aside[row], "metier"
        if change is not None:
            return "kept", change.reason, change.by or "metier"
        if row in self.proposed:
            open_ = self.proposed[row]
            return "kept", f"proposed and not done: {open_.action}, as {open_.reason}", "metier"
        return "kept", "", "metier"

    def counts(self) -> dict[str, int]:
        """Rows of each fate."""
        found = Counter(self.of(row)[0] for row in {*self.done, *self.set_aside})
        found["kept"] = self.rows - sum(count for fate, count in found.items() if fate != "kept")
        return {fate: found[fate] for fate in FATES}

    def dropped(self) -> list[int]:
        """The rows left out of the cleaned file, ascending."""
        return sorted(row for row, change in self.done.items() if change.action == "drop")

    @property
    def changes_nothing(self) -> bool:
        """Whether the cleaned file is the file itself."""
        return all(change.action == "keep" for change in self.done.values())


def resolve(
    findings: Iterable[Finding],
    *,
    file: str,
    rows: int,
    set_aside: Mapping[int, str],
    apply: bool,
    decisions: Mapping[int, Decision] | None = None,
    original: Mapping[tuple[int, str], str] | None = None,
) -> Fates:
    """One fate a row, from all findings on the rows of `file` and a person's decisions.

    A decision overrides what is proposed for its row; a proposal is acted on only with `apply`. Leaving a row out beats
    changing it; a new label and new cells go together. Of several rewritings of one cell the parts that don't overlap
    are joined, given the `original` cells; otherwise the one that hides personal data stays. A copy whose kept twin was
    dropped by a person is kept: nobody said that all of them should go.
    """
    decisions, original = decisions or {}, original or {}
    by_row: dict[int, list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.row is not None and finding.file == file:
            by_row[finding.row].append(finding)
    gone = {row for row, decision in decisions.items() if decision.word == "drop"}
    done: dict[int, Change] = {}
    proposed: dict[int, Change] = {}
    for row in sorted({*by_row, *decisions}):
        found = [one for one in by_row.get(row, []) if not _twin_is_gone(one, gone)]
        proposal = propose(row, found, original)
        decision = decisions.get(row)
        if decision is not None:
            done[row] = _decided(decision, found, proposal if apply else None)
        elif proposal is not None:
            (done if apply else proposed)[row] = proposal
    return Fates(rows, done, proposed, set_aside)


def propose(row: int, found: Sequence[Finding], original: Mapping[tuple[int, str], str]) -> Change | None:
    """What all findings on one row propose together; None where a person has to look, or nothing is wrong."""
    acting = sorted((one for one in found if one.action in _ACTS), key=lambda one: -one.score)
    if not acting:
        return None
    drops = [one for one in acting if one.action == "drop"]
    if drops:
        return _change(row, "drop", drops)
    labels = [one for one in acting if one.action == "relabel" and one.suggestion is not None]
    rewriting = [one for one in acting if one.action == "rewrite" and one.column is not None]
    cells = rewritten(row, rewriting, original)
    if labels:
        return _change(row, "relabel", [labels[0], *rewriting], label=labels[0].suggestion, cells=cells)
    return _change(row, "rewrite", rewriting, cells=cells) if rewriting else None


def rewritten(row: int, found: Sequence[Finding], original: Mapping[tuple[int, str], str]) -> dict[str, Any]:
    """Column -> new text: all rewritings of a cell joined, personal data hidden last and for certain."""
    columns: dict[str, list[Finding]] = defaultdict(list)
    for one in sorted(found, key=lambda one: (one.kind != "personal_data", -one.score)):
        columns[str(one.column)].append(one)
    cells: dict[str, Any] = {}
    for column, several in columns.items():
        cell = original.get((row, column))
        texts = list(dict.fromkeys(one.suggestion for one in several))
        joinable = cell is not None and len(texts) > 1 and all(isinstance(text, str) for text in texts)
        cells[column] = joined(cell, texts) if joinable and cell is not None else texts[0]
    return cells


def joined(original: str, texts: Sequence[str]) -> str:
    """The changes that each of `texts` makes to `original`, in one text; where two overlap, the earlier text's stay."""
    if len(original) > _COMPARED:
        return texts[0]
    edits: list[tuple[int, int, str]] = []
    for text in texts:
        matcher = difflib.SequenceMatcher(None, original, text, autojunk=False)
        for tag, start, end, new_start, new_end in matcher.get_opcodes():
            if tag == "equal" or any(_touch((start, end), (other[0], other[1])) for other in edits):
                continue
            edits.append((start, end, text[new_start:new_end]))
    out = original
    for start, end, new in sorted(edits, reverse=True):
        out = out[:start] + new + out[end:]
    return out


def contents(dataset: Dataset, rows: Iterable[int] | None = None) -> Iterator[tuple[int, str]]:
    """(row, content hash) of these rows, or of all: SHA-256 of the cells by name, shortened.

    It begins with a letter, so that no spreadsheet takes it for a number or a date.
    """
    import pyarrow as pa

    names = dataset.table.column_names
    if rows is None:
        pieces: Iterable[tuple[Sequence[int], Any]] = (
            (range(at, min(at + _BATCH, len(dataset))), dataset.table.slice(at, _BATCH))
            for at in range(0, len(dataset), _BATCH)
        )
    else:
        wanted = list(rows)
        pieces = (
            (wanted[at : at + _BATCH], dataset.table.take(pa.array(wanted[at : at + _BATCH], pa.int64())))
            for at in range(0, len(wanted), _BATCH)
        )
    for numbers, piece in pieces:
        columns = [piece.column(name).to_pylist() for name in names]
        for row, cells in zip(numbers, zip(*columns, strict=True), strict=True):
            yield row, content_hash(names, cells)


def content_hash(names: Sequence[str], cells: Sequence[Any]) -> str:
    """The hash of one row's cells under these column names: `h` and 15 hexadecimal digits."""
    plain = json.dumps([*zip(names, cells, strict=True)], ensure_ascii=True, default=str)
    return "h" + hashlib.sha256(plain.encode()).hexdigest()[:15]


def _touch(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return (one[0] < other[1] and other[0] < one[1]) or one == other


def _twin_is_gone(finding: Finding, gone: set[int]) -> bool:
    return finding.kind in _COPIES and finding.action == "drop" and finding.suggestion in gone


def _change(
    row: int,
    action: Action,
    behind: Sequence[Finding],
    *,
    label: Any = None,
    cells: Mapping[str, Any] | None = None,
) -> Change:
    reason = "; ".join(dict.fromkeys(one.detail.rstrip(".") for one in behind))
    kinds = tuple(dict.fromkeys(one.kind for one in behind))
    return Change(row, action, reason, max(one.score for one in behind), kinds, label, cells or {})


def _decided(
    decision: Decision,
    found: Sequence[Finding],
    proposal: Change | None,
) -> Change:
    """What a person's word means for the row; it has been checked by `review.read`."""
    kinds = tuple(dict.fromkeys(one.kind for one in found))
    score = max((one.score for one in found), default=0.0)
    action: Action = "rewrite" if decision.word == "mask" else decision.word
    label, cells = None, {}
    if decision.word == "relabel":
        label, cells = decision.value, dict(proposal.cells) if proposal is not None else {}
    elif decision.word in ("rewrite", "mask"):
        cells = dict(decision.value)
    reason = f"{decision.reviewer} decided: {decision.word}"
    return Change(decision.row, action, reason, score, kinds, label, cells, decision.reviewer, decision.at)
