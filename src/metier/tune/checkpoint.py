"""Where a training stands, on disk: written tensor by tensor, so that it needs no second copy of them in memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from metier import files

Kept = TypeVar("Kept")
_KINDS = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.uint8: "U8",
}


def write(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, str]) -> None:
    """Write a safetensors file (huggingface.co/docs/safetensors: the header's length, the header, the bytes).

    Raises ResourceError, with the old file still in place.
    """
    header: dict[str, Any] = {"__metadata__": dict(about)}
    end = 0
    for name, tensor in tensors.items():
        start, end = end, end + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": _KINDS[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with files.open_new(path, needed=8 + len(head) + end) as file:
        file.write(len(head).to_bytes(8, "little") + head)
        for tensor in tensors.values():
            file.write(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)


def save(
    path: Path,
    course: Any,
    standing: Any,
    trained: dict[str, Tensor],
    kept: tuple[dict[str, Tensor], dict[str, Tensor]],
    optimizer: Any,
) -> None:
    """Write all that a training needs to go on; `kept` are the best weights and the average of all."""
    tensors = {f"now.{name}": parameter.detach() for name, parameter in trained.items()}
    for part, values in zip(("best", "average"), kept, strict=True):
        tensors |= {f"{part}.{name}": tensor for name, tensor in values.items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{key}": torch.as_tensor(value) for key, value in state.items()}
    tensors["rng"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["rng.cuda"] = torch.cuda.get_rng_state()
    about = {"course": json.dumps(asdict(course)), "standing": json.dumps(asdict(standing))}
    write(path, tensors, about)


def resume(
    path: Path, course: Any, fresh: Kept, trained: dict[str, Tensor], optimizer: Any
) -> tuple[Kept, dict[str, Tensor], dict[str, Tensor]]:
    """Standing, best and average weights of this very course's checkpoint; without it `fresh` and the present ones."""
    best, average = ({name: p.detach().clone() for name, p in trained.items()} for _ in range(2))
    if not course.average:
        average = {}
    start = fresh, best, average
    if not path.is_file():
        return start
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            names = list(file.keys())
            shapes = {name[4:]: file.get_slice(name).get_shape() for name in names if name.startswith("now.")}
            same = about.get("course") == json.dumps(asdict(course))
            if not same or shapes != {name: list(parameter.shape) for name, parameter in trained.items()}:
                return start
            kept = {name: file.get_tensor(name) for name in names}
    except SafetensorError:
        return start
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in kept.items():
        if name.startswith("optimizer."):
            _, number, key = name.split(".", 2)
            state.setdefault(int(number), {})[key] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    with torch.no_grad():
        for name, parameter in trained.items():
            parameter.copy_(kept[f"now.{name}"])
            best[name].copy_(kept[f"best.{name}"])
        for name, tensor in average.items():
            tensor.copy_(kept[f"average.{name}"])
    torch.set_rng_state(kept["rng"])
    if "rng.cuda" in kept:
        torch.cuda.set_rng_state(kept["rng.cuda"])
    return type(fresh)(**json.loads(about["standing"])), best, average
