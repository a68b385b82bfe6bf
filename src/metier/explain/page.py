"""explanation.html: how far the explanations can be believed, then each example with its words shaded by weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metier.data.dataset import Dataset
from metier.expert import Expert
from metier.explain.attribution import METHODS, RANDOM
from metier.pages.page import render
from metier.tasks.contract import Section

SHOWN = 50


@dataclass(frozen=True)
class Seen:
    """What a person sees of a row: the text that the spans of an attribution point into, and a picture if it is one."""

    text: str
    picture: str | None = None


def compose(expert: Expert, no_memory: str, dataset: Dataset, figures: Mapping[str, Any], seen: Sequence[Seen]) -> str:
    """The page as HTML. `seen` are the rows in the order of the explanations."""
    sections = [shaded(figures["explanations"], seen, figures["method"])]
    if figures["measured"]:
        sections.insert(0, believed(figures["measured"]))
    notes = [f"The rows it learnt from are not shown: {no_memory}."] if no_memory else []
    if notes:
        rows = [{"severity": "note", "detail": note, "rows": 0, "fix": ""} for note in notes]
        sections.append(Section("problems", "What could not be shown", {"rows": rows}))
    facts = [("Expert", expert.about["name"] or str(expert.folder)), ("Data", dataset.source.path)]
    facts.append(("Rows", f"{figures['rows']:,}"))
    return render(f"{expert.about['name']}: why it said that", sections, lead=expert.task.summary, facts=facts)


def believed(measured: Mapping[str, Any]) -> Section:
    """Every method's comprehensiveness beside that of random order."""
    rows = []
    order = sorted(measured["methods"].values(), key=lambda one: -(one["comprehensiveness"]["value"] or 0.0))
    for one in order:
        name, gain = one["method"], one["over_random"]
        what = "any order" if name == RANDOM else METHODS[name].summary
        if name == measured["best"]:
            what += "; taken unless another is asked for"
        elif gain is not None and one["refused"]:
            what += "; refused: no better than random order"
        rows.append({"name": name, **one["comprehensiveness"], "note": what})
    best, first = measured["best"], order[0]["method"]
    on = f"On {measured['rows']} rows"
    if best is None:
        lead = f"{on} no method names what the expert goes by better than random order does."
    elif best == first:
        lead = f"{on} “{best}” names best what the expert goes by."
    else:
        lead = f"{on} “{best}” names what the expert goes by no worse, beyond chance, than “{first}”, and costs less."
    caption = (
        "How much of the support for its own answer the expert loses when what the method names first is taken away "
        "(normalised comprehensiveness, the mean over 1, 5, 10, 20 and 50% of the parts)."
    )
    data = {"rows": rows, "axis": "Support lost", "unit": "%", "signed": False, "caption": caption, "notes": []}
    return Section("ranges", "Can the explanations be believed?", data, lead)


def shaded(items: Sequence[Mapping[str, Any]], seen: Sequence[Seen], method: str | None) -> Section:
    """Each example with its words, or the regions of its picture, shaded by weight."""
    told = [
        {
            **item,
            "pieces": [] if own.picture else pieces(own.text, item["attribution"]),
            "picture": own.picture,
            "regions": regions(item["attribution"]) if own.picture else [],
        }
        for item, own in zip(items[:SHOWN], seen, strict=False)
    ]
    against = "orange ones with a broken edge" if any(one["picture"] for one in told) else "underlined orange ones"
    lead = f"Blue parts spoke for the answer, {against} against it; the darker, the more."
    return Section(
        "explained", "Why each answer was given", {"items": told, "total": len(items)}, lead if method else ""
    )


def regions(attribution: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Where the units lie in a picture, in percent of its sides; `share` is a weight over the greatest, -1..1."""
    most = max((abs(part["weight"]) for part in attribution), default=0.0) or 1.0
    return [
        {
            **{side: round(100 * length, 3) for side, length in part["place"].items()},
            "name": part["token"],
            "share": round(part["weight"] / most, 3),
            "weight": part["weight"],
        }
        for part in attribution
    ]


def pieces(text: str, attribution: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The text cut into units and what stands between them; `share` is a unit's weight over the greatest, -1..1."""
    most = max((abs(part["weight"]) for part in attribution), default=0.0) or 1.0
    found, at = [], 0
    for part in attribution:
        if part["start"] > at:
            found.append({"text": text[at : part["start"]], "share": 0.0, "weight": None})
        piece = text[part["start"] : part["end"]]
        found.append({"text": piece, "share": round(part["weight"] / most, 3), "weight": part["weight"]})
        at = part["end"]
    return [*found, {"text": text[at:], "share": 0.0, "weight": None}] if at < len(text) else found
