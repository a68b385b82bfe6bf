"""report.html of a real run: one file that needs nothing else, and says what was found and how to get it again."""

from __future__ import annotations

import html
import json
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from metier.data.dataset import Dataset
from metier.pages.report import reproduce
from metier.plan import Plan


@pytest.fixture(scope="module")
def page(finished: Any) -> str:
    return Path(finished.answer.json["report"]).read_text(encoding="utf-8")


class Loads(HTMLParser):
    """Everything a browser would fetch for the page."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.wanted += [
            value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "data", "srcset", "action")
        ]


def test_it_needs_nothing_else(page: str) -> None:
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", page))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    loads = Loads()
    loads.feed(page)
    assert [wanted for wanted in loads.wanted if not wanted.startswith("#")] == []
    assert not loads.tags & {"script", "link", "img", "iframe", "object"}
    assert "@import" not in page
    assert not re.search(r"url\((?!['\"]?#)", page)
    assert "svg" in loads.tags


def test_it_says_the_verdict_and_every_rung_with_its_reason(page: str, finished: Any) -> None:
    text = html.unescape(page)
    assert "beyond chance" in text
    for rung in finished.answer.json["rungs"]:
        assert rung["name"] in text
        assert rung["reason"] in text
    value = finished.answer.json["test"]["accuracy"]["value"]
    assert f"{100 * value:.1f}%" in text
    assert "40 test rows" in text


def test_it_names_what_went_in(page: str, finished: Any) -> None:
    text = html.unescape(page)
    record = json.loads((finished.run / "data.json").read_text())["train"]["source"]
    assert record["sha256"] in text
    assert finished.answer.json["base"]["sha256"] in text
    for entry in json.loads((finished.run / "done.json").read_text())["files"]:
        if entry["path"] != "report.html":
            assert entry["sha256"] in text, entry["path"]


def test_it_holds_the_command_to_have_it_again(page: str, finished: Any) -> None:
    source = json.loads((finished.run / "data.json").read_text())["train"]["source"]
    command = _command(Plan.load(finished.run / "plan.json"), source["path"])
    assert command in html.unescape(page)


def _command(plan: Plan, path: str) -> str:
    from metier.data.dataset import Schema, Source

    return reproduce(plan, Dataset(None, Schema((), None), Source(path, "", 0, "csv")))


@pytest.mark.parametrize(
    "choices",
    [
        {},
        {"target": "the intent", "text": ("a b", "-c"), "seed": 7, "name": "it's mine"},
        {"time_limit": "none", "refit": False, "metric": "mine:f1", "delimiter": "\t"},
        {"time_limit": "90s", "learning_rate": 0.00012345678901, "clip": 1 / 3, "precision": 0.925, "scale": 0.0},
        {"validation": 0.123456789, "epochs": 3, "rank": 4, "contrastive": "no", "header": "no"},
    ],
)
def test_the_command_gives_the_very_same_plan(choices: dict[str, Any]) -> None:
    from click import Context

    from metier.cli import main
    from metier.cli_options import given

    plan = Plan.of(**choices)
    words = shlex.split(_command(plan, "my tickets.csv"))
    assert words[:3] == ["metier", "tune", "my tickets.csv"]
    tune = main.get_command(Context(main), "tune")
    assert tune is not None
    typed = dict(tune.make_context("tune", words[2:]).params)
    for name in ("data", "output", "workspace", "json_", "quiet"):
        typed.pop(name)
    assert Plan.of(**given(typed)) == plan
