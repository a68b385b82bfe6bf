"""How well features might serve labels, told without fitting a model: the prior for which bases are probed first."""

from __future__ import annotations

import numpy as np

from metier.tasks.contract import Array

_ROUNDS = 12


def log_evidence(features: Array, targets: Array, width: int) -> float:
    """LogME (You et al. 2021): the log evidence a row of a Bayesian linear model on (n, d) features; greater is better.

    `targets` are (n,) codes of `width` classes, or values where `width` is 1. Classes are taken one against the rest,
    and those that never occur are left out.
    """
    x = np.asarray(features, np.float64)
    if width == 1:
        spread = float(np.std(targets)) or 1.0
        columns = ((np.asarray(targets, np.float64) - np.mean(targets)) / spread)[:, None]
    else:
        present = np.unique(targets)
        columns = (np.asarray(targets)[:, None] == present[None, :]).astype(np.float64)
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    projected = (u.T @ columns) ** 2  # (r, k)
    outside = np.maximum((columns**2).sum(axis=0) - projected.sum(axis=0), 0)
    return float(np.mean([_one(s**2, projected[:, k], outside[k], *x.shape) for k in range(columns.shape[1])]))


def _one(eigenvalues: Array, projected: Array, outside: float, rows: int, width: int) -> float:
    """Evidence of one column, at the prior's and the noise's precision that maximise it (fixed-point iteration)."""
    alpha = beta = 1.0
    for _ in range(_ROUNDS):
        gamma = float((beta * eigenvalues / (alpha + beta * eigenvalues)).sum())
        weights = float((beta**2 * eigenvalues * projected / (alpha + beta * eigenvalues) ** 2).sum())
        residual = float((alpha**2 * projected / (alpha + beta * eigenvalues) ** 2).sum()) + outside
        alpha, beta = gamma / max(weights, 1e-12), max(rows - gamma, 1e-9) / max(residual, 1e-12)
    evidence = width * np.log(alpha) + rows * np.log(beta) - rows * np.log(2 * np.pi)
    evidence -= beta * residual + alpha * weights + np.log(alpha + beta * eigenvalues).sum()
    evidence -= (width - len(eigenvalues)) * np.log(alpha)
    return float(evidence) / (2 * rows)
