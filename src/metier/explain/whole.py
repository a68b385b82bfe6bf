"""Can the expert say why? How faithful its explanations are, and what drives each answer, before and after tuning."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from metier.evaluate.case import Answer, Card, Case
from metier.evaluate.intervals import Interval, bootstrap
from metier.explain import choice, faithfulness, page, subject
from metier.explain.attribution import METHODS, RANDOM, Weights
from metier.explain.faithfulness import Measured
from metier.explain.subject import Claims, Subject
from metier.tasks.contract import Array, Inputs, Section

_ROWS = 48  # asked in every way
_MOST = 200  # looked at for what drives each answer
_DRIVERS = 6
_LABELS = 6
_KEPT_LABELS = 100


def ask(case: Case) -> Answer:
    """Measure every method on rows the expert has not seen; what is found becomes the default of `metier explain`."""
    known = case.examples if case.origin is None else case.origin.examples
    usual = case.expert.task.usual(known.inputs)
    expert, generic = subject.of(case.expert, usual), subject.generic_of(case.expert, usual)
    inputs = _at(case, case.sample(_ROWS))
    claims = expert.claims(inputs)
    measured = faithfulness.measure(expert, claims, level=case.level, seed=case.seed, progress=case.progress)
    cache = case.expert.trunk.cache
    if cache is not None:
        choice.store(case.expert, cache, measured.as_json())
    beside = _generic(case, generic, inputs, measured)
    driven = _drivers(case, expert, generic, measured)
    told = {**measured.as_json(), "generic": None if beside is None else beside.as_json(), "drivers": driven}
    sections = [page.believed(measured.as_json()), *_driven(case, driven)]
    return Answer({"explanation": told}, sections, _card(measured, beside), _notes(measured))


def _at(case: Case, positions: Array) -> Inputs:
    return case.examples.inputs.take(pa.array(positions))


def _generic(case: Case, generic: Subject, inputs: Inputs, measured: Measured) -> Interval | None:
    """The generic base's own comprehensiveness by the same method, on the same rows."""
    if measured.best is None or not METHODS[measured.best].applies(generic):
        return None
    claims = generic.claims(inputs)
    whole = claims.full - claims.least
    rows = faithfulness.judge(generic, claims, METHODS[measured.best].function(generic, claims, case.seed))
    metric = faithfulness.normalised(float(whole.mean()))
    return bootstrap({"": metric}, whole, rows.comprehensiveness, level=case.level, seed=case.seed)[""]


# ------------------------------------------------------------------------------------------------------ the whole model


def _drivers(case: Case, expert: Subject, generic: Subject, measured: Measured) -> dict[str, Any]:
    """What drives each answer: weights added up over many rows, by the cheapest method that is no chance."""
    method = next((name for name in METHODS if name in measured.methods and measured.methods[name].proven), None)
    if method is None:
        return {"method": None, "rows": 0, "after": {}, "before": {}}
    inputs = _at(case, case.sample(min(_MOST, case.plan.evaluate.sample)))
    sides = {"after": expert, "before": generic}
    told: dict[str, Any] = {"method": method, "rows": len(inputs)}
    for name, side in sides.items():
        told[name] = {}
        if METHODS[method].applies(side):
            claims = side.claims(inputs)
            told[name] = _by_answer(case, side, claims, METHODS[method].function(side, claims, case.seed))
    return told


def _by_answer(case: Case, side: Subject, claims: Claims, weights: Weights) -> dict[str, Any]:
    """Answer -> its drivers, the strongest first: name, mean weight over the rows so answered, rows that have it."""
    sums: dict[int, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    rows: dict[int, int] = defaultdict(int)
    for at, code in enumerate(claims.codes.tolist()):
        rows[code] += 1
        names = case.expert.task.names(claims.inputs, at)
        for name in dict.fromkeys(names):
            part = sum(weight for other, weight in zip(names, weights[at], strict=True) if other == name)
            sums[code][name].append(float(part))
    found = {}
    for code in sorted(rows, key=lambda code: (-rows[code], code))[:_KEPT_LABELS]:
        means = {name: sum(parts) / rows[code] for name, parts in sums[code].items()}
        names = sorted((name for name in means if means[name] > 0), key=lambda name: (-means[name], name))[:_DRIVERS]
        found[_label(side, code)] = [
            {"name": name, "weight": round(means[name], 6), "rows": len(sums[code][name])} for name in names
        ]
    return found


def _label(side: Subject, code: int) -> str:
    if side.target.width > 1:
        return str(side.target.values(np.array([code]))[0])
    return "more" if code > 0 else "less"


# ------------------------------------------------------------------------------------------------------------- the page


def _driven(case: Case, driven: Mapping[str, Any]) -> list[Section]:
    if not driven["after"]:
        return []
    labels = list(driven["after"])[:_LABELS]
    rows = [
        {"label": label, "after": _scaled(driven["after"][label]), "before": _scaled(driven["before"].get(label, []))}
        for label in labels
    ]
    lead = f"Words or columns that spoke most for an answer, over {driven['rows']} rows ({driven['method']})."
    more = len(driven["after"]) - len(labels)
    data = {"rows": rows, "more": more, "before_title": "Generic base", "after_title": case.expert.about["name"]}
    return [Section("drivers", "What drives each answer", data, lead)]


def _scaled(drivers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    most = max((one["weight"] for one in drivers), default=0.0) or 1.0
    return [{**one, "share": round(one["weight"] / most, 3)} for one in drivers]


def _card(measured: Measured, beside: Interval | None) -> Card:
    question, figure = "Can it say why?", "Support lost when the parts it names are taken away"
    random = measured.methods[RANDOM].comprehensiveness.value
    if not np.isfinite(random):
        said = "What it answers hangs on no single part of what it reads."
        return Card(question, said, "unknown", figure, rows=measured.rows)
    if measured.best is None:
        return Card(
            question, "No explanation is better than random.", "bad", figure, random, rows=measured.rows, unit="%"
        )
    own = measured.methods[measured.best].comprehensiveness
    said = f"Yes: what it names carries {own.value:.0%} of its answers, random parts {max(random, 0):.0%}."
    generic = None if beside is None or not np.isfinite(beside.value) else float(beside.value)
    return Card(question, said, "good", figure, own.value, own.low, own.high, generic, measured.rows)


def _notes(measured: Measured) -> list[str]:
    refused = [name for name, one in measured.methods.items() if name != RANDOM and not one.proven]
    if not refused:
        return []
    return [f"no better than random order on {measured.rows} rows, so refused by metier explain: {', '.join(refused)}"]
