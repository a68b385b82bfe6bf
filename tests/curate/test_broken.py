"""Damage is found and mended; whole texts, however odd, come back as they were."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metier.curate import broken
from metier.curate.columns import TextColumn


def asked(texts: list[str]) -> tuple[list[Any], dict[str, Any]]:
    side: Any = SimpleNamespace(examples=SimpleNamespace(rows=np.arange(len(texts)) + 100), file="data.csv")
    return broken.look(TextColumn("text", pa.chunked_array([pa.array(texts)])), side)


MENDED = [
    ("Ã¼ber cafÃ©", "über café", "mojibake"),
    ("the bankâ€™s fee", "the bank’s fee", "mojibake"),
    ("ok\x00then", "okthen", "control_characters"),
    ("zero\u200bwidth", "zerowidth", "control_characters"),
    ("<p>My card<br>is &amp; stays lost</p>", "My card\nis & stays lost", "markup"),
    ("costs  #36;10; now #36;20 million", "costs $10; now $20 million", "markup"),
    ("&lt;b&gt;bold&lt;/b&gt; words", "bold words", "markup"),
    ("[b]bold[/b] text", "bold text", "markup"),
    ("see [here](https://x.org/a) now", "see here now", "markup"),
    ("**Note** this", "Note this", "markup"),
    ("go https://x.org/a?id=1&utm_source=mail", "go https://x.org/a?id=1", "markup"),
    ("It works.\n\nOn Mon, 3 Jan 2022 Jo wrote:\n> hi\n> there", "It works.", "quoted_mail"),
    ("Fine.\n-----Original Message-----\nFrom: x\nhello", "Fine.", "quoted_mail"),
]
WHOLE = [
    "a < b and c > d",
    "hello <name>, I <3 you",
    "naïve café — “fine”",
    "5 * 3 ** 2, __init__ and x[i]",
    "AT&T; x",
    "C#12; yes",
    "¿Por qué? Ärger, groß, Ørsted",
    "Как дела? 我忘记了密码 👨‍👩‍👧 🙂",
    "On Monday she wrote: a long letter to me",
    "sooooo good!!!!! hahaha",
    "[1] is a footnote (see below)",
]


@pytest.mark.parametrize(("text", "whole", "name"), MENDED)
def test_damage_is_named_and_mended(text: str, whole: str, name: str) -> None:
    assert broken.clean(text) == whole
    findings, facts = asked(["a whole text", text])
    (finding,) = findings
    assert (finding.kind, finding.row, finding.action, finding.suggestion) == ("broken", 101, "rewrite", whole)
    assert name in finding.facts["defects"]
    assert facts["kinds"][name] == 1


@pytest.mark.parametrize("text", WHOLE)
def test_whole_texts_stay_as_they_are(text: str) -> None:
    assert broken.clean(text) == text
    assert asked([text])[0] == []


@pytest.mark.parametrize(
    ("text", "name", "action"),
    [
        ("<br>", "empty", "drop"),
        ("&nbsp;\u200b", "empty", "drop"),
        ("lost \ufffd\ufffd letters", "lost_characters", "review"),
        ("12345 / 22", "no_words", "review"),
        ("https://x.org/a", "no_words", "review"),
        ("aaaaaaaaaaaaaaaaaaaa", "repeated", "review"),
        ("no no no no no no no no", "repeated", "review"),
        ('{"a": 1, "b": [2]}', "structured", "review"),
        ("2024-01-02 10:11:12,123 main ERROR it broke", "structured", "review"),
    ],
)
def test_what_cannot_be_mended_is_for_a_person(text: str, name: str, action: str) -> None:
    (finding,) = asked([text])[0]
    assert finding.facts["defects"] == [name]
    assert finding.action == action
    assert finding.suggestion is None


def test_keys_pressed_at_random_are_found_where_the_data_shows_how_words_look() -> None:
    rng = np.random.default_rng(0)
    sounds = [a + b for a in "bcdfglmnprst" for b in "aeiou"]
    words = ["".join(rng.choice(sounds, 3)) for _ in range(300)]
    texts = [" ".join(rng.choice(words, 6)) for _ in range(400)]
    findings, _ = asked([*texts, "xkcdjqwhz", "bamoti lorena"])
    assert [finding.row for finding in findings] == [500]
    assert findings[0].facts["defects"] == ["mash"]


@given(st.text(max_size=200))
def test_cleaning_ends_and_any_text_can_be_asked(text: str) -> None:
    assert isinstance(broken.clean(text), str)
    for defect in broken.defects(text):
        assert 0 <= defect.score <= 1


WORDS = ["Überweisung", "größer", "façade", "señor", "coração", "déjà vu", "smörgåsbord", "naïve", "it’s", "“quoted”"]


@pytest.mark.parametrize("word", WORDS)
def test_utf8_read_as_windows_1252_comes_back(word: str) -> None:
    text = f"here {word} stands in a sentence"
    garbled = text.encode().decode("sloppy-windows-1252")
    assert garbled != text
    assert broken.clean(garbled) == text
