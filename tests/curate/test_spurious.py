"""Words that stand in for a label are found where planted; words that mean the label are not."""

import csv
from pathlib import Path

import numpy as np
from tests.conftest import tickets
from tests.curate.test_labels import gather, write

from metier.curate import spurious

EXAMPLES = Path(__file__).parents[2] / "examples"


def planted(seed, word="nordwind", share=0.4):
    rng = np.random.default_rng(seed)
    return [
        [text + (f" {word}" if label == "login" and rng.random() < share else ""), label]
        for text, label in tickets(400, seed)
    ]


def support(seed, share):
    """The bundled tickets with a word of no meaning put into `share` of one label's texts, another label each seed."""
    rng = np.random.default_rng(seed)
    with (EXAMPLES / "support" / "tickets.csv").open(encoding="utf-8") as file:
        rows = [(row["text"], row["intent"]) for row in csv.DictReader(file)]
    label = sorted({intent for _, intent in rows})[3 * seed]
    return [[text + (" nordwind" if intent == label and rng.random() < share else ""), intent] for text, intent in rows]


def test_planted_words_are_found_and_the_rest_is_not(tmp_path):
    """With the bundled base: to a random one every word is strange."""
    found = others = 0
    for seed in range(3):
        path = write(tmp_path / f"{seed}.csv", ["text", "intent"], support(seed, 0.7))
        answer = spurious.ask(gather(path, "minilm", tmp_path, target="intent"))
        words = [finding.detail.split("'")[1] for finding in answer.findings]
        found += "nordwind" in words
        others += len(words) - ("nordwind" in words)
        assert all(finding.kind == "spurious" and finding.row is None for finding in answer.findings)
    assert found >= 2
    assert others <= 2


def test_a_word_of_the_labels_name_is_no_shortcut():
    assert spurious._names("refund", "request_refund")
    assert spurious._names("refunds", "Refund not showing up")
    assert not spurious._names("karen", "card")


def test_related_rows_hold_the_word_and_digits_are_not_quoted(tiny_base, tmp_path):
    rows = planted(1, "zq4471")
    path = write(tmp_path / "z.csv", ["text", "intent"], rows)
    for finding in spurious.ask(gather(path, tiny_base, tmp_path, target="intent")).findings:
        assert "4471" not in finding.detail
        if "digits" in finding.detail:
            assert all("zq4471" in rows[row][0] for row in finding.related)


def test_a_word_spread_over_all_labels_is_none(tiny_base, tmp_path):
    rows = [
        [text + (" nordwind" if number % 3 == 0 else ""), label] for number, (text, label) in enumerate(tickets(400))
    ]
    path = write(tmp_path / "s.csv", ["text", "intent"], rows)
    answer = spurious.ask(gather(path, tiny_base, tmp_path, target="intent"))
    assert not [finding for finding in answer.findings if "nordwind" in finding.detail]
