"""What a climb came to: honest confidence, when to abstain, and the figures beside the generic base's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metier.data.dataset import Problem
from metier.evaluate.calibration import unreachable
from metier.evaluate.evaluation import Evaluation, evaluate_outputs
from metier.plan import Plan
from metier.tasks.contract import Array, Examples, Metric, Predictor

if TYPE_CHECKING:
    from metier.tune.ladder import Climb


@dataclass(frozen=True)
class Judged:
    """The chosen rung's calibration and figures; `tested` is None without a test file.

    `refused` says why a wished precision could not be reached.
    """

    calibration: Mapping[str, float]
    generic_calibration: Mapping[str, float]
    threshold: float | None
    refused: Problem | None
    generic_name: str
    generic: Predictor
    validation: Evaluation
    tested: Evaluation | None

    @property
    def best(self) -> Evaluation:
        """The figures on rows nothing was chosen by, where there are some."""
        return self.tested or self.validation


def judge(
    climb: Climb, outputs: Array, test: Examples | None, tested: Array | None, metric: Metric, plan: Plan
) -> Judged:
    """Calibrate on the held-out rows of the climb, then measure on them and, with the last fit, on the test rows.

    `outputs` are the chosen rung's raw ones for the held-out rows, `tested` the last fit's for the test rows.
    """
    from metier.tune.ladder import baseline

    target = climb.held_out.target
    generic_name, generic, generic_outputs = baseline(climb)
    calibration = target.calibrate(outputs, climb.truth)
    generic_calibration = target.calibrate(generic_outputs, climb.truth)
    threshold = target.threshold(target.calibrated(outputs, calibration), climb.truth, plan)

    def figures(truth: Array, ours: Array, base: Array) -> Evaluation:
        return evaluate_outputs(
            target,
            truth,
            ours,
            base,
            metric=metric,
            calibration=calibration,
            generic_calibration=generic_calibration,
            level=plan.ladder.level,
            seed=plan.seed,
        )

    return Judged(
        calibration=calibration,
        generic_calibration=generic_calibration,
        threshold=threshold,
        refused=unreachable(threshold, plan.answer.precision, len(climb.truth)),
        generic_name=generic_name,
        generic=generic,
        validation=figures(climb.truth, outputs, generic_outputs),
        tested=None if test is None or tested is None else figures(test.targets, tested, generic.outputs(test.inputs)),
    )
