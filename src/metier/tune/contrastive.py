"""With few labels an adapter starts from pairs: texts of one label are drawn together, those of others apart.

The loss is SetFit's (Tunstall et al. 2022): the squared error of each pair's cosine, wanted 1 within a label and 0
across. But the pairs are those within a batch with several texts of each label: n texts hold n * (n - 1) / 2 of them
for the price of n forward passes, so that the work is bounded by the steps asked for and never grows with the number of
possible pairs. A label's own name, where it is made of words, is one more text of that label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from metier.trunk.batches import Tokens
from metier.trunk.encoder import States

TEXTS_PER_BATCH = 32
_TEXTS_PER_LABEL = 4
# Chosen on reviews, repair notes, bank questions and abstracts: more steps gained nothing more.
_TIMES_SEEN = 12
_FEWEST_STEPS, _MOST_STEPS = 10, 60
MOST_TEXTS = _MOST_STEPS * TEXTS_PER_BATCH // _TIMES_SEEN  # beyond, texts are seen less often


@dataclass
class PairPupil:
    """Texts with labels, drawn so that every batch holds pairs of both sorts."""

    module: nn.Module  # an Encoder
    tokens: Tokens
    targets: np.ndarray  # (n,) codes
    steps: int
    below: States | None = None

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
        order = batch[np.argsort(self.tokens.lengths[batch], kind="stable")]
        # Short and long texts apart, so that little is spent on padding.
        meaning = torch.cat([self._meaning(part) for part in np.array_split(order, 2) if len(part)])
        return contrast(meaning, torch.from_numpy(self.targets[order]).to(meaning.device))

    def _meaning(self, part: np.ndarray) -> Tensor:
        device = next(self.module.parameters()).device
        ids, mask = (torch.from_numpy(one).to(device) for one in self.tokens.pad(part))
        below = None if self.below is None else self.below.pad(part, ids.shape[1]).to(device)
        meaning: Tensor = self.module(ids, mask, below)
        return meaning

    def score(self) -> float | None:
        """Nothing is held out: the last weights are the outcome."""
        return None


def steps_for(texts: int) -> int:
    """Steps for so many texts: each is seen some twelve times, whatever the number of pairs."""
    return max(_FEWEST_STEPS, min(_MOST_STEPS, -(-_TIMES_SEEN * texts // TEXTS_PER_BATCH)))


def contrast(meaning: Tensor, labels: Tensor) -> Tensor:
    """Squared error of the cosines of unit vectors (n, d) with labels (n,): both sorts of pairs weigh alike."""
    cosines = meaning @ meaning.T
    alike = labels[:, None] == labels[None, :]
    once = torch.triu(torch.ones_like(alike), diagonal=1)
    sides = [(1 - cosines[alike & once]).square(), cosines[~alike & once].square()]
    return torch.stack([side.mean() if len(side) else cosines.sum() * 0 for side in sides]).mean()
