"""Equivalence is found where two models are as good, and not where they differ by the margin."""

from __future__ import annotations

import numpy as np
import pytest

from metier.evaluate.class_metrics import class_metrics
from metier.evaluate.comparison.equivalence import equivalence, usual_margin
from metier.evaluate.quantity_metrics import quantity_metrics

ACCURACY = class_metrics(2)["accuracy"]


def pair(rows: int, better: float, worse: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """b alone is right on a share `better` of the rows, a alone on a share `worse`."""
    drawn = rng.choice(3, rows, p=[better, worse, 1 - better - worse])
    truth = np.zeros(rows, dtype=int)
    a, b = (np.eye(2)[(drawn == at).astype(int)] for at in (0, 1))
    return truth, a, b


def test_models_that_differ_by_the_margin_are_called_equivalent_in_at_most_one_trial_in_twenty() -> None:
    rng, called, excused = np.random.default_rng(0), 0, 0
    for _ in range(600):
        found = equivalence(ACCURACY, *pair(1000, 0.03, 0.05, rng), margin=0.02)
        called += found.equivalent
        excused += found.non_inferior
    assert called <= 42
    assert excused <= 42


def test_equal_models_on_many_rows_are_called_equivalent() -> None:
    rng = np.random.default_rng(1)
    found = [equivalence(ACCURACY, *pair(4000, 0.03, 0.03, rng), margin=0.02) for _ in range(60)]
    assert sum(one.equivalent for one in found) >= 54
    few = [equivalence(ACCURACY, *pair(100, 0.03, 0.03, rng), margin=0.02) for _ in range(60)]
    assert not any(one.equivalent for one in few)


def test_a_clear_gain_is_not_worse_and_not_equivalent() -> None:
    found = equivalence(ACCURACY, *pair(2000, 0.10, 0.02, np.random.default_rng(2)), margin=0.02)
    assert found.non_inferior
    assert not found.equivalent
    assert found.as_json() == {"equivalent": False, "non_inferior": True, "margin": 0.02}


def test_too_few_rows_prove_nothing() -> None:
    truth = np.zeros(1, dtype=int)
    macro = class_metrics(2)["macro_f1"]
    found = equivalence(macro, truth, np.eye(2)[truth], np.eye(2)[truth], margin=0.02)
    assert not found.equivalent
    assert not found.non_inferior


def test_what_is_too_little_to_matter() -> None:
    assert usual_margin(ACCURACY, 0.9) == pytest.approx(0.02)
    assert usual_margin(class_metrics(2)["log_loss"], 0.4) == pytest.approx(0.02)
    assert usual_margin(quantity_metrics()["mae"], 1000.0) == pytest.approx(50.0)
    assert usual_margin(ACCURACY, float("nan")) == 0
