"""What a mitigation brought, as pictures: each gap without it and with it, and the groups' rates likewise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metier.tasks.contract import Section

_GAPS = {
    "demographic_parity_difference": "Difference in how often it is given",
    "equalized_odds_difference": "Difference in errors",
}
_SHARES = {"selection_rate": "given", "tpr": "found where true", "fpr": "given where false"}
_MOST_GROUPS = 5  # of which all rates fit into one picture


def sections(mitigation: Mapping[str, Any]) -> list[Section]:
    """The sections for the figures of `tune --json`, `mitigation`; none where it was not measured."""
    found = mitigation["brought"]
    if found is None:
        return []
    rows = []
    for name, title in _GAPS.items():
        about = found[name]
        rows += [
            {"name": f"{title}, without", **about["without"], "note": ""},
            {"name": f"{title}, with", **about["with"], "note": _change(about["change"])},
        ]
    data = {
        "rows": rows,
        "axis": f"Largest difference between two groups of {mitigation['group']}, for the label {found['label']}",
        "unit": "%",
        "signed": False,
        "caption": f"Measured on {found['rows']:,} {found['how']}.",
        "notes": [_price(found)],
    }
    title = f"What {mitigation['mitigation']} by {mitigation['group']} brought"
    return [Section("ranges", title, data, lead(mitigation)), _rates(mitigation, found)]


def lead(mitigation: Mapping[str, Any]) -> str:
    """The finding in one sentence, for the page and the screen."""
    found, name = mitigation["brought"], mitigation["mitigation"].capitalize()
    if found is None:
        return f"What it brought was not measured: {mitigation['not_measured']}."
    known = {gap: found[gap] for gap in _GAPS if found[gap]["change"]["value"] is not None}
    narrower = [gap for gap, about in known.items() if about["change"]["high"] < 0]
    if not narrower:
        return f"{name} was not shown to narrow a gap on these {found['rows']:,} rows."
    told = [
        f"the {_GAPS[gap].lower()} from {_share(known[gap]['without'])} to {_share(known[gap]['with'])}"
        for gap in narrower
    ]
    return f"{name} narrows {' and '.join(told)}."


def how_to_measure(mitigation: Mapping[str, Any]) -> str:
    """What to type where it was not measured."""
    groups = " ".join(f"--group {column}" for column in mitigation["columns"])
    return f"Tune once without --mitigate, and compare both with metier evaluate EXPERT ROWS {groups}."


def _share(interval: Mapping[str, float]) -> str:
    return f"{100 * interval['value']:.1f}%"


def _change(change: Mapping[str, Any]) -> str:
    if change["value"] is None:
        return "too few rows to say"
    low, high = 100 * change["low"], 100 * change["high"]
    return f"{100 * change['value']:+.1f} points ({low:+.1f} to {high:+.1f}; p = {change['p']:.3g})"


def _price(found: Mapping[str, Any]) -> str:
    score = found["score"]
    if score["change"]["value"] is None:
        return f"What it cost in {found['metric']} could not be told on so few rows."
    change = score["change"]
    return (
        f"The price: {found['metric']} {score['without']['value']:.3f} without, {score['with']['value']:.3f} with it "
        f"({change['value']:+.3f}, {change['low']:+.3f} to {change['high']:+.3f})."
    )


def _rates(mitigation: Mapping[str, Any], found: Mapping[str, Any]) -> Section:
    groups = found["rates"]
    shares = list(_SHARES) if len(groups) <= _MOST_GROUPS else ["selection_rate"]
    rows = [
        {"name": f"{group}: {_SHARES[share]}, {side}", **rates[share][side], "note": f"{rates['rows']:,} rows"}
        for share in shares
        for group, rates in groups.items()
        for side in ("without", "with")
        if rates[share][side]["value"] is not None
    ]
    data = {
        "rows": rows,
        "axis": f"Share of a group's rows, for the label {found['label']}",
        "unit": "%",
        "signed": False,
    }
    words = "How often each group is given the label, without the mitigation and with it."
    return Section("ranges", f"Each group by itself: {mitigation['group']}", data, words)
