"""When two rows of a table are one: all columns equal, numbers but for rounding, or all but one column equal.

Rows of few, common values are alike by chance. A pair counts where what it shares is so rare that hardly a row in a
thousand would have such a partner were the columns independent.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from metier.curate.text_copies import normal
from metier.data.profile import hashes
from metier.data.values import times
from metier.tasks.rows_encoding import Feature, numbers_of, roles, strings_of, text_of

Array = np.ndarray

_ROUNDED = 0.005  # of a standard deviation: numbers so near are one, rounded
_CELL = 0.1  # of a standard deviation: the grid in which near numbers are sought
_WHOLE = 50  # up to so many different whole numbers each is a level of its own
_GROUPS = 32  # sets of columns of which one may differ
_CHANCE_BITS = 10  # one row in a thousand has a partner by chance
_WINDOW = 3


@dataclass(frozen=True)
class _Column:
    """One column: levels (n,) int64, -1 where missing, and `numbers` where nearness counts, within `tolerance`."""

    levels: Array
    bits: Array  # (n,) how much it says that another row has the same: -log2 of the share of rows that do
    numbers: Array | None = None
    tolerance: float = 0.0
    width: float = 1.0

    def grid(self, shift: float) -> Array:
        """(n,) cells of a grid of numbers, levels as they are."""
        if self.numbers is None:
            return self.levels
        cells = np.floor(np.nan_to_num(self.numbers) / self.width + shift)
        return np.where(self.levels < 0, np.int64(-(2**62)), np.clip(cells, -(2**61), 2**61).astype(np.int64))


@dataclass(frozen=True)
class RowSketch:
    """n rows of a table of features, seen as copies of one another or not."""

    table: pa.Table

    meant = False  # rows alike in all columns are told by their columns

    @cached_property
    def exact(self) -> Array:
        """(n,) numbers, equal where all columns are equal; 1.0 is 1, case and spaces do not count."""
        total = np.zeros(self.table.num_rows, np.uint64)
        for at, column in enumerate(self._columns):
            total += _mixed(column.levels, at)
        return np.unique(total, return_inverse=True)[1]

    @cached_property
    def exact_sure(self) -> Array:
        """(n,) whether an equal row is no accident."""
        total = np.zeros(self.table.num_rows)
        for column in self._columns:
            total += column.bits
        return np.asarray(total >= self._needed, bool)

    def candidates(self, positions: Array) -> Array:
        """Pairs (m, 2) among these positions that agree in all sets of columns but one, numbers on a grid."""
        found = [np.empty(0, np.int64)]
        count = self.table.num_rows
        near = any(column.numbers is not None for column in self._columns)
        for shift in (0.0, 0.5) if near else (0.0,):
            groups = min(_GROUPS, len(self._columns))
            parts = np.zeros((groups, len(positions)), np.uint64)
            for at, column in enumerate(self._columns):
                parts[at % groups] += _mixed(column.grid(shift)[positions], at)
            total = parts.sum(axis=0, dtype=np.uint64)
            for left_out in (total, *(total - part for part in parts)):
                order = np.argsort(left_out, kind="stable")
                ordered = left_out[order]
                for step in range(1, min(_WINDOW, len(order) - 1) + 1):
                    same = np.flatnonzero(ordered[step:] == ordered[:-step])
                    one, other = positions[order[same]], positions[order[same + step]]
                    found.append(np.minimum(one, other) * count + np.maximum(one, other))
        codes = np.unique(np.concatenate(found))
        return np.stack([codes // max(count, 1), codes % max(count, 1)], axis=1)

    def compare(self, pairs: Array) -> tuple[Array, Array]:
        """Likeness (m,), the share of equal columns, 0 where a pair is no copy; (m,) whether numbers alone differ."""
        one, other = pairs[:, 0], pairs[:, 1]
        bits, differing, rounded = np.zeros(len(pairs)), np.zeros(len(pairs), int), np.zeros(len(pairs), int)
        for column in self._columns:
            same = column.levels[one] == column.levels[other]
            near = same
            if column.numbers is not None:
                both = (column.levels[one] >= 0) & (column.levels[other] >= 0)
                with np.errstate(invalid="ignore"):
                    near = same | (both & (np.abs(column.numbers[one] - column.numbers[other]) <= column.tolerance))
            rounded += near & ~same
            differing += ~near
            bits += np.where(near, np.minimum(column.bits[one], column.bits[other]), 0.0)
        share = 1.0 - (differing + 0.5 * rounded) / max(1, len(self._columns))
        copy = (differing <= 1) & (bits >= self._needed)
        return np.where(copy, np.maximum(share, 0.01), 0.0), copy & (differing == 0)

    def may_mean_the_same(self, pairs: Array) -> Array:
        """(m,) never: a row says no more than its columns."""
        return np.zeros(len(pairs), bool)

    def quality(self, positions: Array) -> Array:
        """(m,) how complete each row is: less for missing cells."""
        missing = [column.levels[positions] < 0 for column in self._columns]
        return np.asarray(-np.sum(missing, axis=0, dtype=float))

    @property
    def _needed(self) -> float:
        return float(np.log2(max(2, self.table.num_rows)) + _CHANCE_BITS)

    @cached_property
    def _columns(self) -> list[_Column]:
        return [self._column(name, role) for name, role in roles(self.table).items()]

    def _column(self, name: str, role: str) -> _Column:
        if role == "number":
            return _numbers(numbers_of(self.table, Feature(name, "number")))
        if role == "time":
            moments = times(self.table, name)
            return _levels(moments.astype(np.int64), np.isnat(moments))
        cells = text_of(self.table, name) if role == "text" else strings_of(self.table, name)
        plain = list(normal(cells))
        codes = np.concatenate([np.empty(0, np.uint64), *(hashes(pa.chunked_array([chunk])) for chunk in plain)])
        return _levels(codes, np.asarray(cells.is_null().to_numpy(), bool))


def _numbers(values: Array) -> _Column:
    missing = np.isnan(values)
    known = values[~missing]
    column = _levels(np.where(missing, 0.0, values) + 0.0, missing)
    spread = _spread(known)
    whole = bool((known == np.floor(known)).all()) and len(np.unique(known)) <= _WHOLE
    if whole or not spread > 0:
        return column
    width = _CELL * spread
    cells = np.floor(np.where(missing, 0.0, values) / width)
    return _Column(column.levels, _levels(cells, missing).bits, values, _ROUNDED * spread, width)


def _spread(known: Array) -> float:
    """A standard deviation that one mistyped cell does not decide."""
    if len(known) < 2:
        return 0.0
    low, high = np.quantile(known, [0.01, 0.99], method="inverted_cdf")
    spread = float(np.clip(known, low, high).std())
    return spread if np.isfinite(spread) else 0.0


def _levels(values: Array, missing: Array) -> _Column:
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    levels = np.where(missing, np.int64(-1), codes.astype(np.int64))
    bits = np.where(missing, 0.0, -np.log2(counts[codes] / max(1, len(values))))
    return _Column(levels, bits)


def _mixed(levels: Array, salt: int) -> Array:
    """(n,) uint64 hashes (SplitMix64) whose sums may be taken apart again."""
    with np.errstate(over="ignore"):
        x = levels.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(
            (salt + 1) * 0xD1342543DE82EF95 % 2**64
        )
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)), np.uint64)
