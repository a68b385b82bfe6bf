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

THINGS = {
    "card": ["card", "plastic", "visa card", "bank card"],
    "transfer": ["transfer", "wire", "standing order", "remittance"],
    "login": ["login", "password", "sign in", "pin code"],
    "fees": ["fee", "charge", "cost", "price"],
}
FRAMES = ["my {} does not work", "please help with the {}", "the {} is wrong again", "tell me more of the {}"]


@pytest.fixture
def ticket_rows(tmp_path: Path) -> Callable[[int], Path]:
    """A CSV of so many easy tickets of four intents, with the columns text and intent."""

    def write(rows: int) -> Path:
        rng = np.random.default_rng(0)
        lines = ["text,intent"]
        for at in range(rows):
            intent = list(THINGS)[at % 4]
            thing = THINGS[intent][rng.integers(4)]
            lines.append(f"{FRAMES[rng.integers(4)].format(thing)} {rng.integers(1000)},{intent}")
        path = tmp_path / "tickets.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


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
