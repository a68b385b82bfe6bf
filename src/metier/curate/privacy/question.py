"""The question of personal data: every column of text of both files is read, piece by piece, in bounded memory."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from metier.curate.findings import Action, Answer, Finding
from metier.curate.material import Material, Side
from metier.curate.privacy.actions import Treatment, exemptions, rewrite, treatments
from metier.curate.privacy.detect import detect
from metier.curate.privacy.hits import TYPES, Hit, settle
from metier.curate.privacy.keys import pseudonym_key
from metier.curate.privacy.models import Finder, finder
from metier.curate.privacy.tables import words
from metier.data.dataset import Column
from metier.workspace import Workspace

_PIECE = 4096
# A column whose name may be read as the words beside each of its values holds short values.
_SHORT = 80
_GENERIC = words("generic columns")
# A column is of a type when so much of it is; then the rest of it is as well.
_OF_A_TYPE, _WHOLE = 0.5, 0.8


@dataclass(frozen=True)
class _Rules:
    """What is looked for and done in this run."""

    actions: Mapping[str, Treatment]
    exempt: tuple[re.Pattern[str], ...]
    key: bytes | None
    names: Finder | None


@dataclass
class _Told:
    """What one column of one file gave."""

    types: Counter[str] = field(default_factory=Counter)
    whole: Counter[str] = field(default_factory=Counter)  # cells that are nothing but a value of the type
    cells: int = 0
    findings: list[Finding] = field(default_factory=list)


def answer(material: Material) -> Answer:
    """Personal data of all columns of text; see `metier.curate.privacy.ask`."""
    rules = _rules(material)
    findings: list[Finding] = []
    columns: dict[str, Counter[str]] = {}
    by_file: dict[str, dict[str, Any]] = {}
    for side in filter(None, (material.train, material.test)):
        rows: set[int] = set()
        types: Counter[str] = Counter()
        for column in _columns(side):
            told = _column(side, column, rules, material)
            findings += told.findings
            rows.update(finding.row for finding in told.findings if finding.row is not None)
            if told.types:
                types += told.types
                columns.setdefault(column.name, Counter()).update(told.types)
        by_file[side.file] = {"rows": len(rows), "of": len(side.dataset), "types": dict(types.most_common())}
    total = sum((Counter(one["types"]) for one in by_file.values()), Counter())
    facts = {
        "types": dict(total.most_common()),
        "columns": {name: dict(types.most_common()) for name, types in columns.items()},
        "rows": sum(one["rows"] for one in by_file.values()),
        "files": by_file,
        "actions": {type_: rules.actions[type_] for type_ in total},
        "names": material.plan.privacy.names or "rules",
    }
    return Answer(tuple(findings), facts)


def _rules(material: Material) -> _Rules:
    plan = material.plan.privacy
    actions = treatments(plan.privacy)
    key = pseudonym_key(_workspace(material)) if "pseudonym" in actions.values() else None
    return _Rules(actions, exemptions(plan.exempt), key, finder(plan.names) if plan.names else None)


def _workspace(material: Material) -> Path:
    """Where this run keeps its things: above the cache of the trunk, which knows."""
    cache = material.trunk.cache
    return Workspace.find().root if cache is None else cache.parent


def _columns(side: Side) -> Iterator[Column]:
    for column in side.dataset.schema.columns:
        kind = side.dataset.table.schema.field(column.name).type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
            yield column


def _cells(side: Side, name: str) -> Iterator[tuple[int, list[str | None]]]:
    """(first row, values) of a column, a piece at a time: never more of it than that in memory."""
    column = side.dataset.table.column(name)
    for start in range(0, len(column), _PIECE):
        yield start, column.slice(start, _PIECE).to_pylist()


def _column(side: Side, column: Column, rules: _Rules, material: Material) -> _Told:
    told = _Told()
    spoken = _spoken(side, column)
    target = column.name == side.dataset.schema.target
    with material.progress.stage(f"personal data in {column.name}", len(side.dataset), "rows") as stage:
        for start, values in _cells(side, column.name):
            for offset, (value, hits) in enumerate(zip(values, _hits(values, spoken, rules), strict=True)):
                if value is None or not value.strip():
                    continue
                told.cells += 1
                if hits:
                    _tell(told, side, column.name, start + offset, value, hits, rules)
            stage.advance(len(values))
    type_, share = _of_a_type(told)
    if type_ is not None:
        if not target:
            _rest(told, side, column.name, type_, share, rules)
        told.findings.insert(0, _about_column(side, column.name, told, type_, share, target, rules))
    if target:
        # Labels are not rewritten: that they name people is for a person to judge.
        told.findings = [finding for finding in told.findings if finding.row is None]
    return told


def _spoken(side: Side, column: Column) -> str:
    """The column's name as words before each value, where its values are too short to speak for themselves."""
    title = re.sub(r"(?<=[a-z])(?=[A-Z])|[_\W]+", " ", column.name).strip()
    if not title or set(title.lower().split()) & _GENERIC or column.name == side.dataset.schema.target:
        return ""
    head = [value for value in side.dataset.table.column(column.name).slice(0, 1000).to_pylist() if value]
    return f"{title}: " if head and sum(map(len, head)) / len(head) <= _SHORT else ""


def _hits(values: list[str | None], spoken: str, rules: _Rules) -> list[list[Hit]]:
    known: dict[str, list[Hit]] = {}
    distinct = [value for value in dict.fromkeys(values) if value]
    for value in distinct:
        found = detect(spoken + value, rules.exempt)
        known[value] = [_moved(hit, len(spoken)) for hit in found if hit.start >= len(spoken)] if spoken else found
    if rules.names is not None:
        for value, more in zip(distinct, rules.names(distinct), strict=True):
            kept = [hit for hit in more if not any(one.search(value[hit.start : hit.end]) for one in rules.exempt)]
            known[value] = settle(known[value] + kept)
    return [known.get(value, []) if value else [] for value in values]


def _moved(hit: Hit, by: int) -> Hit:
    return Hit(hit.type, hit.start - by, hit.end - by, hit.confidence, hit.rule)


def _tell(told: _Told, side: Side, column: str, row: int, value: str, hits: list[Hit], rules: _Rules) -> None:
    counts = Counter(hit.type for hit in hits)
    told.types += counts
    longest = max(hits, key=lambda hit: hit.end - hit.start)
    if longest.end - longest.start >= _WHOLE * len(value.strip()):
        told.whole[longest.type] += 1
    done = {rules.actions[type_] for type_ in counts}
    action: Action = "drop" if "drop" in done else "keep" if done == {"keep"} else "rewrite"
    told.findings.append(
        Finding(
            kind="personal_data",
            row=row,
            file=side.file,
            score=max(hit.confidence for hit in hits),
            detail=_detail(column, tuple(counts.items())),
            suggestion=None if action == "keep" else rewrite(value, hits, rules.actions, rules.key),
            action=action,
            column=column,
            facts=_facts(tuple(counts.items())),
        )
    )


# Millions of rows share a few sentences and counts: each is kept once.
@cache
def _facts(counts: tuple[tuple[str, int], ...]) -> dict[str, Any]:
    return {"types": dict(counts), "type": max(counts, key=lambda count: count[1])[0]}


@cache
def _detail(column: str, counts: tuple[tuple[str, int], ...]) -> str:
    told = [f"{count} {TYPES[type_][count > 1]}" for type_, count in counts]
    listed = " and ".join([", ".join(told[:-1]), told[-1]] if len(told) > 1 else told)
    return f"The column {column} holds {listed} here."


def _of_a_type(told: _Told) -> tuple[str | None, float]:
    if not told.whole or told.cells < 5:
        return None, 0.0
    type_, count = told.whole.most_common(1)[0]
    share = count / told.cells
    return (type_, share) if share >= _OF_A_TYPE else (None, share)


def _rest(told: _Told, side: Side, column: str, type_: str, share: float, rules: _Rules) -> None:
    """Cells of a column of names, say, in which no rule saw a name: they are as personal as the others."""
    seen = {finding.row for finding in told.findings}
    for start, values in _cells(side, column):
        for row, value in enumerate(values, start):
            if value is not None and row not in seen and any(map(str.isalnum, value)):
                if any(one.fullmatch(value.strip()) for one in rules.exempt):
                    continue
                lead = len(value) - len(value.lstrip())
                hit = Hit(type_, lead, lead + len(value.strip()), round(share, 4), "column")
                _tell(told, side, column, row, value, [hit], rules)
    told.findings.sort(key=lambda finding: finding.row or 0)


def _about_column(
    side: Side, column: str, told: _Told, type_: str, share: float, target: bool, rules: _Rules
) -> Finding:
    ending = " It is the target, so it is left alone." if target else ""
    return Finding(
        kind="personal_data",
        row=None,
        file=side.file,
        score=share,
        detail=f"The column {column} is one of {TYPES[type_][1]}: {share:.0%} of its values are nothing else.{ending}",
        action="keep" if rules.actions[type_] == "keep" else "review",
        column=column,
        facts={"types": {type_: told.types[type_]}, "type": type_, "share": round(share, 4)},
    )
