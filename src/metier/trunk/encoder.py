"""The base cut in two: frozen blocks below, whose states are computed once, and trained blocks above."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from metier import files
from metier.errors import BaseError
from metier.progress import Progress
from metier.trunk.batches import Tokens, by_token_budget


def blocks(model: nn.Module) -> tuple[str, nn.ModuleList]:
    """The transformer blocks of any encoder and the name they go by in it: its longest list of equal modules."""
    lists = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and len({type(part) for part in module}) == 1
    ]
    if not lists:
        raise BaseError("no-blocks", "A base must be a stack of transformer blocks.", found=type(model).__name__)
    return max(lists, key=lambda pair: len(pair[1]))


class _Skip(nn.Module):
    """Stands where a frozen block stood, keeps its input and hands it on in the form that block answered in."""

    def __init__(self, block: nn.Module, parts: int) -> None:
        super().__init__()
        # Not as a submodule: what the block is asked besides its outcome (ModernBERT: attention_type) it still answers.
        self.__dict__["block"] = block
        self.parts = parts
        self.seen: Tensor | None = None

    def forward(self, hidden_states: Tensor, *_args: Any, **_more: Any) -> Any:
        self.seen = hidden_states
        return (hidden_states, *[None] * (self.parts - 1)) if self.parts else hidden_states

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.__dict__["block"], name)


def _parts(model: nn.Module) -> int:
    """How long a tuple this architecture's blocks answer in, 0 for the bare states; seen on a two-token text."""
    found: list[int] = []
    _, stack = blocks(model)
    hook = stack[0].register_forward_hook(
        lambda _module, _inputs, outcome: found.append(len(outcome) if isinstance(outcome, tuple) else 0)
    )
    try:
        with torch.inference_mode():
            device = next(model.parameters()).device
            model(input_ids=torch.ones(1, 2, dtype=torch.long, device=device))
    finally:
        hook.remove()
    return found[0]


class Encoder(nn.Module):
    """An encoder whose blocks below `first` may be left out, their outcome being given.

    `forward(ids, mask, below)` gives the meaning (n, hidden), of length 1: what the base's pooling makes of the last
    layer. `below`, (n, tokens, hidden), are states before block `first`; without them the whole base runs.
    """

    def __init__(self, model: nn.Module, first: int, pooling: str) -> None:
        super().__init__()
        self.model = model
        self.pooling = pooling
        self.first = first
        _, self._blocks = blocks(model)
        self._given: Tensor | None = None
        parts = _parts(model)
        self._skips = [_Skip(self._blocks[at], parts) for at in range(first)]
        if first < len(self._blocks):
            self._blocks[first].register_forward_pre_hook(self._give, with_kwargs=True)

    def forward(self, ids: Tensor, mask: Tensor, below: Tensor | None = None) -> Tensor:
        """Token ids and mask (n, tokens), states below or None -> (n, hidden)."""
        self._given = below
        with self._without_lower() if below is not None else _as_it_is():
            states = self.model(input_ids=ids, attention_mask=None if mask.all() else mask).last_hidden_state
        self._given = None
        if self.pooling == "cls":
            return normalize(states[:, 0], dim=1)
        weights = (mask / mask.sum(1, keepdim=True)).to(states.dtype).unsqueeze(-1)
        return normalize((states * weights).sum(1), dim=1)

    def _give(self, _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._given is None:
            return None
        if args:
            return (self._given, *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": self._given}

    @contextmanager
    def _without_lower(self) -> Iterator[None]:
        kept = [self._blocks[at] for at in range(self.first)]
        for at, skip in enumerate(self._skips):
            self._blocks[at] = skip
        try:
            yield
        finally:
            for at, block in enumerate(kept):
                self._blocks[at] = block


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield


class States:
    """Hidden states before the first trained block, one row a token, float16, in a file that is read piecewise.

    Read, not mapped: what a training has passed over would else stay in the process's memory, all of it by the end.
    """

    def __init__(self, path: Path, tokens: Tokens, hidden: int) -> None:
        self.path = path
        self.tokens = tokens
        self.hidden = hidden
        self._file = path.open("rb", buffering=0)
        weakref.finalize(self, self._file.close)

    def pad(self, positions: np.ndarray, longest: int) -> Tensor:
        """States of these texts, float32 (n, longest, hidden), zero where padded."""
        out = np.zeros((len(positions), longest, self.hidden), np.float32)
        for row, at in enumerate(positions):
            start, end = int(self.tokens.offsets[at]), int(self.tokens.offsets[at + 1])
            self._file.seek(start * self.hidden * 2)
            found = self._file.read((end - start) * self.hidden * 2)
            out[row, : end - start] = np.frombuffer(found, np.float16).reshape(-1, self.hidden)
        return torch.from_numpy(out)


def states_below(model: nn.Module, first: int, tokens: Tokens, path: Path, progress: Progress) -> States:
    """Run the blocks below `first` over all texts once and lay their outcome in `path`; reused when it is there."""
    _, stack = blocks(model)
    hidden = int(model.config.hidden_size)  # type: ignore[union-attr, arg-type]
    total = int(tokens.offsets[-1])
    if not path.is_file() or path.stat().st_size != total * hidden * 2:
        kept = [stack[at] for at in range(first, len(stack))]
        end = _Skip(kept[0], _parts(model))
        del stack[first:]
        stack.append(end)
        try:
            with files.open_new(path, needed=total * hidden * 2, durable=False) as file:
                _fill(model, end, tokens, file, progress)
        finally:
            del stack[first:]
            stack.extend(kept)
    return States(path, tokens, hidden)


def states_within(
    mib: int, model: nn.Module, first: int, tokens: Tokens, path: Path, progress: Progress
) -> States | None:
    """`states_below`; None where there are no blocks below, or their outcome would take more disk than `mib`."""
    size = int(tokens.offsets[-1]) * int(model.config.hidden_size) * 2  # type: ignore[union-attr, arg-type]
    return states_below(model, first, tokens, path, progress) if first and size <= mib << 20 else None


def _fill(model: nn.Module, end: _Skip, tokens: Tokens, file: BinaryIO, progress: Progress) -> None:
    """Write each text's states where they belong; written, not mapped, so that a full disk is an error and no crash."""
    with torch.inference_mode(), progress.stage("frozen layers", len(tokens), "texts") as stage:
        for batch in by_token_budget(tokens.lengths):
            ids, mask = (torch.from_numpy(part) for part in tokens.pad(batch))
            model(input_ids=ids, attention_mask=None if mask.all() else mask)
            assert end.seen is not None
            states = end.seen.to(torch.float16).numpy()
            for row, at in enumerate(batch):
                start, stop = int(tokens.offsets[at]), int(tokens.offsets[at + 1])
                file.seek(start * states.shape[2] * 2)
                file.write(states[row, : stop - start].tobytes())
            stage.advance(len(batch))
