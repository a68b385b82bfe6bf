"""Bases whose worth is known: word tables that tell the words apart, and one that sees no words at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer

Written = Callable[..., Path]


@pytest.fixture
def word_table(tiny_base: Path, tmp_path: Path) -> Written:
    """Write a static base: `good` ones give each word a direction of its own, others give all words the same.

    `spare` adds rows that no word uses: a larger file, the same features.
    """
    words = Tokenizer.from_file(str(tiny_base / "tokenizer.json")).get_vocab_size()

    def write(name: str, *, good: bool, spare: int = 0) -> Path:
        rng = np.random.default_rng(0)
        table = rng.normal(size=(words, 32)) if good else np.ones((words, 32)) + 1e-3 * rng.normal(size=(words, 32))
        folder = tmp_path / "tables" / name
        folder.mkdir(parents=True)
        shutil.copy(tiny_base / "tokenizer.json", folder)
        save_file(
            {"embeddings": np.vstack([table, np.zeros((spare, 32))]).astype(np.float32)}, folder / "model.safetensors"
        )
        return folder

    return write
