"""Summaries: near rows look near, and nothing but a few numbers is kept."""

from __future__ import annotations

import json

import numpy as np

from metier.serve.engine.summary import DIRECTIONS, summaries


def test_a_summary_tells_length_margin_and_where() -> None:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((3, 64)).astype(np.float16)
    features[1] = features[0] * 2
    found = summaries(features, np.array([[3.0, 1.0, 0.5], [0.0, 0.0, 0.0], [1.0, 2.0, 4.0]]))
    assert [row["margin"] for row in found] == [2.0, 0.0, 2.0]
    assert abs(found[1]["norm"] - 2 * found[0]["norm"]) < 0.01
    assert np.allclose(found[0]["projection"], found[1]["projection"], atol=1e-3)
    assert not np.allclose(found[0]["projection"], found[2]["projection"], atol=0.05)
    assert len(found[0]["projection"]) == DIRECTIONS
    assert len(json.dumps(found[0])) < 200


def test_distances_are_kept_roughly() -> None:
    rng = np.random.default_rng(1)
    features = rng.standard_normal((200, 384))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    seen = np.array([row["projection"] for row in summaries(features, np.zeros(200))])
    ratio = np.linalg.norm(seen[:100] - seen[100:], axis=1) / np.linalg.norm(features[:100] - features[100:], axis=1)
    assert 0.85 < np.median(ratio) < 1.15


def test_numbers_and_experts_without_features_have_what_there_is() -> None:
    assert summaries(None, np.zeros(2)) == [{}, {}]
    assert summaries(np.zeros((0, 0)), np.array([[1.0, 0.5]])) == [{"margin": 0.5}]
