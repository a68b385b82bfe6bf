"""Sections as a real run gives them, one of every template; and a strict reader of the pages made of them."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from metier.pages.page import render
from metier.tasks.contract import Section

_VOID = {"meta", "br", "hr", "img", "input", "link", "wbr"}


class Outline(HTMLParser):
    """What a browser would find in a page: its tags with attributes, ids and texts. Unbalanced tags are refused."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.texts.append(data)

    @property
    def text(self) -> str:
        """All that can be read, runs of white space as one blank."""
        return " ".join("".join(self.texts).replace("\u00a0", " ").split())

    def named(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every such tag."""
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="session")
def sections() -> dict[str, Section]:
    """One section of every template with the data of a plausible run, by template, in reading order."""
    stored = json.loads((Path(__file__).parent / "run.json").read_text(encoding="utf-8"))
    return {one["template"]: Section(one["template"], one["title"], one["data"], one["lead"]) for one in stored}


@pytest.fixture(scope="session")
def page(sections) -> str:
    """The page of them all."""
    facts = [("Data", "examples/support/tickets.csv"), ("Base", "MiniLM-L6"), ("Seed", "0")]
    return render("Bank help desk", list(sections.values()), lead="What tuning was worth.", facts=facts)


@pytest.fixture(scope="session")
def outline():
    """Reads HTML strictly."""
    return Outline
