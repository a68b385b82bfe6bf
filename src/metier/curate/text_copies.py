"""When two texts are one: equal but for form, or edited copies; never texts that differ in a word that decides.

"transfer 100" is no copy of "transfer 500", nor "card lost" of "card stolen", however few characters differ. What
tells them from an edited copy is that every word of both is a word other texts use, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metier.curate import minhash
from metier.data.profile import hashes

Array = np.ndarray

_AT_ONCE = 1 << 16
_LONGEST = 5_000  # characters compared letter by letter; longer texts by their shingles
_EDITED = 0.2  # share of characters a copy may differ in
_SHARED = 0.7  # of the shingles of long texts, as Jaccard similarity
_FREE_WORDS = 16  # up to so many words none may be exchanged for another; then one for every _WORDS_EACH more
_WORDS_EACH = 8
_MISSPELT = 50  # a word so many times rarer than the one it stands for is a misspelling
_LOOKS_ALIKE = 0.34  # share of a word's letters that a misspelling changes at most
_MANY_WORDS = 32  # from here on a copy with a few exchanged words is one all the same
_SOME_WORDS = 6  # in so many a single letter does not make another text
_SLIPS_EACH = 2  # so many misspellings make another difference one, too
_TINY = 8  # characters, under which one of the texts must be what many say and the other what no one else does
_GARBLED = 2  # letters by which what stands for a little word may differ from it
_GARBLED_AMONG = 4  # so many words for each of those
_OFTEN, _OFTEN_ROWS = 0.01, 20  # share of the texts, and texts, that hold a word as common as little words are
_UNSPACED = re.compile(r"([\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff])")
_DIGITS = re.compile("[\\d\u2212]")
_NUMBER = re.compile("\u2212?\\d+")
# In the order applied: a minus is kept from the dashes, symbols stand alone, marks that only separate go.
_FORM = (
    (r"(^|\s)[-\x{2212}](\d)", "\\1\u2212\\2"),
    (r"(\p{L})['’](\p{L})", r"\1\2"),
    (r"(\p{So})", r" \1 "),
    (
        r"[\p{Pd}\p{Ps}\p{Pe}\p{Pi}\p{Pf}\p{Pc}\p{Sk}\p{C}\p{Z}\s!\"'*,./:;?\\¡¿§¶·…、。，！？：；・।՝؟،؛\x{fe00}-\x{fe0f}]+",
        " ",
    ),
)


def normal(texts: Any) -> Iterator[pa.Array]:
    """Texts, chunk by chunk, without what makes no difference: case, spaces, punctuation, forms of one character.

    A text of nothing else stays what it is, but for spaces.
    """
    column = texts if isinstance(texts, pa.ChunkedArray) else pa.chunked_array([texts])
    for chunk in column.chunks:
        for at in range(0, len(chunk), _AT_ONCE):
            raw = pc.fill_null(chunk.slice(at, _AT_ONCE).cast(pa.large_string()), "")
            plain = pc.utf8_lower(pc.utf8_normalize(raw, "NFKC"))
            for pattern, replacement in _FORM:
                plain = pc.replace_substring_regex(plain, pattern, replacement)
            plain = pc.utf8_trim_whitespace(plain)
            bare = pc.utf8_trim_whitespace(pc.replace_substring_regex(raw, r"\s+", " "))
            yield pc.if_else(pc.equal(plain, ""), bare, plain)


@dataclass(frozen=True)
class TextSketch:
    """n texts, seen as copies of one another or not."""

    texts: Any  # pyarrow strings

    meant = True  # what is like in meaning without being a copy is worth telling

    @cached_property
    def _normal(self) -> pa.Array:
        # One piece: of a column in many each taking would copy the whole.
        return pa.chunked_array(list(normal(self.texts)), pa.large_string()).combine_chunks()

    @cached_property
    def exact(self) -> Array:
        """(n,) numbers, equal where texts are equal but for form."""
        pieces = [self._normal.slice(at, _AT_ONCE) for at in range(0, len(self._normal), _AT_ONCE)]
        parts = [np.empty(0, np.uint64), *(hashes(pa.chunked_array([piece])) for piece in pieces)]
        return np.unique(np.concatenate(parts), return_inverse=True)[1]

    @cached_property
    def exact_sure(self) -> Array:
        """(n,) whether equality is no accident: always."""
        return np.ones(len(self._normal), bool)

    def candidates(self, positions: Array) -> Array:
        """Pairs (m, 2) among these positions that may be edited copies."""
        pairs, _ = minhash.candidates(self._normal, positions)
        for at in range(0, len(pairs), _AT_ONCE):
            pairs[at : at + _AT_ONCE] = positions[pairs[at : at + _AT_ONCE]]
        return pairs

    def compare(self, pairs: Array) -> tuple[Array, Array]:
        """Likeness (m,) in 0..1, 0 where a pair is no copy; and (m,) whether nothing but spelling differs."""
        likeness, sure = np.zeros(len(pairs)), np.zeros(len(pairs), bool)
        for at in range(0, len(pairs), _AT_ONCE):
            some = slice(at, at + _AT_ONCE)
            likeness[some], sure[some] = self._compare(pairs[some])
        return likeness, sure

    def _compare(self, pairs: Array) -> tuple[Array, Array]:
        used, place = np.unique(pairs, return_inverse=True)
        texts = self._normal.take(pa.array(used)).to_pylist()
        place = place.reshape(pairs.shape)
        likeness = _likeness(texts, place)
        sure = np.zeros(len(pairs), bool)
        for at in np.flatnonzero(likeness).tolist():
            one, other = texts[place[at, 0]], texts[place[at, 1]]
            if max(len(one), len(other)) > _LONGEST:
                sure[at] = True
                continue
            copy, sure[at] = self._words.same(one, other)
            if not copy:
                likeness[at] = 0.0
        return likeness, sure

    def may_mean_the_same(self, pairs: Array) -> Array:
        """(m,) whether two texts speak of the same numbers."""
        used, place = np.unique(pairs, return_inverse=True)
        numbers = [
            tuple(sorted(_NUMBER.findall(text[:_LONGEST]))) for text in self._normal.take(pa.array(used)).to_pylist()
        ]
        one, other = place.reshape(pairs.shape).T
        return np.array([numbers[a] == numbers[b] for a, b in zip(one, other, strict=True)], bool)

    def quality(self, positions: Array) -> Array:
        """(m,) how clean each text is: less for words no other text uses; of equals the longer one."""
        out = np.empty(len(positions))
        for at, text in enumerate(self._normal.take(pa.array(positions)).to_pylist()):
            words = tokens(text[:_LONGEST])
            odd = sum(self._words.rows(word) <= 1 for word in words)
            out[at] = -odd + min(len(text), 10**6) * 1e-7
        return out

    @cached_property
    def _words(self) -> Words:
        _, first = np.unique(self.exact, return_index=True)
        return Words.of(self._normal, np.sort(first))


def _likeness(texts: Sequence[str], pairs: Array) -> Array:
    """(m,) 1 - edits / characters where few enough differ, else 0."""
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cpdist

    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    longest = lengths[pairs].max(axis=1)
    allowed = np.maximum(np.floor(_EDITED * longest), np.where(longest >= _TINY, 2, longest >= 3))
    out = np.zeros(len(pairs))
    plain = np.flatnonzero((longest <= _LONGEST) & (np.abs(np.diff(lengths[pairs], axis=1)[:, 0]) <= allowed))
    if len(plain):
        sides = ([texts[at] for at in pairs[plain, side].tolist()] for side in (0, 1))
        cutoff = int(allowed[plain].max())
        edits = cpdist(*sides, scorer=Levenshtein.distance, score_cutoff=cutoff, workers=1).astype(np.float64)
        near = edits <= allowed[plain]
        out[plain[near]] = 1.0 - edits[near] / np.maximum(longest[plain[near]], 1)
    kept: dict[int, Array] = {}
    for at in np.flatnonzero(longest > _LONGEST).tolist():
        one, other = (_kept_shingles(kept, texts, int(which)) for which in pairs[at])
        both = len(np.intersect1d(one, other, assume_unique=True))
        share = both / max(1, len(one) + len(other) - both)
        out[at] = share if share >= _SHARED else 0.0
    return out


def _kept_shingles(kept: dict[int, Array], texts: Sequence[str], at: int) -> Array:
    if at not in kept:
        if len(kept) > 64:
            kept.clear()
        kept[at] = minhash.shingles(texts[at], minhash.LONG[0])
    return kept[at]


def tokens(text: str) -> list[str]:
    """The words of a normal text; a character each in scripts without spaces."""
    return (_UNSPACED.sub(r" \1 ", text) if _UNSPACED.search(text) else text).split()


# Spelling; what no one else writes in place of a little word or a digit; one letter between two words that are both
# used; letters; a digit; another number; another word.
_KINDS = ("misspelt", "garbled", "slight", "doubtful", "number", "another number", "exchanged")
_DECIDE = frozenset({"doubtful", "number", "another number", "exchanged"})


@dataclass(frozen=True)
class Words:
    """In how many texts each word stands, counted by hash in bounded memory."""

    counts: Array
    texts: int

    @classmethod
    def of(cls, texts: pa.Array, positions: Array) -> Words:
        """Count over normal, distinct texts: those at these positions."""
        counts = np.zeros(1 << (24 if len(positions) > 100_000 else 20), np.uint32)
        for at in range(0, len(positions), 4096):
            said: list[str] = []
            for text in texts.take(pa.array(positions[at : at + 4096])).to_pylist():
                said.extend(set(tokens(text)))
            codes = np.fromiter(map(crc32, map(str.encode, said)), np.uint32, len(said)) & np.uint32(len(counts) - 1)
            which, often = np.unique(codes, return_counts=True)
            counts[which] += often.astype(np.uint32)
        return cls(counts, len(positions))

    def rows(self, word: str) -> int:
        """Texts that hold this word, or a few more."""
        return int(self.counts[crc32(word.encode()) & (len(self.counts) - 1)])

    def same(self, one: str, other: str) -> tuple[bool, bool]:
        """Whether one text is an edited copy of the other, and whether they differ in nothing but spelling."""
        from rapidfuzz.distance import Levenshtein

        a, b = tokens(one), tokens(other)
        found, known = dict.fromkeys(_KINDS, 0), 0
        for left, right in _blocks(Levenshtein.opcodes(a, b), a, b):
            own = any(self.rows(word) <= 1 for word in (*left, *right))
            for what, words in self._differences(left, right):
                found[what] += words
                known += words if what in _DECIDE and not own else 0
        size = max(len(a), len(b))
        other_words = found["exchanged"] + found["another number"]
        allowed = max(0, (size - _FREE_WORDS) // _WORDS_EACH)
        # One who mistypes does so in several places; one who writes another text changes what matters and no more.
        mistyped = found["misspelt"] + found["garbled"]
        copy = (
            other_words <= allowed
            and found["doubtful"] + 2 * found["number"] <= mistyped + allowed - other_words
            and (found["slight"] != 1 or mistyped or size >= _SOME_WORDS)
            and (not found["garbled"] or size >= _GARBLED_AMONG * found["garbled"])
        )
        # Among many slips what would decide elsewhere is another one, where it holds what no other text does.
        slips = found["misspelt"] // _SLIPS_EACH
        copy = copy or (known == 0 and other_words + found["number"] + found["doubtful"] <= slips)
        if max(len(one), len(other)) < _TINY:
            rows = [[self.rows(word) for word in side] for side in (a, b)]
            copy = copy and self._little(rows)
        numbers = found["number"] + found["another number"]
        words = found["garbled"] + found["slight"] + found["doubtful"] + found["exchanged"]
        spelling = numbers == 0 and (words == 0 or size >= _MANY_WORDS)
        return bool(copy), bool(copy and spelling)

    def _differences(self, left: list[str], right: list[str]) -> list[tuple[str, int]]:
        """What a run of words that differ comes to: word by word where there are as many, unless spaces have moved."""
        from rapidfuzz.distance import OSA

        if len(left) != len(right) or len(left) == 1:
            return _counted(self._difference(left, right), left, right)
        singly = [(self._difference([one], [other]), 1) for one, other in zip(left, right, strict=True)]
        if all(what == "misspelt" for what, _ in singly) or self._difference(left, right) != "misspelt":
            return singly
        apart = sum(OSA.distance(one, other) for one, other in zip(left, right, strict=True))
        moved = OSA.distance("".join(left), "".join(right)) < apart
        return [("misspelt", len(left))] if moved else singly

    def _difference(self, left: list[str], right: list[str]) -> str:
        """How one text's words differ from the other's at one place; one of `_KINDS`."""
        from rapidfuzz.distance import OSA

        one, other = "".join(left), "".join(right)
        if one == other:
            return "misspelt"
        digits, others = ("".join(_DIGITS.findall(side)) for side in (one, other))
        edits, longest = OSA.distance(one, other), max(len(one), len(other))
        if digits != others:
            if len(left) == len(right) == 1 and self._letter_for_digit(one, other, edits):
                return "garbled"
            slight = left and right and edits <= 0.5 * longest and OSA.distance(digits, others) <= 1
            return "number" if slight else "another number"
        if not left or not right:
            return ("misspelt", "doubtful")[longest - 1] if longest <= 2 else "exchanged"
        rows = [[self.rows(word) for word in side] for side in (left, right)]
        rare = [min(side) <= 2 for side in rows]
        # What hardly a text has, or what is far rarer than the word it looks like, is a misspelling of it.
        far_rarer = len(left) == len(right) and min(map(min, rows)) * _MISSPELT <= max(map(max, rows))
        slips = max(1 + (sum(rare) == 1 and longest > 3), _LOOKS_ALIKE * longest)
        # Letters put before or after a word make another word of it: activate, deactivate.
        derived = (
            edits > 1
            and min(len(one), len(other)) > 1
            and (one.startswith(other) or one.endswith(other) or other.startswith(one) or other.endswith(one))
        )
        if edits <= slips and (any(rare) or far_rarer) and not derived:
            return "misspelt"
        if edits <= _GARBLED and len(left) == len(right) and not derived and self._little(rows):
            return "garbled"
        near = edits <= 0.5 * longest
        if any(rare):
            return "doubtful" if near or longest <= 2 or not all(rare) else "exchanged"
        return "slight" if edits <= 1 else "doubtful" if near or longest <= 2 else "exchanged"

    def _letter_for_digit(self, one: str, other: str, edits: int) -> bool:
        """Whether one of two words is a number, and the other, which no other text holds, has a letter for a digit."""
        for number, odd in ((one, other), (other, one)):
            if number.isdecimal() and odd.isalnum() and not odd.isdecimal() and edits <= 2 and self.rows(odd) <= 1:
                found = iter(number)
                return all(digit in found for digit in odd if digit.isdecimal())  # in that order
        return False

    def _little(self, rows: list[list[int]]) -> bool:
        """Whether one side is words that many texts hold and the other one that none else does."""
        often = max(_OFTEN_ROWS, _OFTEN * self.texts)
        return all(rows) and any(min(one) >= often and max(other) <= 1 for one, other in (rows, rows[::-1]))


def _counted(what: str, left: list[str], right: list[str]) -> list[tuple[str, int]]:
    """A run of words that differ in one way; of a run with numbers only those are, the rest by its letters."""
    size = max(len(left), len(right))
    if what not in ("number", "another number"):
        return [(what, size)]
    from rapidfuzz.distance import OSA

    numbers = max(1, *(sum(bool(_DIGITS.search(word)) for word in side) for side in (left, right)))
    letters = ["".join(_DIGITS.sub("", word) for word in side) for side in (left, right)]
    alike = OSA.distance(*letters) <= _LOOKS_ALIKE * max(map(len, letters))
    return [(what, numbers), ("misspelt" if alike else "exchanged", max(0, size - numbers))]


def _blocks(opcodes: Any, a: list[str], b: list[str]) -> Iterator[tuple[list[str], list[str]]]:
    """Runs of words that differ."""
    left: list[str] = []
    right: list[str] = []
    for code in [*opcodes, None]:
        if code is not None and code.tag != "equal":
            left += a[code.src_start : code.src_end]
            right += b[code.dest_start : code.dest_end]
        elif left or right:
            yield left, right
            left, right = [], []
