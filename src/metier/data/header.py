"""Whether a table's first record names its columns, and what to call the columns where nothing does."""

from __future__ import annotations

import re
from collections.abc import Sequence


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


_KNOWN = words(
    """text texts sentence sentences utterance query question message messages body content tweet review comment
    comments description title subject narrative abstract document instruction transcript note notes summary headline
    label labels target class category categories intent sentiment emotion topic tag y outcome rating score stars
    id uid uuid index key name date time timestamp split fold group user customer language lang source"""
)
_NUMBER = re.compile(r"\s*[-+$€£]?\s*(\d[\d,. ]*|\.\d+)([eE][-+]?\d+)?\s*%?\s*")
_NAME = re.compile(r"[^\W\d][\w .,/#()\[\]%?:&'-]{0,39}")


def normal(name: str) -> str:
    """A column name in lower case, words joined by underscores: `Is Fraud?` -> `is_fraud`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", "_", name.strip())
    return re.sub(r"\W+|_+", "_", spaced).strip("_").lower()


def known_name(cell: str) -> bool:
    """Whether a cell is a word that columns are commonly named with."""
    return normal(cell) in _KNOWN


def is_number(cell: str) -> bool:
    """Whether a cell reads as a number, a price or a percentage."""
    return _NUMBER.fullmatch(cell) is not None


def has_header(records: Sequence[Sequence[str]], expected: bool) -> bool:
    """Whether the first record names columns; `expected` decides where the cells don't tell (a file called .csv)."""
    first, rest = records[0], records[1:500]
    named = all(not cell.strip() or _NAME.fullmatch(cell.strip()) for cell in first)
    if not rest:
        return named and (expected or any(map(known_name, first)))
    score = sum(_evidence(cell, [row[i] for row in rest if i < len(row)]) for i, cell in enumerate(first))
    if any(cell.strip() in ("True", "False", "NA", "NaN", "null") for cell in first):
        score -= 3
    return score > 0 or (score == 0 and expected and named)


def _evidence(cell: str, below: Sequence[str]) -> int:
    """How much one cell of the first record looks like the name of what stands below it."""
    cell = cell.strip()
    values = [value for value in below if value.strip()]
    if not cell:
        return 0
    if is_number(cell):
        return -3
    if known_name(cell):
        return 4 if cell not in values else 0
    if not values:
        return 1 if _NAME.fullmatch(cell) else 0
    if sum(map(is_number, values)) >= 0.9 * len(values):
        return 3
    if cell in values:
        return -3
    if not _NAME.fullmatch(cell) or len(cell.split()) > 6:
        return -2
    typical = sorted(map(len, values))[len(values) // 2]
    repeats = len(values) >= 10 and len(set(values)) <= 0.2 * len(values)
    return 1 if repeats or typical > 2 * len(cell) + 10 else 0


def name_columns(records: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Names for a table without any: `text` and `label` where just one column is such, else `column_1`, ..."""
    width = len(records[0]) if records else 0
    columns = [[record[i] for record in records] for i in range(width)]
    texts = [i for i, values in enumerate(columns) if _is_prose(values)]
    labels = [i for i, values in enumerate(columns) if i not in texts and _repeats(values)]
    if width == 2 and len(texts) == 1 and not labels:
        labels = [1 - texts[0]]
    names = [f"column_{i + 1}" for i in range(width)]
    if len(texts) == 1:
        names[texts[0]] = "text"
    if len(labels) == 1 and texts:
        names[labels[0]] = "label"
    return tuple(names)


def _is_prose(values: Sequence[str]) -> bool:
    words = sum(len(value.split()) for value in values) / max(len(values), 1)
    return words >= 2.5 and len(set(values)) > 0.3 * len(values)


def _repeats(values: Sequence[str]) -> bool:
    return len(set(values)) <= max(2, 0.5 * len(values)) and max(map(len, values), default=0) <= 60
