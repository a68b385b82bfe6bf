"""A part of the rows is called worse by chance as seldom as its p-value says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import fisher_exact

from metier.evaluate.slices import permutation
from metier.evaluate.slices.permutation import lower_than_rest


def test_right_and_wrong_answers_get_fishers_exact_test() -> None:
    rng = np.random.default_rng(0)
    values = (rng.random(120) < 0.8).astype(float)
    parts = rng.random((6, 120)) < 0.3
    for p, part in zip(lower_than_rest(values, parts), parts, strict=True):
        inside, outside = values[part], values[~part]
        table = [[(inside == 1).sum(), (inside == 0).sum()], [(outside == 1).sum(), (outside == 0).sum()]]
        assert p == pytest.approx(fisher_exact(table, alternative="less").pvalue)


@pytest.mark.parametrize("skewed", [False, True])
def test_p_values_under_chance_are_under_a_twentieth_in_a_twentieth_of_parts(skewed: bool) -> None:
    rng = np.random.default_rng(1)
    values = -(rng.exponential(size=400) ** 2) if skewed else (rng.random(400) < 0.7).astype(float)
    parts = rng.random((1500, 400)) < 0.15
    p = lower_than_rest(values, parts, replicates=999)
    assert 0.025 <= (p <= 0.05).mean() <= 0.07
    assert p.min() > 0


def test_a_part_that_is_worse_is_found_and_one_that_is_better_is_not() -> None:
    rng = np.random.default_rng(2)
    parts = np.stack([np.arange(500) < 60, np.arange(500) >= 440])
    loss = rng.exponential(size=500)
    loss[:60] *= 2
    loss[440:] /= 2
    low, high = lower_than_rest(-loss, parts)
    assert low < 0.001
    assert high > 0.9


def test_no_part_and_the_whole_have_no_rest_to_be_held_against() -> None:
    values = np.random.default_rng(3).normal(size=50)
    p = lower_than_rest(values, np.stack([np.zeros(50, bool), np.ones(50, bool)]))
    assert np.isnan(p).all()
    assert lower_than_rest(np.ones(50), np.arange(50)[None, :] < 10) == pytest.approx(1.0)


def test_many_rows_get_what_shuffling_would_have_given(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    values, parts = rng.normal(size=3000), rng.random((20, 3000)) < 0.2
    shuffled = lower_than_rest(values, parts)
    monkeypatch.setattr(permutation, "_MANY", 10)
    assert lower_than_rest(values, parts) == pytest.approx(shuffled, abs=0.02)
