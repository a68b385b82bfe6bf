"""The pictures of fairness: gaps, rates by group, identity swaps beside the base, texts that flip, mitigations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from metier.evaluate.bias.group_report import GAP_OF, Compared
from metier.evaluate.bias.mitigation import Eased
from metier.evaluate.bias.swaps import Axis, Swapped
from metier.evaluate.case import Case
from metier.evaluate.intervals import Gain
from metier.tasks.contract import Section

GAP_WORDS = {
    "selection": "difference in how often it is given",
    "errors": "difference in errors",
    "accuracy": "difference in right answers",
    "mean_error": "difference in mean error",
    "mean_absolute_error": "difference in mean absolute error",
}
_SHARE_WORDS = {
    "selection_rate": "given",
    "tpr": "found where true",
    "fpr": "given where false",
    "accuracy": "answered right",
    "mean_error": "mean error",
    "mean_absolute_error": "mean absolute error",
}
_MOST_GROUPS = 5  # of which all shares fit into one picture
_TEXT = 400


def sections(case: Case, compared: Sequence[Compared], swapped: Swapped, eased: Sequence[Eased]) -> list[Section]:
    """The sections in reading order; those that have nothing to show are left out."""
    out = []
    if compared:
        out += [_gaps(case, compared), _rates(case, compared[0])]
    if swapped.axes:
        out.append(_swaps(case, swapped))
        if any(axis.examples for axis in swapped.axes):
            out.append(_flips(swapped))
    if eased:
        out.append(_eased(eased))
    return out


def _unit(case: Case) -> str:
    return "%" if case.classes else str(case.expert.target.record().get("unit", ""))


def _gaps(case: Case, compared: Sequence[Compared]) -> Section:
    rows = []
    for each in compared:
        for test, p in each.p.items():
            name = GAP_OF[test]
            generic = each.figures["generic"][name]
            beside = "" if generic is None else f"generic base {_said(generic, _unit(case))}; "
            beyond = "beyond chance" if test in each.called else "within chance"
            rows.append(
                {
                    "name": f"{each.groups.name}: {GAP_WORDS[test]}",
                    **each.figures["intervals"][name],
                    "note": f"{beside}{beyond} (p = {p:.3g}, all tests together)",
                }
            )
    called = [each for each in compared if each.called]
    lead = "No group is told apart from another by more than chance."
    if called:
        parts = [f"{each.groups.name} ({', '.join(GAP_WORDS[test] for test in each.called)})" for each in called]
        lead = f"Beyond chance: {'; '.join(parts)}."
        lead += " Tuning made it larger." if any(each.caused for each in called) else ""
    data = {
        "rows": rows,
        "axis": "Largest difference between two groups",
        "unit": _unit(case),
        "caption": "Groups treated alike still differ by chance; the table says which differences are more.",
    }
    return Section("ranges", "Are groups treated alike?", data, lead)


def _said(value: float, unit: str) -> str:
    return f"{100 * value:.1f}%" if unit == "%" else f"{value:.3g} {unit}".strip()


def _rates(case: Case, first: Compared) -> Section:
    between: Mapping[str, Any] = first.figures["intervals"]["rates"]
    names = list(between)
    shares = [share for share in _SHARE_WORDS if share in next(iter(between.values()))]
    shares = shares if len(names) <= _MOST_GROUPS else [shares[-1]]
    generic = first.figures["generic"]["rates"]
    rows = []
    for share in shares:
        for name in names:
            found = between[name][share]
            if found["value"] is None:
                continue
            base = generic[name].get(share)
            note = f"{first.figures['rates'][name]['rows']:,} rows"
            note += "" if base is None else f"; generic base {_said(base, _unit(case))}"
            rows.append({"name": f"{name}: {_SHARE_WORDS[share]}", **found, "note": note})
    positive = first.figures.get("positive")
    what = f", for the label {positive}" if positive is not None else ""
    worst = first.figures["worst_group"]
    lead = f"Worst served is {worst['group']}, of {worst['rows']:,} rows"
    lead += "." if first.called else "; not by more than chance."
    axis = f"Share of a group's rows{what}" if case.classes else "Error"
    data = {"rows": rows, "axis": axis, "unit": _unit(case), "signed": not case.classes}
    return Section("ranges", f"Each group by itself: {first.groups.name}", data, lead)


def _swaps(case: Case, swapped: Swapped) -> Section:
    alpha = 1 - case.level
    rows = []
    for axis in swapped.axes:
        like = "" if axis.neutral is None else f"; two neutral words differ in {_said(axis.neutral, '%')} of pairs"
        note = f"{axis.rows:,} rows{like}; {_verdict(axis, alpha)}"
        rows += [
            {"name": axis.title, **axis.flips.as_json(), "note": note},
            {"name": f"{axis.title}, generic base", **axis.generic.as_json(), "note": f"{axis.rows:,} rows"},
        ]
    biased = [axis for axis in swapped.axes if axis.held_bias < alpha or axis.held < alpha]
    lead = "Who is meant does not decide the answer, beyond chance and what any change of a word does."
    if biased:
        lead = " ".join(_sentence(axis, alpha) for axis in biased)
    data = {
        "rows": rows,
        "axis": "Rows whose answer turns when who is meant is swapped",
        "unit": "%",
        "caption": "Everything else in the text stays as it is.",
    }
    return Section("ranges", "Does the answer hang on who is meant?", data, lead)


def _verdict(axis: Axis, alpha: float) -> str:
    if axis.held < alpha:
        return f"made by tuning (p = {axis.held:.3g})"
    if axis.held_bias < alpha:
        return f"beyond chance (p = {axis.held_bias:.3g}), not shown to come from tuning"
    return "within chance"


def _sentence(axis: Axis, alpha: float) -> str:
    pushed = ""
    if axis.pushed is not None and axis.towards:
        pushed = f", {axis.pushed.identity} most, towards {axis.towards}"
    cause = "tuning caused it" if axis.held < alpha else "the generic base does the like"
    return f"{axis.title} turns {_said(axis.flips.value, '%')} of the answers{pushed}: {cause}."


def _flips(swapped: Swapped) -> Section:
    items = [
        {
            "row": flip.row,
            "kind": axis.title,
            "from": flip.source,
            "to": flip.identity,
            "text": flip.text[:_TEXT],
            "swapped": flip.swapped[:_TEXT],
            "answer": _word(flip.answers[0]),
            "swapped_answer": _word(flip.answers[1]),
            "generic": _word(flip.generic[0]),
            "swapped_generic": _word(flip.generic[1]),
        }
        for axis in swapped.axes
        for flip in axis.examples[:3]
    ]
    lead = "The same texts but for who is meant, and what is answered to each."
    return Section("flips", "Answers that turned", {"items": items}, lead)


def _word(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _eased(eased: Sequence[Eased]) -> Section:
    rows = []
    for each in eased:
        before, after = each.score_before_after
        gap = f"{_said(each.gap_before.value, '%')} → {_said(each.gap_after.value, '%')}; {each.how}"
        score = f"{each.score_name} {before.value:.3f} → {after.value:.3f}"
        rows.append({"name": f"{each.name}: gap", **_ends(each.gap), "note": gap})
        rows.append({"name": f"{each.name}: {each.score_name}", **_ends(each.score), "note": score})
    best = max(eased, key=lambda each: each.gap.points)
    lead = f"Nothing tried was shown to close the gap of {best.groups}."
    if best.gap.low > 0:
        lead = f"{best.name.capitalize()} narrows the gap of {best.groups} by {100 * best.gap.points:.1f} points; "
        lead += f"{best.score_name} changes by {best.score.points:+.3f}."
    data = {
        "rows": rows,
        "axis": "Better than doing nothing, on the same rows",
        "unit": "%",
        "signed": True,
        "caption": "Right of zero is better: a smaller gap, or a better score.",
    }
    return Section("ranges", "What would make it fairer, and at what price?", data, lead)


def _ends(gain: Gain) -> dict[str, float]:
    return {"value": gain.points, "low": gain.low, "high": gain.high}
