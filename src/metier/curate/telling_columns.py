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
_BINS, _PER_BIN = 256, 10  # pieces that numbers are cut into at most, and the fewest rows to a piece
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

    Levels stand for themselves; numbers and times are cut by a tree of this one column. Shares of labels, or means, are
    taken from four fifths of the rows and judged on the last. What is told is the share of the entropy explained
    (Theil's uncertainty coefficient), or of the variance. From `worth_asking` on a column is
    held against the linear rung.
    """
    seen = _rows_seen(material)
    if seen is None:
        return []
    schema, task = material.train.dataset.schema, material.task
    reads = set(task.reads(schema, material.plan))
    found = []
    for column in _columns(material, seen):
        share = max(_told(_out_of_fold(column, seen), seen), _straight(column, seen))
        role = None if column.name is None else schema.column(column.name).role
        pure = _pure(column.levels, seen, material) if column.levels is not None else None
        found.append(Telling(column.name, role, column.name in reads, share, pure=pure))
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


@dataclass(frozen=True)
class _Column:
    """A column of the rows seen: `levels` (n,) codes from 0, or `values` (n,) numbers, NaN where missing."""

    name: str | None
    levels: Array | None = None
    values: Array | None = None

    def codes(self, learn: Array, targets: Array) -> Array:
        """(n,) codes from 0; numbers are cut where a tree of the rows to learn from cuts them, 0 is missing."""
        if self.levels is not None:
            return self.levels
        assert self.values is not None
        known = np.isfinite(self.values)
        codes = np.zeros(len(self.values), np.int64)
        codes[known] = 1 + np.searchsorted(
            _cuts(self.values[learn & known], targets[learn & known]), self.values[known]
        )
        return codes


def _cuts(values: Array, targets: Array) -> Array:
    """Where a tree on these values cuts them, ascending."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    if len(values) < 2 * _PER_BIN:
        return np.empty(0)
    kind = DecisionTreeRegressor if targets.dtype.kind == "f" else DecisionTreeClassifier
    # scikit-learn's trees read float32, in which large near numbers are one: ranks keep them apart.
    levels, ranks = np.unique(values, return_inverse=True)
    tree = kind(max_leaf_nodes=_BINS, min_samples_leaf=_PER_BIN, random_state=0).fit(ranks[:, None], targets).tree_
    inner = np.sort(tree.threshold[tree.children_left >= 0])
    return np.asarray(levels[np.floor(inner).astype(np.int64)])


def _columns(material: Material, seen: _Seen) -> Iterator[_Column]:
    """Every column that may tell something, and first the rows' order in the file."""
    dataset = material.train.dataset
    yield _Column(None, values=seen.rows.astype(np.float64))
    rows = pa.array(seen.rows)
    for column in dataset.schema.columns:
        if column.role in ("target", "split", "empty", "text", "image"):
            continue
        name = column.name
        table = pa.table({name: dataset.table.column(name).take(rows)})
        if column.content == "time":
            moments = times(table, name)
            yield _Column(name, values=np.where(np.isnat(moments), np.nan, moments.astype(np.int64).astype(np.float64)))
        elif column.content == "number" and column.distinct > _FEW_LEVELS:
            yield _Column(name, values=numbers(table, name))
        else:
            cells = pc.utf8_lower(pc.utf8_trim_whitespace(strings(table, name)))
            _, codes = np.unique(_texts(cells), return_inverse=True)
            if int(codes.max(initial=0)) > 0.5 * len(codes):
                # Codes that hardly repeat: what counts up in them may tell.
                yield _Column(name, values=_last_numbers(cells))
            else:
                yield _Column(name, levels=_commonest(codes))


def _texts(cells: pa.ChunkedArray) -> Array:
    return np.array([value if value is not None else "\0" for value in cells.to_pylist()], object).astype(str)


def _last_numbers(cells: pa.ChunkedArray) -> Array:
    found = (re.search(_LAST_NUMBER, value) if value else None for value in cells.to_pylist())
    return np.array([float(one[1]) if one else np.nan for one in found])


def _commonest(codes: Array) -> Array:
    """Codes with all beyond the thousand commonest made one."""
    counts = np.bincount(codes)
    if len(counts) <= _MOST_LEVELS:
        return codes
    rank = np.empty(len(counts), np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return np.asarray(np.minimum(rank[codes], _MOST_LEVELS))


def _out_of_fold(column: _Column, seen: _Seen) -> Array:
    """What the column alone says of rows it has not seen: (n, width) log-probabilities, or (n,) values."""
    out = np.empty((len(seen.targets), seen.width))
    for fold in range(_FOLDS):
        learn = seen.folds != fold
        out[~learn] = _alone(column, seen, learn, ~learn)
    return out[:, 0] if seen.targets.dtype.kind == "f" else out


def _alone(column: _Column, seen: _Seen, learn: Array, asked: Array) -> Array:
    """(asked, width) what the column says of the rows asked, from those to learn from; both are masks (n,)."""
    codes = column.codes(learn, seen.targets)
    return _learnt(codes[learn], seen.targets[learn], codes[asked], seen.width, int(codes.max()) + 1)


def _straight(column: _Column, seen: _Seen) -> float:
    """The share of a quantity's variance on a straight line of a column of numbers; 0 for all else."""
    if column.values is None or seen.targets.dtype.kind != "f":
        return 0.0
    known = np.isfinite(column.values)
    values, targets = column.values[known], seen.targets[known]
    if len(values) < _FEWEST_ROWS or not values.std() > 0 or not targets.std() > 0:
        return 0.0
    return float(np.corrcoef(values, targets)[0, 1] ** 2 * known.mean())


def _learnt(codes: Array, targets: Array, asked: Array, width: int, size: int) -> Array:
    if targets.dtype.kind == "f":
        total, count = np.bincount(codes, targets - targets.mean(), minlength=size), np.bincount(codes, minlength=size)
        return np.asarray((targets.mean() + total / (count + _STRENGTH))[asked, None])
    counts = np.bincount(codes * width + targets, minlength=size * width).reshape(size, width).astype(np.float64)
    prior = (np.bincount(targets, minlength=width) + 0.5) / (len(targets) + 0.5 * width)
    return np.asarray(np.log(((counts + _STRENGTH * prior) / (counts.sum(axis=1, keepdims=True) + _STRENGTH))[asked]))


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
    if size > _FEW_LEVELS:
        return None
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
    truth, gains = seen.targets[held], {}
    learns, asks = (np.isin(np.arange(len(seen.positions)), part) for part in (learn, held))
    for column in _columns(material, seen):
        if column.name not in names or column.name is None:
            continue
        alone = _alone(column, seen, learns, asks)
        alone = alone[:, 0] if seen.targets.dtype.kind == "f" else _widened(alone, examples.target.width)
        gain = paired_gain(metric, truth, linear, alone, level=plan.ladder.level, replicates=500, seed=plan.seed)
        gains[column.name] = (gain.points, gain.low)
    return gains


def _widened(outputs: Array, width: int) -> Array:
    """Classes that no row has get next to no probability."""
    out = np.full((len(outputs), width), -30.0)
    out[:, : outputs.shape[1]] = outputs
    return out
