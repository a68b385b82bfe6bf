"""The module a table of word vectors becomes: it answers as a transformer does.

Its one block is a linear map that starts as the identity, so that rungs which train weights have something to train.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from metier.trunk import base as bases
from metier.trunk import forms
from metier.trunk.static import TABLES

_NOT_WORDS = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<pad>", "<unk>", "<s>", "</s>", "<mask>"}


def load(base: bases.Base) -> nn.Module:
    """The table as a module that answers as a transformer does: states (n, tokens, hidden) before and after its block.

    Whole numbers are taken as they are: a table stored without its scale keeps all angles. Special tokens stand at
    zero, so that a mean over tokens has only words in it.
    """
    tensors = load_file(next(Path(base.folder).glob("*.safetensors")))
    table = next(tensor for name, tensor in tensors.items() if name in TABLES).float()
    if base.form:
        made = torch.Generator().manual_seed(forms.random_seed(base))
        table = torch.randn(table.shape, generator=made)
    if "mapping" in tensors:
        table = table[tensors["mapping"].long()]
    if "weights" in tensors:
        table = table * tensors["weights"].float()[:, None]
    table[_specials(base, len(table))] = 0
    return _Static(table).eval()


class _Static(nn.Module):
    """Token ids -> `hidden_states` (each word's direction, each word's vector) and `last_hidden_state`."""

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        hidden = table.shape[1]
        self.words = nn.Embedding(table.shape[0], hidden, _weight=table, _freeze=True)
        self.blocks = nn.ModuleList([_Map(hidden)])
        self.config = _Config(model_type="static", hidden_size=hidden, num_hidden_layers=1)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, **_: Any) -> Any:
        vectors = self.words(input_ids)
        states = self.blocks[0](vectors)
        directions = nn.functional.normalize(vectors, dim=-1)
        return SimpleNamespace(hidden_states=(directions, states), last_hidden_state=states)


class _Map(nn.Module):
    """The identity, until it is trained."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.linear = nn.Linear(hidden, hidden, bias=False)
        with torch.no_grad():
            self.linear.weight.copy_(torch.eye(hidden))

    def forward(self, states: Tensor) -> Tensor:
        mapped: Tensor = self.linear(states)
        return mapped


class _Config(dict[str, Any]):
    """A configuration that is read by name, as PEFT and transformers do."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(name) from error

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return dict(self)


def _specials(base: bases.Base, rows: int) -> list[int]:
    tokenizer = bases.load_tokenizer(base)
    known = [tokenizer.token_to_id(token) for token in _NOT_WORDS]
    known += [at for at, token in tokenizer.get_added_tokens_decoder().items() if token.special]
    return sorted({at for at in known if at is not None and at < rows})
