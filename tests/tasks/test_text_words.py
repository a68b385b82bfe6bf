"""TF-IDF with a linear model: it learns, survives odd texts, and comes back from disk to the last bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metier.tasks.classes import Classes
from metier.tasks.quantity import Quantity
from metier.tasks.words import fit_words, load_words

THREE = Classes(("a", "b", "c"))
THINGS = ["card", "transfer", "fee"]
FRAMES = ["my {} is gone", "the {} please", "why this {} again", "no {} today"]
EASY = [(FRAMES[n % 4].format(THINGS[n % 3]), n % 3) for n in range(48)]
ODD = [
    "",
    "   ",
    "🙂🙂",
    "!!!",
    "\0",
    "漢字",
    "𝐅𝐑𝐄𝐄 𝐦𝐨𝐧𝐞𝐲",
    "İstanbul",
    "x" * 5000,
    "ＦＵＬＬ width",
    "e\u0301te\u0301",
]


def fitted(pairs: list[tuple[str, Any]], target: Any = THREE) -> Any:
    texts, labels = zip(*pairs, strict=True)
    return fit_words(list(texts), np.array(labels), target)


EASY_MODEL = fitted(EASY)


def again(model: Any, folder: Path) -> Any:
    model.save(folder)
    return load_words(folder)


def test_words_tell_easy_texts_apart() -> None:
    model = fitted(EASY)
    found = model.outputs(pa.array(["a card", "one transfer", "fee fee", "Card!"]))
    assert found.shape == (4, 3)
    assert found.dtype == np.float32
    assert found.argmax(1).tolist() == [0, 1, 2, 0]


@pytest.mark.parametrize(
    ("pairs", "target"),
    [
        (EASY, THREE),
        ([(text, label % 2) for text, label in EASY], Classes(("a", "b"))),
        ([(text, 10.0 * label) for text, label in EASY], Quantity()),
        ([(text, 0) for text in ODD[:4]] + [(text, 1) for text in ODD[2:5]], THREE),
        ([(text, at % 3) for at, text in enumerate(ODD)], THREE),
    ],
)
def test_a_model_comes_back_from_disk_to_the_last_bit(
    pairs: list[tuple[str, Any]], target: Any, tmp_path: Path
) -> None:
    model = fitted(pairs, target)
    texts = pa.array([*(text for text, _ in EASY[:9]), *ODD, "words never seen"])
    np.testing.assert_array_equal(again(model, tmp_path).outputs(texts), model.outputs(texts))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["words.json", "words.safetensors"]
    names = json.loads((tmp_path / "words.json").read_text(encoding="utf-8"))
    assert len(names) == len(set(names)) > 0


@settings(max_examples=25, deadline=None)
@given(texts=st.lists(st.text(max_size=12), min_size=4, max_size=10))
def test_any_texts_can_be_learned_and_kept(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    model = fitted([(text, at % 2) for at, text in enumerate(texts)], Classes(("a", "b")))
    found = model.outputs(pa.array(texts))
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(again(model, tmp_path_factory.mktemp("words")).outputs(pa.array(texts)), found)


def test_texts_without_any_word_give_a_constant() -> None:
    model = fitted([("🙂", 0), ("!!!", 1), ("", 0), ("...", 0)], Classes(("a", "b")))
    found = model.outputs(pa.array(["🙂", "anything", ""]))
    np.testing.assert_allclose(found[0], found[1])
    assert found.argmax(1).tolist() == [0, 0, 0]
    value = fitted([("🙂", 1.0), ("!", 3.0)], Quantity())
    np.testing.assert_allclose(value.outputs(pa.array(["x", "🙂"])), [2.0, 2.0], atol=1e-5)


@pytest.mark.parametrize("missing", [[0], [1], [2], [0, 1], [1, 2]])
def test_classes_without_a_training_row_are_never_the_answer(missing: list[int]) -> None:
    model = fitted([pair for pair in EASY if pair[1] not in missing])
    found = model.outputs(pa.array([text for text, _ in EASY]))
    assert found.shape == (48, 3)
    assert not set(found.argmax(1)) & set(missing)
    seen = [at for at, (_, label) in enumerate(EASY) if label not in missing]
    assert (found[seen].argmax(1) == np.array([EASY[at][1] for at in seen])).all()


def test_two_classes_have_the_shares_of_one_logistic_model() -> None:
    model = fitted([(text, label % 2) for text, label in EASY], Classes(("a", "b")))
    found = model.outputs(pa.array(["card", "transfer", "unheard of"]))
    np.testing.assert_allclose(found[:, 0], -found[:, 1], atol=1e-5)


def test_outputs_hang_on_the_text_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    model = fitted(EASY)
    texts = pa.array([text for text, _ in EASY])
    whole = model.outputs(texts)
    order = np.random.default_rng(0).permutation(48)
    np.testing.assert_array_equal(model.outputs(texts.take(pa.array(order))), whole[order])
    assert model.outputs(texts[:0]).shape == (0, 3)


def test_rare_words_are_dropped_only_from_long_tables() -> None:
    few = fitted(EASY)
    many = fitted([(f"{text} unique{at}", label) for at, (text, label) in enumerate(EASY * 50)])
    assert "gone" in few.vectorizer.vocabulary_
    assert not any(word.startswith("unique") for word in many.vectorizer.vocabulary_)


@given(st.lists(st.text(max_size=30) | st.sampled_from([text for text, _ in EASY]), max_size=8))
@settings(max_examples=30)
def test_only_words_that_occur_are_read_and_the_sum_is_the_whole_product(texts: list[str]) -> None:
    model = EASY_MODEL
    whole = model.vectorizer.transform(texts).toarray() @ model.weight.T + model.bias if texts else np.zeros((0, 3))
    np.testing.assert_allclose(model.outputs(pa.array(texts, pa.string())), whole, rtol=1e-5, atol=1e-6)
