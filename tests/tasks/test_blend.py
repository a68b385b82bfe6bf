"""Meaning and words together: mixed by shares, chosen on held-out rows, kept beside the main predictor."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metier.tasks import blend
from metier.tasks.blend import Blend
from metier.tasks.classes import Classes
from metier.tasks.contract import Array
from metier.tasks.quantity import Quantity
from metier.tasks.words import fit_words

THREE = Classes(("a", "b", "c"))
TEXTS = ["card", "fee", "wire", "card fee", "nothing"]


@dataclass(frozen=True)
class Table:
    """A predictor that knows its answers by heart."""

    answers: Array

    def outputs(self, inputs: Any) -> Array:
        return self.answers[: len(inputs)]

    def save(self, folder: Path) -> None:
        np.save(folder / "table.npy", self.answers)


def judge(truth: Array) -> Any:
    return lambda outputs: float((outputs.argmax(1) == truth).mean())


def logits(truth: Array, right: Array, sure: float = 2.0) -> Array:
    out = np.zeros((len(truth), 3), np.float32)
    out[np.arange(len(truth)), np.where(right, truth, (truth + 1) % 3)] = sure
    return out


@settings(max_examples=50)
@given(share=st.floats(0, 1), temperature=st.floats(0.2, 5), seed=st.integers(0, 99))
def test_a_blend_of_classes_is_a_mixture_of_shares(share: float, temperature: float, seed: int) -> None:
    main, words = np.random.default_rng(seed).normal(0, 3, (2, 4, 3)).astype(np.float32)
    found = Blend(Table(main), Table(words), share, temperature, 2.0).outputs(TEXTS[:4])
    shares = [np.exp(side) / np.exp(side).sum(1, keepdims=True) for side in (main / temperature, words / 2.0)]
    np.testing.assert_allclose(np.exp(found), (1 - share) * shares[0] + share * shares[1], atol=1e-5)
    assert found.dtype == np.float32


def test_a_blend_of_values_is_their_mean() -> None:
    found = Blend(Table(np.array([1.0, 2.0])), Table(np.array([3.0, 8.0])), 0.25, 1.0, 1.0).outputs(TEXTS[:2])
    np.testing.assert_allclose(found, [1.5, 3.5])


@pytest.mark.parametrize("extreme", [1e4, -1e4, 0.0])
def test_extreme_outputs_stay_finite(extreme: float) -> None:
    main = np.array([[extreme, 0, 0]], np.float32)
    found = Blend(Table(main), Table(-main), 0.3, 1.0, 0.1).outputs(TEXTS[:1])
    assert np.isfinite(found).all()


def test_where_words_add_nothing_the_main_predictor_itself_stays() -> None:
    truth = np.arange(60) % 3
    main, words = logits(truth, np.ones(60, bool)), logits(truth, np.zeros(60, bool))
    predictor = Table(main)
    found, chosen = blend.choose(predictor, Table(words), main, words, truth, THREE, judge(truth))
    assert found is predictor
    assert chosen["share"] == 0


def test_where_words_know_what_meaning_blurs_both_are_mixed() -> None:
    truth = np.arange(300) % 3
    rng = np.random.default_rng(0)
    main, words = rng.normal(0, 1, (2, 300, 3)).astype(np.float32)
    main[np.arange(300), truth] += 1.5
    words[np.arange(300), truth] += 1.5
    found, chosen = blend.choose(Table(main), Table(words), main, words, truth, THREE, judge(truth))
    assert isinstance(found, Blend)
    assert chosen["share"] > 0
    assert (found.share, found.main_temperature) == (chosen["share"], chosen["main_temperature"])
    assert judge(truth)(found.outputs(list(truth))) > judge(truth)(main)
    assert json.loads(json.dumps(chosen)) == chosen
    repeated = Blend(Table(main), Table(words), **chosen)
    np.testing.assert_array_equal(repeated.outputs(list(truth)), found.outputs(list(truth)))


def test_values_are_blended_by_the_same_choice() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 5, 200)
    main, words = truth + rng.normal(0, 1, 200), truth + rng.normal(0, 1, 200)
    found, chosen = blend.choose(
        Table(main), Table(words), main, words, truth, Quantity(), lambda out: -float(np.abs(out - truth).mean())
    )
    assert chosen["share"] == 0.4
    assert np.abs(found.outputs(list(truth)) - truth).mean() < np.abs(main - truth).mean()


def test_a_blend_comes_back_from_disk_as_it_was(tmp_path: Path) -> None:
    words = fit_words(TEXTS, np.array([0, 1, 2, 0, 1]), THREE)
    main = Table(np.random.default_rng(0).normal(0, 1, (5, 3)).astype(np.float32))
    made = Blend(main, words, 0.3, 1.2, 0.8)
    made.save(tmp_path)
    again = blend.load(tmp_path, Table(np.load(tmp_path / "table.npy")))
    assert isinstance(again, Blend)
    inputs = pa.array(TEXTS)
    np.testing.assert_array_equal(again.outputs(inputs), made.outputs(inputs))
    (tmp_path / "other").mkdir()
    again.save(tmp_path / "other")
    np.testing.assert_array_equal(blend.load(tmp_path / "other", main).outputs(inputs), made.outputs(inputs))


def test_without_a_blend_on_disk_the_main_predictor_is_what_is_loaded(tmp_path: Path) -> None:
    main = Table(np.zeros((5, 3)))
    assert blend.load(tmp_path, main) is main


def test_what_lies_beside_the_main_predictor_can_be_copied(tmp_path: Path) -> None:
    source, place = tmp_path / "source", tmp_path / "place"
    source.mkdir()
    place.mkdir()
    blend.copy(source, place)
    assert list(place.iterdir()) == []
    words = fit_words(TEXTS, np.array([0, 1, 2, 0, 1]), THREE)
    main = Table(np.zeros((5, 3), np.float32))
    made = Blend(main, words, 0.3, 1.0, 1.0)
    made.save(source)
    blend.copy(source, place)
    np.testing.assert_array_equal(blend.load(place, main).outputs(pa.array(TEXTS)), made.outputs(pa.array(TEXTS)))


def test_trunk_and_head_are_the_main_predictors() -> None:
    class Headed(Table):
        trunk = "trunk"
        head = "head"

    made = Blend(Headed(np.zeros((1, 3))), Table(np.zeros((1, 3))), 0.1, 1.0, 1.0)
    assert (made.trunk, made.head) == ("trunk", "head")
