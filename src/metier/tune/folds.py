"""What every rung is measured on: the split's held-out rows or, with few rows, all of them in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from metier.data.split import input_hashes
from metier.tasks.contract import Array, Examples

_FOLDS = 5
# With fewer held-out rows than this no gain worth having can be proved: all rows are held out in turn instead.
_FEWEST_HELD_OUT = 150


def folds_of(
    examples: Examples, train: Array, validation: Array, seed: int, *, once: bool = False
) -> tuple[tuple[Examples, Examples], ...]:
    """(training, held-out) examples: the split's own; with few rows five folds, in which every row is held out once.

    `once` keeps to the split: a private training may see a row in one fit only.
    """
    if once or len(validation) >= _FEWEST_HELD_OUT or examples.assigned is not None:
        return ((examples.take(train), examples.take(validation)),)
    every = np.sort(np.concatenate([train, validation]))
    parts = _stratified_folds(examples.take(every), seed)
    return tuple(
        (examples.take(every[parts != fold]), examples.take(every[parts == fold])) for fold in range(parts.max() + 1)
    )


def halves(folds: tuple[tuple[Examples, Examples], ...]) -> tuple[tuple[Examples, Examples], ...]:
    """Two (training, held-out) parts made of folds: the first folds' rows held out, and the others'.

    Every row is held out once, in the folds' own order. A training part is what the folds train on of the other half.
    """
    middle = len(folds) // 2
    out = []
    for own in (folds[:middle], folds[middle:]):
        held_out = joined([part for _, part in own])
        # Any of these folds trains on the rows of the other half, and on some of this one.
        train = own[0][0]
        out.append((train.take(np.flatnonzero(~np.isin(train.rows, held_out.rows))), held_out))
    return tuple(out)


def joined(parts: list[Examples]) -> Examples:
    """The folds' held-out examples one after the other."""
    first = parts[0]
    inputs = together([part.inputs for part in parts])
    return replace(
        first,
        inputs=inputs,
        targets=np.concatenate([part.targets for part in parts]),
        rows=np.concatenate([part.rows for part in parts]),
        groups=None if first.groups is None else np.concatenate([p.groups for p in parts if p.groups is not None]),
    )


def together(inputs: Sequence[Any]) -> Any:
    """Inputs of one kind, one after the other."""
    import pyarrow as pa

    if hasattr(inputs[0], "joined"):
        return inputs[0].joined(inputs[1:])
    if isinstance(inputs[0], pa.Table):
        return pa.concat_tables(inputs)
    return pa.chunked_array(
        [chunk for part in inputs for chunk in (part.chunks if hasattr(part, "chunks") else [part])]
    )


def _stratified_folds(examples: Examples, seed: int) -> Array:
    """A fold number for every example: labels spread evenly; groups, and rows of equal inputs, kept whole."""
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    rows, count = len(examples), min(_FOLDS, len(examples))
    units = examples.groups if examples.groups is not None else input_hashes(examples.inputs)
    whole = 2 <= len(np.unique(units)) < rows
    if whole:
        count = min(count, len(np.unique(units)))
    even = False
    if examples.target.width > 1:
        sizes = np.bincount(examples.targets)
        even = bool(sizes[sizes > 0].min() >= count)
    if whole:
        kind: Any = StratifiedGroupKFold if even else GroupKFold
    else:
        kind = StratifiedKFold if even else KFold
    splitter = kind(count, shuffle=True, random_state=seed)
    given = (np.zeros(rows), examples.targets, units) if whole else (np.zeros(rows), examples.targets)
    out = np.zeros(rows, np.int64)
    for fold, (_, held_out) in enumerate(splitter.split(*given)):
        out[held_out] = fold
    # A fold may have stayed empty where groups are few and large.
    return np.asarray(np.unique(out, return_inverse=True)[1])
