"""Duplicates: rows that stand in the table more than once, equal but for form, edited, or in other words.

Of every set of copies one row is kept and the others are proposed for dropping; where their labels disagree nothing is
dropped, and a person looks first. Paraphrases are told apart and never dropped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from metier.curate.copies import Copies, clusters, connected, copies
from metier.curate.findings import Action, Answer, Finding, Kind
from metier.curate.labels_told import Labels
from metier.curate.material import Material
from metier.curate.neighbours import Part, nearest, unit

Array = np.ndarray

_LEADERS = 20  # rows kept of one set that hangs together by chains of likeness
_RELATED = 50  # other rows told of with a finding
_TOLD = 100  # conflicts told of in the facts
_MOST_PARAPHRASES = 10_000
_NEIGHBOURS = 6
_ALIKE = 0.88  # of the way from unrelated to identical
_DEVIATIONS = 6.0  # of unrelated pairs, within which a million rows' unrelated pairs nearly all lie
_ORDINARY = 0.99  # of the rows have no sixth neighbour nearer than this: what is common here is no paraphrase
_RANDOM_PAIRS = 200_000
_FIRST: dict[Kind, int] = {"duplicate": 0, "near_duplicate": 1, "paraphrase": 2}


@dataclass(frozen=True)
class Set:
    """Rows that are copies of one another: positions, those of the kept one first; likeness to it; and its doubts.

    `same` says which are its copies but for form or those of another row of the set.
    """

    positions: Array
    likeness: Array
    sure: Array
    same: Array
    conflict: bool
    why: str


def ask(material: Material) -> Answer:
    """Exact and near duplicates and paraphrases among the training rows, those in conflict first.

    Leaves `material.shared["clusters"]`. `suggestion` is the row that is kept.
    """
    found = copies(material)
    numbers = clusters(material)
    labels = Labels.of(material.train.examples)
    sets = list(_sets(found, labels))
    findings = [one for some in sets for one in _findings(some, material, labels, numbers)]
    likeness = np.zeros(found.train)
    for some in sets:
        likeness[some.positions] = np.maximum(likeness[some.positions], some.likeness)
        likeness[some.positions[0]] = some.likeness[1:].max()
    paraphrases, how = _paraphrases(found, material, labels)
    findings += paraphrases
    findings.sort(key=lambda one: (not one.facts["conflict"], _FIRST[one.kind], -one.facts["size"], -one.score))
    kinds = Counter(one.kind for one in findings)
    facts: dict[str, Any] = {
        "rows": found.train,
        "sets": len(sets),
        "largest": max((len(some.positions) for some in sets), default=0),
        **{kind: kinds.get(kind, 0) for kind in _FIRST},
        "dropped": sum(one.action == "drop" for one in findings),
        "conflicts": _conflicts(sets, material, labels),
        "paraphrases": how,
    }
    return Answer(tuple(findings), facts, {"duplicate": likeness})


# ------------------------------------------------------------------------------------------------------------- copies


def _sets(found: Copies, labels: Labels) -> Iterator[Set]:
    """All sets of copies among the training rows; in each, every row was compared with the one that is kept."""
    first = found.first[: found.train]
    order = np.argsort(first, kind="stable")
    begins = np.flatnonzero(np.diff(first[order], prepend=-1))
    members = dict(zip(first[order[begins]].tolist(), np.split(order, begins[1:]), strict=True))
    linked = _linked(found)
    for texts in linked:
        yield from _led(texts, members, found, labels)
    inside = set(np.concatenate([np.empty(0, np.int64), *linked]).tolist())
    for text, rows in members.items():
        if len(rows) > 1 and text not in inside:
            yield _set(np.array([text]), np.ones(1), np.ones(1, bool), members, found, labels)


def _linked(found: Copies) -> list[Array]:
    """Sets of two or more different inputs that hang together by near copies."""
    pairs = found.pairs[(found.pairs < found.train).all(axis=1)]
    if not len(pairs):
        return []
    used, place = np.unique(pairs, return_inverse=True)
    component = connected(len(used), place.reshape(pairs.shape))
    order = np.argsort(component, kind="stable")
    return [used[part] for part in np.split(order, np.flatnonzero(np.diff(component[order])) + 1)]


def _led(texts: Array, members: dict[int, Array], found: Copies, labels: Labels) -> Iterator[Set]:
    """A chain of likeness cut into sets round the rows kept: what is not like the first is a set of its own."""
    left = texts
    for _ in range(_LEADERS):
        if len(left) < 2:
            break
        rows = np.concatenate([members[int(text)] for text in left])
        best = int(found.first[rows[_best(rows, found, labels)]])
        others = left[left != best]
        pairs = np.stack([np.minimum(others, best), np.maximum(others, best)], axis=1)
        likeness, sure = found.sketch.compare(pairs)
        near = likeness > 0
        with_best = np.concatenate([[best], others[near]])
        if len(with_best) > 1 or len(members[best]) > 1:
            scores, surely = np.concatenate([[1.0], likeness[near]]), np.concatenate([[True], sure[near]])
            yield _set(with_best, scores, surely, members, found, labels)
        left = others[~near]
    for text in left.tolist():
        if len(members[text]) > 1:
            yield _set(np.array([text]), np.ones(1), np.ones(1, bool), members, found, labels)


def _set(texts: Array, likeness: Array, sure: Array, members: dict[int, Array], found: Copies, labels: Labels) -> Set:
    """The rows of these inputs, the kept one first, then each input's best row before its exact copies."""
    parts = []
    whole = np.concatenate([members[int(text)] for text in texts])
    kept = int(whole[_best(whole, found, labels)])
    for at, text in enumerate(texts.tolist()):
        rows = members[text]
        first = kept if kept in rows else int(rows[_best(rows, found, labels)])
        rest = rows[rows != first]
        exact = found.sketch.exact_sure[rows[0]]
        scores = np.full(len(rows), likeness[at])
        surely = np.full(len(rows), sure[at]) & (exact | (len(rows) == 1))
        parts.append((np.concatenate([[first], rest]), scores, surely, np.arange(len(rows)) > 0))
    positions, scores, surely, same = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.argsort(positions != kept, kind="stable")
    exact_copy = same | (found.first[positions] == found.first[kept])
    return Set(
        positions=positions[order],
        likeness=np.where(exact_copy, 1.0, scores)[order],
        sure=surely[order],
        same=exact_copy[order],
        conflict=labels.conflict(positions),
        why=_why(kept, positions, found, labels),
    )


def _best(rows: Array, found: Copies, labels: Labels) -> int:
    """Which of these rows is kept: a labelled one, of the commonest label, the cleanest, the earliest."""
    return int(np.lexsort((rows, -found.sketch.quality(rows), ~labels.usual(rows), ~labels.known[rows]))[0])


def _why(kept: int, rows: Array, found: Copies, labels: Labels) -> str:
    if labels.known[kept] and not labels.known[rows].all():
        return "it has a label"
    usual = labels.usual(rows)
    if labels.conflict(rows) and not usual.all():
        return "it has the label most of them have"
    quality = found.sketch.quality(np.concatenate([[kept], rows]))
    if (quality[1:] < quality[0]).any():
        return "it is the cleanest and most complete of them"
    return "it comes first"


def _findings(some: Set, material: Material, labels: Labels, numbers: Array) -> Iterator[Finding]:
    rows = material.train.examples.rows[some.positions]
    kept = int(rows[0])
    size = len(rows)
    facts: dict[str, Any] = {"cluster": int(numbers[some.positions[0]]), "size": size, "conflict": some.conflict}
    if some.conflict:
        facts["labels"] = labels.counts(some.positions)
    for at in range(1, size):
        kind: Kind = "duplicate" if some.same[at] else "near_duplicate"
        action: Action = "review" if some.conflict or not some.sure[at] else "drop"
        if kind == "duplicate" and not some.sure[at] and not some.conflict:
            action = "keep"
        related = np.concatenate([rows[:at], rows[at + 1 :]])[:_RELATED]
        yield Finding(
            kind=kind,
            row=int(rows[at]),
            file=material.train.file,
            score=float(some.likeness[at]),
            detail=_detail(kind, kept, some, at, facts.get("labels", {})),
            suggestion=kept,
            action=action,
            related=tuple(related.tolist()),
            facts={**facts, "likeness": round(float(some.likeness[at]), 4)},
        )


def _detail(kind: Kind, kept: int, some: Set, at: int, counts: dict[str, int]) -> str:
    what = "Says the same as" if kind == "duplicate" else f"Is {some.likeness[at]:.0%} the same as"
    if some.conflict:
        told = ", ".join(f"{name} ({rows})" for name, rows in list(counts.items())[:5])
        return f"{what} row {kept}, but these {len(some.positions)} copies have different labels: {told}."
    if some.sure[at]:
        return f"{what} row {kept}, which is kept because {some.why}."
    if kind == "duplicate":
        return f"{what} row {kept}, but so few and common values may well be equal by chance."
    return f"{what} row {kept}, but what differs may matter."


def _conflicts(sets: list[Set], material: Material, labels: Labels) -> list[dict[str, Any]]:
    rows = material.train.examples.rows
    found = sorted((one for one in sets if one.conflict), key=lambda one: -len(one.positions))
    return [
        {
            "rows": rows[np.sort(one.positions)][:_RELATED].tolist(),
            "size": len(one.positions),
            "labels": labels.counts(one.positions),
            "exact": bool(one.same[1:].all()),
        }
        for one in found[:_TOLD]
    ]


# -------------------------------------------------------------------------------------------------------- paraphrases


def _paraphrases(found: Copies, material: Material, labels: Labels) -> tuple[list[Finding], dict[str, Any]]:
    """Pairs that are each other's nearest in meaning, nearer than unrelated rows and than what is ordinary here."""
    texts = np.unique(found.first[: found.train])
    if not found.sketch.meant or len(texts) < 3:
        return [], {"pairs": 0, "threshold": None}
    width = min(material.trunk.base.hidden, material.vectors.shape[1])
    # A feature's first half; the second is the words themselves.
    meaning = Part(material.vectors, texts, width)
    near = nearest(meaning, _NEIGHBOURS)
    threshold, usual = _threshold(meaning, near.cosines)
    partner, cosine = near.indices[:, 0], near.cosines[:, 0]
    here = np.arange(len(texts))
    likely = np.flatnonzero((partner[partner] == here) & (here < partner) & (cosine >= threshold))
    pairs = np.stack([texts[likely], texts[partner[likely]]], axis=1)
    apart = found.clusters[pairs[:, 0]] != found.clusters[pairs[:, 1]]
    kept = np.flatnonzero(apart & found.sketch.may_mean_the_same(pairs))
    kept = kept[np.argsort(-cosine[likely[kept]], kind="stable")]
    how = {"pairs": len(kept), "threshold": round(threshold, 4), **usual}
    rows = material.train.examples.rows
    findings = []
    for at in kept[:_MOST_PARAPHRASES].tolist():
        one, other = int(pairs[at].min()), int(pairs[at].max())
        both = np.array([one, other])
        conflict = labels.conflict(both)
        told = " and ".join(labels.counts(both))
        findings.append(
            Finding(
                kind="paraphrase",
                row=int(rows[other]),
                file=material.train.file,
                score=float(min(1.0, cosine[likely[at]])),
                detail=f"Seems to say what row {rows[one]} says in other words"
                + (f", but their labels differ: {told}." if conflict else "."),
                suggestion=int(rows[one]),
                action="review" if conflict else "keep",
                related=(int(rows[one]),),
                facts={"conflict": conflict, "size": 2, "likeness": round(float(cosine[likely[at]]), 4)}
                | ({"labels": labels.counts(both)} if conflict else {}),
            )
        )
    return findings, how


def _threshold(meaning: Any, cosines: Array) -> tuple[float, dict[str, float]]:
    """The cosine from which a pair counts, and the mean and deviation of unrelated pairs it was found by."""
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, len(meaning), (2, _RANDOM_PAIRS))
    one, other = one[one != other], other[one != other]
    random = np.concatenate(
        [
            np.einsum("ij,ij->i", unit(meaning[one[at : at + 8192]]), unit(meaning[other[at : at + 8192]]))
            for at in range(0, len(one), 8192)
        ]
    )
    bent = np.arctanh(np.clip(random, -0.999, 0.999))
    mean = float(random.mean())
    threshold = max(
        mean + _ALIKE * (1 - mean),
        float(np.tanh(bent.mean() + _DEVIATIONS * bent.std())),
        float(np.quantile(cosines[:, -1], _ORDINARY)) if cosines.shape[1] == _NEIGHBOURS else 0.0,
    )
    return min(threshold, 0.999), {"unrelated": round(mean, 4), "deviation": round(float(random.std()), 4)}
