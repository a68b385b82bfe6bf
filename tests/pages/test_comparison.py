"""The picture of a comparison: every line named, names apart, the user's rows marked, one-size curves drawn, too."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metier.pages.comparing import _LINE, _apart, comparison
from metier.pages.page import render
from metier.tasks.contract import Section


def point(rows: int, value: float, *, width: float = 0.02) -> dict[str, float]:
    return {"rows": rows, "value": value, "low": value - width, "high": value + width, "seconds": 2.0}


@pytest.fixture
def data() -> dict:
    ways = [
        {"name": "linear", "title": "TF-IDF", "points": [point(100, 0.6), point(400, 0.7), point(1600, 0.8)]},
        {"name": "adapter", "title": "Fine-tuned <b>", "points": [point(100, 0.7), point(400, 0.8), point(1600, 0.9)]},
        {"name": "scratch", "title": "From scratch", "points": [point(400, 0.3)]},
        {"name": "full", "title": "Never run", "points": []},
    ]
    return {
        "metric": "accuracy",
        "title": "Right answers",
        "greater_is_better": True,
        "unit": "%",
        "chosen": "adapter",
        "rows": 1600,
        "ways": ways,
        "forecast": [point(1600, 0.9), point(2000, 0.91, width=0.03), point(2600, 0.92, width=0.05)],
    }


def test_every_line_is_named_with_its_last_score(data: dict) -> None:
    svg = ElementTree.fromstring(comparison(data))
    texts = " ".join(text for text in svg.itertext() if text)
    for words in ("TF-IDF 80.0%", "Fine-tuned <b> 90.0%", "From scratch 30.0%", "your 1,600 labels"):
        assert words in texts
    assert "Never run" not in texts
    said = svg.get("aria-label") or ""
    assert "Fine-tuned <b> (recommended)" in said
    assert "Expected at 2,600" in said


def test_the_section_stands_on_a_page(data: dict, outline) -> None:
    page = render("Tickets", [Section("comparison", "What labels buy", data)])
    found = outline(page)
    assert "Fine-tuned <b>" in found.text
    assert len(found.named("svg")) == 1
    assert "forecast" in found.text


def test_without_forecast_or_measurements_nothing_breaks(data: dict) -> None:
    assert "Expected" not in comparison({**data, "forecast": []})
    assert comparison({**data, "ways": [], "forecast": []}) == ""
    lower = comparison({**data, "unit": "", "greater_is_better": False, "forecast": []})
    assert "less is better" in lower


@given(st.lists(st.floats(0, 380), min_size=1, max_size=8))
def test_names_never_lie_on_each_other(rows: list[float]) -> None:
    placed = _apart(sorted(rows), 380)
    assert all(b - a >= _LINE - 1e-6 for a, b in pairwise(placed))
    assert all(-1e-6 <= at <= 380 for at in placed)
