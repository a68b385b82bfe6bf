"""Gaps are called where they are more than chance, and hardly ever elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from metier.data.groups import Groups
from metier.evaluate.bias import group_errors, group_gaps


def case(seed: int, *, width: int, size: int, lean: float, rows: int = 500) -> group_gaps.Gaps:
    rng = np.random.default_rng(seed)
    truth, codes = rng.integers(0, width, rows), rng.integers(0, size, rows)
    sides = []
    for pull in (lean, 0.0):
        outputs = rng.normal(size=(rows, width))
        outputs[np.arange(rows), truth] += 1.5
        outputs[codes == 0, -1] += pull
        sides.append(outputs)
    groups = Groups("group", tuple("abcdefgh"[:size]), codes, ("group",))
    labels = np.array([1]) if width == 2 else np.arange(width)
    return group_gaps.measure(groups, truth, *sides, labels, level=0.95, seed=seed)


@pytest.mark.parametrize(("width", "size"), [(2, 2), (2, 4), (3, 2)])
def test_fair_groups_are_called_in_one_trial_of_twenty(width: int, size: int) -> None:
    trials = [case(seed, width=width, size=size, lean=0.0) for seed in range(100, 140)]
    for test in ("selection", "errors", "accuracy"):
        called = sum(trial.p[test] < 0.05 for trial in trials)
        assert called <= 6, (test, called)  # 2 are expected, more than 6 in one of 300 such runs
    for trial in trials:
        if trial.p["errors"] >= 0.05:
            assert trial.intervals["equalized_odds_difference"].low == 0
            assert trial.intervals["equalized_odds_ratio"].high == 1


@pytest.mark.parametrize("width", [2, 4])
def test_an_unfair_group_is_called_and_tuning_named(width: int) -> None:
    trials = [case(seed, width=width, size=3, lean=2.0) for seed in range(20 if width == 2 else 8)]
    assert all(trial.p["selection"] < 0.05 and trial.p["errors"] < 0.05 for trial in trials)
    assert all(trial.label == width - 1 for trial in trials)
    caused = sum(trial.tuning["demographic_parity_difference"].high < 0 for trial in trials)
    assert caused >= 0.8 * len(trials)


def test_random_tables_have_their_margins_and_are_what_dealing_gives() -> None:
    rows, columns = np.array([30, 10, 5]), np.array([20, 0, 25])
    drawn = group_gaps.tables(rows, columns, np.random.default_rng(0), 4000)
    assert (drawn.sum(axis=1) == rows[:, None]).all()
    assert (drawn.sum(axis=0) == columns[:, None]).all()
    assert drawn.mean(axis=2) == pytest.approx(np.outer(rows, columns) / 45, abs=0.2)
    assert drawn[2, 0].var() == pytest.approx(5 * (20 / 45) * (25 / 45) * 40 / 44, rel=0.1)


def errors_of(seed: int, lean: float) -> group_errors.Errors:
    rng = np.random.default_rng(seed)
    truth, codes = rng.normal(size=300), rng.integers(0, 3, 300)
    own, base = truth + rng.normal(size=300) + lean * (codes == 1), truth + rng.normal(size=300)
    groups = Groups("group", ("a", "b", "c"), codes, ("group",))
    return group_errors.measure(groups, truth, own, base, level=0.95, seed=seed)


def test_gaps_of_a_quantity_are_called_only_beyond_chance() -> None:
    fair = [errors_of(seed, 0.0) for seed in range(12)]
    assert sum(each.p["mean_error"] < 0.05 for each in fair) <= 3
    assert all(each.gap["mean_error"].low == 0 for each in fair if each.p["mean_error"] >= 0.05)
    unfair = [errors_of(seed, 1.0) for seed in range(3)]
    assert all(each.p["mean_error"] < 0.05 and each.tuning["mean_error"].high < 0 for each in unfair)
    assert all(each.gap["mean_error"].low < 1.0 < each.gap["mean_error"].high for each in unfair)
