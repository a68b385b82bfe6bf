"""Rare labels, groups whose label rates differ beyond chance, annotators who label otherwise."""

import numpy as np
import pytest
from tests.conftest import tickets
from tests.curate.test_labels import gather, write

from metier.curate import balance
from metier.errors import UsageError


def test_rare_labels_are_told_once_each(tiny_base, tmp_path):
    rows = [list(pair) for pair in tickets(240) if pair[1] != "fees"] + [["what is the fee", "fees"]] * 4
    answer = balance.ask(
        gather(write(tmp_path / "t.csv", ["text", "intent"], rows), tiny_base, tmp_path, target="intent")
    )
    few = [finding for finding in answer.findings if finding.facts.get("label") == "fees"]
    assert [finding.row for finding in few] == [None]
    assert few[0].facts["rows"] == 4
    assert sum(one["rows"] for one in answer.facts["labels"]) == 184


@pytest.mark.parametrize("tilt", [0.0, 0.3])
def test_groups_differ_only_where_they_do(tiny_base, tmp_path, tilt):
    seen = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        rows = [
            [text, label, "b" if rng.random() < 0.5 + tilt * (label == "fees") else "a"] for text, label in tickets(320)
        ]
        path = write(tmp_path / f"{seed}.csv", ["text", "intent", "channel"], rows)
        answer = balance.ask(gather(path, tiny_base, tmp_path, target="intent", by=("channel",)))
        seen += any(finding.column == "channel" for finding in answer.findings)
    assert seen >= 5 if tilt else seen <= 1


def test_holm_by_hand():
    assert balance.holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert balance.holm([]).tolist() == []


def test_krippendorff_by_hand():
    # Four units labelled twice, one disagreement: D_o = 2/8, D_e = (64 - 34) / 56.
    units, given = np.repeat(np.arange(4), 2), np.array([0, 0, 0, 0, 1, 1, 0, 1])
    alpha, rows = balance.krippendorff(units, given)
    assert rows == 8
    assert alpha == pytest.approx(1 - (2 / 8) / ((64 - 25 - 9) / 56))
    assert balance.krippendorff(np.arange(4), np.zeros(4, int)) == (None, 0)


def test_an_annotator_who_labels_otherwise_is_found(tiny_base, tmp_path):
    names = ["card", "transfer", "login", "fees"]
    rows = []
    for number, (text, label) in enumerate(tickets(320)):
        who = "ann" if number % 8 < 4 else "bob"
        wrong = who == "bob" and number % 24 < 8
        rows.append([text, names[(names.index(label) + 1) % 4] if wrong else label, who])
    path = write(tmp_path / "a.csv", ["text", "intent", "annotator"], rows)
    answer = balance.ask(gather(path, tiny_base, tmp_path, target="intent"))
    told = {one["annotator"]: one for one in answer.facts["annotators"]["annotators"]}
    assert told["bob"]["differs"] > told["ann"]["differs"] + 0.1
    found = [finding for finding in answer.findings if finding.kind == "label_error"]
    assert len(found) == 1
    assert "bob" not in found[0].detail


def test_a_column_that_is_not_there_is_refused(tiny_base, tmp_path):
    path = write(tmp_path / "t.csv", ["text", "intent"], tickets(60))
    with pytest.raises(UsageError, match="gender"):
        balance.ask(gather(path, tiny_base, tmp_path, target="intent", by=("gender",)))
