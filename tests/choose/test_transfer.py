"""The transferability score: the evidence it claims to be, and higher where features tell labels apart."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from metier.choose.transfer import log_evidence


def test_it_is_the_largest_evidence_of_a_bayesian_linear_model() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 5))
    y = x @ rng.normal(size=5) + 0.5 * rng.normal(size=40)
    y = (y - y.mean()) / y.std()
    best = max(
        multivariate_normal(np.zeros(40), np.eye(40) * noise + x @ x.T * weights).logpdf(y)
        for noise in np.geomspace(0.01, 2, 60)
        for weights in np.geomspace(0.01, 10, 60)
    )
    assert log_evidence(x, y, 1) == pytest.approx(best / 40, abs=2e-3)


@pytest.mark.parametrize("width", [1, 3])
def test_features_that_carry_the_answer_score_higher(width: int) -> None:
    higher = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        codes = rng.integers(0, 3, 90)
        noise = rng.normal(size=(90, 30))
        informed = noise + 0.8 * rng.normal(size=(3, 30))[codes]
        targets = codes if width > 1 else codes + 0.1 * rng.normal(size=90)
        higher += log_evidence(informed, targets, width) > log_evidence(noise, targets, width)
    assert higher >= 19


def test_more_features_than_rows_and_labels_that_never_occur_are_no_trouble() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2, 20)
    x = rng.normal(size=(20, 64)) + codes[:, None]
    assert np.isfinite(log_evidence(x, codes, 2))
    assert log_evidence(x, codes, 9) == log_evidence(x, codes, 2)
