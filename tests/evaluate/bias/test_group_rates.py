"""Rates by group and their gaps: they agree with Fairlearn, and intervals hold the truth."""

from __future__ import annotations

import csv
import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from metier.data.groups import Groups, of_values
from metier.evaluate.bias.group_intervals import gap_interval
from metier.evaluate.bias.group_rates import GAPS, encode, gap_metric, gaps, rates

DATA = Path(os.environ.get("METIER_DATA") or Path(__file__).resolve().parents[4] / "shared" / "data")


def of_codes(codes: np.ndarray, size: int) -> Groups:
    return Groups("group", tuple(f"g{code}" for code in range(size)), codes, ("group",))


def one_hot(guesses: np.ndarray, width: int = 2) -> np.ndarray:
    return np.eye(width)[guesses]


def compare_with_fairlearn(groups: Groups, truth: np.ndarray, guesses: np.ndarray) -> int:
    """All figures that both have, to 1e-9; returns how many were compared."""
    fair = pytest.importorskip("fairlearn.metrics", reason="fairlearn is not installed")
    from sklearn.metrics import accuracy_score, precision_score

    found, names = rates(groups, truth, one_hot(guesses)), np.array(groups.labels)[groups.codes]
    theirs = {
        "selection_rate": fair.selection_rate,
        "tpr": fair.true_positive_rate,
        "fpr": fair.false_positive_rate,
        "precision": lambda t, p: precision_score(t, p, zero_division=np.nan),
    }
    frame = fair.MetricFrame(metrics=theirs, y_true=truth, y_pred=guesses, sensitive_features=names)
    compared = 0
    for share in theirs:
        for code, label in enumerate(groups.labels):
            if found.below[share][code, 1] > 0:  # Fairlearn writes 0 where no row counts: such a rate does not exist
                assert found[share][code, 1] == pytest.approx(frame.by_group[share][label], abs=1e-9)
                compared += 1
    accuracy = fair.MetricFrame(metrics=accuracy_score, y_true=truth, y_pred=guesses, sensitive_features=names)
    assert gaps(found)["accuracy_difference"][1] == pytest.approx(accuracy.difference(), abs=1e-9)
    if all((found.below[share][:, 1] > 0).all() for share in ("tpr", "fpr")):
        given = {"y_true": truth, "y_pred": guesses, "sensitive_features": names}
        for name in GAPS:
            if hasattr(fair, name):
                expected = getattr(fair, name)(**given)
                assert gaps(found)[name][1] == pytest.approx(expected, abs=1e-9, nan_ok=True), name
                compared += 1
    return compared + 1


@pytest.mark.parametrize("seed", range(4))
def test_figures_agree_with_fairlearn_on_random_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(2, 6))
    truth, codes = rng.integers(0, 2, 300), rng.integers(0, size, 300)
    guesses = (rng.random(300) < 0.3 + 0.4 * truth + 0.05 * codes).astype(int)
    assert compare_with_fairlearn(of_codes(codes, size), truth, guesses) == 4 * size + 1 + 6


def test_figures_agree_with_fairlearn_on_german_credit() -> None:
    path = DATA / "german_credit" / "german_credit.csv"
    if not path.is_file():
        pytest.skip("german_credit is not on this machine")
    from sklearn.linear_model import LogisticRegression

    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    truth = np.array([int(row["default"]) for row in rows])
    numbers = np.array(
        [[float(row["duration_in_month"]), float(row["age"]), float(row["credit_amount"])] for row in rows]
    )
    scaled = (numbers - numbers.mean(0)) / numbers.std(0)
    guesses = LogisticRegression().fit(scaled, truth).predict(scaled)
    assert 0 < guesses.sum() < len(guesses)
    for column in ("sex", "age"):
        groups = of_values(column, [row[column] for row in rows])
        assert compare_with_fairlearn(groups, truth, guesses) == 4 * len(groups.labels) + 1 + 6


def test_figures_agree_with_fairlearn_on_diabetes_130() -> None:
    path = DATA / "diabetes_130" / "dataset_diabetes.zip"
    if not path.is_file():
        pytest.skip("diabetes_130 is not on this machine")
    with zipfile.ZipFile(path) as archive, archive.open("dataset_diabetes/diabetic_data.csv") as file:
        reader = csv.DictReader(io.TextIOWrapper(file, encoding="utf-8"))
        rows = [row for row, _ in zip(reader, range(8_000), strict=False)]
    truth = np.array([int(row["readmitted"] == "<30") for row in rows])
    guesses = np.array([int(int(row["number_inpatient"]) + int(row["number_emergency"]) > 0) for row in rows])
    for column in ("race", "gender", "age"):
        groups = of_values(column, [row[column] for row in rows])
        assert compare_with_fairlearn(groups, truth, guesses) >= 10


def test_a_rate_without_rows_does_not_exist_and_makes_no_gap() -> None:
    codes, truth = np.array([0, 0, 1, 1, 2, 2]), np.array([1, 0, 1, 0, 0, 0])
    found = rates(of_codes(codes, 3), truth, one_hot(np.array([1, 0, 0, 0, 0, 1])))
    assert np.isnan(found["tpr"][2, 1])
    assert gaps(found)["equal_opportunity_difference"][1] == 1.0
    assert gaps(found)["equalized_odds_difference"][1] == 1.0
    assert np.isnan(gaps(rates(of_codes(np.zeros(6, int), 1), truth, one_hot(truth)))["accuracy_difference"][1])


def test_a_gap_as_a_metric_is_the_gap_and_weights_are_rows() -> None:
    rng = np.random.default_rng(0)
    truth, codes, guesses = rng.integers(0, 3, 90), rng.integers(0, 4, 90), rng.integers(0, 3, 90)
    groups, outputs = of_codes(codes, 4), one_hot(guesses, 3)
    for name in GAPS:
        metric = gap_metric(name, 4, np.array([2]))
        plain = metric.function(encode(groups, truth, 3), outputs)
        assert plain == pytest.approx(gaps(rates(groups, truth, outputs))[name][2], nan_ok=True)
        twice = np.repeat(np.arange(90), rng.integers(1, 4, 90))
        counts = np.bincount(twice, minlength=90).astype(float)[:, None]
        assert metric.weigh is not None
        weighed = metric.weigh(encode(groups, truth, 3), outputs)(counts)[0]
        again = rates(groups.take(twice), truth[twice], outputs[twice])
        assert weighed == pytest.approx(gaps(again)[name][2], nan_ok=True)


@pytest.mark.parametrize(
    ("sizes", "chances"),
    [((60, 140), (0.3, 0.3)), ((60, 140), (0.15, 0.3)), ((30, 200, 50, 15), (0.1, 0.12, 0.2, 0.1))],
)
def test_intervals_of_gaps_hold_the_true_gap(sizes: tuple[int, ...], chances: tuple[float, ...]) -> None:
    rng, codes = np.random.default_rng(1), np.repeat(np.arange(len(sizes)), sizes)
    true = {
        "demographic_parity_difference": max(chances) - min(chances),
        "demographic_parity_ratio": min(chances) / max(chances),
    }
    held = dict.fromkeys(true, 0)
    for _ in range(300):
        guesses = (rng.random(len(codes)) < np.array(chances)[codes]).astype(int)
        found = rates(of_codes(codes, len(sizes)), rng.integers(0, 2, len(codes)), one_hot(guesses))
        for name, value in true.items():
            _, low, high = gap_interval(name, found, 1, 0.95)
            held[name] += low - 1e-9 <= value <= high + 1e-9
    assert all(count >= 0.92 * 300 for count in held.values()), held
