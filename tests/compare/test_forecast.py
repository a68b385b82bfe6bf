"""The forecast: right where a law holds, honest about how sure it is, and the same whichever way the metric points."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metier.compare.forecast import Curve, best_score, future, hindcast

SIZES = np.array([100, 200, 400, 800, 1600])


def curve(
    scores: np.ndarray, noise: float = 0.0, seed: int = 0, *, greater: bool = True, best: float | None = 1.0
) -> Curve:
    rng = np.random.default_rng(seed)
    values = tuple(score + noise * rng.normal(size=3) for score in scores)
    return Curve(SIZES[: len(scores)], values, greater, best)


def power(rows: np.ndarray | float, floor: float = 0.05, exponent: float = 0.5) -> np.ndarray:
    return 1 - floor - 2.5 * np.asarray(rows, float) ** -exponent


def test_a_power_law_goes_on_as_it_was() -> None:
    ahead = future(curve(power(SIZES)))
    assert ahead is not None
    told = ahead.interval(2600, 0.95)
    assert told.value == pytest.approx(float(power(2600)), abs=0.01)
    assert told.low <= float(power(2600)) <= told.high


def test_the_interval_holds_what_it_promises_over_many_curves() -> None:
    inside = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        floor, exponent = rng.uniform(0, 0.3), rng.uniform(0.2, 0.9)
        ahead = future(curve(power(SIZES, floor, exponent), 0.01, seed))
        assert ahead is not None
        told, true = ahead.interval(2600, 0.95), float(power(2600, floor, exponent))
        inside.append(told.low <= true <= told.high)
    assert np.mean(inside) >= 0.9


def test_it_is_less_sure_of_noisy_curves_and_of_what_is_far() -> None:
    calm, noisy = future(curve(power(SIZES), 0.002)), future(curve(power(SIZES), 0.03))
    assert calm is not None
    assert noisy is not None
    near, far, wild = calm.interval(2000, 0.95), calm.interval(16_000, 0.95), noisy.interval(2000, 0.95)
    assert near.high - near.low < far.high - far.low
    assert near.high - near.low < wild.high - wild.low


@given(floor=st.floats(0, 0.3), exponent=st.floats(0.2, 1), more=st.integers(1, 5000))
def test_it_never_leaves_the_scores_there_are(floor: float, exponent: float, more: int) -> None:
    scores = np.clip(power(SIZES, floor, exponent), 0, 1)
    ahead = future(curve(scores, best=best_score(list(scores), True)))
    assert ahead is not None
    told, gain = ahead.interval(1600 + more, 0.95), ahead.gain(more, 0.95)
    assert told.low <= told.value <= told.high <= 1
    assert gain.low <= gain.value <= gain.high


def test_where_less_is_better_all_is_mirrored() -> None:
    scores = power(SIZES)
    up, down = future(curve(scores)), future(curve(1 - scores, greater=False, best=0.0))
    assert up is not None
    assert down is not None
    assert down.interval(3000, 0.9).value == pytest.approx(1 - up.interval(3000, 0.9).value, abs=5e-3)
    assert down.gain(1000, 0.9).value == pytest.approx(up.gain(1000, 0.9).value, abs=5e-3)


def test_a_higher_goal_needs_more_labels_and_one_beyond_reach_none() -> None:
    ahead = future(curve(power(SIZES), 0.001))
    assert ahead is not None
    needed = [ahead.needed(goal, 0.95) for goal in (0.75, 0.8, 0.85, 0.88)]
    rows = [one.value for one in needed]
    assert rows == sorted(rows)
    assert all(one.low <= one.value <= one.high for one in needed)
    true = (2.5 / (1 - 0.05 - 0.85)) ** 2
    assert needed[2].low <= true * 1.1
    assert needed[2].high >= true * 0.9
    assert np.isinf(ahead.needed(0.999, 0.95).value)


def test_two_sizes_are_too_few() -> None:
    assert future(curve(power(SIZES[:2]))) is None
    assert hindcast(curve(power(SIZES[:3])), 0.95) is None


def test_the_hindcast_is_told_without_having_seen_the_last_size() -> None:
    scores = power(SIZES)
    before, fallen = hindcast(curve(scores), 0.95), hindcast(curve(np.append(scores[:-1], 0.2)), 0.95)
    assert before is not None
    assert fallen is not None
    assert before["inside"]
    assert not fallen["inside"]
    assert (before["low"], before["high"]) == (fallen["low"], fallen["high"])
    assert fallen["measured"] == pytest.approx(0.2)


def test_a_score_that_is_bounded_by_nothing_known_can_still_be_foretold() -> None:
    assert best_score([-3.0, 0.4], True) is None
    ahead = future(curve(10 * power(SIZES), best=None))
    assert ahead is not None
    told = ahead.interval(2600, 0.95)
    assert told.low <= 10 * float(power(2600)) <= told.high
