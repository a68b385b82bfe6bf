"""The split that is offered: nothing of the held-out rows is known from training.

Stratified; groups and sets of near copies whole; by time where rows have one, the newest held out.
"""

from __future__ import annotations

import numpy as np

from metier.curate.copies import clusters, copies
from metier.curate.material import Material
from metier.data.dataset import Split
from metier.data.split import split, units_of
from metier.data.values import times

Array = np.ndarray

_TIMED = 0.5  # share of rows with a time from which the split goes by it
_MOST_HELD_OUT = 0.5


def offer(material: Material) -> Split:
    """A leakage-safe split of the training examples, as positions among them.

    Rows the table itself assigns stay where it says. Training rows that have a copy among the held-out ones, or in the
    test file, are in neither part, and the notes say how many. Raises DataError where there are too few rows.
    """
    examples, plan = material.train.examples, material.plan
    sets = clusters(material)
    moments = moments_of(material) if examples.assigned is None else None
    found = None if moments is None else _by_time(material, sets, moments)
    if found is None:
        found = split(examples, plan, sets)
    return _without_copies(material, sets, found)


def moments_of(material: Material) -> Array | None:
    """datetime64[s] (n,) of the training examples, NaT where unknown; None where no column says when most were made."""
    name = time_column(material)
    if name is None:
        return None
    dataset = material.train.dataset
    return np.asarray(times(dataset.table, name)[material.train.examples.rows])


def time_column(material: Material) -> str | None:
    """The column that says when rows were made: the first of role time that most rows have and that varies."""
    dataset = material.train.dataset
    for name in dataset.schema.named("time"):
        found = times(dataset.table, name)[material.train.examples.rows]
        known = found[~np.isnat(found)]
        if len(known) >= _TIMED * max(1, len(found)) and len(np.unique(known)) > 1:
            return name
    return None


def _by_time(material: Material, sets: Array, moments: Array) -> Split | None:
    """The newest rows held out; a set or group is as new as its newest row. None where that holds out far too many."""
    examples, plan = material.train.examples, material.plan
    targets = np.asarray(examples.targets)
    usable = np.isfinite(targets) if targets.dtype.kind == "f" else targets >= 0
    if usable.ndim > 1:
        usable = np.ones(len(targets), bool)
    positions = np.flatnonzero(usable).astype(np.int64)
    if len(positions) < 2:
        return None
    units, notes = units_of(examples, positions, sets)
    when = moments[positions].astype(np.int64)
    newest = np.full(int(units.max()) + 1, np.iinfo(np.int64).min)
    np.maximum.at(newest, units, np.where(np.isnat(moments[positions]), np.iinfo(np.int64).min, when))
    size = np.bincount(units)
    order = np.argsort(-newest, kind="stable")
    running = np.cumsum(size[order])
    wanted = max(1.0, plan.ladder.validation * len(positions))
    # Rows of one moment stay together: the cut lies between two moments, where it comes nearest to the share asked for.
    ends = np.flatnonzero(np.append(np.diff(newest[order]) != 0, True))[:-1]
    if not len(ends):
        return None
    cut = ends[np.argmin(np.abs(running[ends] - wanted))]
    held_out = np.zeros(len(size), bool)
    held_out[order[: cut + 1]] = True
    validation = held_out[units]
    if validation.mean() > max(_MOST_HELD_OUT, 2 * plan.ladder.validation):
        return None
    unknown = int(np.isnat(moments[positions]).sum())
    if unknown:
        notes = (*notes, f"{unknown:,} rows without a time are trained on, unless their copies or groups are held out")
    untaught = np.setdiff1d(targets[positions[validation]], targets[positions[~validation]])
    if targets.dtype.kind != "f" and len(untaught):
        notes = (*notes, f"{len(untaught):,} labels stand among the newest rows alone and cannot be learnt")
    since = np.datetime64(int(newest[order[cut]]), "s").astype("datetime64[D]")
    name = time_column(material)
    method = f"by time ({name}): what is new since {since} is held out"
    method += ", whole groups" if examples.groups is not None else ""
    return Split(positions[~validation], positions[validation], method, plan.seed, notes)


def _without_copies(material: Material, sets: Array, found: Split) -> Split:
    """Training rows left out that have a copy among the validation or test rows, wherever these stand."""
    examples = material.train.examples
    known = sets[found.validation]
    if examples.assigned is not None:
        known = np.concatenate([known, sets[np.asarray(examples.assigned).astype(str) == "test"]])
    copied = np.isin(sets[found.train], known)
    everywhere = copies(material)
    in_test = np.zeros(len(copied), bool)
    if len(everywhere.first) > everywhere.train:
        with_test = everywhere.clusters
        in_test = np.isin(with_test[found.train], with_test[everywhere.train :])
    keep = ~(copied | in_test)
    if keep.all() or not keep.any():
        return found
    notes = list(found.notes)
    if copied.any():
        notes.append(f"{int(copied.sum()):,} rows are not trained on: copies of them are held out by the table itself")
    if (in_test & ~copied).any():
        notes.append(f"{int((in_test & ~copied).sum()):,} rows are not trained on: copies of them are in the test file")
    return Split(found.train[keep], found.validation, found.method, found.seed, tuple(notes))
