from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metier.pages import charts

PICTURES = ["ladder", "confusion", "classes", "reliability", "answering", "learning_curve", "scatter", "histogram"]
PICTURES += ["found", "shares", "ranges", "pairs"]


def _texts(svg: str) -> list[str]:
    return ["\n".join(text.itertext()) for text in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def _shapes(svg: str, color: str) -> int:
    return len(re.findall(rf'<path [^>]*fill="var\(--{color}\)"', svg))


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_plain_svg_that_says_what_it_shows(name, sections):
    svg = getattr(charts, name)(sections[name].data)
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert float(root.get("width")) <= 720
    assert root.get("viewBox") == f"0 0 {root.get('width')} {root.get('height')}"
    assert len(root.get("aria-label")) > 40
    assert re.findall(r"clip-path|\bid=|font-family|aria-roledescription|<style|<title", svg) == []
    assert len(svg) < 120_000


def test_the_chosen_rung_alone_is_drawn_in_colour(sections):
    svg = charts.ladder(sections["ladder"].data)
    assert _shapes(svg, "accent") == 1
    assert "Adapter (LoRA)\n94.5%" in _texts(svg)
    assert not [text for text in _texts(svg) if "Full tuning" in text]


def test_a_far_rung_does_not_flatten_the_ladder_and_keeps_its_score(sections):
    svg = charts.ladder(sections["ladder"].data)
    texts = _texts(svg)
    assert "Commonest answer\n1.3%" in texts
    assert "0%" not in texts
    assert "94%" in texts


def test_an_error_measure_is_said_to_be_better_when_less():
    rungs = [
        {"name": name, "value": value, "low": value - 1, "high": value + 1, "seconds": 1.0}
        for name, value in (("majority", 40.0), ("trees", 12.0))
    ]
    data = {"metric": "rmse", "greater_is_better": False, "chosen": "trees", "rungs": rungs}
    assert "RMSE, less is better" in _texts(charts.ladder(data))
    assert "trees\n12" in _texts(charts.ladder(data))


def test_counts_of_a_confusion_stand_in_their_cells():
    svg = charts.confusion({"labels": ["spam", "ham"], "matrix": [[1204, 7], [0, 95]]})
    assert [text for text in _texts(svg) if text[0].isdigit()] == ["7", "1,204", "95"] or {"7", "1,204", "95"} <= set(
        _texts(svg)
    )
    assert "7 rows of spam taken for ham" in ElementTree.fromstring(svg).get("aria-label").replace("\u00a0", " ")


def test_of_many_labels_the_most_confused_are_drawn():
    matrix = [[9 if i == j else 0 for j in range(40)] for i in range(40)]
    matrix[37][2] = 5
    texts = _texts(charts.confusion({"labels": [f"label {i}" for i in range(40)], "matrix": matrix}))
    assert {"label 37", "label 2"} <= set(texts)
    assert len({text for text in texts if text.startswith("label")}) == charts.LABELS_SHOWN


def test_the_weakest_labels_are_drawn_first_and_at_most_twenty(sections):
    rows = sections["classes"].data["rows"]
    svg = charts.classes(sections["classes"].data)
    assert _shapes(svg, "accent") == 20
    weakest = min(rows, key=lambda row: row["f1"])
    assert ElementTree.fromstring(svg).get("aria-label").split("first. ")[1].startswith(weakest["label"])


def test_points_of_a_scatter_are_thinned_evenly_and_always_alike():
    points = [[float(i), float(i)] for i in range(2000)]
    svg = charts.scatter({"points": points, "unit": "days"})
    assert _shapes(svg, "accent") == 667
    assert svg == charts.scatter({"points": points, "unit": "days"})


def test_the_threshold_in_use_is_the_widest_point_that_it_lets_through():
    points = [{"answered": share, "precision": 0.9, "threshold": 1 - share} for share in (0.2, 0.5, 0.8, 1.0)]
    assert charts.chosen_point({"threshold": 0.5, "points": points})["answered"] == 0.5
    assert charts.chosen_point({"threshold": 0.6, "points": points})["answered"] == 0.2
    assert charts.chosen_point({"threshold": 1.01, "points": points}) is None
    assert charts.chosen_point({"threshold": None, "points": points}) is None


def test_where_everything_is_answered_it_is_said_once():
    points = [{"answered": share, "precision": 1.5 - share / 2, "threshold": 1 - share} for share in (0.5, 1.0)]
    points[0]["precision"] = 1.0
    texts = _texts(charts.answering({"threshold": 0.0, "points": points}))
    assert [text for text in texts if "answers" in text] == ["as set\nanswers 100.0%, 100.0% right"]


@given(st.lists(st.floats(-1e6, 1e6), max_size=60), st.integers(3, 40))
def test_bins_hold_every_value_once(values, wished):
    bins = charts.bins([*values, None, float("nan")], wished)
    assert sum(one["rows"] for one in bins) == len(values)
    assert all(before["high"] == after["low"] for before, after in pairwise(bins))
    if values:
        slack = 1e-6 * max(1e-6, *map(abs, values))
        assert bins[0]["low"] <= min(values) + slack
        assert bins[-1]["high"] >= max(values) - slack


SHARE = st.none() | st.floats(0, 1)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(SHARE, SHARE, SHARE, st.none() | st.floats(0, 1e5)), max_size=7))
def test_any_ladder_of_shares_can_be_drawn(rungs):
    rows = [
        {"name": f"r{i}", "value": value, "low": low, "high": high, "seconds": seconds}
        for i, (value, low, high, seconds) in enumerate(rungs)
    ]
    svg = charts.ladder({"metric": "accuracy", "greater_is_better": True, "chosen": "r0", "rungs": rows})
    measured = [row for row in rows if row["value"] is not None]
    assert bool(svg) == bool(measured)
    assert "NaN" not in svg
    assert "Infinity" not in svg
