"""Off-topic rows are found though they are many and alike; rows that are merely rare are left alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata

from metier.curate import topic


def auroc(score: np.ndarray, truth: np.ndarray) -> float:
    ranks = rankdata(score)
    positive = truth.astype(bool)
    count = positive.sum()
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (~positive).sum()))


def topics(seed: int, rows: int = 1000, strays: int = 50, clusters: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors: clusters around one common direction, and a dense cluster of strays around another."""
    rng = np.random.default_rng(seed)
    width = 48
    common, other = np.linalg.qr(rng.normal(size=(width, 2)))[0].T
    centres = common + 0.7 * rng.normal(size=(clusters, width)) / np.sqrt(width)
    body = centres[rng.integers(clusters, size=rows)] + 0.8 * rng.normal(size=(rows, width)) / np.sqrt(width)
    far = other + 0.4 * rng.normal(size=(strays, width)) / np.sqrt(width)
    both = np.concatenate([body, far])
    both /= np.linalg.norm(both, axis=1, keepdims=True)
    return both.astype(np.float16), np.r_[np.zeros(rows), np.ones(strays)]


def test_dense_strays_are_found_where_nearest_neighbours_are_fooled() -> None:
    found, fooled = [], []
    for seed in range(10):
        vectors, truth = topics(seed)
        found.append(auroc(topic.novelty(vectors, seed=seed).z, truth))
        near = np.sort(-(vectors.astype(np.float32) @ vectors.astype(np.float32).T), axis=1)[:, 1:11].mean(1)
        fooled.append(auroc(near, truth))
    assert min(found) >= 0.97
    assert np.mean(fooled) < 0.5


def test_false_alarms_on_clean_data_are_rare_and_nothing_is_dropped() -> None:
    far, sure = 0, 0
    for seed in range(10):
        vectors, _ = topics(seed, strays=0)
        z = topic.novelty(vectors, seed=seed).z
        far += int((z >= topic.UNUSUAL).sum())
        sure += int((z >= topic.SURE).sum())
    assert far <= 0.01 * 10_000
    assert sure == 0


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_a_row_of_numbers_far_from_all_others_ranks_first(scale: float) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 6)).astype(np.float32) * scale
    rows[17] = 9 * scale
    found = topic.novelty(rows)
    assert not found.bounded
    assert int(found.z.argmax()) == 17
    assert found.z[17] > topic.UNUSUAL


def test_scores_rise_with_distance_and_reach_one_half_at_the_threshold() -> None:
    vectors, truth = topics(0)
    found = topic.novelty(vectors)
    score = topic.scores(found)
    assert ((score >= 0.5) == (found.z >= topic.UNUSUAL)).all()
    assert ((score >= 0) & (score <= 1)).all()
    assert np.array_equal(np.argsort(score[truth == 1]), np.argsort(found.z[truth == 1]))


def test_the_nearest_row_is_never_the_row_itself_and_similarity_is_their_cosine() -> None:
    vectors, _ = topics(1, rows=300, strays=10)
    found = topic.novelty(vectors)
    plain = vectors.astype(np.float64)
    assert (found.nearest != np.arange(len(vectors))).all()
    cosine = (
        (plain * plain[found.nearest]).sum(1)
        / np.linalg.norm(plain, axis=1)
        / np.linalg.norm(plain[found.nearest], axis=1)
    )
    np.testing.assert_allclose(found.similarity, cosine, atol=2e-3)


def test_equal_rows_are_all_usual() -> None:
    z = topic.novelty(np.ones((100, 8), np.float16)).z
    assert np.isfinite(z).all()
    assert (z < topic.UNUSUAL).all()


def test_the_same_seed_gives_the_same_answer() -> None:
    vectors, _ = topics(2)
    assert np.array_equal(topic.novelty(vectors, seed=5).z, topic.novelty(vectors, seed=5).z)
