"""Metrics of classes against scikit-learn's, and the rules where the two could part."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from metier.evaluate.class_metrics import class_metrics
from metier.evaluate.metrics import confidences, decisions, log_probabilities


def drawn(rows: int, width: int, seed: int, *, rounded: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Truth with rare labels, and outputs that are right more often than not; rounded ones tie."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(width, rows, p=np.arange(1, width + 1) / np.arange(1, width + 1).sum())
    outputs = rng.normal(size=(rows, width))
    outputs[np.arange(rows), truth] += 1.0
    return truth, np.round(outputs, 1) if rounded else outputs


def by_reference(truth: np.ndarray, outputs: np.ndarray) -> dict[str, float]:
    guess, odds = decisions(outputs), np.exp(log_probabilities(outputs))
    labels = list(range(outputs.shape[1]))
    silent = {"zero_division": 0.0}
    figures = {
        "accuracy": reference.accuracy_score(truth, guess),
        "macro_f1": reference.f1_score(truth, guess, average="macro", **silent),
        "weighted_f1": reference.f1_score(truth, guess, average="weighted", **silent),
        "precision": reference.precision_score(truth, guess, average="macro", **silent),
        "recall": reference.recall_score(truth, guess, average="macro", **silent),
        "mcc": reference.matthews_corrcoef(truth, guess),
        "log_loss": reference.log_loss(truth, odds, labels=labels),
        "brier": ((odds - np.eye(len(labels))[truth]) ** 2).sum(axis=1).mean() / 2,
    }
    if set(guess) <= set(truth):  # otherwise scikit-learn warns of labels that were only guessed
        figures["balanced_accuracy"] = reference.balanced_accuracy_score(truth, guess)
    if outputs.shape[1] == 2:
        score = outputs[:, 1] - outputs[:, 0]
        figures["auroc"] = reference.roc_auc_score(truth, score)
        figures["average_precision"] = reference.average_precision_score(truth, score)
        figures["brier"] = reference.brier_score_loss(truth, odds[:, 1])
    return figures


@pytest.mark.parametrize("width", [2, 3, 12])
@pytest.mark.parametrize("rows", [40, 500])
@pytest.mark.parametrize("rounded", [False, True])
def test_every_metric_agrees_with_scikit_learn(width: int, rows: int, rounded: bool) -> None:
    truth, outputs = drawn(rows, width, seed=rows + width, rounded=rounded)
    ours = class_metrics(width)
    expected = by_reference(truth, outputs)
    assert len(expected) >= 8
    for name, value in expected.items():
        assert ours[name].function(truth, outputs) == pytest.approx(value, abs=1e-12), name


@pytest.mark.parametrize("width", [2, 7])
def test_weights_count_as_repeated_rows_for_every_metric(width: int) -> None:
    truth, outputs = drawn(60, width, seed=3, rounded=True)
    counts = np.random.default_rng(0).integers(0, 4, size=(60, 5)).astype(float)
    names = class_metrics(width)
    assert len(names) == (12 if width == 2 else 11)
    for name, metric in names.items():
        assert metric.weigh is not None
        weighed = metric.weigh(truth, outputs)(counts)
        for column in range(5):
            rows = np.repeat(np.arange(60), counts[:, column].astype(int))
            assert weighed[column] == pytest.approx(metric.function(truth[rows], outputs[rows]), abs=1e-12), name


@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_metrics_stay_in_range_and_ignore_a_shift_of_the_outputs(seed: int, width: int, rows: int) -> None:
    truth, outputs = drawn(rows, width, seed)
    shifted = outputs + np.random.default_rng(seed).normal(size=(rows, 1))
    for name, metric in class_metrics(width).items():
        value = metric.function(truth, outputs)
        assert value == pytest.approx(metric.function(truth, shifted), abs=1e-9, nan_ok=True), name
        if name != "log_loss" and np.isfinite(value):
            assert -1.0 <= value <= 1.0 + 1e-12 if name == "mcc" else -1e-12 <= value <= 1.0 + 1e-12, name


def test_the_mean_of_per_row_is_the_metric() -> None:
    truth, outputs = drawn(80, 6, seed=5)
    chosen = {name: metric for name, metric in class_metrics(6).items() if metric.per_row is not None}
    assert set(chosen) == {"accuracy", "top_3_accuracy", "log_loss", "brier"}
    for metric in chosen.values():
        assert metric.per_row is not None
        assert metric.per_row(truth, outputs).mean() == pytest.approx(metric.function(truth, outputs), abs=1e-12)


def test_ece_is_the_row_weighted_gap_over_fifteen_equal_bins() -> None:
    truth, outputs = drawn(400, 4, seed=9)
    confidence, right = confidences(outputs), decisions(outputs) == truth
    expected = 0.0
    for low in np.arange(15) / 15:
        inside = (confidence > low) & (confidence <= low + 1 / 15)
        if inside.any():
            expected += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    assert class_metrics(4)["ece"].function(truth, outputs) == pytest.approx(expected, abs=1e-12)


def test_impossible_truths_give_a_finite_log_loss() -> None:
    outputs = np.array([[0.0, -np.inf], [0.0, -np.inf]])
    assert class_metrics(2)["log_loss"].function(np.array([0, 1]), outputs) == pytest.approx(36.04 / 2, abs=0.01)


def test_average_precision_is_that_of_the_positive_label() -> None:
    truth, outputs = drawn(100, 2, seed=1)
    found = class_metrics(2, positive=0)["average_precision"].function(truth, outputs)
    assert found == pytest.approx(reference.average_precision_score(truth == 0, outputs[:, 0] - outputs[:, 1]))


def test_ranking_metrics_are_undefined_where_one_label_is_missing() -> None:
    outputs = drawn(10, 2, seed=1)[1]
    assert np.isnan(class_metrics(2)["auroc"].function(np.zeros(10, dtype=int), outputs))


def test_rankings_are_for_two_labels_and_first_three_for_many() -> None:
    assert {"auroc", "average_precision"} <= set(class_metrics(2))
    assert not {"auroc", "average_precision", "top_3_accuracy"} & set(class_metrics(4))
    assert "top_3_accuracy" in class_metrics(6)


def test_top_three_breaks_ties_as_decisions_do() -> None:
    outputs = np.zeros((6, 6))
    assert class_metrics(6)["top_3_accuracy"].function(np.arange(6), outputs) == 0.5
    assert decisions(outputs).tolist() == [0] * 6
