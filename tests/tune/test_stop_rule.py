"""The stop rule: between equals it stays where it is, and a real gain it sees."""

from __future__ import annotations

import numpy as np
import pytest

from metier.tasks.classes import Classes
from metier.tasks.contract import Array
from metier.tasks.quantity import Quantity
from metier.tune.stop_rule import pays

TARGET = Classes(("a", "b", "c", "d"))


def twins(rng: np.random.Generator, rows: int, alike: float) -> tuple[Array, Array, Array]:
    """Truth and the outputs of two models that may be exchanged on every row, so equal in every metric.

    Noise the two share (a hard row is hard for both) and noise of their own; labels are skewed.
    """
    classes = 4
    truth = rng.choice(classes, rows, p=[0.5, 0.25, 0.15, 0.1])
    shared = alike**0.5 * rng.standard_normal((rows, classes))
    sides = [shared + (1 - alike) ** 0.5 * rng.standard_normal((rows, classes)) for _ in range(2)]
    for side in sides:
        side[np.arange(rows), truth] += 2.0
    return truth, sides[0], sides[1]


@pytest.mark.parametrize(
    ("name", "rows", "trials"),
    [("accuracy", 100, 300), ("macro_f1", 100, 300), ("accuracy", 1000, 300), ("macro_f1", 1000, 100)],
)
def test_between_equals_the_ladder_climbs_in_at_most_one_of_twenty(name: str, rows: int, trials: int) -> None:
    target = TARGET
    metric, climbed = target.metrics()[name], 0
    for trial in range(trials):
        rng = np.random.default_rng([rows, trial])
        truth, a, b = twins(rng, rows, rng.uniform(0.7, 0.98))
        climbed += pays(metric, target, truth, a, b, level=0.95, seed=trial)[1]
    rate, chance = climbed / trials, 2 * np.sqrt(0.05 * 0.95 / trials)
    print(f"{name}, {rows} rows: climbed for nothing in {100 * rate:.1f}% of {trials} trials")
    assert rate <= 0.05 + chance


def test_a_real_gain_is_found() -> None:
    found = 0
    for trial in range(20):
        rng = np.random.default_rng(trial)
        truth, a, b = twins(rng, 400, 0.9)
        b[np.arange(400), truth] += 0.5
        gain, proven, why = pays(TARGET.metrics()["accuracy"], TARGET, truth, a, b, level=0.95, seed=trial)
        found += proven
        assert gain.points > 0
        assert "points" in why
    assert found >= 18


def test_a_gain_in_likelihood_alone_is_found_unless_the_metric_fell() -> None:
    rng = np.random.default_rng(0)
    truth, a, _ = twins(rng, 600, 0.9)
    # The same decisions on every row, but surer where they are right.
    right = a.argmax(1) == truth
    b = a * np.where(right, 3.0, 0.5)[:, None]
    metric = TARGET.metrics()["accuracy"]
    gain, proven, why = pays(metric, TARGET, truth, a, b, level=0.95, seed=0)
    assert (gain.points, proven) == (0, True)
    assert "log loss" in why
    worse = b.copy()
    worse[:6] = np.roll(np.eye(4)[truth[:6]], 1, axis=1)
    gain, proven, _ = pays(metric, TARGET, truth, a, worse, level=0.95, seed=0)
    assert gain.points < 0
    assert not proven


def test_a_worse_rung_is_called_worse() -> None:
    truth, a, b = twins(np.random.default_rng(0), 600, 0.9)
    b[np.arange(600), truth] -= 1.0
    gain, proven, why = pays(TARGET.metrics()["accuracy"], TARGET, truth, a, b, level=0.95, seed=0)
    assert (gain.high < 0, proven) == (True, False)
    assert why.endswith("worse")


def test_a_quantity_climbs_on_smaller_misses() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 10, 300)
    near, far = truth + rng.normal(0, 1, 300), truth + rng.normal(0, 3, 300)
    target = Quantity()
    metric = target.metrics()["mae"]
    assert pays(metric, target, truth, far, near, level=0.95, seed=0)[1]
    assert not pays(metric, target, truth, near, far, level=0.95, seed=0)[1]
