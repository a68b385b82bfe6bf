"""With few labels an adapter starts from pairs: texts of one label are drawn together, those of others apart.

Supervised contrastive loss (Khosla et al. 2020) over batches with several texts of each label: a batch of n texts holds
n * (n - 1) / 2 pairs for the price of n forward passes, so that the work is bounded by the steps asked for and never
grows with the number of possible pairs. A label's own name, where it is made of words, is one more text of that label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from metier.trunk.batches import Tokens

TEXTS_PER_BATCH = 32
_TEXTS_PER_LABEL = 4
_TEMPERATURE = 0.1


@dataclass
class PairPupil:
    """Texts with labels, drawn so that every batch holds pairs of both sorts."""

    module: nn.Module  # an Encoder
    tokens: Tokens
    targets: np.ndarray  # (n,) codes
    steps: int

    def groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """All trained parameters at the peak rate."""
        return [{"params": [p for p in self.module.parameters() if p.requires_grad], "lr": learning_rate}]

    def batches(self, rng: np.random.Generator) -> Sequence[np.ndarray]:
        """As many batches as there are steps, each of some labels and up to four texts of each, evenly drawn."""
        rows = [np.flatnonzero(self.targets == code) for code in np.unique(self.targets)]
        labels_per_batch = min(len(rows), TEXTS_PER_BATCH // _TEXTS_PER_LABEL)
        each = max(2, TEXTS_PER_BATCH // labels_per_batch)
        out = []
        for _ in range(self.steps):
            drawn = rng.choice(len(rows), labels_per_batch, replace=False)
            out.append(np.concatenate([rng.permutation(rows[label])[:each] for label in drawn]))
        return out

    def pieces(self, batch: np.ndarray) -> Sequence[tuple[np.ndarray, float]]:
        """The batch as it is: its pairs run across all of it."""
        return [(batch, 1.0)]

    def loss(self, batch: np.ndarray) -> Tensor:
        """How far texts of one label are from being nearest to one another."""
        ids, mask = (torch.from_numpy(part) for part in self.tokens.pad(batch))
        meaning = self.module(ids, mask)
        return contrast(meaning, torch.from_numpy(self.targets[batch]))

    def score(self) -> float | None:
        """Nothing is held out: the last weights are the outcome."""
        return None


def steps_for(texts: int) -> int:
    """Steps for so many texts: each is seen some eight times, whatever the number of pairs."""
    return max(10, min(60, -(-8 * texts // TEXTS_PER_BATCH)))


def contrast(meaning: Tensor, labels: Tensor) -> Tensor:
    """The supervised contrastive loss of unit vectors (n, d) with labels (n,): a scalar, equation 2 of the paper."""
    alike = labels[:, None] == labels[None, :]
    itself = torch.eye(len(labels), dtype=torch.bool, device=meaning.device)
    logits = (meaning @ meaning.T / _TEMPERATURE).masked_fill(itself, float("-inf"))
    shares = torch.log_softmax(logits, dim=1).masked_fill(itself, 0.0)
    partners = (alike & ~itself).float()
    has_partner = partners.sum(1) > 0
    per_text = -(shares * partners).sum(1)[has_partner] / partners.sum(1)[has_partner]
    return per_text.mean() if len(per_text) else meaning.sum() * 0
