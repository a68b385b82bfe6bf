"""One base for many experts: a batch of texts of all of them goes through it once, each text with its own adapter.

Layers that no adapter touches run for the whole batch as they are. Where adapters differ, the rows of a batch lie
expert beside expert, so that experts with equally many rows are one batched product (as in S-LoRA, Sheng et al. 2024,
and Punica, Chen et al. 2024, where a row is a request): its cost grows with the rows, not with the experts loaded.
"""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from metier.tasks.contract import Array, LowRank
from metier.trunk import base as bases
from metier.trunk.batches import Tokens, by_token_budget
from metier.trunk.encoder import blocks
from metier.trunk.features import Trunk


@dataclass(frozen=True, eq=False)
class Adapter:
    """One expert's updates of the trunk's linear layers, none for a frozen one; `key` names them in the memory."""

    updates: Mapping[str, LowRank]
    key: bytes = b""
    # Adapters of one shape can be stacked: the same layers, the same ranks.
    shape: tuple[tuple[str, int], ...] = field(init=False)

    def __post_init__(self) -> None:
        shape = sorted((name, len(update.down)) for name, update in self.updates.items())
        object.__setattr__(self, "shape", tuple(shape))


PLAIN = Adapter({})


@dataclass(frozen=True)
class _Stretch:
    """Rows `start` to `stop` of a batch: those of `adapters`, equally many of each, one adapter after the other."""

    start: int
    stop: int
    adapters: tuple[Adapter, ...]


class SharedTrunk(Trunk):
    """A trunk that computes features with an adapter for each text; features of frequent texts are remembered.

    Not for two threads at once.
    """

    def __init__(self, base: bases.Base, cache: Path | None = None, *, memory_mib: float = 0) -> None:
        super().__init__(base, cache)
        self.memory = Memory(int(memory_mib * 2**20), 2 * self.width)
        self._stretches: tuple[_Stretch, ...] = ()
        self._open: frozenset[str] | None = None

    def takes(self, updates: Mapping[str, LowRank]) -> bool:
        """Whether all these layers can be updated text by text in this architecture; found by trying."""
        if self._open is None:
            self._open = self._opened()
        return set(updates) <= self._open

    def embed(self, tokens: Tokens, adapters: Sequence[Adapter]) -> Array:
        """Tokens of n texts, the adapter of each -> features (n, width) float16, as each expert's own trunk gives."""
        names = _names(tokens, adapters)
        out = np.empty((len(tokens), self.width), np.float16)
        # A text that stands there twice, or is remembered, is not computed again.
        first: dict[bytes, int] = {}
        new = []
        for at, name in enumerate(names):
            known = self.memory.get(name)
            if known is not None:
                out[at] = known
            elif first.setdefault(name, at) == at:
                new.append(at)
        places = np.array(new, np.int64)
        for batch in by_token_budget(tokens.lengths[places]):
            chosen, stretches = _arranged(places[batch], adapters)
            self._stretches = stretches
            try:
                out[chosen] = self._forward(*tokens.pad(chosen))
            finally:
                self._stretches = ()
        for at in new:
            self.memory.put(names[at], out[at])
        for at, name in enumerate(names):
            if first.get(name, at) != at:
                out[at] = out[first[name]]
        return out

    # ------------------------------------------------------------------------------------------------- the layers

    def _opened(self) -> frozenset[str]:
        """Watch every linear layer of the blocks; those that see (texts, tokens, numbers) can be updated by text."""
        seen: dict[str, set[bool]] = {}
        prefix, stack = blocks(self.model)
        layers = {f"{prefix}.{name}": part for name, part in stack.named_modules() if isinstance(part, nn.Linear)}
        hooks = [
            layer.register_forward_hook(
                lambda _layer, _given, out, name=name: seen.setdefault(name, set()).add(out.shape[:2] == (2, 3))
            )
            for name, layer in layers.items()
        ]
        self._forward(np.ones((2, 3), np.int64), np.ones((2, 3), np.int64))
        for hook in hooks:
            hook.remove()
        fit = frozenset(name for name, right in seen.items() if right == {True})
        for name in fit:
            layers[name].register_forward_hook(self._hook(name))
        return fit

    def _hook(self, name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def add(_layer: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> None:
            for stretch in self._stretches:
                if name in stretch.adapters[0].updates:
                    _add(name, stretch, given[0], out)

        return add


def _add(name: str, stretch: _Stretch, x: Tensor, out: Tensor) -> None:
    """out += (x @ down.T) @ up.T in a stretch's rows, (rows, tokens, numbers) each, all its adapters at once."""
    updates = [adapter.updates[name] for adapter in stretch.adapters]
    mine = x[stretch.start : stretch.stop].reshape(len(updates), -1, x.shape[-1])
    into = out[stretch.start : stretch.stop].view(len(updates), -1, out.shape[-1])
    if len(updates) == 1:
        into[0].addmm_(mine[0] @ updates[0].down.T, updates[0].up.T)
        return
    narrow = torch.bmm(mine, torch.stack([update.down for update in updates]).transpose(1, 2))
    into.baddbmm_(narrow, torch.stack([update.up for update in updates]).transpose(1, 2))


def _arranged(positions: Array, adapters: Sequence[Adapter]) -> tuple[Array, tuple[_Stretch, ...]]:
    """Positions of a batch, reordered, and its stretches: adapters of one shape and of equally many rows together."""
    mine = [adapters[at] for at in positions]
    counts = Counter(map(id, mine))
    keys = [(adapter.shape, counts[id(adapter)], id(adapter)) for adapter in mine]
    order = sorted(range(len(mine)), key=keys.__getitem__)
    stretches, start = [], 0
    while start < len(order):
        shape, count, _ = keys[order[start]]
        stop = start
        while stop < len(order) and keys[order[stop]][:2] == (shape, count):
            stop += count
        if shape:
            stretches.append(_Stretch(start, stop, tuple(mine[order[at]] for at in range(start, stop, count))))
        start = stop
    return positions[order], tuple(stretches)


# --------------------------------------------------------------------------------------------------- what is remembered


class Memory:
    """Features by name, those used longest ago forgotten first, within so many bytes; `each` is a feature's size."""

    def __init__(self, most: int, each: int) -> None:
        self._room = most // (each + 256)  # what Python keeps around an entry, about
        self._known: OrderedDict[bytes, Any] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def get(self, name: bytes) -> Array | None:
        """The features of that name, None where they are not known."""
        found = self._known.get(name)
        if found is not None:
            self._known.move_to_end(name)
        return found

    def put(self, name: bytes, features: Array) -> None:
        """Remember a copy, as long as there is room."""
        if self._room:
            self._known[name] = features.copy()
            while len(self._known) > self._room:
                self._known.popitem(last=False)

    def clear(self) -> None:
        """Forget all."""
        self._known.clear()


def _names(tokens: Tokens, adapters: Sequence[Adapter]) -> list[bytes]:
    """What decides a text's features: its tokens and the adapter, as 16 bytes of a hash."""
    flat, offsets = np.ascontiguousarray(tokens.flat), tokens.offsets
    return [
        hashlib.blake2b(flat[offsets[at] : offsets[at + 1]].tobytes(), digest_size=16, key=adapter.key).digest()
        for at, adapter in enumerate(adapters)
    ]
