"""Candidates for copies: edited texts are found, few pairs are made, and chunks change nothing."""

from __future__ import annotations

import numpy as np
import pytest

from metier.curate import minhash
from metier.curate.minhash import candidates, shingles, signatures

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def texts(count: int, words: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    vocabulary = ["".join(rng.choice(list(LETTERS), rng.integers(2, 9))) for _ in range(2000)]
    return [" ".join(rng.choice(vocabulary, words)) for _ in range(count)]


def edited(text: str, rng: np.random.Generator, share: float = 0.05) -> str:
    out = list(text)
    for _ in range(round(share * len(text))):
        at, letter = rng.integers(len(out)), LETTERS[rng.integers(26)]
        match rng.integers(3):
            case 0:
                out[at] = letter
            case 1:
                out.insert(at, letter)
            case _:
                del out[at]
    return "".join(out)


@pytest.mark.parametrize("words", [5, 9, 20, 60])
def test_texts_with_a_twentieth_of_their_letters_changed_are_found(words: int) -> None:
    found, seeds = 0, 5
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        originals = texts(100, words, seed)
        pairs, _ = candidates(originals + [edited(text, rng) for text in originals])
        found += sum((at, at + 100) in set(map(tuple, pairs.tolist())) for at in range(100))
    assert found >= 0.99 * seeds * 100


def test_unrelated_texts_make_few_pairs() -> None:
    pairs, likeness = candidates(texts(2000, 20))
    assert len(pairs) < 200
    assert (likeness < 0.5).all()


def test_a_crowd_of_like_texts_makes_no_more_pairs_than_are_kept_for_each() -> None:
    pairs, _ = candidates([f"your order {at} has been shipped and will arrive in two days" for at in range(3000)])
    assert 0 < len(pairs) <= 2 * 8 * 3000


def test_likeness_estimates_the_jaccard_similarity_of_the_shingles() -> None:
    rng = np.random.default_rng(1)
    originals = texts(200, 40)
    changed = [edited(text, rng, 0.03) for text in originals]
    pairs, likeness = candidates(originals + changed)
    errors = []
    for (one, other), said in zip(pairs.tolist(), likeness.tolist(), strict=True):
        if other == one + 200:
            a, b = shingles(originals[one], minhash.LONG[0]), shingles(changed[one], minhash.LONG[0])
            errors.append(said - len(np.intersect1d(a, b)) / len(np.union1d(a, b)))
    assert len(errors) > 190
    assert abs(np.mean(errors)) < 0.02
    assert np.std(errors) < 0.08


def test_how_texts_are_cut_into_chunks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    some = [*texts(50, 20), "", "x", "日本語のテキスト", "😀😀", "é" * 500]
    whole = signatures(some, 4)
    monkeypatch.setattr(minhash, "_CHARACTERS", 60)
    pieces = signatures(some, 4)
    np.testing.assert_array_equal(whole.keys, pieces.keys)
    np.testing.assert_array_equal(whole.marks, pieces.marks)


@pytest.mark.parametrize("some", [[], ["one"], ["", ""], ["a", "b"], ["same words here"] * 3])
def test_few_texts_are_no_trouble(some: list[str]) -> None:
    pairs, likeness = candidates(some)
    assert pairs.shape == (len(likeness), 2)
    assert (pairs[:, 0] < pairs[:, 1]).all()


def test_pairs_between_short_and_long_texts_are_found_on_both_sides_of_the_border() -> None:
    rng = np.random.default_rng(2)
    for length in range(44, 64, 2):
        text = texts(1, 15, length)[0][:length].strip()
        pairs, _ = candidates([*texts(50, 10), text, edited(text, rng, 0.04)])
        assert [50, 51] in pairs.tolist(), length
