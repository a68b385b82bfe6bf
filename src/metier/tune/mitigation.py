"""What a tuning does about a gap between groups: rows drawn anew before it, or a threshold for each group after it.

Rows are weighed so that group and label are independent (reweighing, Kamiran & Calders 2012), or so that groups count
alike; both by drawing rows, so that any rung of any kind can be fitted. Thresholds move so that groups are selected
alike (Hardt, Price & Srebro 2016).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from metier.data.dataset import Dataset
from metier.data.groups import Groups, cells, crossed, crossing, label_of, of_values
from metier.errors import DataError, UsageError
from metier.plan import Plan
from metier.tasks.contract import Array, Examples, Target

_FLAG = "--mitigate-by"
_THRESHOLDS = "group-thresholds"


@dataclass(frozen=True)
class Mitigation:
    """What was chosen, and the group of every row of the training table (-1 where the row is not used)."""

    name: str
    groups: Groups
    equalise: str
    seed: int

    def drawn(self, examples: Examples) -> Examples:
        """Training examples as they are to be learnt from: some twice, some not at all."""
        if self.name == _THRESHOLDS:
            return examples
        draw = {"reweighting": reweighed, "balanced-sampling": balanced}[self.name]
        return examples.take(draw(examples, self.groups.take(examples.rows), self.seed))

    def thresholds(self, outputs: Array, held_out: Examples) -> GroupThresholds | None:
        """From raw held-out outputs (n, 2): what to take off each group's; None where only rows were drawn."""
        if self.name != _THRESHOLDS:
            return None
        code, groups = positive(held_out.target), self.groups.take(held_out.rows)
        scores = np.asarray(outputs[:, code] - outputs[:, 1 - code], np.float64)
        moved = thresholds(scores, held_out.targets == code, groups, of_true=self.equalise == "opportunity")
        shifts = {label: float(shift) for label, shift in zip(groups.labels, moved, strict=True)}
        return GroupThresholds(groups.columns, str(held_out.target.values(np.array([code]))[0]), shifts)

    def record(self, drawn: Examples | None) -> dict[str, Any]:
        """What the run's figures say of it; `drawn` are the rows of the last fit, where rows were drawn."""
        about: dict[str, Any] = {"mitigation": self.name, "group": self.groups.name, "groups": list(self.groups.labels)}
        about["columns"] = list(self.groups.columns)
        if drawn is not None:
            about |= {"rows": len(drawn), "different_rows": len(np.unique(drawn.rows))}
        return about


@dataclass(frozen=True)
class GroupThresholds:
    """What is taken off a label's score, group by group: `shifts` by the group's name, in units of raw outputs.

    A row whose group was not there when they were found keeps its score.
    """

    columns: tuple[str, ...]
    label: str
    shifts: Mapping[str, float]

    def of(self, table: pa.Table, rows: Array) -> Array:
        """(n,) what to take off the label's outputs of these rows of a table. Raises DataError without the columns."""
        absent = [name for name in self.columns if name not in table.column_names]
        if absent:
            raise DataError(
                "missing-columns",
                f"This expert has a threshold for each group of {crossing(self.columns)}, so it must be told them.",
                found=f"no {', '.join(absent)} among {', '.join(table.column_names)}",
                fix="Give rows with these columns: a table, or a JSON object a row.",
            )
        return self.of_values([cells(table, name, rows, _FLAG) for name in self.columns])

    def of_values(self, columns: Sequence[Sequence[Any]]) -> Array:
        """The same for the values of the columns, one list a column."""
        names = (crossing([label_of(value) for value in row]) for row in zip(*columns, strict=True))
        return np.array([self.shifts.get(name, 0.0) for name in names], np.float64)

    def applied(self, outputs: Array, shifts: Array, target: Target) -> Array:
        """Raw outputs (n, 2), less what each row's group has taken off."""
        moved = np.array(outputs, copy=True)
        moved[:, target.encode([self.label])[0]] -= shifts.astype(moved.dtype)
        return moved

    def record(self) -> dict[str, Any]:
        """Plain JSON, as an expert keeps it; `read` is the reverse."""
        return asdict(self)

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> GroupThresholds:
        """What `record` wrote."""
        return cls(tuple(record["columns"]), record["label"], dict(record["shifts"]))


def chosen(dataset: Dataset, examples: Examples, plan: Plan) -> Mitigation | None:
    """The plan's mitigation for these training examples, None where it asks for none.

    Raises UsageError where it can't be: half of it is missing, no labels, thresholds of more than two, or privacy.
    """
    fair, name = plan.fair, plan.fair.mitigate
    if name == "none":
        if fair.mitigate_by:
            found = f"{_FLAG} {' '.join(fair.mitigate_by)} alone"
            raise _refused(
                "no-mitigation", f"{_FLAG} needs --mitigate to say how.", found, "Add --mitigate reweighting."
            )
        return None
    if not fair.mitigate_by:
        raise _refused("no-group", f"--mitigate {name} needs to know whose groups.", "no column", f"{_FLAG} COLUMN")
    width = examples.target.width
    if width < 2 or (name == _THRESHOLDS and width != 2):
        wanted = "two labels" if name == _THRESHOLDS else "labels"
        found = f"{width} labels" if width > 1 else "a number to predict"
        raise _refused("no-mitigation", f"--mitigate {name} needs {wanted}.", found, "Choose another, or leave it out.")
    if plan.private.epsilon is not None and name != _THRESHOLDS:
        raise _refused(
            "drawn-in-private",
            "A private training may see each row once; this mitigation draws rows several times.",
            f"--epsilon {plan.private.epsilon:g} and --mitigate {name}",
            f"Leave one of them out, or --mitigate {_THRESHOLDS}.",
        )
    single = [_group(dataset, examples, column, name) for column in dict.fromkeys(fair.mitigate_by)]
    groups = crossed(single) if len(single) > 1 else single[0]
    of_row = np.full(len(dataset), -1, np.int64)
    of_row[examples.rows] = groups.codes
    return Mitigation(name, Groups(groups.name, groups.labels, of_row, groups.columns), fair.equalise, plan.seed)


def _group(dataset: Dataset, examples: Examples, column: str, name: str) -> Groups:
    values = cells(dataset.table, column, examples.rows, _FLAG)
    groups = of_values(column, values, _FLAG)
    if name == _THRESHOLDS and not set(groups.labels) <= {label_of(value) for value in values}:
        raise _refused(
            "bands-of-numbers",
            f"--mitigate {_THRESHOLDS} needs a column whose values are its groups: {column!r} holds many numbers.",
            f"bands {', '.join(groups.labels)}",
            "Put the numbers into bands in a column of their own, and name that.",
        )
    return groups


def _refused(code: str, problem: str, found: str, fix: str) -> UsageError:
    return UsageError(code, problem, found=found, fix=fix)


def positive(target: Target) -> int:
    """Of two labels the one looked for."""
    labels, named = target.values(np.arange(2)), target.record().get("positive")
    return labels.index(named) if named in labels else 1


def reweighed(examples: Examples, groups: Groups, seed: int) -> Array:
    """Positions of training rows drawn so that label and group are independent, both as frequent as before."""
    shares = groups.sizes / len(examples)
    return _drawn(examples.targets, groups, lambda label_rows: label_rows * shares, seed)


def balanced(examples: Examples, groups: Groups, seed: int) -> Array:
    """Positions of training rows drawn so that groups have as many rows of each label; labels stay as frequent.

    A group without rows of a label stays without.
    """
    return _drawn(examples.targets, groups, lambda rows: np.full(len(groups.labels), rows / len(groups.labels)), seed)


def _drawn(truth: Array, groups: Groups, wanted: Callable[[int], Array], seed: int) -> Array:
    rng, out = np.random.default_rng([seed, len(truth)]), []
    for label in np.unique(truth):
        own = truth == label
        for group, count in enumerate(np.round(wanted(int(own.sum()))).astype(int)):
            cell = rng.permutation(np.flatnonzero(own & (groups.codes == group)))
            if len(cell):
                # Whole copies of all rows first: none is drawn twice before every one is drawn once.
                out.append(np.resize(cell, count))
    return np.sort(np.concatenate(out))


def thresholds(scores: Array, truth: Array, groups: Groups, *, of_true: bool) -> Array:
    """(g,) what to take off each group's scores (n,) so that answering above 0 selects the same share of every group.

    With `of_true` it is the same share of the rows that are truly positive (equal opportunity). A group without such
    rows keeps its scores.
    """
    counted = truth if of_true else np.ones(len(truth), bool)
    if not counted.any():
        return np.zeros(len(groups.labels))
    share = float((scores[counted] > 0).mean())
    out = np.zeros(len(groups.labels))
    for group in range(len(groups.labels)):
        mine = np.sort(scores[counted & (groups.codes == group)])[::-1]
        if len(mine):
            chosen = round(share * len(mine))
            edges = np.concatenate([[mine[0] + 1], mine, [mine[-1] - 1]])
            out[group] = (edges[chosen] + edges[chosen + 1]) / 2
    return out


def crossfitted(outputs: Array, truth: Array, groups: Groups, label: int, *, of_true: bool, seed: int) -> Array:
    """Raw outputs (n, 2) with each half of the rows moved by thresholds of `label` found on the other half."""
    out = np.array(outputs, np.float64)
    scores, wanted = out[:, label] - out[:, 1 - label], truth == label
    # Halves of every group and label alike.
    order = np.lexsort((np.random.default_rng(seed).random(len(truth)), truth, groups.codes))
    half = np.zeros(len(truth), np.int64)
    half[order] = np.arange(len(truth)) % 2
    for side in (0, 1):
        here, there = np.flatnonzero(half == side), np.flatnonzero(half != side)
        found = thresholds(scores[here], wanted[here], groups.take(here), of_true=of_true)
        out[there, label] -= found[groups.codes[there]]
    return out
