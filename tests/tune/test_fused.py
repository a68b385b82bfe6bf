"""LoRA's own way through a layer: PEFT's figures, forward and backward, and PEFT's own state."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from peft.tuners.lora import Linear
from torch import Tensor, nn

from metier.trunk.base import find, load_model
from metier.tune.adapters import open_adapter
from metier.tune.fused import FusedLinear, fuse


@pytest.fixture(scope="module")
def opened(tiny_base: Path) -> nn.Module:
    """An adapter on the tiny base's upper two blocks whose update is not zero."""
    model: nn.Module = open_adapter(load_model(find(str(tiny_base))), 2, rank=4, alpha=8, seed=1)
    torch.manual_seed(0)
    for layer in model.modules():
        if isinstance(layer, Linear):
            nn.init.normal_(layer.lora_B["default"].weight, std=0.3)  # type: ignore[arg-type, index]
    return model


def plain(model: nn.Module) -> nn.Module:
    """A copy that goes PEFT's own way."""
    other = copy.deepcopy(model)
    for layer in other.modules():
        if isinstance(layer, FusedLinear):
            layer.__class__ = Linear
    return other


def gradients(model: nn.Module, ids: Tensor, mask: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    model.zero_grad(set_to_none=True)
    states = model.base_model.model(input_ids=ids, attention_mask=mask).last_hidden_state  # type: ignore[union-attr]
    torch.autograd.backward((states * mask.unsqueeze(-1)).square().sum())
    return states.detach(), {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def test_every_layer_of_the_opened_blocks_is_fused(opened: nn.Module) -> None:
    kinds = [type(layer) for layer in opened.modules() if isinstance(layer, Linear)]
    assert kinds == [FusedLinear] * 12  # two blocks: query, key, value, output, up, down


@pytest.mark.parametrize("rows", [1, 5])
def test_outcome_and_gradients_are_pefts(opened: nn.Module, rows: int) -> None:
    ids = torch.randint(5, 60, (rows, 7), generator=torch.Generator().manual_seed(rows))
    mask = torch.ones_like(ids)
    mask[0, 4:] = 0
    states, found = gradients(opened, ids, mask)
    wanted_states, wanted = gradients(plain(opened), ids, mask)
    torch.testing.assert_close(states, wanted_states)
    assert list(found) == list(wanted)
    assert len(found) == 24
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-5)


def test_the_input_gets_its_gradient_too(opened: nn.Module) -> None:
    layer = next(layer for layer in opened.modules() if isinstance(layer, FusedLinear))
    found = []
    for one in (layer, plain(layer)):
        x = torch.linspace(-1, 1, 3 * 2 * 32).reshape(3, 2, 32).requires_grad_()
        torch.autograd.backward(one(x).square().sum())
        assert x.grad is not None
        found.append(x.grad)
    torch.testing.assert_close(*found)


def test_under_autocast_pefts_own_way_is_taken(opened: nn.Module) -> None:
    layer = next(layer for layer in opened.modules() if isinstance(layer, FusedLinear))
    x = torch.randn(4, 32, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(layer(x), plain(layer)(x))


def test_fusing_leaves_other_layers_alone() -> None:
    module = nn.Sequential(nn.Linear(2, 2))
    fuse(module)
    assert type(module[0]) is nn.Linear
