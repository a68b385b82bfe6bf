"""Duplicates: edited copies are found, texts that differ in a word that decides are not, and conflicts come first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metier.curate import duplicates
from metier.curate.copies import clusters, connected, copies, sketch
from metier.curate.findings import Finding
from metier.curate.text_copies import TextSketch, normal

from .conftest import MaterialOf

LETTERS = "abcdefghijklmnopqrstuvwxyz"
NOUNS = [
    "card",
    "account",
    "transfer",
    "payment",
    "refund",
    "invoice",
    "order",
    "parcel",
    "ticket",
    "password",
    "address",
    "phone",
]
VERBS = [
    "lost",
    "stolen",
    "blocked",
    "delayed",
    "cancelled",
    "charged",
    "rejected",
    "changed",
    "broken",
    "missing",
    "wrong",
    "late",
]
PLACES = ["shop", "bank", "station", "hotel", "airport", "office", "school", "market", "garden", "harbour"]


def sentences(count: int, seed: int = 0) -> list[str]:
    """Distinct sentences of a dozen words from a small vocabulary: each word stands in many of them."""
    rng = np.random.default_rng(seed)
    made: dict[str, None] = {}
    while len(made) < count:
        a, b, c, d = rng.choice(NOUNS), rng.choice(VERBS), rng.choice(PLACES), rng.choice(PLACES)
        e, f = rng.choice(NOUNS), rng.choice(VERBS)
        made[f"the {a} i had at the {c} was {b} and near the {d} my {e} got {f}"] = None
    return list(made)


def edited(text: str, rng: np.random.Generator, share: float = 0.05) -> str:
    out = list(text)
    for _ in range(max(1, round(share * len(text)))):
        at, letter = rng.integers(len(out)), LETTERS[rng.integers(26)]
        match rng.integers(3):
            case 0:
                out[at] = letter
            case 1:
                out.insert(at, letter)
            case _:
                del out[at]
    return "".join(out)


def pairs_of(texts: list[str]) -> tuple[set[tuple[int, int]], Any]:
    seen = sketch(pa.array(texts))
    _, first = np.unique(seen.exact, return_index=True)
    pairs = seen.candidates(np.sort(first))
    likeness, sure = seen.compare(pairs)
    return set(map(tuple, pairs[likeness > 0].tolist())), dict(zip(map(tuple, pairs.tolist()), sure, strict=True))


def labelled(texts: list[str], labels: list[Any]) -> dict[str, list[Any]]:
    """With some rows more, so that there are two labels and many words."""
    filler = sentences(60, 9)
    return {"text": texts + filler, "label": labels + [str(at % 2) for at in range(60)]}


def by_row(findings: tuple[Finding, ...]) -> dict[int | None, Finding]:
    return {one.row: one for one in findings}


def test_copies_with_a_twentieth_of_their_letters_changed_are_found_and_nothing_else() -> None:
    hits = found = made = 0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        texts = sentences(400, seed)
        chosen = rng.permutation(400)[:150].tolist()
        pairs, _ = pairs_of(texts + [edited(texts[at], rng) for at in chosen])
        truth = {(at, 400 + copy) for copy, at in enumerate(chosen)}
        hits, found, made = hits + len(pairs & truth), found + len(pairs), made + len(truth)
    assert hits >= 0.98 * made
    assert hits >= 0.95 * found


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("transfer 100", "transfer 500"),
        ("transfer 100 to my savings account please", "transfer 1000 to my savings account please"),
        ("card lost", "card stolen"),
        ("my card was lost", "my card was stolen"),
        ("how do i activate my card", "how do i deactivate my card"),
        ("the parcel came on 12 May 2024 at the shop", "the parcel came on 13 May 2024 at the shop"),
        ("it is -5 degrees outside today", "it is 5 degrees outside today"),
        ("i can log in from my phone", "i can not log in from my phone"),
        ("my debit card was charged", "my credit card was charged"),
        ("请帮我取消订单", "请帮我确认订单"),
        ("😀", "😡"),
        ("???", "..."),
        ("c#", "c"),
    ],
)
def test_texts_that_differ_in_what_decides_are_no_copies(one: str, other: str) -> None:
    seen = sketch(pa.array([one, other, *sentences(300)]))
    assert seen.exact[0] != seen.exact[1]
    assert seen.compare(np.array([[0, 1]]))[0][0] == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("My card was LOST!!", "my card was lost"),
        ("don\u2019t  block it", "don't block it"),
        ("ｆｕｌｌ ｗｉｄｔｈ", "full width"),
        ("cafe\u0301 au lait", "café au lait"),
        ("请帮我取消订单", "请帮我取消订单。"),
        ("great 😀", "great😀"),
        ("(urgent) – call me, please", "urgent call me please"),
    ],
)
def test_form_makes_no_difference(one: str, other: str) -> None:
    exact = sketch(pa.array([one, other])).exact
    assert exact[0] == exact[1]


@settings(max_examples=60)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=20))
def test_any_text_can_be_looked_at(texts: list[str]) -> None:
    texts = [text.encode("utf-8", "ignore").decode() for text in texts]
    seen = TextSketch(pa.array(texts, pa.string()))
    pairs = seen.candidates(np.arange(len(texts)))
    likeness, _ = seen.compare(pairs)
    assert ((likeness >= 0) & (likeness <= 1)).all()
    again = [text for chunk in normal(pa.array(texts, pa.string())) for text in chunk.to_pylist()]
    assert all((a == b) <= (seen.exact[i] == seen.exact[j]) for i, a in enumerate(again) for j, b in enumerate(again))


def test_a_text_of_a_megabyte_is_compared_too() -> None:
    words = " ".join(sentences(3000))
    long = words * (1 + 1_000_000 // len(words))
    pairs, _ = pairs_of([long, long[:-40] + " and so it ended", "short", "😀" * 1000])
    assert pairs == {(0, 1)}


def test_what_is_kept_and_what_is_proposed(material_of: MaterialOf) -> None:
    text = "the garden gate at the harbour was painted green by mistake"
    table = labelled([text.replace("garden", "gadren"), text, text.upper() + "!"], ["1", "1", "1"])
    answer = duplicates.ask(material_of(table, target="label", kind="text-classification"))
    found = by_row(answer.findings)
    assert {row: (one.kind, one.action, one.suggestion) for row, one in found.items()} == {
        0: ("near_duplicate", "drop", 1),
        2: ("duplicate", "drop", 1),
    }
    assert "cleanest" in found[0].detail
    assert answer.facts["dropped"] == 2
    assert answer.scores["duplicate"][1] == 1.0
    assert answer.scores["duplicate"][3:].max() == 0


def test_copies_with_different_labels_come_first_and_are_never_dropped(material_of: MaterialOf) -> None:
    plain, odd = "the garden gate was painted green", "the old harbour crane was sold at last"
    table = labelled([plain, plain, odd, odd, odd], ["0", "0", "1", "0", "1"])
    answer = duplicates.ask(material_of(table, target="label", kind="text-classification"))
    conflicts = [one for one in answer.findings if one.facts["conflict"]]
    assert conflicts
    assert list(answer.findings[: len(conflicts)]) == conflicts
    assert {one.row for one in conflicts} == {3, 4}
    assert all(one.action == "review" and one.suggestion == 2 for one in conflicts)
    assert "different labels" in conflicts[0].detail
    assert answer.facts["conflicts"][0]["labels"] == {"1": 2, "0": 1}
    assert by_row(answer.findings)[1].action == "drop"


def test_a_quantity_disagrees_by_much_and_not_by_little(material_of: MaterialOf) -> None:
    texts = [text for text in sentences(40) for _ in range(2)]
    values = [float(at // 2 * 10 + (0.5 if at % 2 else 0.0)) for at in range(80)]
    values[1] = 390.0
    answer = duplicates.ask(material_of({"text": texts, "price": values}, target="price", kind="text-regression"))
    assert [one.row for one in answer.findings if one.facts["conflict"]] == [1]
    assert sum(one.action == "drop" for one in answer.findings) == 39


def test_a_chain_of_likeness_is_one_cluster_but_only_what_is_like_the_kept_row_is_dropped(
    material_of: MaterialOf,
) -> None:
    rng = np.random.default_rng(3)
    chain = [sentences(1, 5)[0]]
    for _ in range(12):
        chain.append(edited(chain[-1], rng, 0.06))
    material = material_of(labelled(chain, ["0"] * len(chain)), target="label", kind="text-classification")
    answer = duplicates.ask(material)
    assert len(set(clusters(material)[: len(chain)].tolist())) == 1
    seen = sketch(material.train.examples.inputs)
    dropped = [(one.suggestion, one.row) for one in answer.findings if one.action == "drop"]
    assert len(dropped) < len(chain) - 1
    for kept, row in dropped:
        assert seen.compare(np.array([[min(kept, row), max(kept, row)]]))[0][0] > 0


def test_clusters_are_left_for_the_other_questions(material_of: MaterialOf) -> None:
    material = material_of(
        labelled(["the red door is open", "The red door is open!"], ["0", "1"]),
        target="label",
        kind="text-classification",
    )
    duplicates.ask(material)
    numbers = material.shared["clusters"]
    assert numbers.dtype == np.int64
    assert len(numbers) == len(material.train.examples)
    assert numbers[0] == numbers[1]
    assert len(np.unique(numbers)) == len(numbers) - 1


def test_paraphrases_are_told_apart_and_never_dropped(material_of: MaterialOf) -> None:
    material = material_of(
        {"text": sentences(300), "label": ["0", "1"] * 150}, target="label", kind="text-classification"
    )
    vectors = np.random.default_rng(0).normal(size=(300, material.trunk.width)).astype(np.float32)
    half = material.trunk.base.hidden
    vectors[7, :half] = vectors[3, :half] + 0.01  # the same meaning, other words
    vectors[9, half:] = vectors[5, half:]  # the same words say nothing of the meaning
    material.__dict__["vectors"] = vectors
    answer = duplicates.ask(material)
    assert [(one.kind, one.row, one.suggestion, one.action) for one in answer.findings] == [
        ("paraphrase", 7, 3, "keep")
    ]


def test_texts_with_other_numbers_are_no_paraphrases(material_of: MaterialOf) -> None:
    texts = sentences(100)
    texts[3], texts[7] = "a sale of 20 percent", "for 30 percent less"
    material = material_of({"text": texts, "label": ["0", "1"] * 50}, target="label", kind="text-classification")
    vectors = np.random.default_rng(0).normal(size=(100, material.trunk.width)).astype(np.float32)
    vectors[7] = vectors[3]
    material.__dict__["vectors"] = vectors
    assert not duplicates.ask(material).findings


@pytest.mark.parametrize(
    "texts", [["only one", "and another"], ["same words"] * 50, ["a", "b", "?", "!", "😀", "."] * 5]
)
def test_odd_tables_are_no_trouble(material_of: MaterialOf, texts: list[str]) -> None:
    labels = [str(at % 2) for at in range(len(texts))]
    answer = duplicates.ask(
        material_of({"text": texts, "label": labels}, target="label", kind="text-classification", text=("text",))
    )
    assert answer.facts["rows"] == len(texts)
    assert len({one.row for one in answer.findings}) == len(answer.findings)


def rows(count: int, seed: int = 0) -> dict[str, list[Any]]:
    rng = np.random.default_rng(seed)
    return {
        "age": rng.integers(18, 90, count).tolist(),
        "income": np.round(rng.lognormal(8, 1, count), 2).tolist(),
        "height": np.round(rng.normal(170, 10, count), 2).tolist(),
        "city": rng.choice([f"town {at}" for at in range(40)], count).tolist(),
        "since": [f"20{rng.integers(10, 24)}-{rng.integers(1, 13):02}-{rng.integers(1, 28):02}" for _ in range(count)],
        "job": rng.choice([f"job {at}" for at in range(25)], count).tolist(),
        "bought": rng.choice(["yes", "no"], count).tolist(),
    }


def test_rows_equal_rounded_or_but_for_a_column_are_found(material_of: MaterialOf) -> None:
    table = rows(400)
    copies_of = {400: 10, 401: 20, 402: 30}
    for values in table.values():
        values += [values[at] for at in copies_of.values()]
    table["height"][401] += 0.004
    table["job"][402] = "job 99"
    answer = duplicates.ask(material_of(table, target="bought", kind="rows"))
    assert {one.row: (one.kind, one.action) for one in answer.findings} == {
        400: ("duplicate", "drop"),
        401: ("near_duplicate", "drop"),
        402: ("near_duplicate", "review"),
    }
    assert [by_row(answer.findings)[row].suggestion for row in copies_of] == [10, 20, 30]


def test_rows_alike_by_chance_are_told_and_kept(material_of: MaterialOf) -> None:
    rng = np.random.default_rng(0)
    table = {"sex": rng.choice(["m", "f"], 300), "class": rng.integers(1, 4, 300), "bought": ["yes", "no", "no"] * 100}
    answer = duplicates.ask(material_of(table, target="bought", kind="rows"))
    assert {one.kind for one in answer.findings} == {"duplicate"}
    assert not any(one.action == "drop" for one in answer.findings)


@pytest.mark.parametrize("seed", range(3))
def test_rows_drawn_by_themselves_have_no_copies(material_of: MaterialOf, seed: int) -> None:
    assert not duplicates.ask(material_of(rows(1500, seed), target="bought", kind="rows")).findings


def test_copies_are_looked_for_once(material_of: MaterialOf) -> None:
    material = material_of(labelled(["a text", "another"], ["0", "1"]), target="label", kind="text-classification")
    assert copies(material) is copies(material)


def test_another_form_of_input_says_that_it_has_no_sketch() -> None:
    with pytest.raises(TypeError, match="no way is known"):
        sketch(3.0)


@given(st.integers(1, 30), st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=40))
def test_connected_joins_what_is_linked_and_nothing_else(count: int, links: list[tuple[int, int]]) -> None:
    links = [(a % count, b % count) for a, b in links]
    found = connected(count, np.array(links, np.int64).reshape(-1, 2))
    parents = list(range(count))
    for a, b in links:
        one, other = parents[a], parents[b]
        parents = [one if parent == other else parent for parent in parents]
    assert [[x == y for y in found] for x in found] == [[x == y for y in parents] for x in parents]
