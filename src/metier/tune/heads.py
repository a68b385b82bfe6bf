"""A linear head on frozen features: the cheapest rung that uses the base, and where the trained rungs start from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import Tensor

from metier import files

Loss = Callable[[Tensor, Tensor], Tensor]  # (n, width) outputs, (n,) targets -> scalar mean
Penalty = Callable[[Tensor], Tensor]  # weight (width, d) -> scalar
# Up to this many numbers the whole matrix fits in memory as float32 and L-BFGS finds the optimum itself.
_WHOLE = 60_000 * 768
_ROWS_PER_STEP = 4096


@dataclass(frozen=True)
class Head:
    """Weights (width, d) and bias (width,) float32: outputs = features @ weight.T + bias."""

    weight: Tensor
    bias: Tensor

    def outputs(self, features: np.ndarray) -> np.ndarray:
        """Features (n, d) of any float kind -> outputs (n, width) float32, in bounded memory."""
        out = np.empty((len(features), len(self.bias)), np.float32)
        with torch.inference_mode():
            for at in range(0, len(features), _ROWS_PER_STEP):
                some = torch.from_numpy(np.asarray(features[at : at + _ROWS_PER_STEP], np.float32))
                out[at : at + _ROWS_PER_STEP] = (some @ self.weight.T + self.bias).numpy()
        return out

    def save(self, path: Path) -> None:
        """Write a safetensors file with `weight` and `bias`."""
        files.write_bytes(path, save({"weight": self.weight.contiguous(), "bias": self.bias.contiguous()}))

    @classmethod
    def load(cls, path: Path) -> Head:
        """Read what `save` wrote."""
        tensors = load_file(path)
        # Copies, for a file's bytes lie unaligned in memory, and a product over those may round its last bit otherwise.
        return cls(tensors["weight"].clone(), tensors["bias"].clone())


def fit(
    features: np.ndarray,
    targets: np.ndarray,
    width: int,
    loss: Loss,
    *,
    l2: float,
    start: Head | None = None,
    prior: Tensor | None = None,
    seed: int,
) -> Head:
    """Minimise `loss` + l2 * |weight - prior|^2 over a linear head; features (n, d), targets (n,), prior (width, d).

    Up to some 60,000 rows with L-BFGS to convergence, beyond with AdamW over shuffled rows in bounded memory. A
    quantity is fitted in its own spread about its mean, so that its unit makes no difference.
    """
    if width == 1 and np.std(targets) > 0:
        centre, spread = float(np.mean(targets)), float(np.std(targets))
        begun = start and Head(start.weight / spread, (start.bias - centre) / spread)
        plain = _minimise(
            features,
            targets,
            1,
            lambda outputs, wanted: loss(centre + spread * outputs, wanted),
            l2=l2,
            start=begun,
            prior=None if prior is None else prior / spread,
            seed=seed,
        )
        return Head(plain.weight * spread, plain.bias * spread + centre)
    return _minimise(features, targets, width, loss, l2=l2, start=start, prior=prior, seed=seed)


def _minimise(
    features: np.ndarray,
    targets: np.ndarray,
    width: int,
    loss: Loss,
    *,
    l2: float,
    start: Head | None,
    prior: Tensor | None,
    seed: int,
) -> Head:
    rows, columns = features.shape
    origin = torch.zeros(width, columns) if prior is None else prior
    weight = origin.clone() if start is None else start.weight.clone()
    bias = torch.zeros(width) if start is None else start.bias.clone()
    weight.requires_grad_()
    bias.requires_grad_()

    def penalty(now: Tensor) -> Tensor:
        return l2 * (now - origin).square().sum()

    if rows * columns <= _WHOLE:
        _whole(features, targets, weight, bias, loss, penalty)
    else:
        _in_steps(features, targets, weight, bias, loss, penalty, seed)
    return Head(weight.detach(), bias.detach())


def choose(
    penalties: Sequence[float],
    fit_one: Callable[[float, Head | None], Head],
    worth: Callable[[Head], np.ndarray],
) -> tuple[Head, float]:
    """Walk the penalties from strong to weak, each fit starting from the last, until their worth has fallen twice.

    `worth` gives one figure a held-out row, greater is better. Returns the head of the strongest penalty that lies
    within one standard error of the best, and that penalty (Breiman et al. 1984): among equals the plainest.
    """
    walked: list[tuple[float, Head, np.ndarray]] = []
    best, fallen = 0, 0
    for l2 in sorted(penalties, reverse=True):
        head = fit_one(l2, walked[-1][1] if walked else None)
        walked.append((l2, head, worth(head)))
        if walked[-1][2].mean() > walked[best][2].mean():
            best, fallen = len(walked) - 1, 0
        elif len(walked) > 1:
            fallen += 1
            if fallen == 2:
                break
    for l2, head, rows in walked:
        behind = walked[best][2] - rows
        if behind.mean() <= behind.std() / np.sqrt(len(behind)):
            return head, l2
    return walked[best][1], walked[best][0]


def _whole(
    features: np.ndarray, targets: np.ndarray, weight: Tensor, bias: Tensor, loss: Loss, penalty: Penalty
) -> None:
    x, y = torch.from_numpy(np.asarray(features, np.float32)), torch.from_numpy(targets)
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=200, history_size=10, line_search_fn="strong_wolfe", tolerance_change=1e-7
    )

    def closure() -> Any:
        optimizer.zero_grad()
        value = loss(x @ weight.T + bias, y) + penalty(weight)
        torch.autograd.backward(value)
        return value

    optimizer.step(closure)  # type: ignore[no-untyped-call]


def _in_steps(
    features: np.ndarray, targets: np.ndarray, weight: Tensor, bias: Tensor, loss: Loss, penalty: Penalty, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = len(targets)
    epochs = max(3, min(20, 4_000_000 // rows))
    steps = epochs * -(-rows // _ROWS_PER_STEP)
    # Features have length sqrt(2), so that their entries are small and the rate is large.
    optimizer = torch.optim.Adam([weight, bias], lr=0.3)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    for _ in range(epochs):
        order = rng.permutation(rows)
        for at in range(0, rows, _ROWS_PER_STEP):
            some = order[at : at + _ROWS_PER_STEP]
            x = torch.from_numpy(np.asarray(features[some], np.float32))
            optimizer.zero_grad()
            torch.autograd.backward(loss(x @ weight.T + bias, torch.from_numpy(targets[some])) + penalty(weight))
            optimizer.step()
            schedule.step()
