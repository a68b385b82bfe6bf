"""Columns that give the target away: what one column alone predicts, on rows it has not seen."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metier.curate.material import Material
from metier.data.dataset import Role
from metier.data.values import numbers, strings, times
from metier.evaluate.intervals import paired_gain
from metier.evaluate.metrics import find_metric
from metier.tasks.contract import Work

Array = np.ndarray

_MOST_ROWS = 50_000  # looked at, evenly drawn
_LINEAR_ROWS = 7_000  # of these the linear rung is fitted to and held against
_FEWEST_ROWS = 50
_FOLDS = 5
_MOST_LEVELS = 1000
_BINS = 256
_PER_BIN = 20  # rows to a bin of numbers
_STRENGTH = 2.0  # rows' worth of doubt in a level's own shares
_FEW_LEVELS = 100
_PURE_ROWS, _PURE_CHANCE, _PURE_SHARE = 20, 1e-6, 0.6
_LAST_NUMBER = r"(\d{1,15})\D*$"


@dataclass(frozen=True)
class Telling:
    """A column and how much of what there is to know of the target it alone tells (0..1) on rows not seen.

    `gain` is how much better it is than the ladder's linear rung on the same rows, in the ladder's metric, with the
    interval's lower end; None where that was not asked. `pure` is a value under which the target is always one label:
    (rows, label, some of these rows).
    """

    column: str | None  # None: the rows' order in the file
    role: Role | None
    read: bool
    share: float
    gain: tuple[float, float] | None = None
    pure: tuple[int, str, tuple[int, ...]] | None = None


@dataclass(frozen=True)
class _Seen:
    """The rows looked at: positions among the examples, file rows, targets, and their folds."""

    positions: Array
    rows: Array
    targets: Array
    folds: Array
    width: int  # classes, or 1 for a quantity


def telling(material: Material, worth_asking: float = 0.2) -> list[Telling]:
    """Every column beside the target and the texts, what it alone tells; those that tell most first.

    A column is cut into its values, or numbers and times into as many as 256 bins of equally many rows; each bin's
    shares of labels, or mean, are taken from four fifths of the rows and judged on the last. What is told is the share
    of the entropy explained (Theil's uncertainty coefficient), or of the variance. From `worth_asking` on a column is
    held against the linear rung.
    """
    seen = _rows_seen(material)
    if seen is None:
        return []
    schema, task = material.train.dataset.schema, material.task
    reads = set(task.reads(schema, material.plan))
    found = []
    for name, codes, pure in _codes(material, seen):
        share = _told(_out_of_fold(codes, seen), seen)
        role = None if name is None else schema.column(name).role
        found.append(Telling(name, role, name in reads, share, pure=_pure(codes, seen, material) if pure else None))
    asked = [one for one in found if one.column is not None and one.share >= worth_asking]
    gains = _over_linear(material, seen, [one.column for one in asked if one.column is not None]) if asked else {}
    found = [Telling(one.column, one.role, one.read, one.share, gains.get(one.column or ""), one.pure) for one in found]
    return sorted(found, key=lambda one: -one.share)


def _rows_seen(material: Material) -> _Seen | None:
    examples = material.train.examples
    targets = np.asarray(examples.targets)
    if targets.ndim != 1:
        return None
    quantity = targets.dtype.kind == "f"
    known = np.flatnonzero(np.isfinite(targets) if quantity else targets >= 0)
    if len(known) < _FEWEST_ROWS or len(np.unique(targets[known])) < 2:
        return None
    rng = np.random.default_rng(material.plan.seed)
    if len(known) > _MOST_ROWS:
        known = np.sort(rng.choice(known, _MOST_ROWS, replace=False))
    folds = rng.permutation(np.arange(len(known)) % _FOLDS)
    width = 1 if quantity else int(targets.max()) + 1
    return _Seen(known, examples.rows[known], targets[known], folds, width)


def _codes(material: Material, seen: _Seen) -> Iterator[tuple[str | None, Array, bool]]:
    """(column, (n,) codes from 0, whether single values are worth a look) of every column that may tell something."""
    dataset = material.train.dataset
    yield None, _binned(seen.rows.astype(np.float64)), False
    rows = pa.array(seen.rows)
    for column in dataset.schema.columns:
        if column.role in ("target", "split", "empty", "text"):
            continue
        table = pa.table({column.name: dataset.table.column(column.name).take(rows)})
        if column.content == "time":
            moments = times(table, column.name)
            values = np.where(np.isnat(moments), np.nan, moments.astype(np.int64).astype(np.float64))
            yield column.name, _binned(values), False
        elif column.content == "number":
            codes = _binned(numbers(table, column.name))
            yield column.name, codes, int(codes.max(initial=0)) < _FEW_LEVELS
        else:
            cells = pc.utf8_lower(pc.utf8_trim_whitespace(strings(table, column.name)))
            _, codes = np.unique(_texts(cells), return_inverse=True)
            if int(codes.max(initial=0)) > 0.5 * len(codes):
                # Codes that hardly repeat: what counts up in them may tell.
                codes = _binned(_last_numbers(cells))
            yield column.name, _commonest(codes), int(codes.max(initial=0)) < _FEW_LEVELS


def _texts(cells: pa.ChunkedArray) -> Array:
    return np.array([value if value is not None else "\0" for value in cells.to_pylist()], object).astype(str)


def _last_numbers(cells: pa.ChunkedArray) -> Array:
    found = (re.search(_LAST_NUMBER, value) if value else None for value in cells.to_pylist())
    return np.array([float(one[1]) if one else np.nan for one in found])


def _binned(values: Array) -> Array:
    """Numbers -> codes: each its own where they are few, else bins of equally many rows; 0 where missing."""
    missing = ~np.isfinite(values)
    codes = np.zeros(len(values), np.int64)
    known = values[~missing]
    if not len(known):
        return codes
    levels, own = np.unique(known, return_inverse=True)
    if len(levels) > _MOST_LEVELS or len(levels) > len(known) / 4:
        edges = np.quantile(known, np.linspace(0, 1, max(2, min(_BINS, len(known) // _PER_BIN)) + 1)[1:-1])
        own = np.searchsorted(np.unique(edges), known, side="right")
    codes[~missing] = own + 1
    return codes


def _commonest(codes: Array) -> Array:
    """Codes with all beyond the thousand commonest made one."""
    counts = np.bincount(codes)
    if len(counts) <= _MOST_LEVELS:
        return codes
    rank = np.empty(len(counts), np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return np.minimum(rank[codes], _MOST_LEVELS)


def _out_of_fold(codes: Array, seen: _Seen) -> Array:
    """What the column alone says of rows it has not seen: (n, width) log-probabilities, or (n,) values."""
    out = np.empty((len(codes), seen.width))
    for fold in range(_FOLDS):
        learn = seen.folds != fold
        out[~learn] = _learnt(codes[learn], seen.targets[learn], codes[~learn], seen.width, int(codes.max()) + 1)
    return out[:, 0] if seen.targets.dtype.kind == "f" else out


def _learnt(codes: Array, targets: Array, asked: Array, width: int, size: int) -> Array:
    if targets.dtype.kind == "f":
        total, count = np.bincount(codes, targets - targets.mean(), minlength=size), np.bincount(codes, minlength=size)
        return np.asarray((targets.mean() + total / (count + _STRENGTH))[asked, None])
    counts = np.bincount(codes * width + targets, minlength=size * width).reshape(size, width).astype(np.float64)
    prior = (np.bincount(targets, minlength=width) + 0.5) / (len(targets) + 0.5 * width)
    return np.log(((counts + _STRENGTH * prior) / (counts.sum(axis=1, keepdims=True) + _STRENGTH))[asked])


def _told(outputs: Array, seen: _Seen) -> float:
    """The share of entropy or variance that is explained, 0 where chance would do as well."""
    if seen.targets.dtype.kind == "f":
        variance = float(seen.targets.var())
        return max(0.0, 1.0 - float(((outputs - seen.targets) ** 2).mean()) / variance) if variance > 0 else 0.0
    shares = np.bincount(seen.targets, minlength=seen.width) / len(seen.targets)
    entropy = -float((shares[shares > 0] * np.log(shares[shares > 0])).sum())
    loss = -float(outputs[np.arange(len(outputs)), seen.targets].mean())
    return max(0.0, 1.0 - loss / entropy) if entropy > 0 else 0.0


def _pure(codes: Array, seen: _Seen, material: Material) -> tuple[int, str, tuple[int, ...]] | None:
    """The value with most rows under which the target is always one label that is not the usual one."""
    if seen.targets.dtype.kind == "f":
        return None
    size = int(codes.max(initial=0)) + 1
    counts = np.bincount(codes * seen.width + seen.targets, minlength=size * seen.width).reshape(size, seen.width)
    rows, label = counts.sum(axis=1), counts.argmax(axis=1)
    shares = counts.sum(axis=0) / counts.sum()
    with np.errstate(divide="ignore"):
        chance = rows * np.log(shares[label]) + np.log(size)
    pure = (counts.max(axis=1) == rows) & (rows >= _PURE_ROWS) & (shares[label] <= _PURE_SHARE)
    pure &= chance < np.log(_PURE_CHANCE)
    if not pure.any():
        return None
    value = int(np.argmax(np.where(pure, rows, 0)))
    name = str(material.train.examples.target.values(np.array([label[value]]))[0])
    some = seen.rows[codes == value][:5]
    return int(rows[value]), name, tuple(some.tolist())


def _over_linear(material: Material, seen: _Seen, names: list[str]) -> dict[str, tuple[float, float]]:
    """Each column's gain over the linear rung on held-out rows, in the ladder's metric: (points, lower end)."""
    examples, plan = material.train.examples, material.plan
    rung = next((one for one in material.task.rungs(examples.target) if one.name == "linear"), None)
    if rung is None:
        return {}
    rng = np.random.default_rng(plan.seed)
    some = rng.permutation(len(seen.positions))[:_LINEAR_ROWS]
    learn, held = np.sort(some[len(some) // 3 :]), np.sort(some[: len(some) // 3])
    metric = find_metric(plan.ladder.metric, examples.target)
    with tempfile.TemporaryDirectory() as folder:
        train = examples.take(seen.positions[learn])
        work = Work(train, None, plan, material.trunk, metric, Path(folder), {}, material.progress, settings=None)
        predictor, _ = rung.fit(work)
        linear = predictor.outputs(examples.take(seen.positions[held]).inputs)
    truth = seen.targets[held]
    gains = {}
    for name, codes, _ in _codes(material, seen):
        if name not in names or name is None:
            continue
        size = int(codes.max()) + 1
        alone = _learnt(codes[learn], seen.targets[learn], codes[held], seen.width, size)
        alone = alone[:, 0] if seen.targets.dtype.kind == "f" else _widened(alone, examples.target.width)
        gain = paired_gain(metric, truth, linear, alone, level=plan.ladder.level, replicates=500, seed=plan.seed)
        gains[name] = (gain.points, gain.low)
    return gains


def _widened(outputs: Array, width: int) -> Array:
    """Classes that no row has get next to no probability."""
    out = np.full((len(outputs), width), -30.0)
    out[:, : outputs.shape[1]] = outputs
    return out
