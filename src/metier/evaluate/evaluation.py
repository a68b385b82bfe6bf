"""An Evaluation: the expert beside its own generic base on the same held-out rows, every figure with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metier.evaluate.intervals import Gain, Interval, bootstrap, paired_gain
from metier.evaluate.row_order import figure
from metier.tasks.contract import Array, Metric, Target


@dataclass(frozen=True)
class Evaluation:
    """Figures of one model on `rows` held-out rows, those of the generic base, and the paired gain between them.

    `outputs` are calibrated; `raw` as the model gave them.
    """

    rows: int
    metric: Metric
    metrics: Mapping[str, Interval]
    generic: Mapping[str, Interval]
    gain: Gain
    ece: float | None
    ece_before: float | None
    truth: Array
    outputs: Array
    raw: Array

    def as_json(self) -> dict[str, Any]:
        """The shape of `evaluate --json`."""
        return {
            "rows": self.rows,
            "metrics": {name: interval.as_json() for name, interval in self.metrics.items()},
            "generic": {name: interval.as_json() for name, interval in self.generic.items()},
            "gain": {"metric": self.metric.name, **self.gain.as_json("generic")},
            "calibration": {"ece": self.ece, "ece_before": self.ece_before},
        }


def evaluate_outputs(
    target: Target,
    truth: Array,
    raw: Array,
    generic_raw: Array,
    *,
    metric: Metric,
    calibration: Mapping[str, float],
    generic_calibration: Mapping[str, float],
    level: float,
    seed: int,
) -> Evaluation:
    """Judge raw outputs (n, k) or (n,) against the truth (n,), beside the generic base's on the same rows."""
    outputs = target.calibrated(raw, calibration)
    generic = target.calibrated(generic_raw, generic_calibration)
    wanted = {**target.metrics(), metric.name: metric}
    figures = bootstrap(wanted, truth, outputs, level=level, seed=seed)
    ece = wanted.get("ece")
    return Evaluation(
        rows=len(truth),
        metric=metric,
        metrics=figures,
        generic=bootstrap(wanted, truth, generic, level=level, seed=seed),
        gain=paired_gain(metric, truth, generic, outputs, level=level, seed=seed),
        ece=None if ece is None else figures["ece"].value,
        ece_before=None if ece is None else figure(ece, truth, target.calibrated(raw, {})),
        truth=truth,
        outputs=outputs,
        raw=raw,
    )


def curve_sizes(rows: int) -> Sequence[int]:
    """How many rows the points of a learning curve take: 10%, 25%, 50% and all, at least 20."""
    return sorted({max(min(rows, 20), int(rows * share)) for share in (0.1, 0.25, 0.5, 1.0)})


def nested(rows: int, sizes: Sequence[int], seed: int) -> list[Array]:
    """Positions for each size, every smaller set within the larger ones."""
    order = np.random.default_rng(seed).permutation(rows)
    return [np.sort(order[:size]) for size in sizes]
