"""curation.html: the verdict in words, pictures before tables, rows side by side, and nobody's address."""

from __future__ import annotations

import csv
import html
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from metier import files, tasks
from metier.curate import export, room
from metier.curate.curation import summary, worst_first
from metier.curate.fates import Fates, resolve
from metier.curate.findings import KINDS, Finding
from metier.curate.material import Material, Side
from metier.curate.sheet import Sheet
from metier.curate.shown import Shown
from metier.data.read import read
from metier.pages import curation
from metier.plan import Plan
from metier.trunk import base
from metier.trunk.features import Trunk

WORTH = {
    "metric": "accuracy",
    "rung": "frozen",
    "held_out": "validation",
    "train_rows": 40,
    "rows": 10,
    "doubted": 1,
    "base": {"value": 0.8, "low": 0.7, "high": 0.9},
    "fixes": [
        {
            "fix": "relabel",
            "rows": 2,
            "value": 0.82,
            "low": 0.7,
            "high": 0.9,
            "gain": {"over": "as it is", "points": 0.021, "low": 0.004, "high": 0.04, "p": 0.01},
            "gain_undoubted": None,
        }
    ],
    "notes": ["1 of the 10 rows has a doubtful label."],
}
RECORD = {"files": [{"path": "curation.json", "sha256": "a" * 64}], "root": "b" * 64}


@pytest.fixture
def compose(tmp_path: Path, tiny_base: Path) -> Any:
    """Composes a page of 50 tickets and these findings, as the room would."""
    path = tmp_path / "tickets.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = [(f"my card number {n} is gone", "card") if n % 2 else (f"fee {n}", "fees") for n in range(48)]
        rows += [("write to jo@example.org", "card"), ("write to jo@example.org", "fees")]
        csv.writer(file).writerows([("text", "intent"), *rows])
    plan = Plan.of(target="intent", text=("text",), header="yes", base=str(tiny_base), name="desk")
    data = read(path, plan.data, tmp_path / "cache")
    task = tasks.get("text-classification")
    material = Material(task, Side(data, task.prepare(data, plan)), None, Trunk(base.find(str(tiny_base))), plan)

    def page(*found: Finding, apply: bool = False, facts: Any = None, **more: Any) -> str:
        findings = worst_first([replace(one, file=str(path)) for one in found])
        settled: Fates = resolve(findings, file=str(path), rows=50, set_aside={}, apply=apply)
        written = export.write(data, settled, tmp_path / "clean.csv")
        asked = tuple(room.QUESTIONS)
        about = Sheet(material, findings, settled, facts or {}, None, written, True, False, asked)
        figures = {
            "rows": 50,
            "noise_rate": None,
            "summary": summary(findings),
            "fates": settled.counts(),
            "applied": apply,
            "review": None,
            "worth": None,
            "questions": {"labels": 0.1},
            "notes": [],
            **more,
        }
        return curation.compose(about, Shown(material), figures, RECORD)

    return page


def text_of(page: str) -> str:
    body = page.partition("</style>")[2]
    return " ".join(html.unescape(re.sub(r"<wbr>|<[^>]+>", "", body)).replace("\u00a0", " ").split())


FOUND = (
    Finding("label_error", 3, "", 0.95, "Its neighbours say fees.", "fees", "relabel", related=(2, 4)),
    Finding("near_duplicate", 5, "", 0.9, "Almost row 1.", 1, "drop", related=(1,)),
    Finding("personal_data", 48, "", 0.99, "An e-mail address.", "write to [EMAIL]", "rewrite", "text"),
    Finding("off_topic", 7, "", 0.5, "Far from all others.", None, "review"),
    Finding("imbalance", None, "", 0.4, "card has half of the rows.", None, "keep"),
)


def test_the_verdict_counts_rows_that_should_change_and_rows_to_look_at(compose: Any) -> None:
    text = text_of(compose(*FOUND))
    assert "Of 50 rows, 3 should change; a person should look at 1 more." in text
    assert "Nothing was changed" in text
    assert "1 dropped, 1 relabelled, 1 rewritten; every other row is as it was" in text_of(compose(*FOUND, apply=True))
    assert "Nothing was found." in text_of(compose())


def test_personal_data_is_shown_nowhere(compose: Any) -> None:
    beside = Finding("label_error", 47, "", 0.9, "Like row 49.", "fees", "relabel", related=(48, 49))
    for apply in (False, True):
        page = compose(*FOUND, beside, apply=apply)
        assert "example.org" not in page
        assert "write to [EMAIL]" in text_of(page)


def test_pictures_come_before_tables(compose: Any) -> None:
    rate = {"value": 0.05, "low": 0.02, "high": 0.1}
    facts = {
        "labels": {
            "by_label": [{"label": name, "rows": 25, "flagged": 1, "noise_rate": rate} for name in ("card", "fees")]
        },
        "content": {"languages": {"text": {"share": {"de": 0.1, "en": 0.9}, "unsure": 0.0}}},
    }
    page = compose(*FOUND, facts=facts, worth=WORTH, noise_rate=rate)
    sections = re.findall(r'<section id="s\d+-(\w+)"', page)
    assert sections == [
        "verdict", "tally", "found", "ranges", "beside", "ranges", "pairs", "shares", "findings", "facts", "record",
    ]  # fmt: skip
    assert page.count('class="chart"') == 5


def test_a_case_stands_beside_the_rows_that_speak_for_it(compose: Any) -> None:
    text = text_of(compose(*FOUND))
    assert "Row 3, labelled card my card number 3 is gone Proposed: another label → fees" in text
    assert "Beside it fee 2 Row 2, labelled fees" in text
    assert "Proposed: leave it out → row 1 stays" in text


def test_what_a_fix_is_worth_is_told_in_points_with_its_doubts(compose: Any) -> None:
    text = text_of(compose(*FOUND, worth=WORTH))
    assert "“relabel”, +2.1 points of accuracy on 10 validation rows, beyond chance" in text
    assert "1 of the 10 rows has a doubtful label." in text


def test_labels_are_counted_before_and_after(compose: Any) -> None:
    page = compose(*FOUND)
    assert "card 25 to 23; fees 25 to 26" in page


def test_lines_of_a_review_that_were_not_followed_are_named(compose: Any) -> None:
    line = {"line": 4, "row": "02-Jan", "decision": "drop", "why": "the row is no row number"}
    told = {"reviewer": "Ana", "at": "2026-01-02", "decisions": [{"word": "keep", "row": 1}], "unmatched": [line]}
    text = text_of(compose(*FOUND, review=told))
    assert "Ana decided on 1 row (keep 1)" in text
    assert "Line 4 (row 02-Jan, drop) was not followed, as the row is no row number." in text


def test_a_thousand_copies_do_not_hide_the_rest(compose: Any) -> None:
    many = [Finding("duplicate", row, "", 1.0, "The same.", 0, "drop") for row in range(1, 47)]
    text = text_of(compose(*many, *FOUND))
    assert "Far from all others." in text


def test_the_command_gives_the_same_curation_again(compose: Any) -> None:
    from click import Context

    from metier.cli import main

    command = re.search(r"<pre[^>]*><code><bdi>(.*?)</bdi>", compose(*FOUND), re.DOTALL)
    assert command is not None
    words = shlex.split(html.unescape(command[1]))
    assert words[:2] == ["metier", "curate"]
    verb = main.get_command(Context(main), "curate")
    assert verb is not None
    assert verb.make_context("curate", words[2:]).params["name"] == "desk"


def test_every_kind_of_finding_has_a_plain_name() -> None:
    assert set(curation.TITLES) == set(KINDS)
    assert len(set(curation.TITLES.values())) == len(KINDS)
    assert files.pretty(dict(curation.TITLES))
