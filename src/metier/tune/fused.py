"""LoRA's forward and backward as few passes over memory: on a processor those passes, not the sums, take the time.

PEFT multiplies, scales and adds in steps of their own, each reading and writing all activations. Here the update goes
into the layer's own product, and only the input and its narrow image are kept for the backward pass.
"""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners.lora import Linear
from torch import Tensor, nn
from torch.nn import functional


class _Update(torch.autograd.Function):
    """x (..., i) -> x @ W.T + b + scale * (x @ A.T) @ B.T, for W (o, i) held fixed, A (r, i) and B (o, r) trained."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float) -> Tensor:
        narrow = functional.linear(x, a)
        out = functional.linear(x, weight, bias)
        _flat(out).addmm_(_flat(narrow), b.T, alpha=scale)
        ctx.save_for_backward(x, narrow, weight, a, b)
        ctx.scale = scale
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        x, narrow, weight, a, b = ctx.saved_tensors
        above = _flat(grads[0])
        back = (above @ b).mul_(ctx.scale)
        below = None
        if ctx.needs_input_grad[0]:
            below = (above @ weight).addmm_(back, a).view(x.shape)
        return below, None, None, back.T @ _flat(x), (above.T @ _flat(narrow)).mul_(ctx.scale), None


class FusedLinear(Linear):  # type: ignore[misc]
    """PEFT's own layer, state and all, with another way through it while it is trained in float32."""

    def forward(self, x: Tensor, *given: Any, **more: Any) -> Tensor:
        """(..., i) -> (..., o)."""
        if torch.is_autocast_enabled(x.device.type) or not torch.is_grad_enabled():
            out: Tensor = super().forward(x, *given, **more)
            return out
        base, name = self.base_layer, "default"
        updated: Tensor = _Update.apply(  # type: ignore[no-untyped-call]
            x, base.weight, base.bias, self.lora_A[name].weight, self.lora_B[name].weight, self.scaling[name]
        )
        return updated


def fuse(model: nn.Module) -> None:
    """Send every LoRA layer of a model, opened without dropout, through `FusedLinear`."""
    for module in model.modules():
        if type(module) is Linear:
            module.__class__ = FusedLinear


def _flat(states: Tensor) -> Tensor:
    return states.reshape(-1, states.shape[-1])
