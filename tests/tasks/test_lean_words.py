"""Words kept small answer as the words they were made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metier.tasks.classes import Classes
from metier.tasks.contract import Target
from metier.tasks.lean_words import LeanWords
from metier.tasks.quantity import Quantity
from metier.tasks.words import Words, fit_words

LABELS = [f"label {number}" for number in range(80)]
TEXTS = [
    f"{a} {b} number {at} {a}" for at, (a, b) in enumerate((a, b) for a in ["Ärger", "card", "fee"] for b in LABELS)
]


def pair(folder: Path, target: Target, truth: np.ndarray) -> tuple[Words, LeanWords]:
    words = fit_words(TEXTS, truth, target)
    words.save(folder)
    return words, LeanWords.load(folder, folder / "scratch")


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Words, LeanWords]:
    return pair(tmp_path_factory.mktemp("words"), Classes(tuple(LABELS)), np.arange(len(TEXTS)) % 80)


def test_they_answer_alike_from_a_file(classes: tuple[Words, LeanWords], tmp_path: Path) -> None:
    words, lean = classes
    assert lean.rows.file is not None
    texts = [*TEXTS, "", "nothing known hereabouts", "CARD card cärd Card label 3 label 3"]
    assert lean.outputs(texts) == pytest.approx(words.outputs(texts), abs=1e-5)
    assert lean.outputs([]).shape == (0, 80)


@given(text=st.text(st.sampled_from("card fee label 1234 Ä ärger number .,\n"), max_size=80))
def test_any_text_is_answered_alike(classes: tuple[Words, LeanWords], text: str) -> None:
    words, lean = classes
    assert lean.outputs([text, "card"]) == pytest.approx(words.outputs([text, "card"]), abs=1e-5)


def test_few_weights_stay_in_memory_and_numbers_are_a_column(tmp_path: Path) -> None:
    words, lean = pair(tmp_path, Quantity(), np.linspace(0, 9, len(TEXTS)))
    assert lean.rows.file is None
    assert lean.outputs(TEXTS).shape == (len(TEXTS),)
    assert lean.outputs(TEXTS) == pytest.approx(words.outputs(TEXTS), abs=1e-5)
    assert not (tmp_path / "scratch").exists()


def test_they_take_little_memory(classes: tuple[Words, LeanWords]) -> None:
    words, lean = classes
    assert sum(part.nbytes for part in lean.parts) < words.weight.nbytes / 10
