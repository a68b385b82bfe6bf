"""Which texts may be copies of one another: MinHash of character shingles, and a forest of sorted keys.

Nothing here decides: a candidate is a pair worth a real comparison. Memory is bounded by the number of texts, not of
pairs, and by a chunk of characters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Array = np.ndarray

TREES = 32
DEPTH = 3  # hashes a tree sorts by
_WINDOW = 8  # neighbours in a tree's order that a text is paired with
_PER_TEXT = 8  # pairs kept for a text, the likeliest
_WAITING = 6  # pairs for each text that may wait until the likeliest are chosen
_FEWEST_AGREEING = 8  # of the TREES * DEPTH hashes
_LENGTHS = 0.8  # a copy is at least so long as a share of the other
# Short texts are cut into short shingles, of which an edit spoils fewer; texts between the bounds go both ways.
SHORT, LONG = (4, 56), (8, 48)
TINY = 8  # characters, up to which one edit may leave no shingle
_CHARACTERS = 1 << 20  # hashed at once
_TEXTS = 1 << 14  # taken out of their column at once
_AT_ONCE = 1 << 17  # pairs compared at once
_SCORE = 7  # lowest bits of a packed pair: how many of the hashes do not agree; the pair's code stands above them


@dataclass(frozen=True)
class Signatures:
    """What is kept of n texts: a list of TREES uint64 (n,) keys to sort by, uint8 (n, TREES * DEPTH) marks to compare.

    A key is let go of once its tree was walked.
    """

    keys: list[Array]
    marks: Array


def candidates(texts: Any, positions: Array | None = None) -> tuple[Array, Array]:
    """Pairs of texts that may be copies: int64 (m, 2), the first the smaller, and their likeness in 0..1, (m,).

    `texts` are strings or a pyarrow array of them; with `positions` (n,), ascending, only those are looked at, and
    pairs are of places among these. MinHash (Broder 1997) estimates the Jaccard similarity of shingle sets by how many
    minimal hashes agree. An LSH forest (Bawa, Condie & Ganesan 2005) keeps the pairs few where phrases are common: a
    text is paired with those next to it in the order of several hashes, so that crowded buckets part by themselves.
    """
    column = _column(texts)
    positions = np.arange(len(column)) if positions is None else positions
    lengths = pc.utf8_length(column).to_numpy()[positions].astype(np.int32)
    count = len(positions)
    found = [_one_edit(column, positions, np.flatnonzero(lengths <= TINY), count)]
    for size, some in ((SHORT[0], np.flatnonzero(lengths <= SHORT[1])), (LONG[0], np.flatnonzero(lengths >= LONG[1]))):
        if len(some) > 1:
            packed = _paired(signatures(column, size, positions[some]), lengths[some])
            found.append(packed if len(some) == count else _renumbered(packed, some, count))
    packed = _distinct(np.concatenate(found))
    codes = packed >> _SCORE
    likeness = 1.0 - (packed & ((1 << _SCORE) - 1)) / (TREES * DEPTH)
    return np.stack([codes // max(count, 1), codes % max(count, 1)], axis=1), likeness


def _column(texts: Any) -> Any:
    """One pyarrow array: of a column in pieces each taking would copy the whole."""
    if isinstance(texts, pa.ChunkedArray):
        return texts.chunk(0) if texts.num_chunks == 1 else texts.cast(pa.large_string()).combine_chunks()
    return texts if isinstance(texts, pa.Array) else pa.array(texts, pa.large_string())


def signatures(texts: Any, size: int, positions: Array | None = None) -> Signatures:
    """MinHash signatures of the sets of `size` characters in a row, spaces at both ends counted."""
    column = _column(texts)
    positions = np.arange(len(column)) if positions is None else positions
    multipliers, masks = _hash_functions()
    keys = [np.empty(len(positions), np.uint64) for _ in range(TREES)]
    marks = np.empty((len(positions), TREES * DEPTH), np.uint8)
    for begin in range(0, len(positions), _TEXTS):
        piece = column.take(pa.array(positions[begin : begin + _TEXTS])).to_pylist()
        for start, stop, hashed, offsets in _shingled(piece, size):
            minima = np.empty((TREES * DEPTH, stop - start), np.uint32)
            for at, (multiplier, mask) in enumerate(zip(multipliers, masks, strict=True)):
                minima[at] = np.minimum.reduceat((hashed ^ mask) * multiplier, offsets)
            # The minimum of many hashes is near zero: mixed once more, so that its bits can be cut.
            mixed = (minima * np.uint32(0x9E3779B1)) ^ (minima >> np.uint32(15))
            where = slice(begin + start, begin + stop)
            marks[where] = (mixed >> np.uint32(24)).T
            first, second, third = (mixed[level::DEPTH].astype(np.uint64) for level in range(DEPTH))
            whole = (first >> 8 << 40) | (second >> 12 << 20) | (third >> 12)
            for key, values in zip(keys, whole, strict=True):
                key[where] = values
    return Signatures(keys, marks)


def _one_edit(column: Any, positions: Array, some: Array, count: int) -> Array:
    """Packed pairs of tiny texts, equal once a character or none is deleted from each (SymSpell, Garbe 2012)."""
    if len(some) < 2:
        return np.empty(0, np.int64)
    codes, owners = [], []
    for begin in range(0, len(some), _TEXTS):
        piece = column.take(pa.array(positions[some[begin : begin + _TEXTS]])).to_pylist()
        for place, text in enumerate(piece, begin):
            forms = {text, *(text[:at] + text[at + 1 :] for at in range(len(text)))} if len(text) > 1 else {text}
            codes += [crc32(form.encode()) for form in forms]
            owners += [place] * len(forms)
    keys, who = np.array(codes, np.uint32), some[np.array(owners, np.int64)]
    found = [np.empty(0, np.int64)]
    for one, other in _next_to(keys, shift=0):
        low, high = np.minimum(who[one], who[other]), np.maximum(who[one], who[other])
        found.append(((low * count + high) << _SCORE)[low != high])
    return np.concatenate(found)


def _renumbered(packed: Array, some: Array, count: int) -> Array:
    """Pairs of places in `some`, made pairs of what stands there of `count`; in place."""
    for at in range(0, len(packed), 1 << 20):
        part = packed[at : at + (1 << 20)]
        code, score = part >> _SCORE, part & ((1 << _SCORE) - 1)
        part[:] = ((some[code // len(some)] * count + some[code % len(some)]) << _SCORE) | score
    return packed


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


def _paired(made: Signatures, lengths: Array) -> Array:
    """Walk the forest tree by tree, keeping each text's likeliest pairs: packed, sorted, no pair twice."""
    count = len(lengths)
    packed = np.empty(0, np.int64)
    fresh: list[Array] = []
    waiting = 0
    for tree in range(TREES):
        keys = made.keys[tree]
        made.keys[tree] = keys[:0]
        for one, other in _next_to(keys, shift=40):
            one, other = _as_long(one, other, lengths)
            agree = _agreeing(made.marks, one, other)
            likely = agree >= _FEWEST_AGREEING
            low, high = np.minimum(one, other)[likely], np.maximum(one, other)[likely]
            fresh.append(((low * count + high) << _SCORE) | (TREES * DEPTH - agree[likely]))
            waiting += len(low)
        if waiting > _WAITING * count or tree == TREES - 1:
            packed = _likeliest(np.concatenate([packed, *fresh]), count)
            fresh, waiting = [], 0
    return packed


def _next_to(keys: Array, shift: int) -> Iterator[tuple[Array, Array]]:
    """Pairs that share a tree's first hash, the bits from `shift` on, and stand within the window in its order."""
    order = np.argsort(keys, kind="stable")
    first = (keys[order] >> np.array(shift, keys.dtype)).astype(np.uint32)
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
    return np.asarray(np.count_nonzero(marks[one] == marks[other], axis=1), np.int64)


def _distinct(packed: Array) -> Array:
    """Packed pairs in order, the likeliest of equal ones kept; the array given is sorted."""
    packed.sort()
    new = np.ones(len(packed), bool)
    for at in range(1, len(packed), 1 << 22):
        part = packed[at - 1 : at + (1 << 22)] >> _SCORE
        new[at : at + len(part) - 1] = part[1:] != part[:-1]
    return packed[new]


def _likeliest(packed: Array, count: int) -> Array:
    """Those pairs kept that are among the likeliest of one of their texts."""
    packed = _distinct(packed)
    kept = np.zeros(len(packed), bool)
    wide = max(1, -(-count // 8))  # texts at once, so that little is sorted at a time
    last = np.empty(len(packed), np.uint32)
    for at in range(0, len(packed), 1 << 22):
        last[at : at + (1 << 22)] = (packed[at : at + (1 << 22)] >> _SCORE) % count
    for low in range(0, count, wide):
        begin, end = np.searchsorted(packed, np.array([low, low + wide]) * count << _SCORE)
        own = (packed[begin:end] >> _SCORE) // count - low
        kept[begin:end][_first_of_each(own, packed[begin:end])] = True
        here = np.flatnonzero((last >= low) & (last < low + wide))
        kept[here[_first_of_each(last[here].astype(np.int64) - low, packed[here])]] = True
    return packed[kept]


def _first_of_each(text: Array, packed: Array) -> Array:
    """Positions of the likeliest pairs of each text (m,), some for each."""
    order = np.argsort((text << _SCORE) | (packed & ((1 << _SCORE) - 1)), kind="stable")
    ordered = text[order]
    begins = np.flatnonzero(np.diff(ordered, prepend=-1))
    rank = np.arange(len(order)) - np.repeat(begins, np.diff(begins, append=len(order)))
    return np.asarray(order[rank < _PER_TEXT])
