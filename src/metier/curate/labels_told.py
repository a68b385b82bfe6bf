"""What rows' labels say of one another: whether they disagree, which is the usual one, and how to tell a person."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from metier.tasks.contract import Examples, Target

Array = np.ndarray

_APART = 0.25  # of a standard deviation: quantities farther apart disagree
_LONGEST = 60  # characters of a label that are shown


@dataclass(frozen=True)
class Labels:
    """The targets of n examples, classes or quantities, and which of them are known."""

    target: Target
    targets: Array
    known: Array
    tolerance: float | None  # None: equal or not

    @classmethod
    def of(cls, examples: Examples) -> Labels:
        """The labels of these examples."""
        targets = np.asarray(examples.targets)
        if targets.dtype.kind == "f" and targets.ndim == 1:
            known = np.isfinite(targets)
            spread = float(targets[known].std()) if known.any() else 0.0
            return cls(examples.target, targets, known, _APART * spread)
        known = targets >= 0 if targets.ndim == 1 else np.ones(len(targets), bool)
        return cls(examples.target, targets, np.asarray(known, bool), None)

    def conflict(self, positions: Array) -> bool:
        """Whether the known labels among these rows disagree."""
        some = positions[self.known[positions]]
        if len(some) < 2:
            return False
        if self.tolerance is not None:
            values = self.targets[some]
            return bool(values.max() - values.min() > self.tolerance)
        return len(np.unique(self.targets[some], axis=0)) > 1

    def usual(self, positions: Array) -> Array:
        """(m,) which of these rows have the commonest label, or a quantity near the middle; all where none leads."""
        known = self.known[positions]
        some = positions[known]
        out = np.ones(len(positions), bool)
        if not len(some):
            return out
        if self.tolerance is not None:
            values = self.targets[some]
            out[known] = np.abs(values - np.median(values)) <= max(self.tolerance / 2, 0.0)
            return out if out[known].any() else np.ones(len(positions), bool)
        _, codes, counts = np.unique(self.targets[some], axis=0, return_inverse=True, return_counts=True)
        if np.count_nonzero(counts == counts.max()) == 1:
            out[known] = codes.reshape(-1) == counts.argmax()
        return out

    def counts(self, positions: Array) -> dict[str, int]:
        """How many of these rows have each label, the commonest first."""
        some = positions[self.known[positions]]
        said = Counter(_shown(value) for value in self.target.values(self.targets[some])) if len(some) else Counter()
        return dict(said.most_common(20))


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
