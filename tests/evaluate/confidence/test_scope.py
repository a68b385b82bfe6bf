"""Strangers are noticed as far as a score tells them apart, and no further."""

from __future__ import annotations

import numpy as np
import pytest

from metier.evaluate.confidence import scope


def test_a_stranger_lies_far_from_all_that_is_known() -> None:
    rng = np.random.default_rng(0)
    known = rng.normal(size=(200, 8)) + np.eye(8)[0] * 6
    near = scope.distances(rng.normal(size=(50, 8)) + np.eye(8)[0] * 6, known)
    far = scope.distances(rng.normal(size=(50, 8)) - np.eye(8)[0] * 6, known)
    assert near.max() < far.min()
    assert scope.distances(known[:1] * 3, known[:1])[0] == pytest.approx(0, abs=1e-6)


def test_recall_is_measured_at_a_threshold_that_turns_few_away() -> None:
    rng = np.random.default_rng(1)
    within, outside = rng.normal(size=2000), rng.normal(size=2000) + 2
    found = scope.told({"distance": (within, outside)}, 0.95, 0)[0]
    assert (within > found.threshold).mean() == pytest.approx(0.05, abs=0.002)
    assert found.recall.value == pytest.approx(0.64, abs=0.05)
    assert found.auroc.value == pytest.approx(0.921, abs=0.02)
    assert found.recall.low < found.recall.value < found.recall.high


def test_a_score_that_knows_nothing_is_seen_to_know_nothing() -> None:
    rng = np.random.default_rng(2)
    inside = 0
    for _ in range(40):
        auroc = scope.told({"x": (rng.normal(size=150), rng.normal(size=150))}, 0.95, 0)[0].auroc
        inside += auroc.low <= 0.5 <= auroc.high
    assert inside >= 35
