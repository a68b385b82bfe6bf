"""Every template at its edges: empty, single, null, very long, hostile, right-to-left."""

from __future__ import annotations

import re

import pytest

from metier.pages.page import render
from metier.tasks.contract import Section

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> &amp; \x00\ud800 ]]> {{ 7*7 }}"
SEEN = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> &amp; \ufffd\ufffd ]]> {{ 7*7 }}"
LONG = "Überweisungsbestätigungsbenachrichtigungseinstellung" * 3
RTL, EMOJI = "כל התשובות נכונות", "😀👩‍👩‍👧" * 20

RUNG = {"name": "majority", "value": 0.5, "low": None, "high": None, "seconds": 0, "taken": True, "reason": EVIL}
CARD = {"title": EVIL, "term": "", "value": None, "low": None, "high": None, "baseline": None, "baseline_title": ""}
CLASS = {"label": EVIL, "rows": 3, "precision": 1.0, "recall": 0.5, "f1": 0.667, "low": 0.2, "high": 0.9}
UNSEEN = {"label": "x", "rows": 0, "precision": None, "recall": None, "f1": None, "low": 0.0, "high": 1.0}
BIN = {"confidence": 1.0, "accuracy": 1.0, "rows": 3}
METRIC = {"title": EVIL, "term": EVIL, "value": None, "low": None, "high": None, "generic": None}
ERROR = {"row": 1, "text": EVIL, "truth": EVIL, "prediction": LONG, "confidence": None}
KIND = {"kind": EVIL, "title": EVIL, "surest": None, "drop": 0, "relabel": 1, "rewrite": 0, "review": 0, "keep": 10**7}
RANGE = {"name": EVIL, "value": 0.0, "low": None, "high": None, "note": EVIL}
ITEM = {"row": 0, "kind": EVIL, "detail": EVIL, "score": 1.0, "text": EVIL, "label": None, "doubted": True}
ITEM |= {"action": EVIL, "suggestion": EVIL, "neighbours": [{"row": 1, "text": LONG * 9, "label": RTL}]}
FOUND = {"row": None, "kind": EVIL, "action": EVIL, "detail": EVIL, "suggestion": LONG, "score": 0.0}
STANDING = {"question": EVIL, "answer": LONG, "standing": "unknown", "figure": EVIL, "value": None, "low": None}
STANDING |= {"high": None, "generic": None, "rows": 0, "unit": "%", "link": EVIL}
DIAL = {"metric": EVIL, "title": EVIL, "greater_is_better": False, "rows": 0, "texts": 0, "chosen": None}
TURN = {"scale": 0, "metric": EVIL, "value": 0.0, "low": None, "high": None, "general": 0.0}
TURN |= {"general_low": None, "general_high": None, "share": None}
DRIVER, SIDES = {"name": EVIL, "share": 0.0, "rows": 0}, {"after_title": EVIL, "before_title": EVIL}
EXPLAINED = {"row": 0, "prediction": EVIL, "confidence": None, "sentence": EVIL, "counterfactual": None}
EXPLAINED |= {"pieces": [{"text": EVIL, "share": -1.0, "weight": -1e9}]}
EXPLAINED |= {"because": [{"row": 1, "text": EVIL, "label": None, "weight": 0.0}]}
FLIP = {"row": 0, "kind": EVIL, "from": EVIL, "to": RTL, "text": EVIL, "swapped": EMOJI, "answer": EVIL}
FLIP |= {"swapped_answer": LONG, "generic": EVIL, "swapped_generic": EVIL}
POINT = {"rows": 1, "value": 0.0, "low": 0.0, "high": 0.0, "seconds": 0.0}
WAY = {"name": "x", "title": EVIL, "what": EVIL, "labels": 0, "value": None, "low": None, "high": None, "seconds": None}
WAY |= {"energy": EVIL, "million_seconds": None, "million_cost": EVIL, "needed": 3, "needed_known": True}
WAY |= {"needed_low": 1, "needed_high": None}
STRENGTH = {"severity": 0.5, "label": EVIL, "value": None, "low": None, "high": None, "generic": None, "after": None}
STRENGTH |= {"rows": 0}
CHANGE = {
    "name": EVIL,
    "means": EVIL,
    "deliberate": False,
    "costs": False,
    "brittle": False,
    "p": None,
    "flipped": None,
}
TURNED = {"row": None, "change": EVIL, "before": EVIL, "after": None, "answer": LONG, "changed_answer": RTL}
PROBLEM = {"severity": EVIL, "detail": EVIL, "rows": 0, "fix": EVIL}


def _changes(*rows):
    return {"metric": EVIL, "title": EVIL, "greater_is_better": True, "unit": "", "rows": list(rows)}


def _ladder(rungs, **more):
    return {"metric": "accuracy", "greater_is_better": True, "chosen": "majority", "rungs": rungs} | more


def _comparison(ways):
    more = {"metric": EVIL, "title": EVIL, "greater_is_better": False, "unit": "", "chosen": "x", "rows": 1}
    return {**more, "ways": ways, "forecast": []}


def _equal(names):
    return [{**RUNG, "name": name, "value": 1.0, "low": 1.0, "high": 1.0, "seconds": 3.0} for name in names]


def _diagonal(size):
    return [[4 if i == j else int(i == j + 1) for j in range(size)] for i in range(size)]


def _points(*pairs):
    return [{"answered": answered, "precision": precision, "threshold": None} for answered, precision in pairs]


PIECES = [
    {"kind": "said", "text": EVIL, "refs": [], "by": EVIL},
    {"kind": "asked", "text": EVIL, "id": EVIL, "for": EVIL},
    {"kind": "lacking", "text": RTL, "id": EVIL, "fix": EVIL},
]
NOTHING_DRAWN = [None, None, None, None, ""]
EDGES = [
    ("verdict", {"headline": EVIL, "sentences": [EVIL, RTL, EMOJI]}),
    ("scorecard", {"cards": [{**CARD, "unit": "%"}]}),
    ("scorecard", {"cards": [{**CARD, "value": -3.2, "low": -4, "high": -1, "baseline": 0, "unit": EVIL}]}),
    ("scorecard", {"cards": []}),
    ("ladder", _ladder([{**RUNG, "value": 12.5}], metric="rmse", greater_is_better=False)),
    ("ladder", _ladder([{**RUNG, "value": None, "seconds": None}], metric=EVIL)),
    ("ladder", _ladder(_equal((EVIL, LONG, RTL, "d")))),
    ("ladder", _ladder([{**RUNG, "value": value, "name": str(value)} for value in (-2e6, 0.0, 1e-9, 5e6)])),
    ("ladder", _ladder([])),
    ("confusion", {"labels": ["spam", "ham"], "matrix": [[12_045, 0], [31, 1_948]]}),
    ("confusion", {"labels": [EVIL, LONG, RTL, EMOJI], "matrix": [[0] * 4 for _ in range(4)]}),
    ("confusion", {"labels": [f"label {i}" for i in range(77)], "matrix": _diagonal(77)}),
    ("confusion", {"labels": ["only"], "matrix": [[3]]}),
    ("confusion", {"labels": [], "matrix": []}),
    ("classes", {"rows": [CLASS, {**CLASS, "label": LONG}]}),
    ("classes", {"rows": [UNSEEN]}),
    ("classes", {"rows": []}),
    ("reliability", {"ece": None, "ece_before": None, "bins": [BIN]}),
    ("reliability", {"ece": 0.0, "ece_before": 0.0, "bins": []}),
    ("answering", {"threshold": 0.5, "points": [{"answered": 1.0, "precision": 1.0, "threshold": 0.7}]}),
    ("answering", {"threshold": 1.01, "points": [{"answered": 1.0, "precision": 0.4, "threshold": 0.0}]}),
    ("answering", {"threshold": None, "points": _points((1.0, 0.4), (0.5, 0.6), (0.0, None))}),
    ("answering", {"threshold": None, "points": []}),
    ("learning_curve", {"metric": "mae", "points": [{"rows": 100, "value": 3.25, "low": 3.0, "high": 3.5}]}),
    ("learning_curve", {"metric": EVIL, "points": [{"rows": 0, "value": 0.5, "low": None, "high": None}] * 2}),
    ("learning_curve", {"metric": "mae", "points": []}),
    ("errors", {"rows": [ERROR, {**ERROR, "text": "\u202eevil " + "x" * 1_000_000, "truth": "", "prediction": 3}]}),
    ("errors", {"rows": []}),
    ("scatter", {"points": [[1.0, 1.0]], "unit": EVIL}),
    ("scatter", {"points": [[None, 1.0], [float("nan"), 2.0]], "unit": ""}),
    ("scatter", {"points": [], "unit": ""}),
    ("intervals", {"coverage": None, "wanted": 0.9, "half_width": None}),
    ("histogram", {"bins": [], "unit": "tokens"}),
    ("histogram", {"bins": [{"low": 3, "high": 4, "rows": 9}], "unit": EVIL, "marks": [{"at": 90, "label": EVIL}]}),
    ("metrics", {"rows": [METRIC, {**METRIC, "value": -0.4, "low": -0.6, "high": -0.2, "generic": 0.0}]}),
    ("metrics", {"rows": []}),
    ("problems", {"rows": [PROBLEM]}),
    ("problems", {"rows": []}),
    ("facts", {"rows": [[EVIL, EVIL], [LONG, None]]}),
    ("facts", {"rows": []}),
    ("tally", {"cards": [{"title": EVIL, "term": EVIL, "value": None, "low": None, "high": None, "words": EVIL}]}),
    ("tally", {"cards": []}),
    ("found", {"kinds": [KIND, {**KIND, "title": LONG, "keep": 0}]}),
    ("found", {"kinds": []}),
    ("ranges", {"rows": [RANGE], "signed": True, "axis": EVIL, "notes": [EVIL]}),
    ("ranges", {"rows": [{**RANGE, "value": 1.0, "low": 1.0, "high": 1.0}] * 30, "unit": "%"}),
    ("ranges", {"rows": [{**RANGE, "value": None}]}),
    ("ranges", {"rows": []}),
    ("beside", {"items": [ITEM, {**ITEM, "neighbours": [], "text": EMOJI}]}),
    ("beside", {"items": []}),
    ("pairs", {"rows": [{"name": EVIL, "before": 0, "after": 0}]}),
    ("pairs", {"rows": [{"name": f"label {n}", "before": n, "after": 10**6 * n} for n in range(40)], "after": EVIL}),
    ("pairs", {"rows": []}),
    ("shares", {"rows": [{"name": EVIL, "value": 0.0, "rows": 0}, {"name": RTL, "value": None, "rows": 1}]}),
    ("shares", {"rows": [{"name": "en", "value": 1.0, "rows": 10**7}], "axis": EVIL}),
    ("shares", {"rows": []}),
    ("findings", {"rows": [FOUND], "total": 10**6}),
    ("findings", {"rows": [], "total": 0}),
    ("severity", _changes({**CHANGE, "points": [STRENGTH, {**STRENGTH, "value": 1e9}, STRENGTH]})),
    ("severity", _changes({**CHANGE, "points": [STRENGTH]}, {**CHANGE, "deliberate": True, "points": []})),
    ("severity", _changes({**CHANGE, "name": LONG, "brittle": True, "points": [{**STRENGTH, "value": 0.0}] * 3})),
    ("severity", _changes()),
    ("turned", {"items": [TURNED, {**TURNED, "row": 0, "before": EMOJI, "after": LONG * 9}]}),
    ("turned", {"items": []}),
    (
        "standing",
        {
            "cards": [STANDING, {**STANDING, "standing": "bad", "value": -1.0, "low": -2.0, "high": 0.0}],
            "baseline": EVIL,
        },
    ),
    ("standing", {"cards": [], "baseline": ""}),
    ("dial", {**DIAL, "points": [{**TURN, "value": None}, {**TURN, "scale": 1, "general": 0.5}]}),
    ("dial", {**DIAL, "points": []}),
    ("drivers", {"rows": [{"label": EVIL, "after": [DRIVER], "before": []}], "more": 0, **SIDES}),
    ("drivers", {"rows": [], "more": 0, **SIDES}),
    ("explained", {"items": [EXPLAINED, {**EXPLAINED, "pieces": [], "because": []}], "total": 10**6}),
    ("explained", {"items": [], "total": 0}),
    ("flips", {"items": [FLIP, {**FLIP, "text": RTL, "swapped": LONG * 9}]}),
    ("flips", {"items": []}),
    ("comparison", _comparison([])),
    (
        "comparison",
        _comparison([{"name": "x", "title": EVIL, "points": [POINT]}, {"name": "y", "title": RTL, "points": []}]),
    ),
    ("ways", {"title": EVIL, "unit": "", "goal": None, "energy": EVIL, "chosen": "x", "rows": [WAY]}),
    ("ways", {"title": "", "unit": "%", "goal": 0.0, "energy": "", "chosen": "", "rows": []}),
    (
        "document",
        {"blocks": [{"kind": "prose", "cell": PIECES}, {"kind": "facts", "rows": [[EVIL, PIECES], [RTL, []]]}]},
    ),
    (
        "document",
        {"blocks": [{"kind": "table", "columns": [EVIL], "rows": [[PIECES]], "strips": [NOTHING_DRAWN], "ids": []}]},
    ),
    ("document", {"blocks": []}),
    ("record", {"command": EVIL, "files": [{"file": EVIL, "sha256": EVIL}], "root": EVIL}),
    ("record", {"command": "", "files": [], "root": ""}),
]


@pytest.mark.parametrize(("template", "data"), EDGES, ids=[f"{name}-{place}" for place, (name, _) in enumerate(EDGES)])
def test_a_section_at_its_edge_is_whole_and_runs_nothing(template, data, outline):
    found = outline(render(EVIL, [Section(template, EVIL, data, EVIL)], lead=EVIL, facts=[(EVIL, EVIL)]))
    assert {tag for tag, _ in found.tags} & {"script", "img"} == set()
    assert not [name for _, attrs in found.tags for name in attrs if name.startswith("on")]
    assert SEEN in found.text
    assert all(word not in found.text for word in ("None", "nan", "Undefined", "Markup"))
    "".join(found.texts).encode()


def test_a_text_that_turns_the_reading_direction_turns_nothing_after_it(outline):
    html = render("x", [Section("errors", "Errors", {"rows": [{**ERROR, "text": "\u202eevil" + "x" * 500}]})])
    assert "<bdi>\u202eevil" in html
    assert re.search(r"x…</bdi> <span[^>]*>\(105 more characters\)", html)


def test_every_template_is_tried_at_an_edge(sections):
    assert {name for name, _ in EDGES} == set(sections)


def test_hostile_texts_of_all_sections_are_shown_as_they_are(outline):
    html = render("x", [Section("errors", "Errors", {"rows": [ERROR]})])
    assert outline(html).text.count(SEEN) == 2
    assert "<script" not in html


def test_a_text_of_a_million_characters_is_cut_and_says_so(outline):
    html = render("x", [Section("errors", "Errors", {"rows": [{**ERROR, "text": "x" * 1_000_000}]})])
    assert "999,600 more characters" in outline(html).text
    assert len(html) < 60_000


def test_foreign_scripts_stand_apart_from_what_surrounds_them(outline):
    found = outline(render(RTL, [Section("errors", EMOJI, {"rows": [{**ERROR, "truth": RTL}]})]))
    assert RTL in found.text
    assert EMOJI in found.text
    assert len(found.named("bdi")) >= 4
    assert {"dir": "auto"} in found.named("p")
