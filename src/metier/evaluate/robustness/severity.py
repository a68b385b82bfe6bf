"""An expert and its generic base on inputs made worse on purpose, and what that costs each of them.

Hendrycks & Dietterich (2019) measure vision models under corruptions of growing severity; the same rows are used clean
and changed, so that what is lost is a paired difference.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from metier.evaluate.case import Case
from metier.evaluate.intervals import Gain, Interval, bootstrap, paired_gain
from metier.evaluate.metrics import decisions
from metier.evaluate.row_order import row_order
from metier.tasks.contract import Array, Inputs, Metric, Perturbation

_RESAMPLES = 1000
_FLIPS = 4999


@dataclass(frozen=True)
class Changed:
    """The rows at `positions` of a case after one change: which of them it touched, and both models' outputs on all."""

    perturbation: Perturbation
    severity: float
    positions: Array
    inputs: Inputs
    touched: Array
    outputs: Array
    generic: Array


@dataclass(frozen=True)
class Cost:
    """What a change does on its rows: the metric after it, and what was lost, in units of the metric.

    `drop` and `gap` are positive where the change hurts, and hurts the expert more than its generic base. `flipped` are
    the shares of answers that are no longer the same; None for a quantity.
    """

    changed: Changed
    clean: float
    value: Interval
    generic: float
    drop: Gain
    generic_clean: float
    generic_drop: float
    gap: Gain
    flipped: tuple[float, float] | None

    @property
    def larger_share(self) -> bool:
        """Whether the expert loses a larger share of what it had: a base that knows little has little to lose."""
        return self.drop.points * abs(self.generic_clean) > self.generic_drop * abs(self.clean)


def apply(case: Case, perturbation: Perturbation, severity: float, positions: Array) -> Changed:
    """Change the rows at `positions` (sorted) and ask both models; rows left as they were cost no pass.

    The random numbers are the same for every severity, and differ from perturbation to perturbation.
    """
    examples = case.examples.take(positions)
    rng = np.random.default_rng([case.seed, zlib.crc32(perturbation.name.encode())])
    inputs = perturbation.change(examples, severity, rng)
    before, after = examples.inputs.to_pylist(), inputs.to_pylist()
    touched = np.fromiter((one != other for one, other in zip(before, after, strict=True)), bool, len(positions))
    worse = inputs.take(np.flatnonzero(touched))
    shifts = case.shifts(positions[touched])
    with case.expert.trunk.scratch():
        outputs = _merged(case.evaluation.outputs[positions], touched, lambda: case.expert_of(worse, shifts))
        generic = _merged(case.generic_outputs[positions], touched, lambda: case.generic_of(worse))
    return Changed(perturbation, severity, positions, inputs, touched, outputs, generic)


def _merged(clean: Array, touched: Array, answer: Callable[[], Array]) -> Array:
    outputs = np.array(clean, copy=True)
    if touched.any():
        outputs[touched] = answer()
    return outputs


def cost(case: Case, changed: Changed) -> Cost:
    """The metric after a change, the paired loss of the expert and how much more it loses than its generic base."""
    metric, at = case.metric, changed.positions
    truth = case.evaluation.truth[at]
    clean, generic_clean = case.evaluation.outputs[at], case.generic_outputs[at]
    sign = 1.0 if metric.greater_is_better else -1.0
    value = bootstrap({metric.name: metric}, truth, changed.outputs, level=case.level, seed=case.seed)[metric.name]
    generic, generic_before = (metric.function(truth, side) for side in (changed.generic, generic_clean))
    flipped = None
    if case.classes:
        pairs = ((clean, changed.outputs), (generic_clean, changed.generic))
        shares = [float((decisions(one) != decisions(other)).mean()) for one, other in pairs]
        flipped = (shares[0], shares[1])
    return Cost(
        changed,
        metric.function(truth, clean),
        value,
        generic,
        paired_gain(metric, truth, changed.outputs, clean, level=case.level, seed=case.seed),
        generic_before,
        sign * (generic_before - generic),
        gap_of_drops(
            metric,
            truth,
            (clean, changed.outputs),
            (generic_clean, changed.generic),
            level=case.level,
            seed=case.seed,
        ),
        flipped,
    )


def gap_of_drops(
    metric: Metric,
    truth: Array,
    expert: tuple[Array, Array],
    generic: tuple[Array, Array],
    *,
    level: float = 0.95,
    seed: int = 0,
) -> Gain:
    """How much more the expert loses from (clean, changed) outputs than its generic base does on the same rows.

    The interval is the percentile bootstrap's over rows. For metrics that are a mean over rows, p comes from turning
    the signs of the rows' differences at random (Fisher 1935), which is exact where both lose alike; for others from
    the bootstrap's spread.
    """
    from scipy.special import ndtr

    sign = 1.0 if metric.greater_is_better else -1.0
    order = row_order(truth, *expert, *generic)
    truth, sides = truth[order], [side[order] for side in (*expert, *generic)]
    one, two, three, four = (metric.function(truth, side) for side in sides)
    points = sign * ((one - two) - (three - four))
    if len(truth) < 2 or not np.isfinite(points):
        return Gain(points, float("nan"), float("nan"), float("nan"))
    rng = np.random.default_rng(seed)
    if metric.per_row is not None:
        rows = [metric.per_row(truth, side) for side in sides]
        difference = sign * ((rows[0] - rows[1]) - (rows[2] - rows[3]))
        some = difference[difference != 0]
        turned = np.abs(rng.choice((-1.0, 1.0), (_FLIPS, len(some))) @ some)
        p = (1 + int((turned >= abs(some.sum()) - 1e-9).sum())) / (1 + _FLIPS)
        found = rng.multinomial(len(truth), np.full(len(truth), 1 / len(truth)), _RESAMPLES) @ difference / len(truth)
    else:
        found = _resampled(metric, truth, sides, rng)
        found = sign * ((found[0] - found[1]) - (found[2] - found[3]))
        found = found[np.isfinite(found)]
        spread = float(found.std()) if len(found) else 0.0
        p = float(2 * ndtr(-abs(points) / spread)) if spread > 0 else 1.0
    if not len(found):
        return Gain(points, float("nan"), float("nan"), float("nan"))
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return Gain(float(points), float(min(low, points)), float(max(high, points)), p)


def _resampled(metric: Metric, truth: Array, sides: Sequence[Array], rng: np.random.Generator) -> list[Array]:
    """The metric of each side on the same resamples of the rows."""
    if metric.weigh is not None:
        counts = rng.multinomial(len(truth), np.full(len(truth), 1 / len(truth)), _RESAMPLES).T.astype(np.float64)
        return [metric.weigh(truth, side)(counts) for side in sides]
    drawn = rng.integers(0, len(truth), (_RESAMPLES // 4, len(truth)))
    return [np.array([metric.function(truth[rows], side[rows]) for rows in drawn]) for side in sides]
