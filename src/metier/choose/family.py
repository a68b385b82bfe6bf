"""Forms of one base share their lower layers: one pass through the deepest of them gives the features of all."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from metier.progress import Progress
from metier.trunk import base as bases
from metier.trunk.batches import as_texts, by_token_budget
from metier.trunk.cache import FeatureCache, keys
from metier.trunk.features import Trunk, pooled

_PIECE = 8192
_ALIKE = 2e-2  # features have length 1 and are kept as float16


class FormTrunk(Trunk):
    """A trunk that, when it embeds, embeds for its relatives too."""

    def __init__(self, base: bases.Base, cache: Path, progress: Progress | None = None) -> None:
        super().__init__(base, cache, progress)
        self.relatives: list[FormTrunk] = [self]
        self.credit = 0.0  # seconds that relatives spent for this one, less what it spent for them

    def features(self, texts: Sequence[str], *, keep: bool = True) -> np.ndarray:
        """Texts (n,) -> features, float16 (n, width)."""
        if keep and len(self.relatives) > 1:
            _embed_together(self.relatives, as_texts(texts), self)
        return super().features(texts, keep=keep)

    def leave(self) -> None:
        """Embed no longer for this one: it is out of the race."""
        for other in self.relatives:
            if other is not self:
                other.relatives = [one for one in other.relatives if one is not self]
        self.relatives = [self]

    @property
    def store(self) -> FeatureCache:
        """This trunk's cache, as it is now."""
        assert self._folder is not None
        cache = FeatureCache(self._folder, self.width)
        cache.refresh()
        return cache


def relate(trunks: Sequence[FormTrunk]) -> None:
    """Let trunks whose forms really share their layers know of each other.

    Architectures that treat the last layer's states once more (a norm after the stack) give other features in the
    middle of a deep model than a cut one does; those are found by trying, and left to themselves.
    """
    groups: dict[tuple[str, str, int], list[FormTrunk]] = {}
    for trunk in trunks:
        base = trunk.base
        if base.architecture != bases.STATIC and not base.form.startswith("random"):
            groups.setdefault((base.folder, base.pooling, base.max_tokens), []).append(trunk)
    for group in groups.values():
        deepest = max(group, key=lambda trunk: trunk.base.layers)
        alike = [trunk for trunk in group if trunk is deepest or _agree(deepest, trunk)]
        for trunk in alike:
            trunk.relatives = alike


def _agree(deepest: FormTrunk, other: FormTrunk) -> bool:
    ids, mask = deepest.tokens(["How are you today?", "The invoice of May is 3 days late."]).pad(np.arange(2))
    own = other._forward(ids, mask).astype(np.float32)
    return bool(np.abs(_layers(deepest, ids, mask, [other])[0].astype(np.float32) - own).max() < _ALIKE)


def _embed_together(trunks: Sequence[FormTrunk], texts: Sequence[str], asking: FormTrunk) -> None:
    """Fill the caches of all trunks with what is missing of these texts, in one pass through the deepest of those."""
    wanted = keys(texts)
    lacking = {id(trunk): trunk.store.find(wanted) < 0 for trunk in trunks}
    lack = [trunk for trunk in trunks if lacking[id(trunk)].any()]
    if asking not in lack or len(lack) < 2:
        return
    deepest = max(lack, key=lambda trunk: trunk.base.layers)
    missing = np.flatnonzero(np.logical_or.reduce([lacking[id(trunk)] for trunk in lack]))
    _, first = np.unique(wanted[missing], return_index=True)
    new = missing[np.sort(first)]
    start = time.monotonic()
    with asking.progress.stage(f"embedding {len(lack)} forms at once", len(new), "texts") as stage:
        for at in range(0, len(new), _PIECE):
            here = new[at : at + _PIECE]
            tokens = deepest.tokens([texts[i] for i in here])
            values = [np.empty((len(here), trunk.width), np.float16) for trunk in lack]
            for batch in by_token_budget(tokens.lengths):
                for out, found in zip(values, _layers(deepest, *tokens.pad(batch), lack), strict=True):
                    out[batch] = found
                stage.advance(len(batch))
            for trunk, out in zip(lack, values, strict=True):
                own = lacking[id(trunk)][here]
                if own.any():
                    trunk.store.add(keys([texts[i] for i in here[own]]), out[own])
    spent = time.monotonic() - start
    asking.credit -= spent
    for trunk in lack:
        trunk.credit += spent / len(lack)


def _layers(deepest: FormTrunk, ids: np.ndarray, mask: np.ndarray, trunks: Sequence[FormTrunk]) -> list[np.ndarray]:
    """The features each of these forms makes of a batch, from the states in the middle of the deepest."""
    import torch

    model = deepest.model
    with torch.inference_mode():
        asked = None if mask.all() else torch.from_numpy(mask)
        states = model(input_ids=torch.from_numpy(ids), attention_mask=asked, output_hidden_states=True).hidden_states
        lengths = torch.from_numpy(mask)
        return [
            pooled(states[0], states[trunk.base.layers], lengths, trunk.base.pooling).to(torch.float16).numpy()
            for trunk in trunks
        ]
