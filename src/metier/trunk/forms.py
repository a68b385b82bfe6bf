"""Other forms of a base, to choose from or to compare with: its first layers alone, or its shape untrained."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metier.errors import BaseError
from metier.trunk import base as bases

if TYPE_CHECKING:
    from torch import nn

_FORM = re.compile(r"(.+):(\d+|random(?:-\d+)?)")


def parted(name: str) -> tuple[str, str]:
    """`minilm:3` -> ("minilm", "3"); the form is empty where the name has none, or is a folder of that very name."""
    match = _FORM.fullmatch(name)
    return (name, "") if match is None or Path(name).is_dir() else (match[1], match[2])


def formed(whole: bases.Base, form: str) -> bases.Base:
    """Another form of a base, with a hash of its own."""
    sha256 = hashlib.sha256(f"{whole.sha256}\0{form}".encode()).hexdigest()
    name = f"{whole.name}:{form}"
    if not form.isdigit():
        return replace(whole, name=name, form=form, sha256=sha256)
    if int(form) == whole.layers and not whole.form:
        return whole
    if whole.form or not 1 <= int(form) < whole.layers:
        raise BaseError(
            "no-such-layers",
            f"{whole.name} can be cut down to 1 to {whole.layers - 1} of its layers.",
            found=name,
            fix=f"--base {whole.name} takes all of it.",
        )
    kept = [_kept(path, int(form)) for path in sorted(Path(whole.folder).glob("*.safetensors"))]
    return replace(
        whole,
        name=name,
        form=form,
        sha256=sha256,
        layers=int(form),
        parameters=sum(numbers for numbers, _ in kept),
        bytes=sum(size for _, size in kept),
    )


def _kept(path: Path, layers: int) -> tuple[int, int]:
    """Numbers and bytes in a safetensors file that belong to no block from `layers` on."""
    numbers = size = 0
    for name, entry in bases.header(path).items():
        block = re.search(r"(?:^|\.)(\d+)\.", name)
        if block is None or int(block[1]) < layers:
            numbers += math.prod(entry["shape"])
            size += entry["data_offsets"][1] - entry["data_offsets"][0]
    return numbers, size


def untrained(base: bases.Base) -> nn.Module:
    """The same architecture before any training; the seed is the form's, so the weights are always the same."""
    import torch
    import transformers

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(random_seed(base))
        config = transformers.AutoConfig.from_pretrained(base.folder, local_files_only=True)
        model = transformers.AutoModel.from_config(config, dtype=torch.float32)
    encoder: nn.Module = model.eval()
    return encoder


def random_seed(base: bases.Base) -> int:
    """The seed of a random form: 0 for `random`, 7 for `random-7`."""
    return int(base.form.partition("-")[2] or 0)


def first_layers(model: nn.Module, layers: int) -> nn.Module:
    """The model with all blocks above its first `layers` taken away; what stands after the last block stays."""
    from metier.trunk.encoder import blocks

    _, stack = blocks(model)
    del stack[layers:]
    config: Any = model.config
    config.num_hidden_layers = layers
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:layers]
    return model


def cached(folder: str | Path | None = None) -> dict[str, str]:
    """Hub ids of models with weights in the local Hugging Face cache -> the folder of their newest snapshot.

    `folder` is the cache, its usual place if left out.
    """
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repositories = scan_cache_dir(folder).repos
    except (CacheNotFound, ValueError):
        return {}
    found = {}
    for repository in sorted(repositories, key=lambda repository: str(repository.repo_id)):
        newest = sorted(repository.revisions, key=lambda revision: float(revision.last_modified))[-1:]
        for revision in newest:
            if repository.repo_type == "model" and any(revision.snapshot_path.glob("*.safetensors")):
                found[str(repository.repo_id)] = str(revision.snapshot_path)
    return found


def languages(base: bases.Base) -> tuple[str, ...]:
    """The languages that a base's model card names, as `en`; empty where it names none."""
    return ("en",) if base.source == "bundled" else bases.stated(Path(base.folder), "language")
