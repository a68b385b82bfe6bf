"""Any text shows in Markdown as it is, whatever was typed."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from metier.govern.documents.markdown import escaped, markdown

PRINTED = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=60)


@settings(max_examples=60)
@given(PRINTED)
@example("1. not a list")
@example("- nor this")
@example("+1 | # <b>&amp;</b> [x](y) `z` ![i](j) ~~no~~ $x$ \\")
@example("2026) was a year")
@example("= =")
def test_a_paragraph_says_what_was_given(text):
    read = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable(["table", "strikethrough"])
    (block,) = [token for token in read.parse(escaped(text)) if token.type == "inline"] or [None]
    shown = "" if block is None else "".join(child.content for child in block.children)
    kinds = set() if block is None else {child.type for child in block.children}
    assert kinds <= {"text", "text_special"}
    assert shown.split() == text.split()


@settings(max_examples=40)
@given(PRINTED, PRINTED)
def test_a_table_keeps_its_cells(one, two):
    read = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable("table")
    said = [[{"kind": "said", "text": text, "refs": [], "by": ""}] for text in (one, two)]
    block = {"kind": "table", "columns": ["a", "b"], "rows": [said], "ids": []}
    page = markdown("t", "l", [], [{"title": "p", "lead": "", "blocks": [block]}], "")
    cells = [token for token in read.parse(page) if token.type == "td_open"]
    assert len(cells) == 2


def test_lines_become_breaks_and_front_matter_stands_first():
    page = markdown("A *title*", "x\ny", [("Drawn on", "today")], [], "license: mit\n")
    assert page == "---\nlicense: mit\n---\n\n# A \\*title\\*\n\nx<br>y\n\n- Drawn on: today\n"
