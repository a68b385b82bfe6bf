"""What was measured of an expert, as several documents say it: figures, groups, weak spots, robustness, ladder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metier.govern.documents.basis import EVALUATION, Basis, joined, plain, unit, yes
from metier.govern.documents.pieces import Block, Cell, Facts, Part, Prose, Said, Table, text
from metier.govern.documents.shared import ABOUT, facts
from metier.govern.documents.sources import pointer
from metier.pages import words

_MOST_GROUPS, _MOST_SLICES, _FEWEST = 24, 8, 10
_SHARES = frozenset({"selection_rate", "tpr", "fpr", "precision", "accuracy"})


def ladder(basis: Basis) -> Table | None:
    """What was tried and why it was or was not taken."""
    rows = []
    for at, _ in basis.listed("run/evaluation.json", "/rungs"):
        place = pointer("rungs", at)
        name = basis.metric
        rows.append(
            (
                basis.said("run/evaluation.json", place + "/name"),
                basis.figure("run/evaluation.json", place + "/interval", unit(name), text("not tried")),
                basis.said("run/evaluation.json", place + "/taken", yes),
                basis.said("run/evaluation.json", place + "/reason"),
            )
        )
    return Table(("Rung", basis.metric, "Taken", "Why"), tuple(rows)) if rows else None


def figures(basis: Basis) -> Part:
    """Every metric with its interval, beside the generic base on the same rows."""
    found, generic = basis.measured_on, basis.generic_on
    if found is None:
        return Part("How well it does", (Prose(basis.measured("evaluation", ())),))
    rows, strips = [], []
    table: Mapping[str, Any] = basis.get(*found)
    for name, one in table.items():
        beside = basis.get(generic[0], generic[1] + pointer(name)) if generic else None
        rows.append(
            (
                text(f"{plain(name)} ({name})" if plain(name) != name else name),
                basis.figure(found[0], found[1] + pointer(name), unit(name), text("not defined on these rows")),
                basis.figure(generic[0], generic[1] + pointer(name), unit(name)) if generic else (),
            )
        )
        low, high = words.ends(one)
        strips.append(
            (words.finite(one.get("value")), low, high, words.finite((beside or {}).get("value")), unit(name))
        )
    level = basis.said(ABOUT, "/level", lambda share: f"Ranges are intervals at the level of {share:.0%}.")
    where = basis.rows_measured()
    table_ = Table(("Metric", "Expert", "Generic base"), tuple(rows), tuple(strips))
    prose = tuple(Prose(cell) for cell in (joined(text("Measured on"), where), level, gain(basis)) if cell)
    return Part("How well it does", (*prose, table_))


def gain(basis: Basis) -> Cell:
    """What tuning was worth, paired on the same rows."""
    for name, place in ((EVALUATION, "/gain"), ("run/evaluation.json", "/evaluation/gain")):
        found = basis.get(name, place)
        if isinstance(found, Mapping) and words.finite(found.get("points")) is not None:
            metric = str(found.get("metric"))
            low, high = words.ends(found)
            amount = words.figure(found["points"], low, high, unit(metric))
            sure = low is not None and high is not None and (low > 0 or high < 0)
            verdict = "beyond chance" if sure else "no more than chance explains"
            return (Said(f"Gain over the generic base in {metric}: {amount}, {verdict}.", basis.evidence(name, place)),)
    return ()


def groups(basis: Basis) -> Part:
    """How groups of people are treated, for every column of groups that was compared."""
    name = "Whether groups are treated alike"
    places = ["/bias", *(pointer("bias", "others", at) for at, _ in basis.listed(EVALUATION, "/bias/others"))]
    compared = [place for place in places if basis.get(EVALUATION, place + "/rates")]
    if not compared:
        needs = basis.measured("bias", (), "--group COLUMN")
        return Part(name, (Prose(needs), *_swapped(basis)))
    blocks = [block for place in compared for block in _compared(basis, place)]
    return Part(name, (*blocks, *_swapped(basis)))


def _compared(basis: Basis, place: str) -> tuple[Block, ...]:
    """One column's groups: what was measured of each, and the gaps between them."""
    found: Mapping[str, Any] = basis.get(EVALUATION, place)
    rates: Mapping[str, Mapping[str, Any]] = found["rates"]
    # A group of a few rows would tell what was answered about single people.
    shown = [group for group, one in rates.items() if one.get("rows", 0) >= _FEWEST]
    measures = [key for key in dict.fromkeys(key for one in rates.values() for key in one) if key != "rows"]
    rows = tuple(
        (
            text(str(group)),
            basis.said(EVALUATION, place + pointer("rates", group, "rows"), words.count),
            *(_measure(basis, place, ("rates", group, key), "%" if key in _SHARES else "") for key in measures),
        )
        for group in shown[:_MOST_GROUPS]
    )
    positive = found.get("positive")
    title = {"selection_rate": f"answered {positive}", "tpr": f"{positive}, found", "fpr": f"wrongly {positive}"}
    told = {key: title[key] if positive and key in title else key.replace("_", " ") for key in measures}
    gaps = [key for key in found if key.endswith(("_difference", "_ratio"))]
    between = facts(*((key.replace("_", " "), _measure(basis, place, (key,), "")) for key in gaps))
    table = Table((str(found.get("group")), "rows", *told.values()), rows)
    few = len(rates) - len(rows)
    left = f"{words.plural(few, 'group')} left out, of under {_FEWEST} rows or past the first {_MOST_GROUPS}."
    note = (Said(left, basis.evidence(EVALUATION, place + "/rates")),)
    return (table, Prose(note), between) if few else (table, between)


def _measure(basis: Basis, place: str, steps: tuple[str, ...], unit: str) -> Cell:
    """A figure of groups with its interval where it has one."""
    whole = basis.figure(EVALUATION, place + pointer("intervals", *steps), unit)
    return whole or basis.said(EVALUATION, place + pointer(*steps), lambda value: words.number(value, unit))


def _swapped(basis: Basis) -> tuple[Facts, ...]:
    """What changes where words or values that stand for people are swapped, axis by axis."""
    rows = tuple(
        (f"Answers that change where {one['axis']} is swapped", _swap(basis, at))
        for at, one in basis.listed(EVALUATION, "/bias/swaps")
    )
    return (facts(*rows),) if rows else ()


def _swap(basis: Basis, at: int) -> Cell:
    place = pointer("bias", "swaps", at, "intervals", "flip_rate")
    return basis.figure(EVALUATION, place, "%") or basis.said(EVALUATION, pointer("bias", "swaps", at, "flip_rate"))


def slices(basis: Basis) -> Part:
    """Kinds of rows on which it does worse beyond chance."""
    worse = [at for at, one in basis.listed(EVALUATION, "/slices") if one.get("worse")]
    if not basis.get(EVALUATION, "/slices"):
        return Part("Where it does worse", (Prose(basis.measured("slices", ())),))
    if not worse:
        cell: Cell = (
            Said(
                "No kind of rows was found on which it does worse beyond chance.", basis.evidence(EVALUATION, "/slices")
            ),
        )
        return Part("Where it does worse", (Prose(cell),))
    rows = tuple(
        (
            basis.said(EVALUATION, pointer("slices", at, "by")),
            basis.said(EVALUATION, pointer("slices", at, "slice")),
            basis.said(EVALUATION, pointer("slices", at, "rows"), words.count),
            basis.figure(
                EVALUATION, pointer("slices", at), unit(str(basis.get(EVALUATION, pointer("slices", at, "metric"))))
            ),
        )
        for at in worse[:_MOST_SLICES]
    )
    return Part("Where it does worse", (Table(("By", "Rows where it is", "rows", basis.metric), rows),))


def resilience(basis: Basis) -> Facts:
    """What else was measured: robustness, forgetting, confidence, privacy, explanations, cost."""
    return facts(
        ("Worst change of inputs", basis.measured("robustness", _worst_change(basis))),
        (
            "General ability kept",
            basis.measured("forgetting", basis.figure(EVALUATION, "/forgetting/general/share", "%")),
        ),
        ("Gap between confidence and truth (ECE)", basis.measured("calibration", _number(basis, "/calibration/ece"))),
        (
            "Telling members of the training rows apart (AUC; 0.5 is chance)",
            basis.measured("privacy", basis.figure(EVALUATION, "/privacy/auc")),
        ),
        ("Most faithful explanation", basis.measured("explanation", basis.said(EVALUATION, "/explanation/best"))),
        (
            "Time of an answer, half of them under",
            basis.measured(
                "cost", basis.said(EVALUATION, "/cost/expert/latency_ms/p50", lambda ms: words.number(ms, "ms"))
            ),
        ),
        (
            "Memory while answering",
            basis.said(EVALUATION, "/cost/expert/memory_mib", lambda mib: words.number(mib, "MiB")),
        ),
        (
            "Energy of a million answers",
            basis.said(EVALUATION, "/cost/expert/watt_hours_per_million", lambda wh: words.number(wh, "Wh")),
        ),
    )


def unmeasured(basis: Basis) -> Part:
    """What the evaluation itself says it could not see."""
    place = pointer("notes")
    notes = tuple(basis.said(EVALUATION, place + pointer(at)) for at, _ in basis.listed(EVALUATION, place))
    blocks = tuple(Prose(note) for note in notes) or (Prose(basis.measured("evaluation", ())),)
    return Part("What the evaluation could not see", blocks)


def _worst_change(basis: Basis) -> Cell:
    drops = [
        (one["drop"], at)
        for at, one in basis.listed(EVALUATION, "/robustness")
        if words.finite(one.get("drop")) is not None
    ]
    if not drops:
        return ()
    _, at = max(drops)
    one = basis.get(EVALUATION, pointer("robustness", at))
    lost = words.figure(one["drop"], one.get("drop_low"), one.get("drop_high"), unit(str(one.get("metric"))))
    return (
        Said(
            f"{one['perturbation']} at {one['severity']:g}: loses {lost} of {one.get('metric')}",
            basis.evidence(EVALUATION, pointer("robustness", at)),
        ),
    )


def _number(basis: Basis, place: str) -> Cell:
    return basis.said(EVALUATION, place, lambda value: words.number(value))
