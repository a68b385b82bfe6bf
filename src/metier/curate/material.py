"""What every question of the data room may read: the rows, the given test rows, and what the trunk made of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from metier.data.dataset import Dataset
from metier.plan import Plan
from metier.progress import Progress, Silent
from metier.tasks.contract import Array, Examples, Task
from metier.trunk.features import Trunk


@dataclass(frozen=True)
class Side:
    """One file: its table and the examples made of its usable rows."""

    dataset: Dataset
    examples: Examples

    @property
    def file(self) -> str:
        """The path as it was typed."""
        return self.dataset.source.path


@dataclass(frozen=True)
class Material:
    """The training side, the test side where a file was given, and the means to look at both.

    Everything dear is computed once, when first asked for, and shared by all questions.
    """

    task: Task
    train: Side
    test: Side | None
    trunk: Trunk
    plan: Plan
    progress: Progress = field(default_factory=Silent)

    @property
    def labelled(self) -> bool:
        """Whether the rows have targets."""
        return self.train.dataset.schema.target is not None

    @property
    def embedded(self) -> bool:
        """Whether the kind of task makes vectors of its inputs; of pictures none are made."""
        return bool(getattr(self.task, "embeds", True))

    @cached_property
    def texts(self) -> list[str]:
        """What a person sees of each training example."""
        return self._shown(self.train)

    @cached_property
    def test_texts(self) -> list[str]:
        """What a person sees of each test example; empty without a test file."""
        return [] if self.test is None else self._shown(self.test)

    @cached_property
    def vectors(self) -> Array:
        """(n, d) training examples as vectors in which near means alike."""
        return self.task.vectors(self.train.examples.inputs, self.trunk)

    @cached_property
    def test_vectors(self) -> Array:
        """(m, d) test examples in the same space; (0, d) without a test file."""
        if self.test is None:
            return np.zeros((0, self.vectors.shape[1]), self.vectors.dtype)
        return self.task.vectors(self.test.examples.inputs, self.trunk, like=self.train.examples.inputs)

    @cached_property
    def shared(self) -> dict[str, Any]:
        """What one question leaves for the next: `clusters`, an int64 (n,) of near-duplicate clusters."""
        return {}

    def _shown(self, side: Side) -> list[str]:
        inputs = side.examples.inputs
        return [self.task.render(inputs, at) for at in range(len(side.examples))]
