"""Conformal sets hold the truth as often as promised, overall and within each part that calibrates itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metier.evaluate.confidence import conformal


def sample(seed: int, rows: int, hard: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities of four labels, truth drawn from flatter ones, and a group on which the model is worse."""
    rng = np.random.default_rng(seed)
    groups = (rng.random(rows) < 0.3).astype(int)
    logits = rng.normal(size=(rows, 4)) * 2
    honest = logits * np.where(groups == 1, 1 - hard, 1.0)[:, None]
    shares = np.exp(honest) / np.exp(honest).sum(axis=1, keepdims=True)
    truth = np.array([rng.choice(4, p=row) for row in shares])
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), truth, groups


@given(st.integers(1, 60), st.integers(0, 10_000))
def test_p_values_of_exchangeable_scores_are_uniform(rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 5, size=(4000, rows + 1)).astype(float)  # many ties
    found = np.array([conformal.p_values(row[:-1], row[-1:], rng)[0] for row in scores[:400]])
    assert found.min() > 0
    assert found.max() <= 1
    assert abs((found <= 0.1).mean() - 0.1) < 0.08


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_coverage_is_what_was_asked_over_many_samples(level: float) -> None:
    held = [conformal.of_classes(*sample(seed, 300)[:2], level, seed).held.mean() for seed in range(30)]
    assert np.mean(held) == pytest.approx(level, abs=0.01)


def test_a_group_with_less_coverage_gets_its_own() -> None:
    probabilities, truth, groups = sample(3, 4000, hard=0.9)
    together = conformal.of_classes(probabilities, truth, 0.9, 0)
    apart = conformal.of_classes(probabilities, truth, 0.9, 0, groups)
    assert together.held[groups == 1].mean() < 0.86
    for group in (0, 1):
        assert apart.held[groups == group].mean() == pytest.approx(0.9, abs=0.01)


def test_each_label_is_covered_when_labels_calibrate_themselves() -> None:
    probabilities, truth, _ = sample(5, 4000)
    skewed = probabilities * np.array([4.0, 1.0, 1.0, 0.3])
    skewed /= skewed.sum(axis=1, keepdims=True)
    by_label = conformal.of_labels(skewed, truth, 0.9, 0)
    together = conformal.of_classes(skewed, truth, 0.9, 0)
    assert min(together.held[truth == label].mean() for label in range(4)) < 0.86
    for label in range(4):
        assert by_label.held[truth == label].mean() == pytest.approx(0.9, abs=0.015)


def test_intervals_of_values_hold_and_are_as_wide_as_errors_are() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=2000)
    found = conformal.of_values(truth + rng.normal(size=2000) * 0.5, truth, 0.9, 0)
    assert found.held.mean() == pytest.approx(0.9, abs=0.01)
    assert found.size.mean() == pytest.approx(2 * 1.645 * 0.5, rel=0.08)


def test_the_same_seed_gives_the_same_sets() -> None:
    probabilities, truth, _ = sample(1, 200)
    first, again = (conformal.of_classes(probabilities, truth, 0.9, 4) for _ in range(2))
    assert np.array_equal(first.held, again.held)
    assert not np.array_equal(first.held, conformal.of_classes(probabilities, truth, 0.9, 5).held)
