"""Intervals hold the truth as often as they say, and a gain is proven by chance as seldom as it says."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from metier.evaluate.class_metrics import class_metrics
from metier.evaluate.intervals import Gain, Interval, bootstrap, paired_gain, wilson
from metier.evaluate.quantity_metrics import quantity_metrics

SKEWED = np.array([0.55, 0.25, 0.12, 0.08])


def one_model(rows: int, rng: np.random.Generator, shares: np.ndarray = SKEWED) -> tuple[np.ndarray, np.ndarray]:
    truth = rng.choice(len(shares), rows, p=shares)
    outputs = rng.normal(size=(rows, len(shares)))
    outputs[np.arange(rows), truth] += 2.0
    return truth, outputs


def two_models(rows: int, rng: np.random.Generator, better: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two models on the same rows, each with noise of its own; the second sees the truth `better` more clearly."""
    truth, shared = one_model(rows, rng)
    a, b = (shared + rng.normal(0, 0.7, shared.shape) for _ in range(2))
    b[np.arange(rows), truth] += better
    return truth, a, b


@pytest.mark.parametrize(("name", "rows"), [("accuracy", 100), ("accuracy", 1000), ("macro_f1", 300)])
def test_intervals_hold_the_truth_as_often_as_their_level_says(name: str, rows: int) -> None:
    metric = class_metrics(4)[name]
    true = metric.function(*one_model(200_000, np.random.default_rng(99)))
    rng, held = np.random.default_rng(1), 0
    for trial in range(500):
        interval = bootstrap({name: metric}, *one_model(rows, rng), replicates=400, seed=trial)[name]
        held += interval.low <= true <= interval.high
    assert 0.93 <= held / 500 <= 0.97


@pytest.mark.parametrize(("name", "rows"), [("accuracy", 30), ("accuracy", 100), ("macro_f1", 100), ("log_loss", 100)])
def test_equal_models_look_better_in_at_most_one_trial_in_twenty(name: str, rows: int) -> None:
    metric, rng, climbed = class_metrics(4)[name], np.random.default_rng(2), 0
    for trial in range(300):
        climbed += paired_gain(metric, *two_models(rows, rng), replicates=400, seed=trial).proven
    assert climbed <= 15


def test_equal_models_that_differ_on_a_handful_of_rows_are_not_told_apart() -> None:
    rng, climbed = np.random.default_rng(3), {"accuracy": 0, "macro_f1": 0}
    for trial in range(300):
        truth = rng.integers(0, 4, 100)
        a, b = np.eye(4)[truth], np.eye(4)[truth]
        for row in rng.choice(100, 5, replace=False):
            (a if rng.random() < 0.5 else b)[row] = np.eye(4)[(truth[row] + 1) % 4]
        for name in climbed:
            climbed[name] += paired_gain(class_metrics(4)[name], truth, a, b, replicates=400, seed=trial).proven
    assert max(climbed.values()) <= 15


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "log_loss"])
def test_a_true_gain_is_found(name: str) -> None:
    metric, rng, climbed = class_metrics(4)[name], np.random.default_rng(4), 0
    for trial in range(40):
        climbed += paired_gain(metric, *two_models(600, rng, better=0.8), replicates=400, seed=trial).proven
    assert climbed >= 36


def test_the_interval_of_a_gain_holds_the_true_gain() -> None:
    metric, rng = class_metrics(4)["accuracy"], np.random.default_rng(5)
    truth, a, b = two_models(200_000, rng, better=0.3)
    true = metric.function(truth, b) - metric.function(truth, a)
    held = 0
    for _ in range(500):
        gain = paired_gain(metric, *two_models(150, rng, better=0.3))
        held += gain.low <= true <= gain.high
    assert held / 500 >= 0.94


@given(st.integers(0, 25), st.integers(0, 25), st.integers(1, 200))
@settings(max_examples=50, deadline=None)
def test_a_gain_in_accuracy_agrees_with_mcnemars_mid_p(better: int, worse: int, same: int) -> None:
    truth = np.zeros(better + worse + same, dtype=int)
    right, wrong = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    a = np.array([wrong] * better + [right] * worse + [right] * same)
    b = np.array([right] * better + [wrong] * worse + [right] * same)
    gain = paired_gain(class_metrics(2)["accuracy"], truth, a, b)
    assert gain.points == pytest.approx((better - worse) / len(truth))
    assert -1 <= gain.low <= gain.points <= gain.high <= 1
    if better + worse:
        exact = binomtest(better, better + worse, 0.5).pvalue
        assert gain.p <= exact + 1e-9  # mid-p is never the more timid
    if gain.low > 0 or gain.high < 0:
        assert gain.p <= 0.05 + 1e-9
    back = paired_gain(class_metrics(2)["accuracy"], truth, b, a)
    assert (back.points, back.low, back.high) == pytest.approx((-gain.points, -gain.high, -gain.low))


def test_less_is_more_where_the_metric_says_so() -> None:
    rng = np.random.default_rng(6)
    truth = rng.normal(size=200)
    near, far = truth + rng.normal(0, 0.1, 200), truth + rng.normal(0, 1.0, 200)
    for name, metric in quantity_metrics().items():
        assert paired_gain(metric, truth, far, near, replicates=400).proven, name
        assert paired_gain(metric, truth, near, far, replicates=400).high < 0, name


def test_a_model_has_no_gain_over_itself() -> None:
    truth, outputs = one_model(80, np.random.default_rng(7))
    for name, metric in class_metrics(4).items():
        gain = paired_gain(metric, truth, outputs, outputs, replicates=300)
        assert gain.points == 0, name
        assert gain.low <= 0 <= gain.high, name


def test_all_right_is_not_all_sure() -> None:
    truth = np.arange(100) % 4
    found = bootstrap(class_metrics(4), truth, 9.0 * np.eye(4)[truth])
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "precision", "recall", "mcc"):
        assert found[name].value == pytest.approx(1.0)
        assert 0.95 < found[name].low < 0.97, name


def test_a_calibrated_model_may_have_no_calibration_error_at_all() -> None:
    metric, rng, zero = class_metrics(2)["ece"], np.random.default_rng(8), 0
    for trial in range(60):
        odds = rng.normal(0, 2, 400)
        truth = (rng.random(400) < 1 / (1 + np.exp(-odds))).astype(int)
        outputs = np.stack([np.zeros(400), odds], axis=1)
        zero += bootstrap({"ece": metric}, truth, outputs, replicates=200, seed=trial)["ece"].low == 0
    assert zero >= 54
    assert bootstrap({"ece": metric}, truth, 20 * outputs, replicates=200)["ece"].low > 0.02


def test_the_same_seed_gives_the_same_interval() -> None:
    truth, a, b = two_models(120, np.random.default_rng(9))
    metric = class_metrics(4)["macro_f1"]
    first, again = (bootstrap({"f": metric}, truth, a, seed=5)["f"] for _ in range(2))
    assert first == again
    assert paired_gain(metric, truth, a, b, seed=5) == paired_gain(metric, truth, a, b, seed=5)


def test_a_higher_level_gives_a_wider_interval() -> None:
    truth, a, b = two_models(200, np.random.default_rng(10))
    for name in ("accuracy", "macro_f1", "log_loss"):
        metric = class_metrics(4)[name]
        narrow, wide = (bootstrap({"m": metric}, truth, a, level=level)["m"] for level in (0.8, 0.99))
        assert wide.low < narrow.low <= narrow.value <= narrow.high < wide.high
        close, far = (paired_gain(metric, truth, a, b, level=level) for level in (0.8, 0.99))
        assert far.low < close.low <= close.high < far.high


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_rows_have_no_interval_and_break_nothing(rows: int) -> None:
    truth, outputs = np.zeros(rows, dtype=int), np.zeros((rows, 4))
    for name, interval in bootstrap(class_metrics(4), truth, outputs).items():
        text = json.dumps(interval.as_json(), allow_nan=False)
        assert rows == 1 or json.loads(text) == {"value": None, "low": None, "high": None}, name
    gain = paired_gain(class_metrics(4)["macro_f1"], truth, outputs, outputs)
    assert not gain.proven


def test_json_has_the_shape_that_is_relied_on() -> None:
    assert Interval(0.5, 0.4, float("nan")).as_json() == {"value": 0.5, "low": 0.4, "high": None}
    assert Gain(0.1, 0.05, 0.2, 0.01).as_json("linear") == {
        "over": "linear",
        "points": 0.1,
        "low": 0.05,
        "high": 0.2,
        "p": 0.01,
    }


@given(st.integers(1, 500), st.floats(0, 1), st.floats(0.6, 0.99))
def test_wilson_holds_the_share_it_was_made_from(trials: int, share: float, level: float) -> None:
    successes = round(share * trials)
    low, high = wilson(successes, trials, level)
    assert 0 <= low <= successes / trials <= high <= 1
    assert high > low
    proper = binomtest(successes, trials).proportion_ci(level, method="wilson")
    assert (low, high) == pytest.approx((proper.low, proper.high), abs=1e-9)


@pytest.mark.parametrize("name", ["log_loss", "brier"])
def test_many_rows_get_the_interval_that_resampling_them_would_give(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    truth, a, b = two_models(20_000, np.random.default_rng(11), better=0.01)
    metric = class_metrics(4)[name]
    short = bootstrap({"m": metric}, truth, a)["m"], paired_gain(metric, truth, a, b)
    monkeypatch.setattr("metier.evaluate.intervals._MANY", 10**9)
    long = bootstrap({"m": metric}, truth, a, replicates=600)["m"], paired_gain(metric, truth, a, b, replicates=600)
    for quick, slow in zip(short, long, strict=True):
        width = slow.high - slow.low
        assert (quick.low, quick.high) == pytest.approx((slow.low, slow.high), abs=0.1 * width)
