"""All content questions together, on texts and on rows of a table."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from tests.conftest import tickets

from metier.curate import content
from metier.curate.findings import KINDS


def table(rows: int = 120) -> dict[str, list[Any]]:
    made = tickets(rows)
    return {"text": [text for text, _ in made], "intent": [label for _, label in made]}


def test_every_kind_of_damage_is_told_by_its_row_in_the_file(material_of: Any) -> None:
    data = table()
    data["text"][3] = ""  # set aside, so examples and rows differ from here on
    data["text"][10] = "<p>my card &amp; the app</p>"
    data["text"][20] = "Wie kann ich meine verlorene Karte sperren lassen?"
    data["text"][30] = "my card is lost " * 400
    data["text"][40] = "<br/>"
    material = material_of(data, target="intent", text=("text",))
    answer = content.ask(material)
    by_row = {(finding.kind, finding.row): finding for finding in answer.findings}
    assert by_row[("broken", 10)].suggestion == "my card & the app"
    assert "drop" in {finding.action for finding in answer.findings if finding.row == 40}
    assert ("wrong_language", 20) in by_row
    assert ("truncated", 30) in by_row
    assert not any(row == 3 for _, row in by_row)
    assert all(finding.kind in KINDS and 0 <= finding.score <= 1 for finding in answer.findings)
    assert answer.scores["off_topic"].shape == (len(material.train.examples),)
    json.dumps([answer.facts, [finding.as_json() for finding in answer.findings]])


def test_test_rows_are_looked_at_too(material_of: Any) -> None:
    held_out = table(30)
    held_out["text"][4] = "caf\u00c3\u00a9 card"
    material = material_of(table(), held_out, target="intent", text=("text",))
    answer = content.ask(material)
    assert [f.row for f in answer.findings if f.file == material.test.file and f.kind == "broken"] == [4]
    assert answer.facts["test"]["broken"]["text"]["kinds"]["mojibake"] == 1


def test_a_table_of_numbers_has_outlying_rows_and_no_text(material_of: Any) -> None:
    rng = np.random.default_rng(0)
    data = {f"n{i}": [float(value) for value in rng.normal(size=200).round(4)] for i in range(4)}
    data["label"] = [["yes", "no"][i % 2] for i in range(200)]
    for name in ("n0", "n1", "n2", "n3"):
        data[name][50] = 9.0
    answer = content.ask(material_of(data, target="label"))
    assert int(np.nanargmax(answer.scores["off_topic"])) == 50
    assert {finding.action for finding in answer.findings} == {"review"}
    assert 50 in {finding.row for finding in answer.findings}
    assert answer.facts["broken"] == {}


def test_too_few_rows_have_no_topic(material_of: Any) -> None:
    answer = content.ask(material_of(table(24), target="intent", text=("text",)))
    assert np.isnan(answer.scores["off_topic"]).all()
    assert answer.facts["off_topic"]["checked"] is False


def test_a_label_that_stands_apart_is_told_once(material_of: Any) -> None:
    from metier.curate.topic import _labels_apart

    far = np.array([True] * 5 + [False] * 95)
    assert _labels_apart(far, np.r_[np.zeros(6, int), np.ones(94, int)]) == {0: 5 / 6}
    assert _labels_apart(far, np.arange(100) % 4) == {}
