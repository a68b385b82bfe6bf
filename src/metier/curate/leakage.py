"""Leakage: what a model would know of the rows it is measured on, or of the answer, and won't know in use.

The test file is never touched: where a row stands on both sides it is the training copy that is proposed for dropping.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from metier.curate.copies import Copies, copies
from metier.curate.findings import Action, Answer, Finding
from metier.curate.labels_told import Labels
from metier.curate.material import Material
from metier.curate.splitting import moments_of, time_column
from metier.curate.telling_columns import Telling, telling
from metier.data.values import strings, times

Array = np.ndarray

_RELATED = 50
_TOLD = 20  # columns told of in the facts
_DETERMINES = 0.9  # of what there is to know of the target
_WORTH_ASKING = 0.2  # from here on a column is held against the linear rung
_ORDER, _ORDER_ROWS = 0.05, 200  # an identifier has no business telling anything
_DATE = 0.3


def ask(material: Material) -> Answer:
    """Rows on both sides of a split, groups and times that run across it, and columns that give the target away."""
    findings: list[Finding] = []
    facts: dict[str, Any] = {"copies": {"test": 0, "split": 0}}
    labels = _all_labels(material)
    found = copies(material)
    if material.test is not None:
        side = np.arange(len(found.first)) >= found.train
        told = list(_copied(material, found, side, labels, "in the test file"))
        facts["copies"]["test"] = sum(one.file == material.test.file for one in told)
        findings += told
    assigned = material.train.examples.assigned
    if assigned is not None:
        side = np.zeros(len(found.first), bool)
        side[: found.train] = np.asarray(assigned).astype(str) != "train"
        told = list(_copied(material, found, side, labels, "held out by the table's own split", within=True))
        facts["copies"]["split"] = sum(one.action == "keep" for one in told)
        findings += told
    groups, facts["groups"] = _groups(material)
    when, facts["time"] = _time(material)
    columns = telling(material, _WORTH_ASKING) if material.labelled else []
    facts["columns"] = [_as_json(one) for one in columns if one.column is not None][:_TOLD]
    facts["order"] = next((round(one.share, 4) for one in columns if one.column is None), None)
    findings += [*groups, *when, *_columns(columns, material)]
    findings.sort(key=lambda one: (one.row is not None, -one.score))
    return Answer(tuple(findings), facts)


def _all_labels(material: Material) -> Labels:
    """The labels of training and test examples, one after the other."""
    own = Labels.of(material.train.examples)
    if material.test is None:
        return own
    other = Labels.of(material.test.examples)
    if own.targets.ndim != other.targets.ndim:
        return own
    together = np.concatenate([own.targets, other.targets])
    return Labels(own.target, together, np.concatenate([own.known, other.known]), own.tolerance)


# ------------------------------------------------------------------------------------------------------------- copies


def _copied(
    material: Material, found: Copies, side: Array, labels: Labels, where: str, *, within: bool = False
) -> Iterator[Finding]:
    """For every held-out row with a copy in training a finding that only tells; for the copy one that acts."""
    pairs, likeness, sure = found.across(side)
    if within:
        here = (pairs < found.train).all(axis=1)
        pairs, likeness, sure = pairs[here], likeness[here], sure[here]
    train_rows = material.train.examples.rows
    other = material.train if within or material.test is None else material.test
    shift = 0 if within else found.train
    for held, trained, score, _ in _by(pairs[:, 1], pairs[:, 0], likeness, sure):
        rows = tuple(train_rows[trained][:_RELATED].tolist())
        conflict = labels.conflict(np.append(trained, held))
        copy = "The same" if score == 1 else f"A row {score:.0%} the same"
        yield Finding(
            kind="leakage",
            row=int(other.examples.rows[held - shift]),
            file=other.file,
            score=score,
            detail=f"{copy} is trained on, as row {rows[0]}"
            + (" with another label" if conflict else "")
            + ": an answer here proves nothing. This row stays; its copy in training is what should go.",
            action="keep",
            related=rows,
            facts={"how": "exact" if score == 1 else "near", "conflict": conflict, "side": "held out"},
        )
    for trained_row, held_out, score, certain in _by(pairs[:, 0], pairs[:, 1], likeness, sure):
        rows = tuple(other.examples.rows[held_out - shift][:_RELATED].tolist())
        action: Action = "drop" if certain else "review"
        copy = "The same" if score == 1 else f"A row {score:.0%} the same"
        yield Finding(
            kind="leakage",
            row=int(train_rows[trained_row]),
            file=material.train.file,
            score=score,
            detail=f"{copy} is {where}, as row {rows[0]}: a model trained on it would be measured on what it has seen.",
            action=action,
            related=rows if within else (),
            facts={"how": "exact" if score == 1 else "near", "side": "train", "held_out_rows": list(rows)},
        )


def _by(key: Array, other: Array, likeness: Array, sure: Array) -> Iterator[tuple[int, Array, float, bool]]:
    """For each key its partners, the likest first, the greatest likeness, and whether one of these is sure."""
    order = np.lexsort((other, -likeness, key))
    begins = np.flatnonzero(np.diff(key[order], prepend=-1))
    for part in np.split(order, begins[1:]) if len(order) else ():
        yield int(key[part[0]]), other[part], float(likeness[part[0]]), bool(sure[part].any())


# ---------------------------------------------------------------------------------------------------- groups and time


def _groups(material: Material) -> tuple[list[Finding], dict[str, Any] | None]:
    """Groups, such as customers, that have rows on both sides."""
    schema = material.train.dataset.schema
    name = material.plan.data.group or next(iter(schema.named("group")), None)
    if name is None:
        return [], None
    train = _values(material.train, name)
    assigned = material.train.examples.assigned
    if material.test is not None and name in material.test.dataset.table.column_names:
        held, side = _values(material.test, name), material.test
        learnt = train
    elif assigned is not None:
        out = np.asarray(assigned).astype(str) != "train"
        held, learnt, side = train.copy(), train.copy(), material.train
        held[~out], learnt[out] = None, None
    else:
        return [], {"column": name, "shared": 0, "rows": 0, "share": 0.0}
    shared = {value for value in learnt.tolist() if value is not None} & set(held.tolist())
    rows = np.flatnonzero([value in shared for value in held.tolist()])
    count = sum(value is not None for value in held.tolist())
    share = len(rows) / max(1, count)
    facts = {"column": name, "shared": len(shared), "rows": len(rows), "share": round(share, 4)}
    if not len(rows):
        return [], facts
    detail = (
        f"{len(shared):,} groups of {name} have rows both in training and among the held-out rows ({len(rows):,} of "
        f"these, {share:.0%}): what is measured is how well known groups are told, not new ones."
    )
    related = tuple(side.examples.rows[rows][:_RELATED].tolist())
    how = {"how": "group", **facts}
    return [Finding("leakage", None, side.file, share, detail, column=name, related=related, facts=how)], facts


def _values(side: Any, name: str) -> Array:
    """(n,) the examples' values in a column as text, None where missing."""
    cells = strings(side.dataset.table, name).to_pylist()
    plain = np.array([None if cell is None else cell.strip() for cell in cells] + [None], object)[:-1]
    return np.asarray(plain[side.examples.rows], object)


def _time(material: Material) -> tuple[list[Finding], dict[str, Any] | None]:
    """Held-out rows that are no newer than what is trained on: the future then tells of the past."""
    name = time_column(material)
    moments = moments_of(material)
    if name is None or moments is None:
        return [], None
    assigned = material.train.examples.assigned
    side = material.train
    if material.test is not None and name in material.test.dataset.table.column_names:
        side = material.test
        held = times(side.dataset.table, name)[side.examples.rows]
        learnt = moments
    elif assigned is not None:
        out = np.asarray(assigned).astype(str) != "train"
        held, learnt = np.where(out, moments, np.datetime64("NaT")), moments[~out]
    else:
        return [], {"column": name, "older": 0, "share": 0.0}
    learnt = learnt[~np.isnat(learnt)]
    known = np.flatnonzero(~np.isnat(held))
    if not len(learnt) or not len(known):
        return [], {"column": name, "older": 0, "share": 0.0}
    newest = learnt.max()
    rows = known[held[known] < newest]
    share = len(rows) / len(known)
    facts = {"column": name, "older": len(rows), "share": round(share, 4), "newest_trained_on": str(newest)}
    if not len(rows):
        return [], facts
    detail = (
        f"{len(rows):,} of {len(known):,} held-out rows ({share:.0%}) are older by {name} than the newest row trained "
        "on: the model is measured on a time it has seen, and in use it will meet a newer one. Hold out the newest."
    )
    related = tuple(side.examples.rows[rows][:_RELATED].tolist())
    how = {"how": "time", **facts}
    return [Finding("leakage", None, side.file, share, detail, column=name, related=related, facts=how)], facts


# ------------------------------------------------------------------------------------------------------------ columns


def _columns(columns: list[Telling], material: Material) -> Iterator[Finding]:
    target = material.train.dataset.schema.target
    rows = len(material.train.examples)
    for one in columns:
        said = _said(one, target or "the target", rows)
        if one.column is None or not said:
            continue
        if one.read:
            said += f" If it is not known when answers are wanted, leave it out: --ignore {one.column!r}."
        else:
            said += " It is not among the columns a model reads here."
        yield Finding(
            kind="leakage",
            row=None,
            file=material.train.file,
            score=max(one.share, 0.5 if one.pure else 0.0),
            detail=said,
            action="review" if one.read else "keep",
            column=one.column,
            related=one.pure[2] if one.pure else (),
            facts={"how": "column", **_as_json(one)},
        )


def _said(one: Telling, target: str, rows: int) -> str:
    """Why a column is told of, or nothing."""
    much = f"{one.column} alone tells {one.share:.0%} of what there is to know of {target}"
    if one.share >= _DETERMINES:
        return f"{much}: it all but is the answer."
    if one.gain is not None and one.gain[1] > 0:
        return f"{much}, and predicts it better than a linear model of all that is read."
    if one.role == "id" and one.share >= _ORDER and rows >= _ORDER_ROWS:
        return f"{much}, and is an identifier: the rows were numbered or collected by {target}."
    if one.role == "time" and one.share >= _DATE:
        return f"{much}: the rows were collected label by label, or the target moves with time."
    if one.pure is not None:
        count, label, _ = one.pure
        return (
            f"Under one value of {one.column} ({count:,} rows) {target} is always {label!r}: it may record the outcome."
        )
    return ""


def _as_json(one: Telling) -> dict[str, Any]:
    return {
        "column": one.column,
        "role": one.role,
        "read": one.read,
        "told": round(one.share, 4),
        "over_linear": None if one.gain is None else {"points": one.gain[0], "low": one.gain[1]},
        "pure_rows": one.pure[0] if one.pure else 0,
    }
