"""Easy tickets in any number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

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
