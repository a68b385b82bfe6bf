"""Batches: every text exactly once, within the budget, and padded without loss."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from metier.trunk.base import find, load_tokenizer
from metier.trunk.batches import Tokens, as_texts, by_length, by_token_budget, tokenize

LENGTHS = st.lists(st.integers(0, 60), max_size=80).map(lambda some: np.array(some, np.int64))


def once_each(batches: list[np.ndarray], count: int) -> bool:
    return sorted(int(at) for batch in batches for at in batch) == list(range(count))


@given(lengths=LENGTHS, budget=st.integers(1, 200))
def test_a_token_budget_holds_and_leaves_nobody_out(lengths: np.ndarray, budget: int) -> None:
    batches = list(by_token_budget(lengths, budget))
    assert once_each(batches, len(lengths))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= budget
    longest = [lengths[batch].max() for batch in batches]
    assert longest == sorted(longest, reverse=True)


@given(lengths=LENGTHS, size=st.integers(1, 9), seed=st.integers(0, 99))
def test_training_batches_hold_every_row_once(lengths: np.ndarray, size: int, seed: int) -> None:
    batches = by_length(lengths, size, np.random.default_rng(seed))
    assert once_each(batches, len(lengths))
    assert all(1 <= len(batch) <= size for batch in batches)
    # All but the last of each pool are full, so there are no more steps than rows ask for.
    assert len(batches) == sum(
        -(-min(32 * size, len(lengths) - at) // size) for at in range(0, len(lengths), 32 * size)
    )


@given(lengths=LENGTHS, size=st.integers(1, 9), seed=st.integers(0, 99))
def test_training_batches_hang_on_the_generator_alone(lengths: np.ndarray, size: int, seed: int) -> None:
    one, other = (by_length(lengths, size, np.random.default_rng(seed)) for _ in range(2))
    assert [batch.tolist() for batch in one] == [batch.tolist() for batch in other]


def test_another_seed_gives_another_order() -> None:
    lengths = np.arange(64)
    one, other = (by_length(lengths, 4, np.random.default_rng(seed)) for seed in (0, 1))
    assert [batch.tolist() for batch in one] != [batch.tolist() for batch in other]


def test_rows_of_a_training_batch_are_of_similar_length() -> None:
    lengths = np.random.default_rng(0).integers(1, 200, 3200)
    spread = np.mean([np.ptp(lengths[batch]) for batch in by_length(lengths, 16, np.random.default_rng(1))])
    assert spread < 10


@given(texts=st.lists(st.lists(st.integers(1, 999), min_size=1, max_size=12), min_size=1, max_size=20), data=st.data())
def test_padding_takes_nothing_away(texts: list[list[int]], data: st.DataObject) -> None:
    offsets = np.concatenate([[0], np.cumsum([len(text) for text in texts])]).astype(np.int64)
    tokens = Tokens(np.array([token for text in texts for token in text], np.int32), offsets)
    positions = np.array(data.draw(st.lists(st.integers(0, len(texts) - 1), min_size=1, max_size=9)))
    ids, mask = tokens.pad(positions)
    assert ids.dtype == mask.dtype == np.int64
    assert ids.shape == mask.shape == (len(positions), max(len(texts[at]) for at in positions))
    assert [row[kept == 1].tolist() for row, kept in zip(ids, mask, strict=True)] == [texts[at] for at in positions]
    assert (ids[mask == 0] == 0).all()
    assert (np.diff(mask, axis=1) <= 0).all()


def test_tokens_are_the_tokenizers_own(tiny_base: Path) -> None:
    tokenizer = load_tokenizer(find(str(tiny_base)))
    texts = ["my card does not work", "", "transfer 12"]
    tokens = tokenize(tokenizer, iter(texts))
    assert len(tokens) == 3
    wanted = [tokenizer.encode(text).ids for text in texts]
    assert [tokens.flat[a:b].tolist() for a, b in zip(tokens.offsets, tokens.offsets[1:], strict=False)] == wanted
    assert tokens.lengths.tolist() == [len(ids) for ids in wanted]


def test_no_texts_give_no_tokens(tiny_base: Path) -> None:
    tokens = tokenize(load_tokenizer(find(str(tiny_base))), [])
    assert len(tokens) == 0
    assert list(by_token_budget(tokens.lengths)) == []


def test_an_empty_text_has_one_token_where_the_tokenizer_adds_none() -> None:
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "card": 1}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    assert tokenize(tokenizer, ["", "card card", "  "]).lengths.tolist() == [1, 2, 1]


def test_more_texts_than_one_call_takes_come_in_order(tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = load_tokenizer(find(str(tiny_base)))
    texts = [f"card {number}" for number in range(11)]
    at_once = tokenize(tokenizer, texts)
    monkeypatch.setattr("metier.trunk.batches._TEXTS_PER_CALL", 4)
    piecewise = tokenize(tokenizer, texts)
    np.testing.assert_array_equal(at_once.flat, piecewise.flat)
    np.testing.assert_array_equal(at_once.offsets, piecewise.offsets)


@pytest.mark.parametrize(
    "texts", [["a", None, ""], pa.array(["a", None, ""]), pa.chunked_array([["a"], [None, ""]], pa.large_string())]
)
def test_missing_texts_become_empty_ones(texts: object) -> None:
    assert as_texts(texts) == ["a", "", ""]  # type: ignore[arg-type]


def test_a_few_texts_of_many_lengths_are_hardly_padded_and_many_are_cut_no_finer() -> None:
    rng = np.random.default_rng(0)
    few, many = (rng.geometric(0.08, size).clip(1, 60) + 2 for size in (100, 8000))

    def padded(lengths: np.ndarray, **more: float) -> float:
        return sum(len(batch) * lengths[batch].max() for batch in by_token_budget(lengths, **more)) / lengths.sum()

    assert padded(few) < 1.2 < 1.5 < padded(few, alike=0)
    assert len(list(by_token_budget(many))) < 1.1 * len(list(by_token_budget(many, alike=0)))
