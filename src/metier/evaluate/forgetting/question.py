"""What tuning cost: general ability before and after, the dial between the two, and the gap to the rows it learnt.

Asks of the base, not of the kind of task: a base that generates text will bring more parts of `ability`.
"""

from __future__ import annotations

from typing import Any

from metier.evaluate.case import Answer, Card, Case, Standing
from metier.evaluate.forgetting import ability as measured
from metier.evaluate.forgetting.ability import NEIGHBOURS, Ability
from metier.evaluate.forgetting.dial import Point, training_rung, turn
from metier.evaluate.forgetting.overfitting import Fitting, fitting
from metier.evaluate.intervals import Interval
from metier.tasks.contract import Section

# An expert whose general ability lies above this share of its base's has forgotten little.
_LITTLE = 0.9
_UNCHANGED = "Tuning changed nothing in the base, so nothing it knew can have been forgotten."
_NO_BASE = "This expert does not read through a pre-trained base: there is nothing general to forget."
_NO_TEXTS = "General ability is measured on everyday texts, and this expert reads none."
_MERGED = "The tuned weights were merged into the base, and the untouched base is not beside them to compare with."


def ask(case: Case) -> Answer:
    """General ability with its paired difference, the base's geometry, the WiSE-FT dial and the train-test gap."""
    fit = fitting(case)
    gap = {"train_test_gap": fit and fit.as_json()}
    notes = [] if fit else [f"The gap to the training rows is not known: {case.no_origin}."]
    more = [_gap_section(case, fit)] if fit else []
    rung, trunk = training_rung(case.expert), getattr(case.expert.predictor, "trunk", None)
    if trunk is None or case.expert.about.get("merged_from"):
        why = _MERGED if trunk else _NO_BASE
        figures = {**_nothing(), **gap, "note": why}
        standing: Standing = "unknown" if trunk else "good"
        return Answer({"forgetting": figures}, more, _plain_card(why, standing, fit), [why, *notes])
    if not case.expert.trunk.reads_texts:
        figures = {**_nothing(), **gap, "note": _NO_TEXTS}
        return Answer({"forgetting": figures}, more, _plain_card(_NO_TEXTS, "unknown", fit), [_NO_TEXTS, *notes])
    before = measured.ability(case.expert.trunk)
    if rung is None:
        general = _general(case, before, before)
        figures = {**_nothing(), "general": general, **_geometry(case, before, before), **gap, "note": _UNCHANGED}
        return Answer({"forgetting": figures}, more, _plain_card(_UNCHANGED, "good", fit), [_UNCHANGED, *notes])
    after = measured.ability(trunk)
    return _changed(case, before, after, turn(case, rung, before, after, _limit(case)), fit, notes)


def _limit(case: Case) -> float | None:
    return case.plan.evaluate.keep_general


def _changed(
    case: Case,
    before: Ability,
    after: Ability,
    turned: tuple[list[Point], Point | None],
    fit: Fitting | None,
    notes: list[str],
) -> Answer:
    points, kept = turned
    share = measured.share_kept(before, after, level=case.level, seed=case.seed)
    general = _general(case, before, after)
    geometry = _geometry(case, before, after)
    name = case.metric.name
    figures: dict[str, Any] = {
        "general": general,
        **geometry,
        "dial": [point.as_json(name) for point in points],
        "kept": kept and {"limit": _limit(case), **kept.as_json(name)},
        "rows": len(case.sample()),
        "texts": len(before.vectors),
        "train_test_gap": fit and fit.as_json(),
    }
    if share is None:
        notes = ["The base itself knows no more than chance on the general texts: no share of it can be kept.", *notes]
    sections = [_dial_section(case, points, kept), _ability_section(before, after, general, geometry)]
    sections += [_gap_section(case, fit)] if fit else []
    return Answer({"forgetting": figures}, sections, _card(share, len(before.vectors), fit), notes)


# -------------------------------------------------------------------------------------------------------- figures


def _nothing() -> dict[str, Any]:
    return {"general": None, "neighbour_overlap": None, "cka": None, "dial": [], "kept": None}


def _general(case: Case, before: Ability, after: Ability) -> dict[str, Any]:
    level, seed = case.level, case.seed
    share = measured.share_kept(before, after, level=level, seed=seed)
    then = measured.interval(before, level=level, seed=seed).as_json().values()
    return {
        **measured.interval(after, level=level, seed=seed).as_json(),
        **{f"generic{end}": value for end, value in zip(("", "_low", "_high"), then, strict=True)},
        "difference": measured.difference(before, after, level=level, seed=seed).as_json("generic"),
        "share": share and share.as_json(),
        "parts": {
            name: {"value": after.raw[name], "generic": before.raw[name], "chance": after.chance[name]}
            for name in after.raw
        },
    }


def _geometry(case: Case, before: Ability, after: Ability) -> dict[str, Any]:
    overlap = measured.neighbour_overlap(before.vectors, after.vectors, level=case.level, seed=case.seed)
    cka = measured.linear_cka(before.vectors, after.vectors, level=case.level, seed=case.seed)
    return {"neighbour_overlap": overlap.as_json(), "cka": cka.as_json()}


# ------------------------------------------------------------------------------------------------------- sections


def _dial_section(case: Case, points: list[Point], kept: Point | None) -> Section:
    name, title = case.metric.name, case.metric.title or case.metric.name
    if kept is None:
        lead = (
            "Each point is the same expert with less of its tuning: right is more general, up is better at the trade."
        )
    else:
        lead = (
            f"To keep {_limit(case):.0%} of general ability, turn the tuning to {kept.scale:g}: "
            f"{title} {kept.score.value:.3f}, general ability {kept.general.value:.3f}."
        )
    data = {
        "metric": name,
        "title": title,
        "greater_is_better": case.metric.greater_is_better,
        "rows": len(case.sample()),
        "texts": len(measured.suite().texts),
        "chosen": kept and kept.scale,
        "points": [point.as_json(name) for point in points],
    }
    return Section("dial", "Trade against general ability", data, lead)


_TITLES = {
    "topics": ("Sentences put to their everyday topic", "nearest centre"),
    "meanings": ("The sentence that says the same in other words", "mean reciprocal rank"),
    "questions": ("The answer that belongs to a question", "mean reciprocal rank"),
}


def _ability_section(before: Ability, after: Ability, general: dict[str, Any], geometry: dict[str, Any]) -> Section:
    overlap, cka, lost = geometry["neighbour_overlap"], geometry["cka"], general["difference"]
    rows = [
        _row("General ability", "mean of the three below, chance at 0", general, general["generic"]),
        *(
            {"title": title, "term": term, "value": after.raw[name], "low": None, "high": None, "unit": "%"}
            | {"generic": before.raw[name]}
            for name, (title, term) in _TITLES.items()
        ),
        _row(f"Nearest {NEIGHBOURS} texts that stay nearest", "neighbour overlap", overlap, 1.0),
        _row("Likeness of the two geometries", "linear CKA", cka, 1.0),
    ]
    verdict = "proven" if lost["high"] < 0 or lost["low"] > 0 else "within chance"
    lead = (
        f"Tuning changed general ability by {100 * lost['points']:+.1f} points "
        f"({100 * lost['low']:+.1f} to {100 * lost['high']:+.1f}; {verdict})."
    )
    return Section("metrics", "What the expert still knows in general", {"rows": rows}, lead)


def _row(title: str, term: str, found: dict[str, Any], generic: float) -> dict[str, Any]:
    figures = {key: found[key] for key in ("value", "low", "high")}
    return {"title": title, "term": term, **figures, "generic": generic, "unit": "%"}


def _gap_section(case: Case, fit: Fitting) -> Section:
    share = all(0 <= figure.value <= 1 for figure in (fit.train, fit.test))
    found = [("Rows it learnt from", fit.train, fit.train_rows), ("Rows it has not seen", fit.test, fit.test_rows)]
    if fit.held_out is not None:
        found.insert(1, ("Rows held out in tuning", fit.held_out, fit.held_out_rows))
    rows = [{"name": name, **figure.as_json(), "note": f"{count:,} rows"} for name, figure, count in found]
    data = {
        "rows": rows,
        "axis": case.metric.title or case.metric.name,
        "unit": "%" if share else "",
        "signed": False,
        "caption": "The further apart the two, the more was learnt by heart (over-fitting).",
    }
    return Section("ranges", "Learnt, or learnt by heart?", data, fit.words())


# ----------------------------------------------------------------------------------------------------------- card


def _plain_card(why: str, standing: Standing, fit: Fitting | None) -> Card:
    return Card("General?", " ".join([why, *([fit.words()] if fit else [])]), standing)


def _card(share: Interval | None, texts: int, fit: Fitting | None) -> Card:
    also = f" {fit.words()}" if fit else ""
    if share is None:
        return Card("General?", f"Not known: the base knows too little of these texts.{also}", "unknown")
    standing: Standing = "good" if share.low >= _LITTLE else "bad" if share.high < _LITTLE else "look"
    return Card(
        question="General?",
        answer=f"It kept {share.value:.0%} of what its base knows in general.{also}",
        standing=standing,
        figure="general ability kept",
        value=share.value,
        low=share.low,
        high=share.high,
        generic=1.0,
        rows=texts,
    )
