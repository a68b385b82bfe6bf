"""What differs between two versions of a data set: rows added, removed, changed, relabelled; columns; shifts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metier.data.dataset import Column, Dataset
from metier.data.profile import count_different, hashes
from metier.data.schema import number_style, numbers, require, strings
from metier.data.shift import Chance, Floats, Ints, Pairs, Shift, holm, of_shares, of_values
from metier.data.split import input_hashes
from metier.errors import DataError
from metier.plan import Plan

_SHOWN = 1000
_MOST_VALUES = 50


@dataclass(frozen=True)
class Matching:
    """Rows of A and B put together. Pairs are (m, 2) row numbers, in A and in B; single rows are (m,)."""

    by: str  # the identifying column's name, or `content`
    same: Ints
    changed: Ints
    relabelled: Ints
    added: Ints
    removed: Ints

    @property
    def differences(self) -> int:
        """How many rows differ in any way."""
        return sum(map(len, (self.changed, self.relabelled, self.added, self.removed)))

    @property
    def pairs(self) -> Pairs:
        """All rows that are on both sides."""
        both = np.concatenate([self.same, self.changed, self.relabelled])
        return Pairs(both[:, 0], both[:, 1])


@dataclass(frozen=True)
class Difference:
    """Everything that differs between version A and version B."""

    a: Mapping[str, Any]
    b: Mapping[str, Any]
    matching: Matching
    labels: tuple[tuple[Any, Any], ...]  # of `matching.relabelled`, in A and in B
    columns: Mapping[str, list[dict[str, str]]]
    shifts: tuple[Shift, ...]

    def as_json(self) -> dict[str, Any]:
        """The shape of `data diff --json`; of row numbers the first 1,000 of each kind."""
        found = self.matching
        moves = Counter(self.labels)
        told = zip(found.relabelled[:_SHOWN].tolist(), self.labels, strict=False)
        return {
            "a": dict(self.a),
            "b": dict(self.b),
            "matched_by": found.by,
            "rows": {name: len(getattr(found, name)) for name in ("same", "added", "removed", "changed", "relabelled")},
            "added": found.added[:_SHOWN].tolist(),
            "removed": found.removed[:_SHOWN].tolist(),
            "changed": [{"a": a, "b": b} for a, b in found.changed[:_SHOWN].tolist()],
            "relabelled": [{"a": a, "b": b, "from": old, "to": new} for (a, b), (old, new) in told],
            "label_moves": [{"from": old, "to": new, "rows": rows} for (old, new), rows in moves.most_common(_SHOWN)],
            "columns": {name: list(found) for name, found in self.columns.items()},
            "shifts": [shift.as_json() for shift in self.shifts],
        }


def diff(a: Dataset, b: Dataset, plan: Plan, identifier: str | None = None) -> Difference:
    """Compare two versions. Rows are matched by `identifier` or an id column where that explains more, else by content.

    By content, rows whose inputs are equal but for case and spaces are the same row, with multiplicity; such a
    difference counts as changed. Memory holds hashes and numbers of the rows, not the rows. Raises DataError where the
    two have no column in common, or `identifier` is not different in every row.
    """
    common = [name for name in a.table.column_names if name in b.table.column_names]
    if not common:
        raise DataError(
            "nothing-in-common",
            "Two versions of a data set must have a column in common.",
            found=f"{', '.join(a.table.column_names[:10])}; and {', '.join(b.table.column_names[:10])}",
            fix="Compare versions of one data set, or rename the columns.",
        )
    target = plan.data.target or a.schema.target
    target = target if target in common else None
    matching = _matched(a, b, common, target, identifier)
    pairs = matching.pairs
    shifts = [shift for name in common if (shift := _shift(a, b, name, target, pairs, plan)) is not None]
    return Difference(
        _about(a),
        _about(b),
        matching,
        _labels(a, b, target, matching.relabelled),
        _columns(a, b, common),
        holm(shifts, plan.ladder.level),
    )


def _about(dataset: Dataset) -> dict[str, Any]:
    source = dataset.source
    return {"path": source.path, "sha256": source.sha256, "rows": len(dataset), "target": dataset.schema.target}


def _matched(a: Dataset, b: Dataset, common: list[str], target: str | None, identifier: str | None) -> Matching:
    if identifier is not None:
        require(common, [identifier])
        if not (_identifies(a, identifier) and _identifies(b, identifier)):
            raise DataError(
                "id-repeats",
                f"To match rows by {identifier!r} it must be there and different in every row.",
                found="cells that are missing or repeat",
                fix="Name another column, or leave --id out to match rows by content.",
            )
        return _by_id(a, b, common, target, identifier)
    found = _by_content(a, b, common, target)
    ids = [n for n in common if "id" in (a.schema.column(n).content, b.schema.column(n).content) and n != target]
    for name in ids:
        # A column that only numbers the rows matches nothing once a row is gone: what explains less is not believed.
        if _identifies(a, name) and _identifies(b, name):
            other = _by_id(a, b, common, target, name)
            if other.differences <= found.differences and len(other.same):
                found = other
    return found


def _identifies(dataset: Dataset, name: str) -> bool:
    column = strings(dataset.table, name)
    return not column.null_count and count_different(hashes(column)) == len(column)


def _inputs(a: Dataset, b: Dataset, common: list[str], target: str | None, without: str | None) -> list[str]:
    """The columns by which rows are told apart: no target, no identifiers unless there is nothing else, no bytes."""
    usable = [name for name in common if name not in (target, without) and not _is_binary(a, b, name)]
    telling = [n for n in usable if "id" not in (a.schema.column(n).content, b.schema.column(n).content)]
    return telling or usable


def _is_binary(a: Dataset, b: Dataset, name: str) -> bool:
    kinds = (a.table.schema.field(name).type, b.table.schema.field(name).type)
    return any(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) for kind in kinds)


def _exact(table: pa.Table, names: list[str]) -> np.ndarray:
    """(n,) uint64 hashes of rows as they stand."""
    total = np.zeros(table.num_rows, np.uint64)
    for name in names:
        total = _mixed(total, hashes(strings(table, name)))
    return total


def _by_id(a: Dataset, b: Dataset, common: list[str], target: str | None, name: str) -> Matching:
    names = _inputs(a, b, common, target, name)
    one, other = match(hashes(strings(a.table, name)), hashes(strings(b.table, name)))
    changed = _exact(a.table, names)[one] != _exact(b.table, names)[other]
    moved = np.zeros(len(one), bool)
    if target is not None:
        moved = _exact(a.table, [target])[one] != _exact(b.table, [target])[other]
    both = np.stack([one, other], axis=1)
    both, changed, moved = _in_order(both, changed, moved)
    return Matching(
        name,
        both[~changed & ~moved],
        both[changed],
        both[moved & ~changed],
        _others(other, len(b)),
        _others(one, len(a)),
    )


def _by_content(a: Dataset, b: Dataset, common: list[str], target: str | None) -> Matching:
    names = _inputs(a, b, common, target, None) or common
    rows = [input_hashes(side.table.select(names)) for side in (a, b)]
    exact = [_exact(side.table, names) for side in (a, b)]
    labels = [np.zeros(len(side), np.uint64) if target is None else _exact(side.table, [target]) for side in (a, b)]
    one, other = _matched_first(
        _mixed(exact[0], labels[0]), _mixed(exact[1], labels[1]), _mixed(rows[0], labels[0]), _mixed(rows[1], labels[1])
    )
    left_a, left_b = _others(one, len(a)), _others(other, len(b))
    moved_a, moved_b = match(rows[0][left_a], rows[1][left_b])
    relabelled = np.stack([left_a[moved_a], left_b[moved_b]], axis=1)
    both = np.stack([one, other], axis=1)
    both, changed = _in_order(both, exact[0][one] != exact[1][other])
    return Matching(
        "content",
        both[~changed],
        both[changed],
        _in_order(relabelled)[0],
        _others(np.concatenate([other, relabelled[:, 1]]), len(b)),
        _others(np.concatenate([one, relabelled[:, 0]]), len(a)),
    )


def _mixed(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.asarray(one * np.uint64(0x9E3779B97F4A7C15) + other, np.uint64)


def _matched_first(
    exact_a: np.ndarray, exact_b: np.ndarray, rows_a: np.ndarray, rows_b: np.ndarray
) -> tuple[Ints, Ints]:
    """Rows equal to the letter first; then, of what is left, those equal but for case and spaces."""
    one, other = match(exact_a, exact_b)
    left_a, left_b = _others(one, len(exact_a)), _others(other, len(exact_b))
    more, more_other = match(rows_a[left_a], rows_b[left_b])
    return np.concatenate([one, left_a[more]]), np.concatenate([other, left_b[more_other]])


def match(one: np.ndarray, other: np.ndarray) -> tuple[Ints, Ints]:
    """Positions of equal values put together one to one: the first copy with the first, the second with the second."""
    order, order_other = np.argsort(one, kind="stable"), np.argsort(other, kind="stable")
    values, values_other = one[order], other[order_other]
    rank = np.arange(len(values)) - np.searchsorted(values, values, side="left")
    at = np.searchsorted(values_other, values, side="left") + rank
    found = at < np.searchsorted(values_other, values, side="right")
    return order[found].astype(np.int64), order_other[at[found]].astype(np.int64)


def _in_order(pairs: Ints, *more: np.ndarray) -> tuple[Any, ...]:
    order = np.argsort(pairs[:, 0], kind="stable")
    return (pairs[order], *(array[order] for array in more))


def _others(positions: Ints, rows: int) -> Ints:
    """The row numbers that are not among these."""
    left = np.ones(rows, bool)
    left[positions] = False
    return np.flatnonzero(left).astype(np.int64)


def _labels(a: Dataset, b: Dataset, target: str | None, rows: Ints) -> tuple[tuple[Any, Any], ...]:
    if target is None or not len(rows):
        return ()
    old = strings(a.table, target).take(pa.array(rows[:, 0])).to_pylist()
    new = strings(b.table, target).take(pa.array(rows[:, 1])).to_pylist()
    return tuple(zip(old, new, strict=True))


def _columns(a: Dataset, b: Dataset, common: list[str]) -> dict[str, list[dict[str, str]]]:
    """Columns added and removed, and those whose type or content is of another kind."""

    def told(dataset: Dataset, name: str) -> str:
        return f"{dataset.table.schema.field(name).type} ({dataset.schema.column(name).content})"

    return {
        "added": [{"name": n, "type": told(b, n)} for n in b.table.column_names if n not in common],
        "removed": [{"name": n, "type": told(a, n)} for n in a.table.column_names if n not in common],
        "retyped": [{"name": n, "from": told(a, n), "to": told(b, n)} for n in common if told(a, n) != told(b, n)],
    }


def _shift(a: Dataset, b: Dataset, name: str, target: str | None, pairs: Pairs, plan: Plan) -> Shift | None:
    """The shift of one column, None where it is none to be compared: identifiers, times, many different values."""
    one, other = a.schema.column(name), b.schema.column(name)
    chance = Chance(plan.ladder.level, plan.seed)
    if "text" in (one.role, other.role):
        return of_values("length", name, _lengths(a, name), _lengths(b, name), pairs, chance)
    if _is_number(one) and _is_number(other):
        before, after = (numbers(side.table, name, number_style(side.table, name)) for side in (a, b))
        return of_values("number", name, before, after, pairs, chance)
    if name != target and name not in plan.curate.by and not _is_category(one, other):
        return None
    names, old, new = _codes(a, b, name)
    return of_shares("label" if name == target else "category", name, old, new, names, pairs, chance)


def _is_number(column: Column) -> bool:
    return column.content == "number" and column.distinct > (_MOST_VALUES if column.role == "target" else 2)


def _is_category(one: Column, other: Column) -> bool:
    few = max(one.distinct, other.distinct) <= _MOST_VALUES
    return few and {one.content, other.content} <= {"category", "group", "split", "number"} and "id" not in (one.role,)


def _lengths(dataset: Dataset, name: str) -> Floats:
    """(n,) letters of each text, NaN where there is none."""
    lengths = pc.utf8_length(strings(dataset.table, name)).cast(pa.float64())
    return np.asarray(lengths.fill_null(float("nan")).to_numpy(), np.float64)


def _codes(a: Dataset, b: Dataset, name: str) -> tuple[list[str], Ints, Ints]:
    """The values in either version, and both columns as their positions among them, -1 where missing."""
    columns = [strings(side.table, name) for side in (a, b)]
    names = sorted({*pc.unique(columns[0]).drop_null().to_pylist(), *pc.unique(columns[1]).drop_null().to_pylist()})
    values = pa.array(names, pa.string())
    codes = [pc.index_in(column, values).fill_null(-1).to_numpy().astype(np.int64) for column in columns]
    return names, codes[0], codes[1]
