"""Membership inference's arithmetic: AUC and power with honest intervals, and a reference that takes difficulty out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from metier.evaluate.privacy.attack import auc, leak_of, power, residual, surprise
from metier.tasks.classes import Classes
from metier.tasks.quantity import Quantity


def test_auc_is_how_often_a_member_scores_higher():
    rng = np.random.default_rng(0)
    inside, outside = rng.integers(0, 6, 40), rng.integers(0, 5, 30)
    pairs = inside[:, None] - outside[None, :]
    assert auc(inside, outside, 0.95).value == pytest.approx((pairs > 0).mean() + (pairs == 0).mean() / 2)


@pytest.mark.parametrize("shift", [0.0, 0.8])
def test_the_interval_of_the_auc_holds_the_truth(shift):
    truth, held = norm.cdf(shift / np.sqrt(2)), []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        found = auc(rng.normal(shift, 1, 120), rng.normal(0, 1, 120), 0.95)
        held.append(found.low <= truth <= found.high)
    assert 0.92 <= np.mean(held) <= 0.98


def test_the_interval_of_the_power_holds_the_truth():
    truth, held = norm.sf(norm.isf(0.01) - 1), []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        found = power(rng.normal(1, 1, 400), rng.normal(0, 1, 400), 0.01, 0.95)
        held.append(found.low <= truth <= found.high)
    assert np.mean(held) >= 0.94


def test_power_is_not_told_from_too_few_rows():
    rng = np.random.default_rng(0)
    inside, outside = rng.normal(1, 1, 900), rng.normal(0, 1, 900)
    assert power(inside, outside, 0.001, 0.95) is None
    assert power(inside, outside, 0.01, 0.95) is not None
    assert power(np.append(inside, inside), np.append(outside, outside), 0.001, 0.95) is not None


def test_perfect_separation_keeps_a_width():
    found = auc(np.arange(10) + 100.0, np.arange(10.0), 0.95)
    assert found.value == found.high == 1
    assert 0.5 < found.low < 0.9


def test_a_reference_takes_out_how_hard_a_row_is():
    rng = np.random.default_rng(0)
    member = np.arange(2000) < 1000
    hard = rng.normal(0, 3, 2000)
    own, reference = hard + member + rng.normal(0, 1, 2000), hard + rng.normal(0, 1, 2000)
    plain, calibrated = leak_of(own, member, 0.95), leak_of(residual(own, reference), member, 0.95)
    assert calibrated.auc.low > plain.auc.high
    # A reference that knows nothing does no harm.
    useless = leak_of(residual(own, rng.normal(0, 1, 2000)), member, 0.95)
    assert useless.auc.value == pytest.approx(plain.auc.value, abs=0.01)


def test_surprise_is_greater_where_the_model_is_surer():
    outputs = np.log(np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]))
    found = surprise(Classes(("a", "b")), np.array([0, 0, 0]), outputs)
    np.testing.assert_allclose(found, np.log([9, 1.5, 0.25]), rtol=1e-4)
    far = surprise(Quantity(), np.array([1.0, 1.0, 1.0]), np.array([1.0, 1.5, 3.0]))
    assert (np.diff(far) < 0).all()
