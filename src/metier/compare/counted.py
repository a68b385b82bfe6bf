"""A trunk that counts what it was spared: a way is charged for embedding its texts even where the cache had them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from metier.trunk.batches import as_texts
from metier.trunk.features import Trunk

if TYPE_CHECKING:
    from torch import nn


class Counted(Trunk):
    """The same base and cache as another trunk; `spared_seconds` is what embedding cached texts would take."""

    def __init__(self, trunk: Trunk) -> None:
        super().__init__(trunk.base, None, trunk.progress)
        self._folder = trunk._folder
        self._whole = trunk
        self._asked: set[str] = set()
        self.spared_tokens = 0.0

    @property
    def spared_seconds(self) -> float:
        """Seconds at the speed of this machine."""
        return self.spared_tokens / self.speed() if self.spared_tokens else 0.0

    def features(self, texts: Sequence[str], *, keep: bool = True) -> np.ndarray:
        """Texts (n,) -> features, float16 (n, width)."""
        new = sorted(set(as_texts(texts)) - self._asked)
        if keep and new and self._folder is not None:
            self._asked.update(new)
            found = 1 - self.missing(new) / len(new)
            self.spared_tokens += found * float(self.tokens(new).lengths.sum())
        return super().features(texts, keep=keep)

    @property
    def model(self) -> nn.Module:
        """The other trunk's: it is loaded once for all fits."""
        return self._whole.model

    def speed(self) -> float:
        """Tokens a second, measured once for the trunk that this one stands for."""
        return self._whole.speed()
