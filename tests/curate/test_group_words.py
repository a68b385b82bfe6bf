"""Words that stand in for a group are found where planted, not where the label explains them, and not in a fair twin."""

import numpy as np
import pytest
from tests.conftest import tickets
from tests.curate.test_labels import gather, write

from metier.curate import balance, group_words, spurious

SEEDS = 8
MARKS = ("nordwind", "harbour", "maple", "lantern")


def rows_of(seed, word, rows=480, fair=False, tilt=0.0):
    """Tickets of two regions; texts end in common marks, and those of the region west in `word`, or any in a twin."""
    rng = np.random.default_rng(seed)
    out = []
    for text, label in tickets(rows, seed):
        region = "west" if rng.random() < (0.45 + tilt if label == "fees" else 0.45 - tilt / 2) else "east"
        text = f"{text} {MARKS[1 + rng.integers(3)]}"
        if word and rng.random() < 0.4 and (fair or region == "west"):
            text += f" {word}"
        out.append([text, label, region])
    return out


def ask(rows, tiny_base, tmp_path):
    path = write(tmp_path / "t.csv", ["text", "intent", "region"], rows)
    answer = balance.ask(gather(path, tiny_base, tmp_path, target="intent"))
    return [one for one in answer.findings if one.kind == "spurious" and one.column == "region"], answer.facts


@pytest.mark.parametrize("word", ["nordwind", "nordwind express"])
def test_planted_words_are_found_with_their_group_and_no_others(tiny_base, tmp_path, word):
    found, others = 0, 0
    for seed in range(SEEDS):
        rows = rows_of(seed, word)
        findings, facts = ask(rows, tiny_base, tmp_path)
        right = [one for one in findings if any(repr(part) in one.detail for part in word.split())]
        found += any(one.facts["group"] == "west" for one in right)
        others += len(findings) - len(right)
        assert len(right) <= 1, "a phrase is told once"
        for one in right:
            assert one.row is None
            assert one.facts["drop"] > 0.05
            assert all(word in rows[row][0] and rows[row][2] == "west" for row in one.related)
        assert len(facts["groups"][0]["stand_ins"]) == len(findings)
    assert found >= SEEDS - 1
    assert others == 0


def test_nothing_is_found_in_a_fair_twin(tiny_base, tmp_path):
    counts = [len(ask(rows_of(seed, "nordwind", fair=True), tiny_base, tmp_path)[0]) for seed in range(SEEDS)]
    assert sum(counts) == 0


def test_words_of_a_label_that_a_group_has_more_of_are_the_labels(tiny_base, tmp_path):
    """All questions on fees come from the west: `fee` says fees, not west."""
    with_labels = without = 0
    for seed in range(4):
        rows = rows_of(seed, None, rows=960, tilt=0.55)
        path = write(tmp_path / "t.csv", ["text", "intent", "region"], rows)
        material = gather(path, tiny_base, tmp_path, target="intent")
        said = spurious.words(material)
        codes, levels = balance.column_codes(material, "region")
        labels = np.asarray(material.train.examples.targets)
        with_labels += len(group_words.proxies(said, codes, len(levels), labels, 0))
        without += len(group_words.proxies(said, codes, len(levels), None, 0)) > 0
    assert with_labels == 0
    assert without == 4


def test_numbers_are_not_quoted(tiny_base, tmp_path):
    findings, _ = ask(rows_of(0, "zq4471"), tiny_base, tmp_path)
    assert len(findings) == 1
    assert "4471" not in str(findings[0].as_json())
