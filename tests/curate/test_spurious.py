"""Words that stand in for a label are found where planted; words that mean the label are not."""

import numpy as np
from tests.conftest import tickets
from tests.curate.test_labels import gather, write

from metier.curate import spurious


def planted(seed, word="nordwind", share=0.4):
    rng = np.random.default_rng(seed)
    return [
        [text + (f" {word}" if label == "login" and rng.random() < share else ""), label]
        for text, label in tickets(400, seed)
    ]


def test_planted_words_are_found_and_the_rest_is_not(tiny_base, tmp_path):
    found, others = 0, []
    for seed in range(6):
        path = write(tmp_path / f"{seed}.csv", ["text", "intent"], planted(seed))
        answer = spurious.ask(gather(path, tiny_base, tmp_path, target="intent"))
        words = [finding.detail.split("'")[1] for finding in answer.findings]
        found += "nordwind" in words
        others.append(len(words) - ("nordwind" in words))
        assert all(finding.kind == "spurious" and finding.row is None for finding in answer.findings)
    assert found >= 4
    assert sum(others) <= 1, "words that mean their label are no stand-ins"


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
