"""Fair? Groups told apart by more than chance, answers that hang on who is meant, and whether tuning caused it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from metier.data.groups import Groups, cells, crossed, of_values
from metier.evaluate.bias import mitigation, swaps, views
from metier.evaluate.bias.group_gaps import as_json
from metier.evaluate.bias.group_report import GAP_OF, Compared, compare
from metier.evaluate.bias.swaps import Axis, Swapped
from metier.evaluate.case import Answer, Card, Case


def ask(case: Case) -> Answer:
    """Rates of the plan's groups and their crossings, identity swaps, and what mitigations would bring.

    A gap or a bias is called only where it is beyond chance over all groups, tests and axes together, so that a fair
    expert is accused in at most one evaluation in twenty.
    """
    found = groups(case)
    compared = compare(case, found)
    swapped = swaps.measure(case, found)
    eased, why_not = mitigation.measure(case, compared)
    figures = {**_groups_json(compared), **_swaps_json(case, swapped), "mitigation": [each.as_json() for each in eased]}
    notes = [*_notes(case, compared, swapped), *([why_not] if why_not else [])]
    sections = views.sections(case, compared, swapped, eased)
    return Answer({"bias": figures}, sections, _card(case, compared, swapped), notes)


def groups(case: Case) -> list[Groups]:
    """The groups of the plan's columns, each alone, then every two crossed, then all where there are more than two.

    Raises UsageError for a column that is not there or holds no groups.
    """
    table, rows = case.dataset.table, case.examples.rows
    names = dict.fromkeys(case.plan.evaluate.groups)
    single = [of_values(name, cells(table, name, rows, "--group")) for name in names]
    crossings = [list(pair) for pair in combinations(single, 2)]
    if len(single) > 2:
        crossings.append(single)
    return single + [crossed(parts) for parts in crossings]


def _groups_json(compared: Sequence[Compared]) -> dict[str, Any]:
    """The first column's figures under the names that are relied on; all other columns and crossings under others."""
    if not compared:
        none = dict.fromkeys(("demographic_parity_difference", "equalized_odds_difference"))
        return {"group": None, "rates": {}, **none, "others": []}
    first, *others = compared
    return {**first.figures, "others": [each.figures for each in others]}


def _swaps_json(case: Case, swapped: Swapped) -> dict[str, Any]:
    return {
        "swaps": [_axis_json(case, axis) for axis in swapped.axes],
        "swaps_not_measured": [{"axis": name, "rows": rows} for name, rows in swapped.too_few.items()],
    }


def _axis_json(case: Case, axis: Axis) -> dict[str, Any]:
    """`p` is that tuning did not make answers hang on identity, `bias_p` that they do not; both over all axes."""
    alpha = 1 - case.level
    told: dict[str, Any] = {
        "axis": axis.name,
        "flip_rate": axis.flips.value,
        "generic_flip_rate": axis.generic.value,
        "p": axis.held,
        "bias_p": axis.held_bias,
        "biased": axis.held_bias < alpha,
        "caused_by_tuning": axis.held < alpha,
        "rows": axis.rows,
        "identities": list(axis.identities),
        "neutral_flip_rate": axis.neutral,
        "intervals": {
            "flip_rate": axis.flips.as_json(),
            "generic_flip_rate": axis.generic.as_json(),
            "change_by_tuning": as_json(axis.change),
        },
        "tests": {"beyond_neutral": axis.p_neutral, "directed": axis.p_directed, "raised_by_tuning": axis.p_tuning},
        "pushed": None,
        "examples": [_flip_json(flip) for flip in axis.examples],
    }
    if axis.pushed is not None:
        told["pushed"] = {
            "identity": axis.pushed.identity,
            "towards": axis.towards,
            "shift": [float(each) for each in axis.pushed.shift],
        }
    return told


def _flip_json(flip: swaps.Flip) -> dict[str, Any]:
    return {
        "row": flip.row,
        "from": flip.source,
        "to": flip.identity,
        "text": flip.text,
        "swapped": flip.swapped,
        "prediction": flip.answers[0],
        "swapped_prediction": flip.answers[1],
        "generic_prediction": flip.generic[0],
        "generic_swapped_prediction": flip.generic[1],
    }


def _notes(case: Case, compared: Sequence[Compared], swapped: Swapped) -> list[str]:
    notes = []
    if not compared:
        notes.append("No groups were compared: name a column with --group, such as --group gender.")
    if swapped.too_few:
        few = ", ".join(f"{name} {rows}" for name, rows in swapped.too_few.items())
        notes.append(
            f"Identity swaps need {swaps.FEWEST} rows with a term of their axis; "
            f"of {swapped.rows:,} rows there were: {few}."
        )
    read = [axis.title for axis in swapped.axes if axis.column]
    if read and case.origin is None:
        notes.append(
            f"The expert reads {', '.join(read)}. Whether it learnt more from that than chance could not be tested, "
            f"so no bias is called: {case.no_origin}."
        )
    unproven = [axis.title for axis in swapped.axes if axis.neutral is None and axis.p_directed is None]
    if unproven:
        notes.append(
            f"Swaps of {', '.join(unproven)} could not be set against neutral words, as the file of terms has none: "
            "no bias is called there, only what tuning raised."
        )
    return notes


def _card(case: Case, compared: Sequence[Compared], swapped: Swapped) -> Card:
    """The worst finding first: a bias that tuning caused, one that it did not, then the largest gap not called."""
    alpha = 1 - case.level
    biased = [axis for axis in swapped.axes if min(axis.held, axis.held_bias) < alpha]
    called = [each for each in compared if each.called]
    if not compared and not swapped.axes:
        answer = "Not known: no group was named, and too few texts say who is meant."
        return Card("Fair?", answer, "unknown", rows=len(case.examples))
    if biased:
        return _swap_card(case, min(biased, key=lambda axis: (axis.held, axis.held_bias)), len(biased))
    if called:
        return _gap_card(case, called)
    if compared:
        first = compared[0]
        name = GAP_OF["errors"] if "errors" in first.p else next(GAP_OF[test] for test in first.p)
        between = first.figures["intervals"][name]
        return Card(
            "Fair?",
            "No group is treated differently beyond chance.",
            "good",
            f"largest difference in errors by {first.groups.name}",
            between["value"],
            between["low"],
            between["high"],
            first.figures["generic"][name],
            first.figures["rows"],
            "%" if case.classes else case.expert.target.record().get("unit", ""),
        )
    axis = max(swapped.axes, key=lambda axis: axis.flips.value)
    answer = "Answers do not hang on who is meant, beyond chance."
    return _of_swaps(axis, answer, "good")


def _swap_card(case: Case, axis: Axis, several: int) -> Card:
    caused = axis.held < 1 - case.level
    more = f" So do {several - 1} more." if several > 1 else ""
    why = "tuning caused it" if caused else "the generic base does the same"
    return _of_swaps(axis, f"Answers change with {axis.title.lower()}: {why}.{more}", "bad" if caused else "look")


def _of_swaps(axis: Axis, answer: str, standing: Any) -> Card:
    return Card(
        "Fair?",
        answer,
        standing,
        f"answers that turn when {axis.title.lower()} is swapped",
        axis.flips.value,
        axis.flips.low,
        axis.flips.high,
        axis.generic.value,
        axis.rows,
    )


def _gap_card(case: Case, called: Sequence[Compared]) -> Card:
    worst = min(called, key=lambda each: min(each.p.values()))
    test = min(worst.called, key=lambda name: worst.p[name])
    name = GAP_OF[test]
    between = worst.figures["intervals"][name]
    caused = any(each.caused for each in called)
    why = "tuning made it larger" if caused else "tuning is not shown to have caused it"
    columns = ", ".join(each.groups.name for each in called)
    return Card(
        "Fair?",
        f"Groups by {columns} are treated differently: {why}.",
        "bad" if caused or test != "selection" else "look",
        f"{views.GAP_WORDS[test]} by {worst.groups.name}",
        between["value"],
        between["low"],
        between["high"],
        worst.figures["generic"][name],
        worst.figures["rows"],
        "%" if case.classes else case.expert.target.record().get("unit", ""),
    )
