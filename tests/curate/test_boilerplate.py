"""A template is what recurs far beyond what its words explain; what people just say often is none."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa

from metier.curate import boilerplate
from metier.curate.columns import TextColumn

SIGNATURE = "Sent from my iPhone"
NOTICE = "This message is confidential and meant only for the person it is addressed to."


def asked(texts: list[str]) -> tuple[list[Any], dict[str, Any]]:
    side: Any = SimpleNamespace(examples=SimpleNamespace(rows=np.arange(len(texts))), file="data.csv")
    return boilerplate.look(TextColumn("text", pa.chunked_array([pa.array(texts)])), side)


def questions(count: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    verbs, things, ends = ["change", "block", "find", "use", "pay"], [f"thing{i}" for i in "abcdefgh"], range(1000)
    return [
        f"How do I {rng.choice(verbs)} the {rng.choice(things)} of case {rng.choice(ends)}? "
        f"I tried it {rng.choice(['once', 'twice', 'often'])} with the {rng.choice(things)}."
        for _ in range(count)
    ]


def test_signatures_and_notices_are_found_and_taken_off() -> None:
    texts = questions(600)
    own = list(texts)
    for at in range(0, 600, 20):
        texts[at] += f"\n{SIGNATURE}"
        texts[at + 1] += f" {NOTICE}"
    findings, facts = asked(texts)
    assert {finding.row for finding in findings} == {at + i for at in range(0, 600, 20) for i in (0, 1)}
    assert all(finding.suggestion == own[finding.row] for finding in findings)
    assert {finding.action for finding in findings} == {"review"}
    # Rows equal but for their numbers count once.
    assert [25 <= template["rows"] <= 30 for template in facts["templates"]] == [True, True]


def test_a_row_that_is_nothing_but_templates_is_proposed_for_leaving_out() -> None:
    texts = [f"{text}\n{SIGNATURE}\n{NOTICE}" for text in questions(40)] + questions(500, 1)
    texts.append(f"{NOTICE}\n{SIGNATURE}")
    findings, _ = asked(texts)
    last = next(finding for finding in findings if finding.row == len(texts) - 1)
    assert (last.action, last.suggestion) == ("review", None)


def test_what_people_say_often_is_no_template() -> None:
    rng = np.random.default_rng(3)
    things = [f"dress{i}" for i in range(3)]
    texts = [
        f"I {rng.choice(['love', 'like', 'want'])} this {rng.choice(['new', 'old', 'red'])} {rng.choice(things)}. "
        f"Number {i} of {rng.integers(900)} {rng.choice(things)}!"
        for i in range(800)
    ]
    assert asked(texts)[0] == []


def test_whole_copies_are_left_to_the_duplicates() -> None:
    text = "The very same long question here. And a second sentence of it follows."
    assert asked(questions(300) + [text] * 50)[0] == []


def test_numbers_do_not_hide_a_template_and_details_never_quote_it() -> None:
    texts = questions(400)
    for at in range(40):
        texts[at] += f" Best regards from Jo Bloggs, phone extension {at}."
    findings, facts = asked(texts)
    assert {finding.row for finding in findings} == set(range(40))
    assert not any("Bloggs" in finding.detail for finding in findings)
    assert "Bloggs" not in str(facts)


def test_masks_are_counted_and_a_text_made_of_them_is_shown() -> None:
    findings, facts = asked([*questions(20), "On XXXX I wrote to the bank about it", "XXXX XXXX XX/XX/XXXX paid XXXX"])
    assert [finding.row for finding in findings] == [21]
    assert facts["masked_rows"] == 2
