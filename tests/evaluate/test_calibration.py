"""Confidence is made honest, and thresholds keep what they promise on rows never seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metier.evaluate.calibration import (
    ALWAYS_ABSTAIN,
    answering,
    reliability,
    rows_to_prove,
    temperature,
    threshold_for_cost,
    threshold_for_precision,
    unreachable,
)
from metier.evaluate.class_metrics import class_metrics
from metier.evaluate.metrics import log_probabilities


def calibrated(rows: int, rng: np.random.Generator, width: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Outputs whose probabilities are exactly those the truth is drawn with."""
    outputs = log_probabilities(rng.normal(0, 2, size=(rows, width)))
    truth = (np.exp(outputs).cumsum(axis=1) > rng.random((rows, 1))).argmax(axis=1)
    return outputs, truth


@pytest.mark.parametrize("sharper", [0.05, 0.5, 1.0, 4.0, 25.0])
def test_temperature_finds_how_much_too_sure_a_model_is(sharper: float) -> None:
    outputs, truth = calibrated(4000, np.random.default_rng(0))
    assert temperature(sharper * outputs, truth) == pytest.approx(sharper, rel=0.08)


def test_temperature_is_the_minimum_of_the_log_loss() -> None:
    outputs, truth = calibrated(3000, np.random.default_rng(1))
    loss = class_metrics(5)["log_loss"]
    found = temperature(3 * outputs, truth)
    at_best = loss.function(truth, 3 * outputs / found)
    for other in (found * 0.97, found * 1.03):
        assert at_best < loss.function(truth, 3 * outputs / other)


@given(st.integers(0, 6), st.integers(0, 1000), st.sampled_from([1e-3, 1.0, 1e3]))
@settings(max_examples=60, deadline=None)
def test_temperature_is_sane_on_a_handful_of_rows(rows: int, seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    found = temperature(scale * rng.normal(size=(rows, 3)), rng.integers(0, 3, rows))
    assert 0.01 <= found <= 100


def test_a_few_right_rows_do_not_make_certainty() -> None:
    outputs = np.log(np.array([[0.7, 0.3]] * 3))
    assert temperature(outputs, np.zeros(3, dtype=int)) > 0.2


def test_impossible_answers_do_not_break_the_search() -> None:
    outputs = np.array([[0.0, -np.inf], [-np.inf, 0.0], [0.0, -np.inf]])
    assert 0.01 <= temperature(outputs, np.array([0, 1, 1])) <= 100


def test_reliability_bins_make_the_ece() -> None:
    outputs, truth = calibrated(500, np.random.default_rng(2))
    bins = reliability(3 * outputs, truth)
    assert sum(each.rows for each in bins) == 500
    gap = sum(each.rows * abs(each.confidence - each.accuracy) for each in bins) / 500
    assert gap == pytest.approx(class_metrics(5)["ece"].function(truth, 3 * outputs))
    assert [each.confidence for each in bins] == sorted(each.confidence for each in bins)
    assert reliability(outputs[:0], truth[:0]) == ()


def test_answering_more_rows_ends_at_all_of_them() -> None:
    rng = np.random.default_rng(3)
    confidence = rng.random(333)
    right = rng.random(333) < confidence
    points = answering(confidence, right)
    assert len(points) == 50
    assert points[-1].answered == 1.0
    assert points[-1].precision == pytest.approx(right.mean())
    assert points[0].precision > points[-1].precision
    for point in points:
        answered = confidence >= point.threshold
        assert point.answered == pytest.approx(answered.mean())
        assert point.precision == pytest.approx(right[answered].mean())


def test_equal_confidences_are_answered_together() -> None:
    points = answering(np.full(10, 0.8), np.arange(10) < 5)
    assert [(point.answered, point.precision) for point in points] == [(1.0, 0.5)]


@given(st.floats(0.1, 1000))
def test_the_cost_threshold_is_where_answering_and_abstaining_cost_the_same(error_cost: float) -> None:
    threshold = threshold_for_cost(error_cost)
    assert 0 <= threshold < 1
    for confidence in np.linspace(0, 1, 21):
        if abs(confidence - threshold) > 1e-9:
            assert ((1 - confidence) * error_cost > 1) == (confidence < threshold)


@pytest.mark.parametrize(
    ("rows", "wish", "used"), [(300, 0.9, 0.25), (300, 0.8, 0.7), (1500, 0.7, 0.95), (3000, 0.9, 0.8)]
)
def test_a_promised_precision_is_missed_in_at_most_one_trial_in_twenty(rows: int, wish: float, used: float) -> None:
    rng, missed, answered = np.random.default_rng(4), 0, []
    new = np.sort(rng.beta(4, 1, 50_000))[::-1]
    precision = new.cumsum() / np.arange(1, len(new) + 1)  # of answering so many of the surest
    for _ in range(300):
        confidence = rng.beta(4, 1, rows)
        threshold = threshold_for_precision(confidence, rng.random(rows) < confidence, wish)
        count = int((new >= threshold).sum())
        answered.append(count)
        missed += count > 0 and precision[count - 1] < wish
    assert missed <= 15
    assert np.mean(answered) > used * (precision >= wish).sum()  # of the most that could be answered


def test_a_precision_beyond_reach_means_abstaining_always_and_says_so() -> None:
    rng = np.random.default_rng(5)
    threshold = threshold_for_precision(rng.random(400), rng.random(400) < 0.5, 0.95)
    assert threshold == ALWAYS_ABSTAIN > 1
    problem = unreachable(threshold, 0.95, 400)
    assert problem is not None
    assert problem.code == "precision-unreachable"
    assert problem.rows == 400


def test_too_few_rows_to_prove_anything_are_named() -> None:
    threshold = threshold_for_precision(np.full(20, 0.99), np.ones(20, dtype=bool), 0.99)
    assert threshold == ALWAYS_ABSTAIN
    problem = unreachable(threshold, 0.99, 20)
    assert problem is not None
    assert "validation rows are needed" in problem.detail
    assert threshold_for_precision(np.zeros(0), np.zeros(0, dtype=bool), 0.5) == ALWAYS_ABSTAIN


def test_nothing_is_said_where_a_threshold_was_found_or_none_was_asked() -> None:
    assert unreachable(0.7, 0.9, 100) is None
    assert unreachable(None, None, 100) is None


def test_rows_to_prove_is_the_least_that_does() -> None:
    assert rows_to_prove(0.95) == 59  # 0.95**59 <= 0.05 < 0.95**58
    assert 0.9 ** rows_to_prove(0.9) <= 0.05 < 0.9 ** (rows_to_prove(0.9) - 1)
