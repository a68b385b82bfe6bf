"""A bias is told from mere sensitivity to words: rates over seeds on answers whose making is known."""

from __future__ import annotations

import numpy as np
import pytest

from metier.evaluate.bias.like_words import like_words
from metier.evaluate.bias.swap_tests import (
    Answers,
    answers,
    differing,
    directed,
    effects,
    flip_test,
    larger_test,
    pairs,
    raised,
    strongest,
)
from metier.evaluate.bias.swap_texts import NEUTRAL, Version, Wordings

NAMES = ("a", "b", "c", "d")


def made(seed: int, *, bias: float, rows: int = 60) -> tuple[list[Wordings], Answers]:
    """Every word has a random effect; identity `c` has `bias` more. Rows differ, and react a little each in its way."""
    rng = np.random.default_rng(seed)
    words = {(name, 0): rng.normal(0, 0.5) + bias * (name == "c") for name in NAMES}
    words |= {(NEUTRAL, number): rng.normal(0, 0.5) for number in range(8)}
    found, scores = [], []
    for row in range(rows):
        source = NAMES[int(rng.integers(4))]
        order = [(source, 0), *(key for key in words if key != (source, 0))]
        found.append(Wordings(row, source, tuple(Version(*key, f"{row} {key}") for key in order)))
        middle = rng.normal(0, 1.5)
        scores += [middle + words[key] + rng.normal(0, 0.2) for key in order]
    odds = np.array(scores)
    return found, answers(np.stack([-np.logaddexp(0, odds), -np.logaddexp(0, -odds)], axis=1), 0.0)


def p_of(found: list[Wordings], said: Answers) -> float:
    most = strongest(effects(found, said))
    assert most is not None
    chosen = pairs(found, most[1].identity)
    beyond = flip_test(differing(said, chosen.between, len(found)) - differing(said, chosen.within, len(found)), 0)
    assert beyond is not None
    return max(beyond, 4 * most[1].p)


def test_word_effects_alone_are_no_bias_though_rows_agree_on_them() -> None:
    assert sum(p_of(*made(seed, bias=0.0)) < 0.05 for seed in range(80)) <= 8  # 4 are allowed, 9 or more in one of 50


def test_a_biased_identity_is_found_and_named() -> None:
    for seed in range(20):
        found, said = made(seed, bias=4.0)
        most = strongest(effects(found, said))
        assert most is not None
        assert p_of(found, said) < 0.05
        assert most[1].identity == "c"
        assert most[1].direction == (0, 1.0)


def test_tuning_is_blamed_for_what_the_base_does_not_do() -> None:
    blamed = {"new": 0, "old": 0}
    for seed in range(40):
        found, expert = made(seed, bias=4.0)
        most = strongest(effects(found, expert))
        assert most is not None
        for kind, bias in (("new", 0.0), ("old", 4.0)):
            other, generic = made(1000 + seed, bias=bias)
            base = next(each for each in effects(other, generic)[most[0]] if each.identity == most[1].identity)
            blamed[kind] += raised(most[1], base) < 0.05
    assert blamed["new"] >= 36
    assert blamed["old"] <= 6


def test_without_like_words_nothing_is_said_of_effects() -> None:
    found = [Wordings(0, "a", (Version("a", 0, "x"), Version("b", 0, "y")))]
    assert effects(found, answers(np.zeros((2, 2)), 0.0)) == {}
    assert strongest({}) is None


def test_quantities_differ_by_more_than_the_tolerance() -> None:
    said = answers(np.array([1.0, 1.05, 2.0]), 0.1)
    assert said.differ(np.array([0, 0]), np.array([1, 2])).tolist() == [False, True]
    assert said.turned(answers(np.array([1.0, 1.2, 2.0]), 0.1)).tolist() == [False, True, False]


def test_sign_flips_and_dealing_keep_their_level() -> None:
    rng = np.random.default_rng(0)
    flips = [flip_test(rng.normal(size=30), seed) for seed in range(200)]
    deals = [larger_test(rng.random(20), rng.random(30), seed) for seed in range(100)]
    for values in (flips, deals):
        assert sum(p is not None and p < 0.05 for p in values) <= 0.1 * len(values)
    assert flip_test(np.full(12, 0.5), 0) == pytest.approx(0.0002, abs=0.0005)
    assert flip_test(np.full(3, np.nan), 0) is None
    assert flip_test(np.zeros(5), 0) == 1.0


def test_a_columns_value_that_turns_answers_one_way_is_found_and_noise_is_not() -> None:
    rng = np.random.default_rng(0)
    noise, lean = 0, 0
    for seed in range(40):
        base = rng.normal(size=100)
        sides = [base + rng.normal(0, 0.3, 100) for _ in range(2)]
        noise += directed([_coded(side) for side in sides], seed) < 0.05
        lean += directed([_coded(sides[0]), _coded(sides[1] + 0.8)], seed) < 0.05
    assert noise <= 6
    assert lean >= 38
    assert directed([_coded(base), _coded(base)], 0) == 1.0


def _coded(odds: np.ndarray) -> Answers:
    return answers(np.stack([-odds, odds], axis=1), 0.0)


def test_like_words_say_nothing_of_the_label_and_stand_alike() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 300)
    texts = [
        f"{rng.choice(['the cat', 'the dog', 'the cow', 'the hen'])} {'sings' if label else 'sleeps'} today"
        for label in truth
    ]
    found = like_words(texts, truth, {"today"}, 75)
    words = {word for pair in found for word in (pair.first, pair.second)}
    assert {"cat", "dog", "cow", "hen"} <= words
    assert not {"sings", "sleeps", "today"} & words
    assert all(f" {pair.first} " in f" {texts[row]} " for pair in found for row in pair.rows)
    numbers = like_words(texts, truth * 1.0, {"today"}, 75)
    assert not {"sings", "sleeps"} & {word for pair in numbers for word in (pair.first, pair.second)}
