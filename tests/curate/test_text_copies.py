"""Copies of short texts: what no one else writes in place of a little word, and texts of a few letters."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from metier.curate.copies import sketch
from metier.curate.minhash import candidates

LITTLE = ["my", "the", "any", "to", "get", "use"]
NAMES = [f"{first}{second}{third}" for first in ("bor", "kel", "mun", "tas") for second in ("di", "lo", "ra") for third in ("n", "mek", "vil", "st")]  # fmt: skip


def sentences(count: int) -> list[str]:
    """Sentences whose little words are in every one and whose names are not."""
    rng = np.random.default_rng(0)
    return [
        f"can i {LITTLE[at % 6]} {rng.choice(NAMES)} with {rng.choice(LITTLE)} {rng.choice(NAMES)} from {rng.choice(NAMES)}"
        for at in range(count)
    ]


def likeness(one: str, other: str) -> tuple[float, bool]:
    seen = sketch(pa.array([one, other, *sentences(600)]))
    how, sure = seen.compare(np.array([[0, 1]]))
    return float(how[0]), bool(sure[0])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("do you have any borden from the kelovil", "do you have ky borden from the kelovil"),
        ("can i get my tasrast in 2008 please", "can i get my tasrast in 20x8 please"),
        ("can i use borlon for munramek with the tasdist", "can i un borlon for munramek with the tasdist"),
        (
            "in 2008 borlovil had 9400 people with mundimek and sold kelrast",
            "in 208 borlogvil had 9400 people withx mundimek and swold kelrast",
        ),
    ],
)
def test_garbled_little_words_and_digits_are_slips_and_a_person_looks(one: str, other: str) -> None:
    how, sure = likeness(one, other)
    assert how > 0.8
    assert not sure, "what differs may matter"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("do you have any borden from the kelovil", "do you have to borden from the kelovil"),
        ("can i get my tasrast in 2008 please", "can i get my tasrast in 2018 please"),
        ("in 2008 borlovil had 9400 people with mundimek", "in 2008 borlovil had 9500 people with mundimek"),
        ("anna", "anne"),
        ("a1", "a2"),
    ],
)
def test_other_words_numbers_and_names_are_not(one: str, other: str) -> None:
    assert likeness(one, other)[0] == 0


def test_texts_of_a_few_letters_are_found_where_one_of_them_is_what_many_say() -> None:
    texts = [f"{text} ok" for text in sentences(600)]
    seen = sketch(pa.array(["ok", "okk", "o", *texts]))
    pairs = seen.candidates(np.arange(len(texts) + 3))
    how, _ = seen.compare(pairs)
    found = {tuple(pair) for pair in pairs[how > 0].tolist()}
    assert (0, 1) in found
    assert (1, 2) not in found


def test_tiny_texts_one_edit_apart_are_candidates() -> None:
    rng = np.random.default_rng(1)
    letters = list("abcdefghijklmnopqrstuvwxyz")
    words = sorted({"".join(rng.choice(letters, rng.integers(3, 8))) for _ in range(500)})
    changed = []
    for word in words:
        at, letter = int(rng.integers(len(word))), str(rng.choice(letters))
        changed.append(
            [word[:at] + letter + word[at + 1 :], word[:at] + letter + word[at:], word[:at] + word[at + 1 :]][
                rng.integers(3)
            ]
        )
    pairs, _ = candidates(words + changed)
    found = {tuple(pair) for pair in pairs.tolist()}
    assert np.mean([(at, len(words) + at) in found for at in range(len(words))]) >= 0.98
    assert len(pairs) < 10 * len(words)
