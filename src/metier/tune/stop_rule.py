"""The stop rule: is the next rung better by more than chance?

A rung is *taken* when it is better than the one stood on by more than chance: when the paired interval of its gain in
the ladder's metric lies above zero; or when that metric has not fallen and the paired interval of the gain in log loss,
which sees far smaller differences, lies above zero. At level .95 the first errs in 2.5% of cases where the rungs are
truly equal; the second, which is the sharper one, is held to a fifth of that. Together they climb for nothing in some
3%, which leaves room under 5% for what intervals of few rows lack.
"""

from __future__ import annotations

import numpy as np

from metier.evaluate.intervals import Gain, paired_gain
from metier.tasks.contract import Array, Metric, Target

_FINER = 5  # times rarer may the test of log loss err


def pays(
    metric: Metric, target: Target, truth: Array, a: Array, b: Array, *, level: float, seed: int
) -> tuple[Gain, bool, str]:
    """The stop rule: the gain of b's outputs over a's, whether it is proof enough to climb, and why, in words."""
    gain = paired_gain(metric, truth, a, b, level=level, seed=seed)
    told = f"{metric.name} {_in_words(metric, target, gain)}"
    if gain.low > 0:
        return gain, True, f"{told}: better beyond chance"
    fine = target.metrics().get("log_loss")
    if fine is not None and gain.points >= 0:
        honest_a, honest_b = (target.calibrated(side, target.calibrate(side, truth)) for side in (a, b))
        finer = paired_gain(fine, truth, honest_a, honest_b, level=1 - (1 - level) / _FINER, seed=seed)
        if finer.low > 0:
            return (
                gain,
                True,
                (
                    f"{told}: within chance on these rows, but its log loss is better beyond chance, "
                    f"by {finer.points:.4f} ({finer.low:.4f} to {finer.high:.4f})"
                ),
            )
    return gain, False, f"{told}: " + ("worse" if gain.high < 0 else "no more than chance")


def room_left(metric: Metric, truth: Array, outputs: Array, *, level: float, seed: int) -> bool:
    """Whether even a perfect rung could be told from one with these outputs, on so many rows."""
    return paired_gain(metric, truth, outputs, _perfect(outputs, truth), level=level, seed=seed).low > 0


def _perfect(like: Array, truth: Array) -> Array:
    """The outputs of a model that is always right and sure of it."""
    if like.ndim == 1:
        return truth.astype(like.dtype)
    out = np.zeros_like(like)
    out[np.arange(len(truth)), truth] = 30.0
    return out


def _in_words(metric: Metric, target: Target, gain: Gain) -> str:
    """Shares in points of a hundred, all else in the metric's own unit; positive is always better."""
    share = target.width > 1 and metric.name not in ("log_loss", "brier") and ":" not in metric.name
    if share:
        return f"{100 * gain.points:+.2f} points ({100 * gain.low:+.2f} to {100 * gain.high:+.2f})"
    return f"{gain.points:+.4g} ({gain.low:+.4g} to {gain.high:+.4g})"
