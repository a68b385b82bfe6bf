"""The rungs that change the base's weights: a LoRA adapter, and full fine-tuning of the transformer blocks.

Both start from the frozen rung's head and the base's own weights, so that step 0 is exactly the rung below. Blocks
below the first trained one run once; their states are read from disk in every epoch.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from metier import files
from metier.tasks.contract import LowRank, Target
from metier.trunk.base import Base
from metier.trunk.batches import Tokens, by_length, by_token_budget
from metier.trunk.encoder import Encoder, States, blocks
from metier.tune import checkpoint
from metier.tune.heads import Head
from metier.tune.private import poisson

ADAPTER = "adapter_model.safetensors"
FULL = "model.safetensors"
_TOKENS_PER_PIECE = 1024


def open_adapter(model: nn.Module, first: int, *, rank: int, alpha: int, seed: int, fused: bool = True) -> Any:
    """Put PEFT's LoRA on every linear layer of the blocks from `first` on; returns the PeftModel.

    Not `fused`, A and B are layers of their own, whose gradients can be had row by row. The seed is set before the
    adapter is made, or two runs of one seed would start apart.
    """
    from metier.tune.fused import fuse

    name, stack = blocks(model)
    targets = [
        f"{name}.{at}.{inner}"
        for at in range(first, len(stack))
        for inner, module in stack[at].named_modules()
        if isinstance(module, nn.Linear)
    ]
    opened = with_lora(model, targets, rank=rank, alpha=alpha, seed=seed, task_type="FEATURE_EXTRACTION")
    if fused:
        fuse(opened)
    return opened


def with_lora(
    model: nn.Module, layers: Sequence[str], *, rank: int, alpha: int, seed: int, task_type: str | None = None
) -> Any:
    """Put PEFT's LoRA on the layers of these names; returns the PeftModel. The seed is set first."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        target_modules=list(layers),
        lora_dropout=0.0,
        bias="none",
        task_type=task_type,
    )
    with warnings.catch_warnings():
        # PEFT asks transformers for a property by its old name.
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)
        return get_peft_model(model, config)


def open_blocks(model: nn.Module, first: int) -> nn.Module:
    """Let the blocks from `first` on be trained and hold all else fixed."""
    model.requires_grad_(False)
    _, stack = blocks(model)
    for at in range(first, len(stack)):
        stack[at].requires_grad_(True)
    return model


class Learner(nn.Module):
    """An encoder and a head over [meaning, words]: the words half is the base's own and never changes.

    The head is trained in units of `spread`, a quantity's usual difference, or its rate would hang on the unit.
    """

    def __init__(self, encoder: Encoder, head: Head, dropout: float, spread: float = 1.0) -> None:
        super().__init__()
        self.encoder = encoder
        self.spread = spread
        width, inputs = head.weight.shape
        self.head = nn.Linear(inputs, width)
        set_head(self, head)
        self.dropout = nn.Dropout(dropout)
        # Within the blocks dropout costs a third of a step, attention's fast path with it, and was not seen to pay.
        for module in encoder.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0

    def forward(self, ids: Tensor, mask: Tensor, words: Tensor, below: Tensor | None) -> Tensor:
        """Token ids, mask (n, tokens), words (n, hidden), states below or None -> outputs (n, width)."""
        features = torch.cat([self.encoder(ids, mask, below), words], dim=1)
        outputs: Tensor = self.spread * self.head(self.dropout(features))
        return outputs


@dataclass
class TextPupil:
    """Texts to learn from and texts to be measured on, as the loop wants them."""

    module: nn.Module
    target: Target
    tokens: Tokens
    words: np.ndarray  # (n, hidden)
    targets: np.ndarray
    below: States | None
    smoothing: float
    weights: Tensor | None
    batch_size: int
    head_rate: float
    judge: Callable[[np.ndarray], float] | None = None
    held_out: HeldOut | None = None
    private: bool = False

    def groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """The encoder at the peak rate, the head at its own."""
        head = [p for name, p in self.module.named_parameters() if p.requires_grad and name.startswith("head.")]
        rest = [p for name, p in self.module.named_parameters() if p.requires_grad and not name.startswith("head.")]
        return [{"params": rest, "lr": learning_rate}, {"params": head, "lr": self.head_rate}]

    def batches(self, rng: np.random.Generator) -> Sequence[np.ndarray]:
        """Positions, each batch of texts of similar length; where training is private each row by chance."""
        if self.private:
            return poisson(len(self.tokens), self.batch_size, rng)
        return by_length(self.tokens.lengths, self.batch_size, rng)

    def pieces(self, batch: np.ndarray) -> Sequence[tuple[np.ndarray, float]]:
        """Pieces of about a thousand tokens: what a step remembers for its backward pass grows with them.

        Shares are by row or, where labels have weights, by weight: the sum of the pieces is the batch's own mean loss.
        """
        lengths = self.tokens.lengths[batch]
        parts = [batch[piece] for piece in by_token_budget(lengths, _TOKENS_PER_PIECE, alike=0)]
        sizes = [self._weight(part) for part in parts]
        return [(part, size / sum(sizes)) for part, size in zip(parts, sizes, strict=True)]

    def _weight(self, piece: np.ndarray) -> float:
        return float(len(piece) if self.weights is None else self.weights[self.targets[piece]].sum())

    def loss(self, batch: np.ndarray) -> Tensor:
        """Mean loss of these texts."""
        outputs = _run(self.module, self.tokens, self.words, self.below, batch)
        truth = torch.from_numpy(self.targets[batch]).to(outputs.device)
        loss: Tensor = self.target.loss(outputs.float(), truth, smoothing=self.smoothing, weights=self.weights)
        return loss

    def score(self) -> float | None:
        """The judge's view of the held-out outputs."""
        if self.held_out is None or self.judge is None:
            return None
        return self.judge(self.held_out.outputs(self.module))


@dataclass(frozen=True)
class HeldOut:
    """Texts to measure on."""

    tokens: Tokens
    words: np.ndarray
    below: States | None
    width: int

    def outputs(self, module: nn.Module) -> np.ndarray:
        """Outputs of the module in its present state, float32 (n, width)."""
        out = np.empty((len(self.tokens), self.width), np.float32)
        with torch.inference_mode():
            for batch in by_token_budget(self.tokens.lengths):
                out[batch] = _run(module, self.tokens, self.words, self.below, batch).float().cpu().numpy()
        return out


def _run(module: nn.Module, tokens: Tokens, words: np.ndarray, below: States | None, batch: np.ndarray) -> Tensor:
    device = next(module.parameters()).device
    ids, mask = (torch.from_numpy(part).to(device) for part in tokens.pad(batch))
    own = torch.from_numpy(np.asarray(words[batch], np.float32)).to(device)
    states = None if below is None else below.pad(batch, ids.shape[1]).to(device)
    outputs: Tensor = module(ids, mask, own, states)
    return outputs


# ------------------------------------------------------------------------------------------- the dial and the folder


class Dial:
    """From the generic base (0) to the tuned weights (1): WiSE-FT (Wortsman et al. 2022), head and blocks alike."""

    def __init__(self, module: nn.Module, start: dict[str, Tensor]) -> None:
        self.trained = {name: p for name, p in module.named_parameters() if p.requires_grad}
        self.start = start
        self.end = {name: p.detach().clone() for name, p in self.trained.items()}

    def turn(self, scale: float) -> None:
        """Set the weights to `scale` of the way. A LoRA update is B @ A, so B alone is scaled."""
        with torch.no_grad():
            for name, parameter in self.trained.items():
                if ".lora_A." in name:
                    continue
                start = self.start[name]
                parameter.copy_(start + scale * (self.end[name] - start))


def snapshot(module: nn.Module) -> dict[str, Tensor]:
    """The trained parameters as they are before training."""
    return {name: p.detach().clone() for name, p in module.named_parameters() if p.requires_grad}


def save_adapter(peft_model: Any, folder: Path, base: Base) -> None:
    """Write the adapter in PEFT's own layout, as `PeftModel.from_pretrained` reads it."""
    from peft import get_peft_model_state_dict

    config = copy.deepcopy(peft_model.peft_config["default"])
    config.inference_mode = True
    about = {key: _plain(value) for key, value in config.to_dict().items()}
    about["target_modules"] = sorted(config.target_modules)
    about["base_model_name_or_path"] = base.name
    files.write_json(folder / "adapter_config.json", about)
    tensors = {k: v.contiguous().cpu() for k, v in get_peft_model_state_dict(peft_model).items()}
    files.write_bytes(folder / ADAPTER, save(tensors, {"format": "pt"}))


def resume_weights(opened: Any, folder: Path) -> None:
    """Put the weights of an adapter's or a full expert's folder into an opened model, to train them further."""
    if (folder / FULL).is_file():
        load_blocks(opened, folder)
        return
    from peft import set_peft_model_state_dict

    set_peft_model_state_dict(opened, load_file(folder / ADAPTER))


def copy_but_words(model: nn.Module) -> nn.Module:
    """A copy for an adapter: its blocks are its own; the tables of words, half of a small base, are read by both.

    An adapter never changes those.
    """
    tables = [module.weight for module in model.modules() if isinstance(module, nn.Embedding)]
    # Parameters of their own over the same numbers: moved to a device, they leave the others where they are.
    shared = {id(table): nn.Parameter(table.detach(), requires_grad=table.requires_grad) for table in tables}
    return copy.deepcopy(model, shared)


def low_rank(folder: Path) -> dict[str, LowRank]:
    """What an adapter folder adds to each linear layer of its base, by the layer's name; PEFT is not needed."""
    config = files.read_json(folder / "adapter_config.json")
    tensors = load_file(folder / ADAPTER)
    scale, found = config["lora_alpha"] / config["r"], {}
    for name, down in tensors.items():
        if name.endswith(".lora_A.weight"):
            at = name.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
            found[at] = LowRank(down.clone(), scale * tensors[name.replace(".lora_A.", ".lora_B.")])
    return found


def merge_adapter(model: nn.Module, folder: Path) -> nn.Module:
    """Add an adapter folder's update to a base's weights in place: W + (alpha / r) * B @ A."""
    modules = dict(model.named_modules())
    with torch.no_grad():
        for at, update in low_rank(folder).items():
            weight: Any = modules[at].weight
            down, up = update.down, update.up
            # A convolution's update is one convolution after another, its narrow one without breadth.
            change = up @ down if down.ndim == 2 else torch.einsum("orxy,rihw->oihw", up, down)
            weight.add_(change.to(weight.dtype))
    return model


def save_blocks(model: nn.Module, folder: Path) -> None:
    """Write all weights of a fully tuned encoder, and its configuration, as transformers reads them."""
    checkpoint.write(folder / FULL, model.state_dict(), {"format": "pt"})
    files.write_json(folder / "config.json", model.config.to_dict())  # type: ignore[union-attr, operator]


def load_blocks(model: nn.Module, folder: Path) -> nn.Module:
    """Put a fully tuned encoder's weights into a model of the same base."""
    model.load_state_dict(load_file(folder / FULL))
    return model


def set_head(learner: Any, head: Head) -> None:
    """Put a head's weights into a learner."""
    with torch.no_grad():
        learner.head.weight.copy_(head.weight / learner.spread)
        learner.head.bias.copy_(head.bias / learner.spread)


def save_head(learner: Any, path: Path) -> None:
    """Write the head as `Head.load` reads it."""
    Head(learner.head.weight.detach() * learner.spread, learner.head.bias.detach() * learner.spread).save(path)


def _plain(value: Any) -> Any:
    if isinstance(value, set):
        return sorted(value)
    if hasattr(value, "value"):
        return value.value
    return value
