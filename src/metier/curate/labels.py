"""Is each label right? Labels that rows alike contradict, what they should be, and how many are wrong in all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from metier.curate import label_audit, quantity_audit
from metier.curate.findings import Answer, Finding
from metier.curate.material import Material
from metier.curate.pictures import NO_FEATURES
from metier.data.split import input_hashes
from metier.tasks.contract import Array

_FEWEST = 20  # rows, under which nothing is learned of their labels
_SHOWN = 10  # neighbours counted in the sentence
_SURE = 0.9  # of a suggestion that is proposed without a person's look


def ask(material: Material) -> Answer:
    """Label errors of the training rows, surest first; empty where the rows have no targets.

    Every example gets a `label_error` score in 0..1, NaN where its label is too rare to be judged.
    """
    if not material.labelled or len(material.train.examples) < _FEWEST:
        return Answer()
    if not material.embedded:
        return Answer(notes=(NO_FEATURES.format("which labels are wrong"),))
    return _KINDS[material.train.examples.target.kind](material)


def whole_units(material: Material) -> Array:
    """(n,) a number for each example; those with one number must never judge each other.

    Equal texts, one group, or near-duplicates found before: linked directly or through others.
    """
    examples = material.train.examples
    codes = [np.unique(input_hashes(examples.inputs), return_inverse=True)[1].astype(np.int64)]
    if examples.groups is not None:
        codes.append(_own_where_missing(np.asarray(examples.groups, dtype=object)))
    clusters = material.shared.get("clusters")
    if clusters is not None:
        codes.append(np.where(np.asarray(clusters) < 0, -1, clusters))
    joined = codes[0]
    for other in codes[1:]:
        both = _linked(joined, other)
        # A chain that ties half the table together would leave nothing to learn from.
        joined = both if np.bincount(both).max() <= 0.5 * len(both) else joined
    return joined


def _own_where_missing(groups: Array) -> Array:
    known = np.array([group is not None and group == group for group in groups])
    out = np.full(len(groups), -1, np.int64)
    out[known] = np.unique(groups[known].astype(str), return_inverse=True)[1]
    return out


def _linked(one: Array, other: Array) -> Array:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows = np.flatnonzero(other >= 0)
    size = int(one.max()) + 1
    total = size + int(other.max(initial=0)) + 1
    graph = coo_array((np.ones(len(rows), np.int8), (one[rows], other[rows] + size)), shape=(total, total))
    return np.asarray(connected_components(graph, directed=False)[1][one], np.int64)


# ------------------------------------------------------------------------------------------------------------- classes


def _classes(material: Material) -> Answer:
    examples = material.train.examples
    given = np.asarray(examples.targets, np.int64)
    width = examples.target.width
    if len(np.unique(given)) < 2 or np.bincount(given, minlength=width).max() < _FEWEST // 2:
        return Answer(scores={"label_error": np.full(len(given), np.nan)})
    audit = label_audit.audit_classes(
        material.vectors, given, width, units=whole_units(material), seed=material.plan.seed
    )
    material.shared["suggested_labels"] = np.where(audit.flagged, audit.suggested, given)
    names = [str(name) for name in examples.target.values(np.arange(width))]
    flagged = np.flatnonzero(audit.flagged)
    flagged = flagged[np.argsort(-audit.score[flagged], kind="stable")]
    findings = tuple(_wrong_class(material, audit, names, given, int(at)) for at in flagged)
    return Answer(findings, _class_facts(audit, names, given), {"label_error": audit.score})


def _wrong_class(material: Material, audit: label_audit.Audit, names: list[str], given: Array, at: int) -> Finding:
    side, wanted = material.train, int(audit.suggested[at])
    nearest = audit.nearest[at][audit.nearest[at] >= 0][:_SHOWN]
    agree = nearest[given[nearest] == wanted]
    sure = float(audit.sure[at])
    detail = f"looks like {names[wanted]!r} ({_percent(sure)}), labelled {names[given[at]]!r}"
    if len(nearest):
        rows = "texts" if side.dataset.schema.named("text") else "rows"
        detail += f"; {len(agree)} of {len(nearest)} nearest {rows} say {names[wanted]!r}"
    certain = sure >= _SURE and 2 * len(agree) > len(nearest)
    return Finding(
        kind="label_error",
        row=int(side.examples.rows[at]),
        file=side.file,
        score=float(audit.score[at]),
        detail=detail,
        suggestion=names[wanted],
        action="relabel" if certain else "review",
        column=side.dataset.schema.target,
        related=tuple(int(row) for row in side.examples.rows[agree]),
        facts={"given": names[given[at]], "sure": round(sure, 4), "neighbours": len(nearest), "agree": len(agree)},
    )


def _percent(share: float) -> str:
    return "over 99%" if share > 0.995 else f"{share:.0%}"


def _class_facts(audit: label_audit.Audit, names: list[str], given: Array) -> dict[str, Any]:
    counts = np.bincount(given, minlength=len(names))
    spread = audit.noise.transition * (1 - np.eye(len(names)))
    shown = [
        {"true": names[row], "given": names[column], "share": round(float(spread[row, column]), 4)}
        for row, column in zip(*np.unravel_index(np.argsort(-spread, axis=None)[:20], spread.shape), strict=True)
        if counts[row] and spread[row, column] > 0.01
    ]
    return {
        "noise_rate": audit.rates.overall.as_json(),
        "by_label": [
            {
                "label": name,
                "rows": int(counts[label]),
                "flagged": int((audit.flagged & (given == label)).sum()),
                "noise_rate": audit.rates.by_label[label].as_json(),
            }
            for label, name in enumerate(names)
        ],
        "mistaken_for": shown,
        "flagged": int(audit.flagged.sum()),
        "not_judged": [names[label] for label in np.unique(given[np.isnan(audit.score)])],
    }


# ------------------------------------------------------------------------------------------------------------ quantity


def _quantity(material: Material) -> Answer:
    side = material.train
    values = np.asarray(side.examples.targets, np.float64)
    audit = quantity_audit.audit_quantity(
        material.vectors, values, units=whole_units(material), seed=material.plan.seed
    )
    findings = []
    for at in np.flatnonzero(audit.flagged)[np.argsort(-np.abs(audit.z[audit.flagged]), kind="stable")]:
        nearest = audit.nearest[at][audit.nearest[at] >= 0][:_SHOWN]
        shown = f"{values[at]:g} where rows like it let one expect {audit.expected[at]:.4g}"
        findings.append(
            Finding(
                kind="label_error",
                row=int(side.examples.rows[at]),
                file=side.file,
                score=float(audit.score[at]),
                detail=f"{shown}: {abs(audit.times[at]):.1f} times the usual miss",
                suggestion=None,  # a guess is no measurement: a person has to look the value up
                column=side.dataset.schema.target,
                related=tuple(int(row) for row in side.examples.rows[nearest]),
                facts={"expected": float(audit.expected[at]), "z": round(float(audit.z[at]), 3)},
            )
        )
    from metier.evaluate.intervals import wilson

    count = len(findings)
    low, high = wilson(count, len(values))
    rate = {"value": count / len(values), "low": low, "high": high}
    return Answer(tuple(findings), {"noise_rate": rate, "flagged": count}, {"label_error": audit.score})


_KINDS: Mapping[str, Callable[[Material], Answer]] = {"classes": _classes, "quantity": _quantity}
