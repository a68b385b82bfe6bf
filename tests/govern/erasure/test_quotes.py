"""Quotes are found in every spelling that our files use, taken out whole, and nothing else with them."""

from __future__ import annotations

import csv
import html
import io
import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape

from metier.govern.erasure import quotes
from metier.govern.erasure.subject import Subject, Traces, quotable
from metier.pages.words import clip

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=12, max_size=120).filter(
    lambda text: len(text.strip()) > 10 and quotes.tellable(text) and text == " ".join(text.split())
)


def as_csv(text: str) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(["7", text, "x"])
    return out.getvalue()


@given(text=WORDS)
def test_no_spelling_is_overlooked(text: str) -> None:
    traces = Traces((text,), ())
    shown = [
        text,
        json.dumps([text]),
        json.dumps([text], ensure_ascii=False),
        as_csv(text),
        html.escape(text),
        str(escape(text)),
    ]
    for content in shown:
        found = quotes.redact(f"\n{content}\n", traces)
        assert found.count >= 1, content
        assert text not in found.content
    assert text not in json.loads(quotes.redact(json.dumps({"a": text, "b": 1}), traces).content).values()


@given(text=WORDS, other=WORDS)
def test_what_others_wrote_stays(text: str, other: str) -> None:
    content = json.dumps({"text": other})
    if text not in other and other not in text and text[:20] != other[:20]:
        found = quotes.redact(content, Traces((text,), ()))
        assert found.whole or found.content == content


def test_a_beginning_that_was_cut_short_is_a_quote_and_a_like_beginning_is_none() -> None:
    text = "i have a question on my standing order of last month, namely why it was charged"
    like = "i have a question on my standing order of last month, and my name is Bob"
    traces = Traces((text,), ())
    assert quotes.redact(clip(text, 50), traces).content == quotes.ERASED + "…"
    assert quotes.redact(json.dumps(clip(text, 50)), traces).count == 1
    assert quotes.redact(like, traces).count == 0


def test_a_text_within_a_longer_word_is_none() -> None:
    assert quotes.redact("precardinality", Traces(("cardinality",), ())).count == 0


def test_words_with_tags_between_are_told() -> None:
    text = "please block the card of my late father"
    marked = " ".join(f"<mark>{word}</mark>" for word in text.split())
    assert quotes.redact(f"<p>{marked}</p>", Traces((text,), ())).whole


def test_values_are_taken_out_as_words_of_their_own() -> None:
    traces = Traces((), ("C-4711",))
    assert quotes.redact('["C-4711", "C-47112", "XC-4711"]', traces).content == '["[erased]", "C-47112", "XC-4711"]'
    assert quotable("C-4711")
    assert not quotable("4711")
    assert not quotable("a")
    assert quotable("12345678")


def test_rows_of_tables_go_whole(tmp_path: Path) -> None:
    subject, traces = Subject("id", "7"), Traces(("my own words and no one else's",), ("7",))
    table = tmp_path / "t.csv"
    table.write_bytes(b"id,text,n\r\n7,something,1\r\n8,my own words and no one else's,2\r\n9,other,7\r\n")
    found = quotes.redacted(table, subject, traces)
    assert found.content == "id,text,n\r\n[erased],[erased],[erased]\r\n[erased],[erased],[erased]\r\n9,other,7\r\n"
    lines = tmp_path / "t.jsonl"
    lines.write_text('{"id": 7, "n": 1}\n{"id": 8, "n": 7}\nno json\n')
    found = quotes.redacted(lines, subject, traces)
    assert found.content == '{"id": "[erased]", "n": "[erased]"}\n{"id": 8, "n": 7}\nno json\n'
    assert found.count == 1
