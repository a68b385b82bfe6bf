"""Tensors written one by one: the file is safetensors' own, and a disk that refuses leaves the old one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from metier.errors import ResourceError
from metier.tune import checkpoint

TENSORS = {
    "matrix": torch.arange(12, dtype=torch.float32).reshape(3, 4),
    "turned": torch.arange(6, dtype=torch.float64).reshape(2, 3).T,
    "half": torch.tensor([0.5, -2.0], dtype=torch.float16),
    "brain": torch.tensor([1.5], dtype=torch.bfloat16),
    "one": torch.tensor(7.0),
    "none": torch.zeros(0, 3),
    "state": torch.arange(5, dtype=torch.uint8),
    "codes": torch.tensor([-1, 2**40]),
}


def test_the_file_is_one_that_safetensors_reads(tmp_path: Path) -> None:
    checkpoint.write(tmp_path / "t.safetensors", TENSORS, {"note": "ä"})
    found = load_file(tmp_path / "t.safetensors")
    assert set(found) == set(TENSORS)
    for name, tensor in TENSORS.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor), name
    with safe_open(tmp_path / "t.safetensors", "pt") as file:
        assert file.metadata() == {"note": "ä"}


def test_what_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    checkpoint.write(path, {"a": torch.ones(2)}, {})
    with pytest.raises(KeyError):
        checkpoint.write(path, {"a": torch.ones(2, dtype=torch.complex64)}, {})
    with pytest.raises(ResourceError):
        checkpoint.write(Path("/dev/full"), {"a": torch.ones(2)}, {})
    assert torch.equal(load_file(path)["a"], torch.ones(2))
    assert [one.name for one in tmp_path.iterdir()] == ["t.safetensors"]
