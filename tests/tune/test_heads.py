"""The linear head: two ways to fit it, one answer; and how its penalty is chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from metier.tune import heads
from metier.tune.heads import Head, choose, fit


def clouds(rows: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three clouds of unit vectors in ten dimensions, far enough apart to be told without error."""
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % 3
    x = rng.normal(0, 0.15, (rows, 10)) + np.eye(10)[y]
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float16), y


def fitted(**changes: Any) -> Head:
    x, y = clouds()
    about: dict[str, Any] = {"l2": 1e-4, "seed": 0, **changes}
    return fit(x, y, 3, functional.cross_entropy, **about)


def accuracy(head: Head) -> float:
    x, y = clouds(seed=1)
    return float((head.outputs(x).argmax(1) == y).mean())


def test_both_ways_of_fitting_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fitted()
    monkeypatch.setattr(heads, "_WHOLE", 0)
    monkeypatch.setattr(heads, "_ROWS_PER_STEP", 32)
    stepwise = fitted()
    assert accuracy(whole) > 0.98
    assert accuracy(stepwise) == pytest.approx(accuracy(whole), abs=0.01)
    x, _ = clouds(seed=1)
    shares = [functional.softmax(torch.from_numpy(head.outputs(x)), 1) for head in (whole, stepwise)]
    assert (shares[0] - shares[1]).abs().mean() < 0.02


def test_the_optimum_is_reached_from_any_start() -> None:
    cold = fitted(l2=1e-2)
    warm = fitted(l2=1e-2, start=fitted(l2=1e-5))
    torch.testing.assert_close(warm.weight, cold.weight, atol=0.02, rtol=0.02)


@pytest.mark.parametrize("most", [10**9, 0])
def test_the_same_seed_gives_the_same_head(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(heads, "_WHOLE", most)
    monkeypatch.setattr(heads, "_ROWS_PER_STEP", 64)
    one, other = fitted(seed=3), fitted(seed=3)
    assert torch.equal(one.weight, other.weight)
    assert torch.equal(one.bias, other.bias)
    assert not one.weight.requires_grad
    assert torch.equal(one.weight, fitted(seed=4).weight) == bool(most)


def test_a_stronger_penalty_gives_smaller_weights() -> None:
    sizes = [float(fitted(l2=l2).weight.norm()) for l2 in (1e-1, 1e-3, 1e-5)]
    assert sizes == sorted(sizes)


def test_a_start_is_not_changed() -> None:
    start = fitted()
    kept = start.weight.clone()
    fitted(start=start, l2=1e-1)
    assert torch.equal(start.weight, kept)


def test_a_quantity_has_one_output() -> None:
    x, _ = clouds()
    wanted = x.astype(np.float64) @ np.arange(10) + 2

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return functional.mse_loss(outputs.reshape(-1), targets.float())

    head = fit(x, wanted, 1, loss, l2=1e-6, seed=0)
    found = head.outputs(x)
    assert found.shape == (300, 1)
    assert np.abs(found[:, 0] - wanted).mean() < 0.1


@pytest.mark.parametrize("most", [10**9, 0])
def test_the_unit_of_a_quantity_makes_no_difference(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(heads, "_WHOLE", most)
    x, _ = clouds()
    wanted = x.astype(np.float64) @ np.arange(10)

    def found(scale: float, shift: float) -> np.ndarray:
        def loss(outputs: Tensor, targets: Tensor) -> Tensor:
            return functional.huber_loss(outputs.reshape(-1) / scale, targets.float() / scale)

        head = fit(x, scale * wanted + shift, 1, loss, l2=1e-4, seed=0)
        return (head.outputs(x)[:, 0] - shift) / scale

    plain = found(1.0, 0.0)
    assert np.abs(plain - wanted).mean() < 0.5
    np.testing.assert_allclose(found(1000.0, 5e4), plain, atol=0.1)
    np.testing.assert_allclose(found(0.001, -1.0), plain, atol=0.1)


def test_a_head_comes_back_from_disk_as_it_was(tmp_path: Path) -> None:
    head = fitted()
    head.save(tmp_path / "head.safetensors")
    again = Head.load(tmp_path / "head.safetensors")
    x, _ = clouds(seed=2)
    assert torch.equal(again.weight, head.weight)
    np.testing.assert_allclose(again.outputs(x), head.outputs(x), atol=1e-6)


def test_outputs_do_not_hang_on_the_size_of_a_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    head = fitted()
    x, _ = clouds()
    at_once = head.outputs(x)
    monkeypatch.setattr(heads, "_ROWS_PER_STEP", 7)
    np.testing.assert_allclose(head.outputs(x), at_once, atol=1e-5)
    assert head.outputs(x[:0]).shape == (0, 3)


@pytest.mark.parametrize(
    ("scores", "walked", "chosen"),
    [
        ([1, 2, 3, 4, 5], 5, 1e-5),
        ([5, 4, 3, 9, 9], 3, 1e-1),
        ([1, 5, 4, 6, 5], 5, 1e-4),
        ([1, 5, 4, 4, 9], 4, 1e-2),
        ([2, 2, 2, 2, 2], 3, 1e-1),
    ],
)
def test_the_walk_over_penalties_ends_after_two_falls(scores: list[float], walked: int, chosen: float) -> None:
    seen: list[tuple[float, float | None]] = []

    def fit_one(l2: float, start: Head | None) -> Head:
        seen.append((l2, None if start is None else float(start.bias)))
        return Head(torch.zeros(1, 1), torch.tensor([l2]))

    left = iter(scores)
    head, l2 = choose([1e-3, 1e-1, 1e-5, 1e-2, 1e-4], fit_one, lambda _head: np.array([next(left)]))
    assert l2 == chosen
    assert float(head.bias) == pytest.approx(chosen)
    assert [penalty for penalty, _ in seen] == [1e-1, 1e-2, 1e-3, 1e-4, 1e-5][:walked]
    # Each fit starts from the one before it, the first from nothing.
    assert [start for _, start in seen] == [None, *(pytest.approx(penalty) for penalty, _ in seen[:-1])]


@pytest.mark.parametrize(("gained", "lost", "chosen"), [(9, 1, 1e-2), (2, 1, 1e-1)])
def test_of_penalties_within_one_standard_error_the_strongest_is_chosen(gained: int, lost: int, chosen: float) -> None:
    weak = np.tile([0.0, 1.0], 50)
    better = weak.copy()
    better[: 2 * gained : 2] = 1.0
    better[1 : 2 * lost : 2] = 0.0
    worths = iter([weak, better, weak, weak])
    blank = Head(torch.zeros(1, 1), torch.zeros(1))
    _, l2 = choose([1e-1, 1e-2, 1e-3, 1e-4], lambda _l2, _start: blank, lambda _head: next(worths))
    assert l2 == chosen
