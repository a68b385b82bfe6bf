"""Calibrated? Whether stated confidence is true, overall and by part, and whether the expert knows its limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from metier.errors import DataError
from metier.evaluate.calibration import ALWAYS_ABSTAIN, threshold_for_precision
from metier.evaluate.case import Answer, Card, Case, Standing
from metier.evaluate.confidence import conformal, mistake_costs, scope
from metier.evaluate.intervals import Interval, bootstrap, wilson
from metier.evaluate.metrics import confidences, decisions
from metier.tasks.contract import Array, Inputs, Section

# Shares of right answers a person may wish for.
PRECISIONS = (0.9, 0.95, 0.98, 0.99, 0.995)
# An expert is called calibrated where its error is shown to be no greater.
WANTED_ECE = 0.03
# Below this a label's or a group's own calibration error is mostly chance.
_FEWEST = 30
_MOST_WITHIN = 2000
_EVERYDAY = "everyday sentences"


def ask(case: Case) -> Answer:
    """Calibration error, conformal sets, thresholds for a wished precision, costs, and rows from outside the trade."""
    figures: dict[str, Any] = {"conformal": _conformal(case)}
    sections: list[Section | None] = [_conformal_section(figures["conformal"], case)]
    notes: list[str] = []
    card = None
    if case.classes:
        figures["calibration"] = _calibration(case)
        figures["selective"] = _selective(case)
        sections = [_calibration_section(figures["calibration"]), _selective_section(figures["selective"]), *sections]
        card = _card(case)
        if case.plan.doubt.costs:
            figures["costs"] = _costs(case, case.plan.doubt.costs)
            sections.append(_costs_section(figures["costs"]))
        outside, whence = _outsiders(case)
        if outside is None:
            notes.append(f"Rows from outside the trade were not tried: {whence}.")
        else:
            figures["out_of_scope"] = _out_of_scope(case, outside, whence)
            sections.append(_scope_section(figures["out_of_scope"]))
    return Answer(figures, [each for each in sections if each is not None], card, notes)


# --------------------------------------------------------------------------------------------------------- calibration


def _calibration(case: Case) -> dict[str, Any]:
    evaluation = case.evaluation
    found = evaluation.metrics["ece"]
    return {
        "ece": evaluation.ece,
        "ece_before": evaluation.ece_before,
        "low": found.as_json()["low"],
        "high": found.as_json()["high"],
        "generic": case.evaluation.generic["ece"].as_json()["value"],
        "by_label": _errors_by(case, case.examples.targets, case.expert.target.values),
        "by_group": [
            {"group": name, **each}
            for name in case.plan.evaluate.groups
            for each in _errors_by(case, *_coded(case.column(name)))
        ],
    }


def _coded(values: Sequence[Any]) -> tuple[Array, Any]:
    names, codes = np.unique([str(value) for value in values], return_inverse=True)
    return codes, lambda wanted: [str(name) for name in names[wanted]]


def _errors_by(case: Case, codes: Array, names: Any) -> list[dict[str, Any]]:
    """Confidence beside accuracy in each part that has enough rows, the largest gap first."""
    confidence = confidences(case.evaluation.outputs)
    right = decisions(case.evaluation.outputs) == case.evaluation.truth
    found = []
    for code in np.unique(codes[codes >= 0]):
        rows = codes == code
        count = int(rows.sum())
        if count < _FEWEST:
            continue
        low, high = wilson(float(right[rows].sum()), count, case.level)
        stated, accuracy = float(confidence[rows].mean()), float(right[rows].mean())
        metric = case.expert.target.metrics()["ece"]
        found.append(
            {
                "name": str(names(np.array([code]))[0]),
                "rows": count,
                "confidence": stated,
                "accuracy": accuracy,
                "low": low,
                "high": high,
                "ece": metric.function(case.evaluation.truth[rows], case.evaluation.outputs[rows]),
                "off": not low <= stated <= high,
            }
        )
    return sorted(found, key=lambda each: -abs(each["confidence"] - each["accuracy"]))


_GAP = {"value": "accuracy", "low": "low", "high": "high"}


def _calibration_section(figures: Mapping[str, Any]) -> Section | None:
    parts = [*figures["by_group"], *figures["by_label"]]
    if not parts:
        return None
    off = [each for each in parts if each["off"]]
    chance = len(parts) * 0.05
    lead = (
        f"In {len(off)} of {len(parts)} parts the stated confidence lies outside the likely range of the accuracy; "
        f"about {chance:.0f} would by chance alone."
    )
    rows = [
        {
            "name": f"{each['group']}: {each['name']}" if "group" in each else each["name"],
            **{key: each[of] - each["confidence"] for key, of in _GAP.items()},
            "note": f"states {each['confidence']:.1%}, is right {each['accuracy']:.1%} of {each['rows']:,} rows",
        }
        for each in parts
    ]
    data = {
        "rows": rows,
        "axis": "Share right less the confidence stated",
        "unit": "%",
        "signed": True,
        "caption": "Left of zero it is too sure of itself, right of it too modest. The largest gaps come first.",
        "notes": [],
    }
    return Section("ranges", "Is its confidence true for every label and group?", data, lead)


def _card(case: Case) -> Card:
    found: Interval = case.evaluation.metrics["ece"]
    standing: Standing = "good" if found.high <= WANTED_ECE else "bad" if found.low > WANTED_ECE else "look"
    answer = {
        "good": "Its confidence can be taken at its word.",
        "bad": "Its confidence is not to be taken at its word.",
        "look": "Its confidence is about right; more rows would tell for sure.",
    }[standing]
    return Card(
        "Calibrated?", answer, standing, "Gap between confidence and truth",
        found.value, found.low, found.high, case.evaluation.generic["ece"].value, case.evaluation.rows,
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------------------- conformal


def _conformal(case: Case) -> dict[str, Any]:
    level, truth, outputs = case.plan.doubt.coverage, case.evaluation.truth, case.evaluation.outputs
    ways: dict[str, tuple[conformal.Coverage, str | None]] = {}
    groups = {name: _coded(case.column(name)) for name in case.plan.evaluate.groups}
    if case.classes:
        probabilities = np.exp(outputs)
        ways["split"] = conformal.of_classes(probabilities, truth, level, case.seed), None
        ways["by label"] = conformal.of_labels(probabilities, truth, level, case.seed), None
        for name, (codes, _) in groups.items():
            ways[f"by {name}"] = conformal.of_classes(probabilities, truth, level, case.seed, codes), name
    else:
        ways["split"] = conformal.of_values(outputs, truth, level, case.seed), None
        for name, (codes, _) in groups.items():
            ways[f"by {name}"] = conformal.of_values(outputs, truth, level, case.seed, codes), name
    labels = {"label": (truth, case.expert.target.values)} if case.classes else {}
    methods = [
        {"method": method, **_covered(found, case.level), "parts": _parts(found, {**labels, **groups}, case.level)}
        for method, (found, _) in ways.items()
    ]
    return {"level": level, **{key: methods[0][key] for key in ("coverage", "low", "high", "size", "empty")},
            "rows": len(truth), "methods": methods}  # fmt: skip


def _covered(found: conformal.Coverage, level: float) -> dict[str, float]:
    rows = len(found.held)
    low, high = wilson(float(found.held.sum()), rows, level)
    size = float(np.mean(found.size[np.isfinite(found.size)])) if np.isfinite(found.size).any() else float("nan")
    return {"coverage": float(found.held.mean()), "low": low, "high": high, "size": size,
            "empty": float(found.empty.mean())}  # fmt: skip


def _parts(found: conformal.Coverage, codings: Mapping[str, tuple[Array, Any]], level: float) -> list[dict[str, Any]]:
    """Coverage within each group and label that has enough rows, the least covered first."""
    parts = []
    for by, (codes, names) in codings.items():
        for code in np.unique(codes):
            rows = np.flatnonzero(codes == code)
            if len(rows) < _FEWEST:
                continue
            part = conformal.Coverage(found.held[rows], found.size[rows], found.empty[rows])
            parts.append(
                {"by": by, "name": str(names(np.array([code]))[0]), "rows": len(rows), **_covered(part, level)}
            )
    return sorted(parts, key=lambda part: part["coverage"])


def _conformal_section(figures: Mapping[str, Any], case: Case) -> Section:
    rows = []
    for method in figures["methods"]:
        what = "labels a set" if case.classes else "wide"
        rows.append(
            {
                "name": f"all rows, calibrated {_method(method['method'])}",
                "value": method["coverage"],
                "low": method["low"],
                "high": method["high"],
                "note": f"{method['size']:.2f} {what}; {method['empty']:.1%} empty",
            }
        )
    for part in figures["methods"][0]["parts"][:10]:
        rows.append(
            {
                "name": f"{part['by']}: {part['name']}",
                "value": part["coverage"],
                "low": part["low"],
                "high": part["high"],
                "note": f"{part['rows']:,} rows, calibrated on all rows together",
            }
        )
    lead = (
        f"Asked to hold the right answer {figures['level']:.0%} of the time, its sets held it "
        f"{figures['coverage']:.1%} of the time, with {figures['size']:.2f} "
        + ("labels on average." if case.classes else "wide intervals on average.")
    )
    data = {
        "rows": rows,
        "axis": "Sets that hold the right answer",
        "unit": "%",
        "signed": False,
        "caption": "Below: the labels and groups that are held least often when all rows are calibrated together.",
        "notes": ["One half of the rows calibrates the sets, the other is measured; the mean of 20 halvings."],
    }
    return Section("ranges", "Sets of answers that hold the right one (conformal)", data, lead)


def _method(name: str) -> str:
    return "together" if name == "split" else name


# ---------------------------------------------------------------------------------------------------------- answering


def _selective(case: Case) -> list[dict[str, Any]]:
    confidence = confidences(case.evaluation.outputs)
    right = decisions(case.evaluation.outputs) == case.evaluation.truth
    found = []
    for precision in PRECISIONS:
        threshold = threshold_for_precision(confidence, right, precision, level=case.level)
        answered = confidence >= threshold
        count = int(answered.sum())
        low, high = wilson(float(right[answered].sum()), count, case.level) if count else (None, None)
        found.append(
            {
                "precision": precision,
                "answered": float(answered.mean()),
                "threshold": None if threshold >= ALWAYS_ABSTAIN else threshold,
                "value": float(right[answered].mean()) if count else None,
                "low": low,
                "high": high,
                "rows": count,
            }
        )
    return found


def _selective_section(points: Sequence[Mapping[str, Any]]) -> Section:
    proven = [point for point in points if point["threshold"] is not None]
    lead = "No threshold was proven to give any of these shares of right answers on so few rows."
    if proven:
        best = proven[-1]
        lead = f"Of those answered {best['precision']:.1%} right: it answers {best['answered']:.0%} of the rows."
    rows = [
        {
            "name": f"{point['precision']:.1%} of the answers right",
            "value": point["answered"],
            "low": None,
            "high": None,
            "note": "cannot be proven on these rows"
            if point["threshold"] is None
            else f"answers with a confidence of {point['threshold']:.1%} or more; seen: {point['value']:.1%} right",
        }
        for point in points
    ]
    data = {"rows": rows, "axis": "Rows answered", "unit": "%", "signed": False,
            "caption": "How much it may answer by itself, the rest going to a person.", "notes": []}  # fmt: skip
    return Section("ranges", "How much it can answer for a wished share of right answers", data, lead)


def _costs(case: Case, path: str) -> dict[str, Any]:
    """Cost a row of three ways to decide: the likeliest answer, the cheapest, and the generic base's cheapest."""
    costs = mistake_costs.read(path, case.expert.target)
    truth = case.evaluation.truth
    ways = {
        "likeliest": decisions(case.evaluation.outputs),
        "cheapest": costs.decide(np.exp(case.evaluation.outputs)),
        "generic_cheapest": costs.decide(np.exp(case.generic_outputs)),
    }
    paid = {name: costs.paid(truth, answers) for name, answers in ways.items()}
    found: dict[str, Any] = {
        name: {**_mean(values, case), "answered": float((ways[name] >= 0).mean())} for name, values in paid.items()
    }
    return {**found, "saved": _mean(paid["likeliest"] - paid["cheapest"], case), "rows": len(truth)}


def _mean(values: Array, case: Case) -> dict[str, float | None]:
    from metier.tasks.contract import Metric

    metric = Metric("cost", lambda truth, _: float(np.mean(truth)), per_row=lambda truth, _: truth,
                    weigh=lambda truth, _: lambda weights: (truth @ weights) / weights.sum(axis=0))  # fmt: skip
    return bootstrap({"cost": metric}, values, values, level=case.level, seed=case.seed)["cost"].as_json()


def _costs_section(figures: Mapping[str, Any]) -> Section:
    names = {"likeliest": "the likeliest answer", "cheapest": "the cheapest answer",
             "generic_cheapest": "the generic base's cheapest answer"}  # fmt: skip
    rows = [
        {"name": names[key], "value": each["value"], "low": each["low"], "high": each["high"],
         "note": f"answers {each['answered']:.1%} of the rows"}
        for key, each in figures.items() if key in names
    ]  # fmt: skip
    saved = figures["saved"]
    lead = f"Deciding by cost saves {saved['value']:.3g} a row against the likeliest answer"
    lead += ", beyond chance." if (saved["low"] or 0) > 0 else ", which may be chance."
    data = {"rows": rows, "axis": "Cost a row", "unit": "", "signed": False, "caption": "", "notes": []}
    return Section("ranges", "What its mistakes cost", data, lead)


# ------------------------------------------------------------------------------------------------------- out of scope


def _outsiders(case: Case) -> tuple[Inputs | None, str]:
    """Rows that the expert should not answer, and where they come from; None and why there are none."""
    named = case.plan.doubt.out_of_scope
    if named:
        from metier.data import read as reading

        dataset = case.expert.dataset(reading.read(named, case.plan.data, case.place.cache / "tables"))
        unlabelled = case.expert.unlabelled(dataset)
        if not len(unlabelled):
            raise DataError("nothing-left", "At least one row must be readable.", found=f"none in {named}")
        return unlabelled.inputs, named
    reads = case.expert.about["columns"]
    if any(column["role"] != "text" for column in reads if column["name"] in case.expert.about["reads"]):
        return None, "only a person can name rows that do not belong (--out-of-scope FILE)"
    from metier.evaluate.forgetting.ability import suite

    known = suite()
    everyday = [known.texts[at] for at in known.topics[:, 0]]
    return case.expert.unlabelled(case.expert.dataset(everyday)).inputs, _EVERYDAY


def _out_of_scope(case: Case, outside: Inputs, whence: str) -> dict[str, Any]:
    within = case.sample(_MOST_WITHIN)
    inputs = case.examples.take(within).inputs
    scores = {
        "confidence": (1 - confidences(case.evaluation.outputs[within]), 1 - confidences(case.expert_of(outside)))
    }
    if case.origin is not None:
        vectors, trunk = case.expert.task.vectors, case.expert.trunk
        known = case.origin.examples.inputs
        reference = vectors(known, trunk)
        scores["distance"] = tuple(  # type: ignore[assignment]
            scope.distances(vectors(each, trunk, known), reference) for each in (inputs, outside)
        )
    found = scope.told(scores, case.level, case.seed)
    # Which score is used is settled beforehand, not by what these rows happen to favour.
    used = found[-1]
    return {
        "source": whence,
        "rows": len(outside),
        "within": len(within),
        "turned_away": scope.TURNED_AWAY,
        **used.as_json(),
        "scores": [each.as_json() for each in found],
    }


def _scope_section(figures: Mapping[str, Any]) -> Section:
    rows = []
    names = {"confidence": "by low confidence", "distance": "by distance from the training rows"}
    for each in figures["scores"]:
        rows.append({"name": f"noticed {names[each['score']]}", **each["recall"], "note": "of the rows from outside"})
        rows.append({"name": f"told apart {names[each['score']]}", **each["auroc"], "note": "AUROC"})
    lead = (
        f"Of {figures['rows']:,} rows from outside its trade ({figures['source']}) it notices "
        f"{figures['recall']['value']:.0%} while turning away {figures['turned_away']:.0%} of those from within."
    )
    data = {"rows": rows, "axis": "", "unit": "%", "signed": False, "caption": "", "notes": []}
    return Section("ranges", "Does it notice what it should not answer?", data, lead)
