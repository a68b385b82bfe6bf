"""The difference that rows are said to show is found as often as stated, in the tests that are really made."""

from __future__ import annotations

import numpy as np
import pytest
from tests.evaluate.comparison.test_equivalence import ACCURACY, pair

from metier.evaluate.class_metrics import class_metrics
from metier.evaluate.comparison.power import detectable_share, power_of
from metier.evaluate.intervals import paired_gain
from metier.evaluate.quantity_metrics import quantity_metrics


@pytest.mark.parametrize(("rows", "disagreement"), [(400, 0.10), (1000, 0.10), (200, 0.30), (3080, 0.05)])
def test_mcnemars_test_finds_the_stated_difference_four_times_in_five(rows: int, disagreement: float) -> None:
    rng, least = np.random.default_rng(0), detectable_share(rows, disagreement)
    better, worse = (disagreement + least) / 2, (disagreement - least) / 2
    found = sum(paired_gain(ACCURACY, *pair(rows, better, worse, rng)).low > 0 for _ in range(300))
    assert 0.72 <= found / 300 <= 0.90


def test_the_least_difference_falls_with_rows_and_grows_with_disagreement() -> None:
    assert detectable_share(100, 0.1) > detectable_share(400, 0.1) > detectable_share(4000, 0.1) > 0
    assert detectable_share(400, 0.05) < detectable_share(400, 0.2)
    assert detectable_share(3, 0.0) == 1.0


def test_a_mean_is_found_four_times_in_five() -> None:
    metric, rng, found = quantity_metrics()["mae"], np.random.default_rng(1), 0
    truth = np.zeros(300)

    def sides(gap: float) -> tuple[np.ndarray, np.ndarray]:
        shared = rng.normal(2.0, 0.2, 300)
        return shared + rng.normal(gap, 0.3, 300), shared + rng.normal(0, 0.3, 300)

    a, b = sides(0.0)
    least = power_of(metric, truth, a, b, paired_gain(metric, truth, a, b)).detectable
    for trial in range(150):
        found += paired_gain(metric, truth, *sides(least), replicates=400, seed=trial).low > 0
    assert 0.70 <= found / 150 <= 0.92


def test_the_sentence_says_rows_points_and_disagreement() -> None:
    truth, a, b = pair(400, 0.05, 0.05, np.random.default_rng(2))
    power = power_of(ACCURACY, truth, a, b, paired_gain(ACCURACY, truth, a, b))
    assert power.disagreement == pytest.approx(0.1, abs=0.04)
    assert power.sentence.startswith("With 400 rows you could not see less than 4.")
    assert " points of accuracy" in power.sentence
    assert power.as_json()["detectable"] == power.detectable


def test_two_that_answer_alike_leave_a_metric_of_decisions_as_uncertain_as_accuracy() -> None:
    truth = np.arange(200) % 4
    outputs, metric = 5.0 * np.eye(4)[truth], class_metrics(4)["macro_f1"]
    power = power_of(metric, truth, outputs, outputs, paired_gain(metric, truth, outputs, outputs))
    assert power.detectable == pytest.approx(detectable_share(200, 0.0))
    two = class_metrics(2)["auroc"]
    same = power_of(two, truth % 2, outputs[:, :2], outputs[:, :2], paired_gain(two, truth % 2, *[outputs[:, :2]] * 2))
    assert same.as_json()["detectable"] is None
    assert "cannot be told" in same.sentence
