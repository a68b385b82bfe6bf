"""Curation: the outcome of the data room. What was found, what became of every row, and where the cleaned file lies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metier import files
from metier.curate.fates import Fates
from metier.curate.findings import KINDS, Finding
from metier.errors import RecordError

FILE = "curation.json"


@dataclass(frozen=True)
class Curation:
    """A finished curation of `rows` rows.

    `facts` holds by question what is not about single rows. `run` is the folder with all of the evidence, `report` the
    page, `clean` the cleaned file, `sheet` the data sheet. `figures` is what `curate --json` answers.
    """

    rows: int
    findings: tuple[Finding, ...]
    fates: Fates
    facts: Mapping[str, Mapping[str, Any]]
    run: Path
    report: Path
    clean: Path
    sheet: Path
    figures: Mapping[str, Any] = field(repr=False)

    def of(self, row: int) -> tuple[str, str]:
        """(fate, reason) of a row, by its number in the file from 0."""
        fate, reason, _ = self.fates.of(row)
        return fate, reason


def summary(findings: Sequence[Finding]) -> dict[str, int]:
    """Kind -> how many findings of it there are, in the order of `KINDS`; kinds not found are left out."""
    counts = Counter(finding.kind for finding in findings)
    return {kind: counts[kind] for kind in KINDS if counts[kind]}


def worst_first(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Copies whose labels disagree first, then the surest, proposals before what a person has to look at."""
    return tuple(sorted(findings, key=_place))


def _place(one: Finding) -> tuple[bool, float, bool]:
    disagree = one.kind in ("duplicate", "near_duplicate") and bool(one.facts.get("conflict"))
    return not disagree, -round(one.score, 6), one.action in ("review", "keep")


def clearest(findings: Sequence[Finding], most: int, each: int) -> list[Finding]:
    """At most `most` findings on single rows, at most `each` of a kind, no row twice; in the order given."""
    chosen: list[Finding] = []
    kinds: Counter[str] = Counter()
    rows: set[int] = set()
    for one in findings:
        if one.row is not None and one.row not in rows and one.action != "keep" and kinds[one.kind] < each:
            kinds[one.kind] += 1
            rows.add(one.row)
            chosen.append(one)
    return chosen[:most]


def load(run: str | Path) -> dict[str, Any]:
    """What `curation.json` of a run holds. Raises RecordError where it is none."""
    path = Path(run) / FILE
    try:
        found = files.read_json(path)
    except ValueError as error:
        raise RecordError("no-curation", "A curation's run holds a curation.json.", found=f"{path}: {error}") from error
    if not isinstance(found, dict) or "findings" not in found:
        raise RecordError("no-curation", "A curation's run holds a curation.json.", found=str(path))
    return found
