"""Metrics of quantities against scikit-learn's and SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as reference

from metier.evaluate.quantity_metrics import quantity_metrics


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("rows", [7, 400])
def test_every_metric_agrees_with_the_reference(rows: int, rounded: bool) -> None:
    rng = np.random.default_rng(rows)
    truth = rng.normal(1000, 3, rows)
    outputs = truth + rng.normal(0, 2, rows)
    if rounded:
        truth, outputs = np.round(truth), np.round(outputs)
    expected = {
        "mae": reference.mean_absolute_error(truth, outputs),
        "rmse": reference.root_mean_squared_error(truth, outputs),
        "median_absolute_error": reference.median_absolute_error(truth, outputs),
        "r2": reference.r2_score(truth, outputs),
        "spearman": stats.spearmanr(truth, outputs).statistic,
    }
    ours = quantity_metrics()
    assert set(ours) == set(expected)
    for name, value in expected.items():
        assert ours[name].function(truth, outputs) == pytest.approx(value, abs=1e-9), name
        assert ours[name].greater_is_better == (name in {"r2", "spearman"})


def test_weights_count_as_repeated_rows_for_every_metric() -> None:
    rng = np.random.default_rng(0)
    truth, outputs = np.round(rng.normal(size=50), 1), np.round(rng.normal(size=50), 1)
    counts = rng.integers(0, 4, size=(50, 5)).astype(float)
    for name, metric in quantity_metrics().items():
        assert metric.weigh is not None
        weighed = metric.weigh(truth, outputs)(counts)
        for column in range(5):
            rows = np.repeat(np.arange(50), counts[:, column].astype(int))
            assert weighed[column] == pytest.approx(metric.function(truth[rows], outputs[rows]), abs=1e-10), name


def test_a_constant_prediction_has_no_rank_correlation() -> None:
    assert np.isnan(quantity_metrics()["spearman"].function(np.arange(5.0), np.zeros(5)))
