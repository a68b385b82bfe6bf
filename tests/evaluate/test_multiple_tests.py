"""Corrections for many tests keep the rates of false alarms that they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from metier.evaluate.multiple_tests import benjamini_hochberg, holm

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@given(P_VALUES)
def test_holm_is_bonferroni_for_the_smallest_and_never_beyond_it(p: list[float]) -> None:
    adjusted = holm(p)
    assert adjusted.min() == pytest.approx(min(1.0, len(p) * min(p)))
    assert (adjusted >= np.array(p) - 1e-12).all()
    assert (adjusted <= np.minimum(1.0, len(p) * np.array(p)) + 1e-12).all()
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= -1e-12).all()


@given(P_VALUES)
def test_benjamini_hochberg_agrees_with_scipy(p: list[float]) -> None:
    assert benjamini_hochberg(p) == pytest.approx(false_discovery_control(p), abs=1e-12)


def test_an_undefined_p_value_asks_no_question() -> None:
    for adjust in (holm, benjamini_hochberg):
        with_gap, without = adjust([0.01, float("nan"), 0.04]), adjust([0.01, 0.04])
        assert np.isnan(with_gap[1])
        assert with_gap[[0, 2]] == pytest.approx(without)
        assert len(adjust([])) == 0


def test_false_alarms_stay_at_their_rate_over_many_trials() -> None:
    rng, any_wrong, shares = np.random.default_rng(0), 0, []
    for _ in range(1000):
        p = rng.random(20)
        any_wrong += holm(p).min() <= 0.05
        p[:10] = rng.beta(0.1, 8, 10)  # half of the questions have a true finding
        found = benjamini_hochberg(p) <= 0.1
        shares.append(found[10:].sum() / max(found.sum(), 1))
    assert any_wrong <= 70
    assert np.mean(shares) <= 0.065  # 0.1 times the share of true nulls, and some chance
