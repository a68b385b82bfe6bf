"""Which texts may be copies of one another: MinHash of character shingles, and a forest of sorted keys.

Nothing here decides: a candidate is a pair worth a real comparison. Memory is bounded by the number of texts, not of
pairs, and by a chunk of characters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

Array = np.ndarray

TREES = 32
DEPTH = 3  # hashes a tree sorts by
_WINDOW = 8  # neighbours in a tree's order that a text is paired with
_PER_TEXT = 8  # pairs kept for a text, the likeliest
_FEWEST_AGREEING = 8  # of the TREES * DEPTH hashes
_LENGTHS = 0.8  # a copy is at least so long as a share of the other
# Short texts are cut into short shingles, of which an edit spoils fewer; texts between the bounds go both ways.
SHORT, LONG = (4, 56), (8, 48)
_CHARACTERS = 1 << 20  # hashed at once
_AT_ONCE = 1 << 17  # pairs compared at once


@dataclass(frozen=True)
class Signatures:
    """What is kept of n texts: uint64 (n, TREES) keys to sort by, uint8 (n, TREES * DEPTH) marks to compare."""

    keys: Array
    marks: Array


def candidates(texts: Sequence[str]) -> tuple[Array, Array]:
    """Pairs of texts that may be copies: int64 (m, 2), the first the smaller, and their likeness in 0..1, (m,).

    MinHash (Broder 1997) estimates the Jaccard similarity of shingle sets by how many minimal hashes agree. An LSH
    forest (Bawa, Condie & Ganesan 2005) keeps the pairs few where phrases are common: a text is paired with those next
    to it in the order of several hashes, so that crowded buckets part by themselves.
    """
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    found = []
    for size, some in ((SHORT[0], np.flatnonzero(lengths <= SHORT[1])), (LONG[0], np.flatnonzero(lengths >= LONG[1]))):
        if len(some) > 1:
            chosen = texts if len(some) == len(texts) else [texts[at] for at in some.tolist()]
            pairs, likeness = _paired(signatures(chosen, size), lengths[some])
            found.append((some[pairs], likeness))
    if not found:
        return np.zeros((0, 2), np.int64), np.zeros(0)
    pairs, likeness = (np.concatenate(parts) for parts in zip(*found, strict=True))
    first = np.unique(pairs[:, 0] * len(texts) + pairs[:, 1], return_index=True)[1]
    return pairs[first], likeness[first]


def signatures(texts: Sequence[str], size: int) -> Signatures:
    """MinHash signatures of the sets of `size` characters in a row, spaces at both ends counted."""
    multipliers, masks = _hash_functions()
    keys = np.empty((len(texts), TREES), np.uint64)
    marks = np.empty((len(texts), TREES * DEPTH), np.uint8)
    for start, stop, hashed, offsets in _shingled(texts, size):
        minima = np.empty((TREES * DEPTH, stop - start), np.uint32)
        for at, (multiplier, mask) in enumerate(zip(multipliers, masks, strict=True)):
            minima[at] = np.minimum.reduceat((hashed ^ mask) * multiplier, offsets)
        # The minimum of many hashes is near zero: mixed once more, so that its bits can be cut.
        mixed = (minima * np.uint32(0x9E3779B1)) ^ (minima >> np.uint32(15))
        marks[start:stop] = (mixed >> np.uint32(24)).T
        first, second, third = (mixed[level::DEPTH].astype(np.uint64).T for level in range(DEPTH))
        keys[start:stop] = (first >> 8 << 40) | (second >> 12 << 20) | (third >> 12)
    return Signatures(keys, marks)


def shingles(text: str, size: int) -> Array:
    """The distinct shingles of a text as sorted uint32 hashes, for an exact comparison."""
    return np.unique(next(iter(_shingled([text], size)))[2])


def _hash_functions() -> tuple[Array, Array]:
    rng = np.random.default_rng(20)
    multipliers = rng.integers(0, 2**31, TREES * DEPTH, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return multipliers, rng.integers(0, 2**32, TREES * DEPTH, dtype=np.uint32)


def _shingled(texts: Sequence[str], size: int) -> Iterator[tuple[int, int, Array, Array]]:
    """(first text, last text + 1, uint32 hashes of their shingles, where each text's begin), chunk by chunk."""
    start = 0
    while start < len(texts):
        stop, characters = start, 0
        while stop < len(texts) and (stop == start or characters + len(texts[stop]) < _CHARACTERS):
            characters += len(texts[stop]) + 2
            stop += 1
        padded = [f" {text} ".ljust(size) for text in texts[start:stop]]
        lengths = np.fromiter(map(len, padded), np.int64, len(padded))
        codes = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), np.uint32)
        hashed = np.zeros(len(codes) - size + 1, np.uint64)
        for at in range(size):
            hashed *= np.uint64(0x100000001B3)
            hashed += codes[at : at + len(hashed)]
        hashed = (hashed ^ (hashed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
        whole = np.ones(len(codes), bool)
        ends = np.cumsum(lengths)
        whole[(ends[:, None] - np.arange(1, size)).ravel()] = False  # these would run into the next text
        counts = lengths - size + 1
        yield start, stop, (hashed >> np.uint64(32)).astype(np.uint32)[whole[: len(hashed)]], np.cumsum(counts) - counts
        start = stop


def _paired(made: Signatures, lengths: Array) -> tuple[Array, Array]:
    """Walk the forest tree by tree, keeping each text's likeliest pairs."""
    count = len(lengths)
    codes, scores = np.empty(0, np.int64), np.empty(0, np.uint8)
    fresh: list[tuple[Array, Array]] = []
    waiting = 0
    for tree in range(TREES):
        for one, other in _next_to(made.keys[:, tree]):
            one, other = _as_long(one, other, lengths)
            agree = _agreeing(made.marks, one, other)
            likely = agree >= _FEWEST_AGREEING
            low, high = np.minimum(one, other)[likely], np.maximum(one, other)[likely]
            fresh.append((low * count + high, agree[likely]))
            waiting += len(low)
        if waiting > 2 * _PER_TEXT * count or tree == TREES - 1:
            codes, scores = _likeliest(codes, scores, fresh, count)
            fresh, waiting = [], 0
    return np.stack([codes // count, codes % count], axis=1), scores / (TREES * DEPTH)


def _next_to(keys: Array) -> Iterator[tuple[Array, Array]]:
    """Pairs that share a tree's first hash and stand within the window in its order."""
    order = np.argsort(keys, kind="stable")
    first = keys[order] >> np.uint64(40)
    for step in range(1, min(_WINDOW, len(keys) - 1) + 1):
        same = np.flatnonzero(first[step:] == first[:-step])
        if not len(same):
            return
        for at in range(0, len(same), _AT_ONCE):
            some = same[at : at + _AT_ONCE]
            yield order[some], order[some + step]


def _as_long(one: Array, other: Array, lengths: Array) -> tuple[Array, Array]:
    a, b = lengths[one] + 2, lengths[other] + 2
    alike = np.minimum(a, b) >= _LENGTHS * np.maximum(a, b) - 2
    return one[alike], other[alike]


def _agreeing(marks: Array, one: Array, other: Array) -> Array:
    return np.asarray(np.count_nonzero(marks[one] == marks[other], axis=1), np.uint8)


def _likeliest(codes: Array, scores: Array, fresh: list[tuple[Array, Array]], count: int) -> tuple[Array, Array]:
    """Old and fresh pairs without repeats, those kept that are among the likeliest of one of their texts."""
    codes = np.concatenate([codes, *(pair for pair, _ in fresh)])
    scores = np.concatenate([scores, *(score for _, score in fresh)])
    codes, first = np.unique(codes, return_index=True)
    scores = scores[first]
    kept = np.zeros(len(codes), bool)
    for side in (codes // count, codes % count):
        order = np.lexsort((~scores, side))
        begins = np.flatnonzero(np.diff(side[order], prepend=-1))
        rank = np.arange(len(order)) - np.repeat(begins, np.diff(begins, append=len(order)))
        kept[order[rank < _PER_TEXT]] = True
    return codes[kept], scores[kept]
