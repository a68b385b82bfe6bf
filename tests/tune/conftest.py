"""Works for the rungs on texts: easy tickets over the tiny base."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from metier.evaluate.metrics import find_metric
from metier.plan import Plan
from metier.progress import Silent
from metier.tasks.classes import Classes
from metier.tasks.contract import Examples, Work
from metier.tasks.quantity import Quantity
from metier.trunk.base import find
from metier.trunk.features import Trunk

WORDS = {
    "card": ["card", "plastic", "visa card", "bank card"],
    "transfer": ["transfer", "wire", "standing order", "remittance"],
    "login": ["login", "password", "sign in", "pin code"],
    "fees": ["fee", "charge", "cost", "price"],
}
FRAMES = ["my {} does not work", "please help with the {}", "the {} is wrong again", "is the {} free of trouble"]
NOISE = 0.15

MakeExamples = Callable[..., Examples]
MakeWork = Callable[..., Work]


def _examples(rows: int, seed: int = 0, quantity: bool = False) -> Examples:
    rng = np.random.default_rng(seed)
    codes, texts = np.arange(rows) % 4, []
    for code in codes:
        thing = rng.choice(WORDS[list(WORDS)[code]])
        texts.append(rng.choice(FRAMES).format(thing))
    inputs = pa.chunked_array([pa.array(texts, pa.large_string())])
    if quantity:
        return Examples(inputs, 10 * codes + rng.normal(0, 1, rows), Quantity(), np.arange(rows))
    # Some labels are wrong, so that no rung is perfect.
    wrong = rng.random(rows) < NOISE
    return Examples(inputs, np.where(wrong, rng.integers(0, 4, rows), codes), Classes(tuple(WORDS)), np.arange(rows))


@pytest.fixture(scope="session")
def examples() -> MakeExamples:
    """`examples(rows, seed, quantity)`: texts of four labels, 15% of them wrong; or of four levels of a quantity."""
    return _examples


@pytest.fixture(scope="session")
def trunk(tiny_base: Path) -> Trunk:
    """The tiny base, nothing kept on disk."""
    return Trunk(find(str(tiny_base)))


@pytest.fixture(scope="session")
def make_work(trunk: Trunk) -> MakeWork:
    """`make_work(folder, rows=..., plan={...}, **fields)`: a Work over the tiny base."""

    def make(folder: Path, *, rows: int = 160, quantity: bool = False, plan: Any = None, **fields: Any) -> Work:
        train, held_out = _examples(rows, 0, quantity), _examples(60, 1, quantity)
        about: dict[str, Any] = {
            "train": train,
            "validation": held_out,
            "plan": Plan.of(**{"seed": 3, "epochs": 2, **(plan or {})}),
            "trunk": trunk,
            "metric": find_metric(None, train.target),
            "folder": folder,
            "earlier": {},
            "progress": Silent(),
        }
        return Work(**{**about, **fields})

    return make
