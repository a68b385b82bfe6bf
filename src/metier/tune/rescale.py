"""The WiSE-FT dial on a finished folder (Wortsman et al. 2022): tuned weights, part of the way from the base."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import nn

from metier import files
from metier.tune import checkpoint
from metier.tune.adapters import ADAPTER, FULL
from metier.tune.heads import Head

HEAD = "head.safetensors"
START = "start.safetensors"  # the head that training started from


def rescale_weights(source: Path, scale: float, folder: Path, model: nn.Module) -> None:
    """Write into `folder` what `source` holds of an adapter or of full weights, at `scale` (0..1) of the way to them.

    An adapter's update is B @ A, so B alone is scaled; full weights lie on the line from `model`, the base, and so does
    the head from the one that training started from. Where that one was not kept the head stays as it is.
    """
    for name in ("adapter_config.json", "config.json", START):
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
    if (source / ADAPTER).is_file():
        tensors = load_file(source / ADAPTER)
        scaled = {name: scale * value if ".lora_B." in name else value for name, value in tensors.items()}
        files.write_bytes(folder / ADAPTER, save(scaled, {"format": "pt"}))
    if (source / FULL).is_file():
        start, end = model.state_dict(), load_file(source / FULL)
        between = {n: torch.lerp(start[n], v, scale) if v.is_floating_point() else v for n, v in end.items()}
        checkpoint.write(folder / FULL, between, {"format": "pt"})
    head = Head.load(source / HEAD)
    if (source / START).is_file():
        start_head = Head.load(source / START)
        head = Head(torch.lerp(start_head.weight, head.weight, scale), torch.lerp(start_head.bias, head.bias, scale))
    head.save(folder / HEAD)
