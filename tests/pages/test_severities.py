"""What changes cost, drawn as small pictures of one scale."""

from __future__ import annotations

from typing import Any

import pytest

from metier.pages.page import render
from metier.pages.severities import severity
from metier.tasks.contract import Section


def point(label: str, value: float | None, generic: float | None = 0.02) -> dict[str, Any]:
    ends = (None, None) if value is None else (value - 0.03, value + 0.03)
    return {"severity": 0.1, "label": label, "value": value, "low": ends[0], "high": ends[1], "generic": generic,
            "after": 0.9, "rows": 200}  # fmt: skip


def row(name: str, *points: dict[str, Any], **more: Any) -> dict[str, Any]:
    plain = {"means": "share of the words mistyped", "deliberate": False, "costs": True, "brittle": False, "p": 0.01}
    return {"name": name, "flipped": 0.1, "points": list(points), **plain, **more}


def data(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"metric": "accuracy", "title": "Right answers", "greater_is_better": True, "unit": "%", "rows": list(rows)}


CURVE = (point("10%", 0.01), point("25%", 0.05), point("50%", 0.2))


def test_every_curve_is_told_to_those_who_cannot_see_it() -> None:
    svg = severity(data(row("typos", *CURVE), row("case", point("50%", 0.0), costs=False)))
    assert "typos: 10% 1.0% (−2.0 to 4.0%), generic model 2.0%" in svg
    assert "case: 50% 0.0%" in svg
    assert "−20.0%" in svg, "what the strongest change costs stands above its picture"
    assert "0.0% (may be chance)" in svg


def test_only_what_is_brittle_is_in_the_colour_of_trouble() -> None:
    assert "var(--trouble)" not in severity(data(row("typos", *CURVE)))
    assert "var(--trouble)" in severity(data(row("typos", *CURVE, brittle=True), row("case", *CURVE)))


@pytest.mark.parametrize("many", [1, 4, 5, 13])
def test_pictures_stand_four_in_a_line_inside_the_page(many: int) -> None:
    svg = severity(data(*(row(f"change {at}", *CURVE) for at in range(many))))
    wide, high = (float(svg.split(f'{side}="')[1].split('"')[0]) for side in ("width", "height"))
    assert wide <= 720
    assert high == 30 + 6 + -(-many // 4) * (92 + 38 + 26)


def test_what_is_not_known_is_not_drawn() -> None:
    assert severity(data()) == ""
    assert severity(data(row("typos", point("50%", None)))) == ""
    assert "<svg" in severity(data(row("typos", point("10%", None), point("50%", 0.1, None))))


def test_what_is_made_on_purpose_stands_apart() -> None:
    both = data(row("typos", *CURVE), row("injection", point("1", 0.6), deliberate=True))
    page = render("Robust", [Section("severity", "Worse inputs", both, "One.")])
    assert page.count('class="chart"') == 2
    assert page.index("typos") < page.index("Made on purpose")
    assert "Made on purpose" not in render("Robust", [Section("severity", "Worse inputs", data(row("a", *CURVE)))])
    assert "No change of the inputs was measured" in render("Robust", [Section("severity", "Worse inputs", data())])


def test_texts_side_by_side_are_escaped_and_one_alone_names_what_was_expected() -> None:
    items = [
        {"row": 3, "change": "typos", "before": "<b>one", "after": "oen", "answer": "a", "changed_answer": "b"},
        {"row": None, "change": "plain", "before": "two", "after": None, "answer": "a", "changed_answer": "c"},
    ]
    page = render("Robust", [Section("turned", "Answers that turned", {"items": items})])
    assert "&lt;b&gt;one" in page
    assert page.count("As it was") == page.count("Expected") == 1
    assert "No answer turned" in render("Robust", [Section("turned", "Answers that turned", {"items": []})])
