"""Which examples are trained on and which every rung is measured on: stratified, equal inputs and groups whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from metier.data.dataset import Split
from metier.data.profile import hashes
from metier.errors import DataError

if TYPE_CHECKING:
    from metier.plan import Plan
    from metier.tasks.contract import Examples

_BINS = 10
Ints = npt.NDArray[np.int64]


def split(examples: Examples, plan: Plan, clusters: Ints | None = None) -> Split:
    """Divide the examples into training and validation positions; deterministic in `plan.seed`.

    Rows the table itself assigns stay where it says (its test rows are left out of both). Otherwise
    `plan.ladder.validation` of the rows is drawn, stratified by class or by tenths of the quantity, in units that are
    never cut apart: rows of one group, rows whose inputs are equal but for case and spaces, and rows of one number in
    `clusters` (n,), such as near-duplicates. Every class with two examples or more is trained on. Raises DataError
    where there are too few examples to measure anything on.
    """
    known = _known(examples.targets)
    if examples.assigned is not None:
        assigned = np.asarray(examples.assigned).astype(str)
        told = np.flatnonzero(known & (assigned == "validation"))
        open_rows = known & ~np.isin(assigned, ["validation", "test"])
        if len(told):
            return _checked(np.flatnonzero(open_rows), told, "as the table says", plan, ())
    else:
        open_rows = known
    positions = np.flatnonzero(open_rows).astype(np.int64)
    if len(positions) < 2:
        raise _too_few(len(positions))
    if plan.ladder.shards > 1:
        return _by_hash(examples, positions, plan)
    units, notes = units_of(examples, positions, clusters)
    strata, how = _strata(examples, positions)
    validation = _draw(units, strata, plan.ladder.validation, np.random.default_rng(plan.seed))
    if examples.target.kind == "classes":
        validation = _teach_every_class(validation, units, strata)
    method = how + (", whole groups" if examples.groups is not None else "")
    return _checked(positions[~validation], positions[validation], method, plan, notes)


def _by_hash(examples: Examples, positions: Ints, plan: Plan) -> Split:
    """Held out by the hash of an input, or of its group: a row taken away moves no other (see `tune.shards`)."""
    from metier.tune.shards import held_out

    chosen = held_out(examples.take(positions), plan.ladder.validation)
    method = "by the hash of each input" if examples.groups is None else "by the hash of each group"
    return _checked(positions[~chosen], positions[chosen], method, plan, ())


def _known(targets: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    if targets.dtype.kind == "f":
        return np.asarray(np.isfinite(targets), bool)
    return np.asarray(targets >= 0, bool)


def _checked(train: Ints, validation: Ints, method: str, plan: Plan, notes: tuple[str, ...]) -> Split:
    if not len(train) or not len(validation):
        raise _too_few(len(train) + len(validation))
    return Split(train.astype(np.int64), validation.astype(np.int64), method, plan.seed, notes)


def _too_few(rows: int) -> DataError:
    return DataError(
        "too-few-rows",
        "There must be rows to train on and others to measure on.",
        found=f"{rows} usable rows, which can't be cut in two without cutting equal inputs or groups apart",
        fix="Add labelled rows, or leave --group out.",
    )


def units_of(examples: Examples, positions: Ints, clusters: Ints | None = None) -> tuple[Ints, tuple[str, ...]]:
    """A number for each of these rows, and notes on them; rows with one number stay together."""
    equal = _codes(input_hashes(examples.inputs)[positions])
    notes: list[str] = []
    if clusters is not None:
        equal = _join(equal, _codes(np.asarray(clusters)[positions]))
    repeated = len(equal) - int(equal.max() + 1)
    if repeated:
        what = "repeat an earlier input" if clusters is None else "repeat an earlier input or nearly do"
        notes.append(f"{repeated:,} rows {what} and stay on its side")
    if examples.groups is None:
        return equal, tuple(notes)
    groups = _group_codes(np.asarray(examples.groups)[positions])
    notes.append(f"{int(groups.max() + 1):,} groups are kept whole")
    joined = _join(groups, equal)
    if np.bincount(joined).max() > 0.5 * len(joined) and np.bincount(groups).max() <= 0.5 * len(joined):
        # Common short inputs can chain nearly all groups together; then the groups, which were asked for, decide.
        notes[0] = f"{repeated:,} rows repeat an input; as nearly all groups share some, such rows may be on both sides"
        return groups, tuple(notes)
    return joined, tuple(notes)


def _codes(values: npt.NDArray[Any]) -> Ints:
    """Equal values -> equal numbers from 0, in the order they first appear: free of how the values are hashed."""
    _, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return np.asarray(rank[inverse], np.int64)


def _group_codes(groups: npt.NDArray[Any]) -> Ints:
    """As `_codes`, with a number of its own for every row without a group."""
    texts = pa.array(
        [None if value is None or value != value else str(value) for value in groups.tolist()], pa.string()
    )
    codes = np.asarray(texts.dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False), np.int64)
    alone = codes < 0
    codes[alone] = codes.max(initial=-1) + 1 + np.arange(np.count_nonzero(alone))
    return _codes(codes)


def _join(one: Ints, other: Ints) -> Ints:
    """Rows linked by either numbering, directly or through others, get one number (connected components)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    offset = int(one.max()) + 1
    size = offset + int(other.max()) + 1
    graph = coo_array((np.ones(len(one), np.int8), (one, other + offset)), shape=(size, size))
    _, labels = connected_components(graph, directed=False)
    return _codes(labels[one])


def input_hashes(inputs: Any) -> npt.NDArray[np.uint64]:
    """(n,) uint64 hashes of inputs, a string array or a table: equal but for case and spaces gives equal.

    Inputs of another kind know their own.
    """
    if hasattr(inputs, "hashes"):
        return np.asarray(inputs.hashes(), np.uint64)
    if isinstance(inputs, pa.Table):
        total = np.zeros(inputs.num_rows, np.uint64)
        for column in inputs.columns:
            # An odd multiplier keeps columns apart: (a, b) is not (b, a).
            total = total * np.uint64(0x9E3779B97F4A7C15) + _text_hashes(column.cast(pa.string()))
        return total
    return _text_hashes(inputs)


def _text_hashes(texts: Any) -> npt.NDArray[np.uint64]:
    column = texts if isinstance(texts, pa.ChunkedArray) else pa.chunked_array([texts])
    parts = [np.empty(0, np.uint64)]
    for chunk in column.chunks:
        for start in range(0, len(chunk), 2**18):
            piece = pc.utf8_lower(pc.utf8_trim_whitespace(chunk.slice(start, 2**18)))
            piece = pc.replace_substring_regex(piece, r"\s+", " ").cast(pa.string())
            parts.append(hashes(pa.chunked_array([piece])))
    return np.concatenate(parts)


def _strata(examples: Examples, positions: Ints) -> tuple[Ints, str]:
    """What each side gets its share of: classes, or tenths of a quantity by rank."""
    targets = examples.targets[positions]
    if examples.target.kind == "classes":
        return targets.astype(np.int64), "stratified by class"
    bins = min(_BINS, max(1, len(targets) // 10))
    edges = np.quantile(targets, np.linspace(0, 1, bins + 1)[1:-1])
    return np.searchsorted(edges, targets, side="right").astype(np.int64), "stratified by tenths of the target"


def _draw(units: Ints, strata: Ints, share: float, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """(n,) whether each row is for validation: whole units, drawn in random order until a stratum has its quota."""
    count = int(units.max()) + 1
    size = np.bincount(units, minlength=count)
    first = np.empty(count, np.int64)
    first[units[::-1]] = np.arange(len(units))[::-1]
    stratum = _codes(strata)[first]  # a unit counts where its first row does
    quota = _quotas(np.bincount(stratum, weights=size).astype(np.float64), share)[stratum]
    order = np.lexsort((rng.random(count), size > quota, stratum))
    running = np.cumsum(size[order])
    starts = np.flatnonzero(np.diff(stratum[order], prepend=-1))
    before = np.repeat(running[starts] - size[order][starts], np.diff(starts, append=count))
    chosen = np.zeros(count, bool)
    chosen[order] = running - before <= quota[order]
    if not chosen.any() and count > 1:
        # All units are larger than their quotas: the smallest goes, and the most is left to learn from.
        chosen[np.argmin(size)] = True
    return np.asarray(chosen[units], bool)


def _quotas(sizes: npt.NDArray[np.float64], share: float) -> npt.NDArray[np.float64]:
    """Rows to draw from each stratum: its share, the remainders going where they are largest, one row left at least."""
    exact = sizes * share
    quotas = np.minimum(np.floor(exact), sizes - 1)
    left = max(1, round(float(sizes.sum()) * share)) - int(quotas.sum())
    open_to = np.flatnonzero(quotas < sizes - 1)
    ranked = open_to[np.argsort(-(exact - quotas)[open_to], kind="stable")]
    quotas[ranked[: max(left, 0)]] += 1
    return np.asarray(quotas, np.float64)


def _teach_every_class(validation: npt.NDArray[np.bool_], units: Ints, classes: Ints) -> npt.NDArray[np.bool_]:
    """Bring back a unit of every class that would be measured and never trained on, where it has two examples."""
    counts = np.bincount(classes)
    trained = np.bincount(classes[~validation], minlength=len(counts))
    for missing in np.flatnonzero((counts >= 2) & (trained == 0)):
        held = np.unique(units[classes == missing])
        sizes = np.array([np.count_nonzero(units == unit) for unit in held])
        validation = validation & (units != held[np.argmin(sizes)])
    return validation
