"""Words of the data itself that should not matter, in pairs that can stand for one another.

A model learns a little about every word it has seen, by the chance of which rows had it. What that comes to is seen on
words as frequent as the identity terms that say nothing of the label, each swapped for one that stands between the same
neighbours. Without them, chance associations of a fair training set would pass for bias.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metier.tasks.contract import Array

_WORD = re.compile(r"[^\W\d_]{2,}")
_FEWEST_ROWS = 4  # that hold a word
_CANDIDATES = 60  # the nearest in frequency
_PAIRS = 20
_LIKE = 0.1  # cosine of two words' neighbours
_TOLD = 0.05  # p under which a word is taken to say something of the label


@dataclass(frozen=True)
class Pair:
    """Two words, and the rows that hold one of them alone: `rows` the first, `others` the second."""

    first: str
    second: str
    rows: tuple[int, ...]
    others: tuple[int, ...]


def like_words(texts: Sequence[str], truth: Array, avoid: set[str], frequency: float) -> list[Pair]:
    """Disjoint pairs of words about as frequent as `frequency` (rows), the likest first.

    `truth` (n,) are codes, or values where they are floats; `avoid` holds lower-case words that are no neutral ones.
    """
    tokens = [[word.lower() for word in _WORD.findall(text)] for text in texts]
    rows: dict[str, list[int]] = defaultdict(list)
    for row, words in enumerate(tokens):
        for word in dict.fromkeys(words):
            rows[word].append(row)
    common = sorted(word for word, at in rows.items() if len(at) >= _FEWEST_ROWS and word not in avoid)
    silent = [word for word in common if _says_nothing(rows[word], truth)]
    near = sorted(silent, key=lambda word: (abs(np.log(len(rows[word]) / max(frequency, 1.0))), word))[:_CANDIDATES]
    return [_pair(*two, rows) for two in _matched(near, _neighbours(tokens, set(near)))]


def _says_nothing(rows: Sequence[int], truth: Array) -> bool:
    """Whether the rows' labels (or values) are no other than those of all rows, beyond chance."""
    from scipy.special import chdtrc

    n, held = len(truth), len(rows)
    if held >= n:
        return True
    if truth.dtype.kind == "f":
        spread = float(truth.std())
        z = (truth[list(rows)].mean() - truth.mean()) / (spread * np.sqrt((1 / held) * (1 - held / n))) if spread else 0
        return bool(chdtrc(1, z**2) > _TOLD)
    whole = np.bincount(truth)
    seen = np.bincount(truth[list(rows)], minlength=len(whole))
    expected = held * whole[whole > 0] / n
    statistic = float(((seen[whole > 0] - expected) ** 2 / expected).sum() / (1 - held / n))
    return bool(chdtrc(max(1, (whole > 0).sum() - 1), statistic) > _TOLD)


def _neighbours(tokens: Sequence[Sequence[str]], wanted: set[str]) -> dict[str, Counter[tuple[int, str]]]:
    """Which words stand just before (-1) and just after (1)."""
    found: dict[str, Counter[tuple[int, str]]] = {word: Counter() for word in wanted}
    for words in tokens:
        for at, word in enumerate(words):
            if word in wanted:
                found[word][(-1, words[at - 1] if at else "")] += 1
                found[word][(1, words[at + 1] if at + 1 < len(words) else "")] += 1
    return found


def _matched(words: Sequence[str], around: dict[str, Counter[tuple[int, str]]]) -> list[tuple[str, str]]:
    """Disjoint pairs, greedily by the cosine of their neighbours."""
    norm = {word: np.sqrt(sum(count**2 for count in around[word].values())) for word in words}
    likeness = []
    for i, one in enumerate(words):
        for other in words[i + 1 :]:
            both = sum(count * around[other][key] for key, count in around[one].items())
            likeness.append((both / (norm[one] * norm[other]), one, other))
    used: set[str] = set()
    out: list[tuple[str, str]] = []
    for cosine, one, other in sorted(likeness, key=lambda each: (-each[0], each[1], each[2])):
        if cosine < _LIKE or len(out) == _PAIRS:
            break
        if one not in used and other not in used:
            used |= {one, other}
            out.append((one, other))
    return out


def _pair(first: str, second: str, rows: dict[str, list[int]]) -> Pair:
    here, there = set(rows[first]), set(rows[second])
    return Pair(first, second, tuple(sorted(here - there)), tuple(sorted(there - here)))
