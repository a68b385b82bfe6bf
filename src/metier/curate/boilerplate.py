"""Which sentences and lines are a template's, not the row's own: signatures, disclaimers, form headers, masks?

A sentence that recurs is not a template by that alone: people do say "how do I do that". It is one when it recurs far
beyond what its own words, as they follow each other elsewhere in the data, explain.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from metier.curate.columns import TextColumn
from metier.curate.findings import Finding
from metier.curate.material import Side

# A full stop ends a sentence before a space, but not after a single letter (U.S.) or within a number.
_UNIT = re.compile(r"[^\n。！？]+?(?:(?<!\b\w)[.!?]+(?=\s|$)|[。！？]+|(?=\n)|$)|[。！？]+")
_WORD = re.compile(r"\w+")
_DIGITS = re.compile(r"\d+")
_MASK = re.compile(r"\bX{2,}\b|\[(?:[A-Z_ ]*(?:REDACTED|MASKED|REMOVED)[A-Z_ ]*)\]|<(?:REDACTED|MASKED|UNK)>|\*{4,}")
_FEWEST_WORDS = 4  # shorter sentences recur by themselves
_FEWEST_ROWS = 8
_SHARE = 0.002  # of the rows
_BEYOND = 50.0  # times what its words explain
_MOST = 200  # templates reported for a column
_SAMPLE = 100_000  # distinct sentences from which it is learnt how words follow each other
_MOSTLY = 0.6  # share of a row's characters from which it is called mostly boilerplate


@dataclass(frozen=True)
class Template:
    """A sentence or line that recurs: in how many texts, how many its words explain, where it first stands."""

    key: int
    words: int
    rows: int
    expected: float
    first: int


def templates(column: TextColumn) -> list[Template]:
    """The templates of one text column, commonest first.

    Sentences and lines are hashed without case, digits and punctuation, eight bytes for each; each is counted once for
    every different text it stands in with others, so that whole copies are left to the duplicates. What is explained
    is the count a bigram model of the column's distinct sentences expects, the recurring ones counted once.
    """
    keys, where = _units(column)
    if not len(keys):
        return []
    unique, first, count = np.unique(keys, return_index=True, return_counts=True)
    least = max(_FEWEST_ROWS, int(np.ceil(_SHARE * len(column))))
    often = np.flatnonzero(count >= least)
    if not len(often):
        return []
    often = often[np.argsort(-count[often], kind="stable")][:_MOST]
    spoken = {int(unique[i]): _words_of(column, int(where[first[i]]), int(unique[i])) for i in often}
    follows, begins = _habits(column)
    found = []
    for i in often:
        words = spoken[int(unique[i])]
        expected = len(keys) * _likely(words, follows, begins)
        if count[i] >= _BEYOND * max(expected, 0.2):
            found.append(Template(int(unique[i]), len(words), int(count[i]), float(expected), int(where[first[i]])))
    return found


def look(column: TextColumn, side: Side) -> tuple[list[Finding], dict[str, Any]]:
    """Findings and facts of one text column: each row with a template, and the text without it.

    Facts never quote a template, for it may be somebody's signature: they name a row it stands in.
    """
    rows = side.examples.rows
    known = {template.key: template for template in templates(column)}
    findings: list[Finding] = []
    masked = 0
    for start, texts in column.pieces():
        for at, text in enumerate(texts, start):
            without, share, found = _without(text, known) if known else (text, 0.0, [])
            masks = (
                sum(len(mask) for mask in _MASK.findall(text)) / max(len(text), 1) if "X" in text or "[" in text else 0
            )
            masked += masks > 0
            if found:
                findings.append(_told(int(rows[at]), side, column.name, without, share, [known[key] for key in found]))
            elif masks > 0.5:
                detail = f"Masks are {masks:.0%} of it: little is left to learn from."
                facts = {"defects": ["masked"], "share": round(masks, 3)}
                findings.append(
                    Finding("broken", int(rows[at]), side.file, masks, detail, None, "review", column.name, (), facts)
                )
    listed = [
        {"row": int(rows[t.first]), "words": t.words, "rows": t.rows, "expected": round(t.expected, 2)}
        for t in known.values()
    ]  # fmt: skip
    return findings, {"templates": listed, "rows": len(findings), "masked_rows": masked}


def _told(row: int, side: Side, column: str, without: str, share: float, found: list[Template]) -> Finding:
    rows = max(template.rows for template in found)
    mostly = share >= _MOSTLY
    detail = (
        f"{share:.0%} of it is a template: {'a sentence' if len(found) == 1 else f'{len(found)} sentences'} that "
        f"{'stands' if len(found) == 1 else 'stand'} in up to {rows:,} different texts."
    )
    # A person decides: texts written from phrases look like templates too, and there the phrases are the data.
    facts = {"defects": ["boilerplate"], "share": round(share, 3), "templates": len(found), "mostly": mostly}
    score = min(0.99, 0.5 + share / 2)
    return Finding("broken", row, side.file, score, detail, without or None, "review", column, (), facts)


def _without(text: str, known: dict[int, Template]) -> tuple[str, float, list[int]]:
    kept, found, gone, end = [], [], 0, 0
    for unit in _UNIT.finditer(text):
        words = _plain(unit[0])
        key = _key(words)
        if key in known and _long(words):
            kept.append(text[end : unit.start()])
            gone += len(unit[0].strip())
            found.append(key)
        else:
            kept.append(text[end : unit.end()])
        end = unit.end()
    if not found:
        return text, 0.0, []
    kept.append(text[end:])
    lines = (" ".join(line.split()) for line in "".join(kept).splitlines())
    return "\n".join(line for line in lines if line), gone / max(len(text.strip()), 1), found


def _units(column: TextColumn) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Hashes of all sentences and lines long enough, once for each different text; and the position of each."""
    keys: list[npt.NDArray[np.uint64]] = [np.zeros(0, np.uint64)]
    where: list[npt.NDArray[np.int64]] = [np.zeros(0, np.int64)]
    seen: set[int] = set()
    for start, texts in column.pieces():
        found: list[int] = []
        positions: list[int] = []
        for at, text in enumerate(texts, start):
            units = [_plain(unit) for unit in _UNIT.findall(text)]
            units = [words for words in units if words]
            if len(units) < 2:
                continue
            whole = _key([word for words in units for word in words])
            if whole in seen:
                continue
            seen.add(whole)
            own = {_key(words) for words in units if _long(words)}
            found += own
            positions += [at] * len(own)
        keys.append(np.array(found, np.uint64))
        where.append(np.array(positions, np.int64))
    return np.concatenate(keys), np.concatenate(where)


def _habits(column: TextColumn) -> tuple[Counter[tuple[str, str]], Counter[str]]:
    """How often each word follows each, and how often it stands at all, over distinct sentences."""
    follows: Counter[tuple[str, str]] = Counter()
    begins: Counter[str] = Counter()
    seen: set[int] = set()
    for _, texts in column.pieces():
        for text in texts:
            for unit in _UNIT.findall(text):
                words = _plain(unit)
                key = _key(words)
                if not words or key in seen:
                    continue
                seen.add(key)
                padded = ["", *words, ""]
                follows.update(pairwise(padded))
                begins.update(padded[:-1])
        if len(seen) >= _SAMPLE:
            break
    return follows, begins


def _likely(words: list[str], follows: Counter[tuple[str, str]], begins: Counter[str]) -> float:
    """The chance of this sentence when every word depends on the one before; its own single sighting is taken out."""
    padded = ["", *words, ""]
    chance = 1.0
    for pair in pairwise(padded):
        chance *= max(follows[pair] - 1, 0.1) / max(begins[pair[0]] - 1, 1)
    return min(chance, 1.0)


def _words_of(column: TextColumn, position: int, key: int) -> list[str]:
    (text,) = column.texts(np.array([position]))
    return next(words for words in map(_plain, _UNIT.findall(text)) if words and _key(words) == key)


def _long(words: list[str]) -> bool:
    return sum(word != "0" for word in words) >= _FEWEST_WORDS


def _plain(unit: str) -> list[str]:
    return _WORD.findall(_DIGITS.sub("0", unit.lower()))


def _key(words: list[str]) -> int:
    return int.from_bytes(blake2b(" ".join(words).encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
