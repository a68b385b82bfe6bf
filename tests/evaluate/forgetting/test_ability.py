"""The general suite and what it measures: nothing for chance, nothing lost where vectors are only turned."""

from __future__ import annotations

import numpy as np
import pytest

from metier.evaluate.forgetting import ability as measured
from metier.evaluate.forgetting.ability import (
    ability_of,
    difference,
    interval,
    linear_cka,
    neighbour_overlap,
    share_kept,
    suite,
)

SURE = {"level": 0.95, "seed": 0}


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def knowing(seed: int = 0, noise: float = 1.0, width: int = 64) -> np.ndarray:
    """Vectors that know the suite: topics share a direction, as do a sentence, its like and its answer."""
    rng = np.random.default_rng(seed)
    place, out = suite(), rng.normal(0, 1, (len(suite().texts), width))
    centres = np.random.default_rng(1).normal(0, 1, (12, width))
    out[place.topics[:, 0]] = centres[place.topics[:, 1]] + noise * rng.normal(0, 1, (len(place.topics), width))
    for pair in (place.meanings[:, :2], place.questions):
        out[pair[:, 1]] = out[pair[:, 0]] + noise * rng.normal(0, 1, (len(pair), width))
    return unit(out)


def test_the_suite_is_large_even_and_free_of_repeats():
    place = suite()
    assert len(set(place.texts)) == len(place.texts) >= 600
    assert np.bincount(place.topics[:, 1]).tolist() == [20] * 12
    assert len(place.meanings) >= 100
    assert len(place.questions) >= 60
    assert len(np.unique(place.meanings)) == place.meanings.size
    assert max(map(len, place.texts)) < 120


def test_chance_is_nothing_and_knowledge_is_most():
    values = [ability_of(unit(np.random.default_rng(s).normal(size=(len(suite().texts), 48)))).value for s in range(8)]
    assert abs(np.mean(values)) < 0.03
    assert ability_of(knowing(noise=0.3)).value > 0.95


def test_turned_vectors_have_forgotten_nothing():
    before = knowing()
    turn, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(64, 64)))
    after = before @ turn
    assert difference(ability_of(before), ability_of(after), **SURE).points == pytest.approx(0, abs=1e-9)
    assert neighbour_overlap(before, after, **SURE).value == pytest.approx(1, abs=1e-3)
    assert linear_cka(before, after, **SURE).value == pytest.approx(1)


def test_unlike_vectors_have_nothing_in_common():
    rng, n = np.random.default_rng(0), len(suite().texts)
    one, other = unit(rng.normal(size=(n, 16))), unit(rng.normal(size=(n, 16)))
    found = neighbour_overlap(one, other, **SURE)
    assert found.low <= measured.NEIGHBOURS / (n - 1) <= found.high
    assert found.high < 0.04
    assert linear_cka(one, other, **SURE).value < 0.1


def test_what_is_lost_is_found_and_what_is_not_is_not():
    lost, alike = [], []
    for seed in range(6):
        before = ability_of(knowing(seed))
        after = ability_of(
            unit(before.vectors + 0.08 * np.random.default_rng([seed, 1]).normal(size=(len(suite().texts), 64)))
        )
        gain = difference(before, after, level=0.95, seed=seed)
        lost.append(gain.high < 0)
        share = share_kept(before, after, level=0.95, seed=seed)
        assert share.low <= share.value <= share.high
        # Two copies with noise of their own: neither is better.
        one, other = (
            ability_of(
                unit(before.vectors + 0.03 * np.random.default_rng([seed, k]).normal(size=(len(suite().texts), 64)))
            )
            for k in (2, 3)
        )
        even = difference(one, other, level=0.95, seed=seed)
        alike.append(even.low <= 0 <= even.high)
    assert sum(lost) >= 5
    assert sum(alike) >= 5


def test_no_share_is_told_of_a_base_that_knows_nothing():
    rng = np.random.default_rng(3)
    nothing = ability_of(unit(rng.normal(size=(len(suite().texts), 48))))
    assert interval(nothing, **SURE).low <= 0
    assert share_kept(nothing, nothing, **SURE) is None
