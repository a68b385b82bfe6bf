"""Pairs for few labels: drawn evenly, bounded in number, and pulling texts of one label together."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from metier.trunk.encoder import Encoder
from metier.trunk.features import Trunk
from metier.tune.contrastive import TEXTS_PER_BATCH, PairPupil, contrast, steps_for


def unit(*rows: list[float]) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.tensor(rows), dim=1)


def by_hand(meaning: torch.Tensor, labels: torch.Tensor) -> float:
    """The squared error of each pair's cosine, pair by pair; both sorts of pairs weigh alike."""
    sorts: dict[bool, list[float]] = {True: [], False: []}
    for i in range(len(labels)):
        for j in range(i):
            alike = bool(labels[i] == labels[j])
            sorts[alike].append((float(alike) - float(meaning[i] @ meaning[j])) ** 2)
    return sum(float(np.mean(errors)) / 2 for errors in sorts.values() if errors)


@given(labels=st.lists(st.integers(0, 3), min_size=3, max_size=9), seed=st.integers(0, 50))
def test_the_loss_is_the_pairs_squared_error(labels: list[int], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    meaning = torch.nn.functional.normalize(torch.randn(len(labels), 5, generator=generator), dim=1)
    found = float(contrast(meaning, torch.tensor(labels)))
    assert found == pytest.approx(by_hand(meaning, torch.tensor(labels)), abs=1e-4)


def test_texts_of_one_label_together_lose_less_than_apart() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    together = unit([1.0, 0.1], [1.0, 0.0], [0.0, 1.0], [0.1, 1.0])
    assert contrast(together, labels) < 0.1 < contrast(together, torch.tensor([0, 1, 0, 1]))


@pytest.mark.parametrize(("rows", "labels"), [([[1.0, 0.0], [0.0, 1.0]], [0, 1]), ([[0.0, 1.0]], [0])])
def test_where_no_pair_is_wrong_nothing_is_learned(rows: list[list[float]], labels: list[int]) -> None:
    meaning = unit(*rows).requires_grad_()
    loss = contrast(meaning, torch.tensor(labels))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0, abs=1e-9)


def pupil(trunk: Trunk, targets: np.ndarray, steps: int = 12) -> PairPupil:
    texts = [f"{['card', 'fee', 'login'][code % 3]} number {at}" for at, code in enumerate(targets)]
    return PairPupil(Encoder(copy.deepcopy(trunk.model), 0, "mean"), trunk.tokens(texts), targets, steps)


@pytest.mark.parametrize("labels", [2, 3, 8, 40])
def test_every_batch_holds_pairs_of_both_sorts(trunk: Trunk, labels: int) -> None:
    targets = np.arange(labels * 6) % labels
    one = pupil(trunk, targets)
    batches = one.batches(np.random.default_rng(0))
    assert len(batches) == 12
    for batch in batches:
        assert len(batch) <= TEXTS_PER_BATCH
        assert len(set(batch)) == len(batch)
        counts = np.bincount(targets[batch])
        assert (counts > 0).sum() >= 2
        assert counts.max() >= 2
    again = one.batches(np.random.default_rng(0))
    assert [batch.tolist() for batch in again] == [batch.tolist() for batch in batches]


def test_labels_are_drawn_evenly_however_skewed_they_are(trunk: Trunk) -> None:
    targets = np.array([0] * 200 + [1] * 4 + [2] * 4)
    drawn = np.concatenate(pupil(trunk, targets, steps=300).batches(np.random.default_rng(0)))
    shares = np.bincount(targets[drawn]) / len(drawn)
    assert shares[1] == pytest.approx(shares[2], abs=0.05)
    assert shares[1] > 0.15


def test_a_single_label_has_no_pairs_to_draw(trunk: Trunk) -> None:
    one = pupil(trunk, np.zeros(5, np.int64), steps=2)
    assert [len(batch) for batch in one.batches(np.random.default_rng(0))] == [5, 5]


@given(texts=st.integers(1, 10**6))
def test_the_work_is_bounded_whatever_the_number_of_pairs(texts: int) -> None:
    assert 10 <= steps_for(texts) <= 60
    assert steps_for(texts) <= steps_for(texts + 32)


def test_learning_from_pairs_brings_labels_together(trunk: Trunk) -> None:
    one = pupil(trunk, np.arange(18) % 3)
    optimizer = torch.optim.Adam(one.groups(1e-3))
    torch.manual_seed(0)
    losses = []
    for batch in one.batches(np.random.default_rng(0)):
        assert [(piece.tolist(), share) for piece, share in one.pieces(batch)] == [(batch.tolist(), 1.0)]
        optimizer.zero_grad()
        loss = one.loss(batch)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-3:]) < np.mean(losses[:3])
    assert one.score() is None
