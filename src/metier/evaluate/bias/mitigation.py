"""What each mitigation of `tune` would bring and cost, measured on the evaluated rows.

Rows are drawn and the rung fitted anew; thresholds for groups are found on one half of the rows and measured on the
other.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from metier.data.groups import Groups, crossed, of_values
from metier.evaluate.bias.group_intervals import gap_interval
from metier.evaluate.bias.group_rates import encode, gap_metric, rates
from metier.evaluate.bias.group_report import GAP_OF, Compared
from metier.evaluate.case import Case
from metier.evaluate.intervals import Gain, Interval, bootstrap, paired_gain
from metier.tasks.contract import Array, Examples, Rung, Work
from metier.tune.mitigation import balanced, crossfitted, positive, reweighed

_MOST_ROWS = 20_000  # trained on, evenly drawn: enough to compare ways by


@dataclass(frozen=True)
class Eased:
    """One mitigation: the gap and the score without and with it on the same rows; a gain above 0 is better."""

    name: str
    groups: str
    gap_name: str
    gap_before: Interval
    gap_after: Interval
    gap: Gain
    score_name: str
    score_before_after: tuple[Interval, Interval]
    score: Gain
    rows: int
    how: str

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; gains in units of the gap and of the metric."""
        before, after = self.score_before_after
        return {
            "mitigation": self.name,
            "group": self.groups,
            "gap": self.gap_name,
            "gap_before": self.gap_before.as_json(),
            "gap_after": self.gap_after.as_json(),
            "gap_gain": self.gap.as_json("nothing done"),
            "metric": self.score_name,
            "score_before": before.as_json(),
            "score_after": after.as_json(),
            "score_gain": self.score.as_json("nothing done"),
            "rows": self.rows,
            "how": self.how,
        }


def measure(case: Case, compared: Sequence[Compared]) -> tuple[list[Eased], str]:
    """Every mitigation of the surest gap, and why some could not be measured; nothing where no gap was called."""
    called = [each for each in compared if each.called]
    if not called:
        return [], ""
    if not case.classes:
        return [], "Mitigations are measured for labels only, not yet for numbers."
    worst = min(called, key=lambda each: min(each.p.values()))
    test = min(worst.called, key=lambda name: worst.p[name])
    names = case.expert.target.values(np.arange(case.expert.target.width))
    ground = _Ground(case, worst.groups, GAP_OF[test], names.index(worst.figures["positive"]))
    eased, why = _trained(ground)
    if len(names) == 2:
        eased.append(_thresholded(ground, of_true=test == "errors"))
    return eased, why


@dataclass(frozen=True)
class _Ground:
    """The rows measured on, their groups, and the gap to close: its name, and the label it is of."""

    case: Case
    groups: Groups
    gap: str
    label: int

    def eased(self, name: str, before: Array, after: Array, how: str) -> Eased:
        case, truth, level = self.case, self.case.evaluation.truth, self.case.level
        size, metric = len(self.groups.labels), case.metric
        encoded = encode(self.groups, truth, before.shape[1])
        closing = gap_metric(self.gap, size, np.array([self.label]))
        gaps = [
            Interval(*gap_interval(self.gap, rates(self.groups, truth, side), self.label, level))
            for side in (before, after)
        ]
        scores = [
            bootstrap({metric.name: metric}, truth, side, level=level, seed=case.seed)[metric.name]
            for side in (before, after)
        ]
        return Eased(
            name,
            self.groups.name,
            self.gap,
            gaps[0],
            gaps[1],
            paired_gain(closing, encoded, before, after, level=level, replicates=1000, seed=case.seed),
            metric.name,
            (scores[0], scores[1]),
            paired_gain(metric, truth, before, after, level=level, seed=case.seed),
            len(truth),
            how,
        )


def _thresholded(ground: _Ground, *, of_true: bool) -> Eased:
    """Each half of the rows answered with thresholds found on the other half."""
    case, groups = ground.case, ground.groups
    outputs, label = np.asarray(case.evaluation.outputs, np.float64), positive(case.expert.target)
    after = crossfitted(outputs, case.evaluation.truth, groups, label, of_true=of_true, seed=case.seed)
    share = "of the rows truly so" if of_true else "of its rows"
    how = f"a threshold for each group, so that the label is given to the same share {share}"
    return ground.eased("group-thresholds", outputs, after, how)


def _trained(ground: _Ground) -> tuple[list[Eased], str]:
    """The rung fitted anew on all training rows, and on rows drawn by each mitigation."""
    case, origin = ground.case, ground.case.origin
    if origin is None:
        return [], f"Reweighting and balanced sampling could not be measured: {case.no_origin}."
    absent = [name for name in ground.groups.columns if name not in origin.dataset.table.column_names]
    if absent:
        return [], f"Reweighting and balanced sampling could not be measured: the training data has no {absent[0]!r}."
    positions = _at_most(len(origin.examples), case.seed)
    examples = origin.examples.take(positions)
    groups = crossed(
        [of_values(name, _cells(origin.dataset.table, name, examples.rows)) for name in ground.groups.columns]
    )
    rung = _rung(case)
    inputs = case.examples.inputs
    with tempfile.TemporaryDirectory() as folder:
        place, aside = Path(folder), origin.held_out[positions]
        parts = examples.take(np.flatnonzero(~aside)), examples.take(np.flatnonzero(aside))
        # Chosen once, on the rows as they are, so that nothing but the rows differs.
        settings = rung.fit(_work(case, place, *parts, None))[1]

        def outputs(train: Examples) -> Array:
            return _calibrated(case, rung.fit(_work(case, place, train, None, settings))[0].outputs(inputs))

        before = outputs(examples)
        eased = []
        for name, draw in (("reweighting", reweighed), ("balanced-sampling", balanced)):
            rows = draw(examples, groups, case.seed)
            after = outputs(examples.take(rows))
            how = f"the rung {rung.name} fitted on {len(rows):,} rows, {len(np.unique(rows)):,} of them different"
            eased.append(ground.eased(name, before, after, how))
    return eased, ""


def _calibrated(case: Case, outputs: Array) -> Array:
    return case.expert.target.calibrated(outputs, {})


def _at_most(rows: int, seed: int) -> Array:
    if rows <= _MOST_ROWS:
        return np.arange(rows)
    return np.sort(np.random.default_rng([seed, rows]).choice(rows, _MOST_ROWS, replace=False))


def _cells(table: pa.Table, name: str, rows: Array) -> list[Any]:
    return list(table.column(name).take(pa.array(rows)).to_pylist())


def _rung(case: Case) -> Rung:
    """The expert's own rung, or the last one below it that trains no base: fitted three times, it has to be cheap."""
    rungs = case.expert.task.rungs(case.expert.target)
    own = next(rung for rung in rungs if rung.name == case.expert.about["rung"])
    return own if not own.trains else [rung for rung in rungs if not rung.trains][-1]


def _work(case: Case, folder: Path, train: Examples, validation: Examples | None, settings: Any) -> Work:
    assert case.origin is not None
    plan, trunk = case.origin.plan, case.expert.trunk
    return Work(train, validation, plan, trunk, case.metric, folder, {}, case.progress, settings=settings)
