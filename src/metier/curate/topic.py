"""Which rows are about something else than the rest? Novelty against the body of the data, never against its like.

Rows that do not belong may be many and all alike, so being near to some rows proves nothing. What counts is how near
a row is to the data beyond its nearest tenth, and to those rows that are themselves well inside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from metier.curate.findings import Finding
from metier.curate.material import Material
from metier.progress import Progress, Silent

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

_FEWEST = 50  # rows below which there is no body of the data to speak of
_REFERENCE = 2048  # rows that stand for all others: time and memory grow with rows x this
_PIECE = 4096
_BODY = (0.1, 0.3)  # ranks of similarity that are averaged: beyond a row's own kind, within the body
_CORE = 0.7  # the share of the rows, those deepest in the body, that count as surely on topic
_NEAREST = 0.01  # of the core: the neighbours a row is held against
_NOT_NORMAL = 0.6745  # quartile of a normal distribution: turns a quartile's distance into a standard deviation
_SAME_LENGTH = 0.01  # relative deviation up to which vectors count as of one length
UNUSUAL = 3.0  # standard deviations above the median from where a row is shown
SURE = 5.0  # and from where leaving it out is proposed
_OWN_TOPIC = 0.3  # a label with more of its rows far out is a topic of its own, not a set of strays


@dataclass(frozen=True)
class Novelty:
    """How far each row is from the rest: `z` (n,) in robust standard deviations; its `nearest` rows and distances."""

    z: Floats
    nearest: npt.NDArray[np.int64]  # (n,) the nearest row of the core
    similarity: Floats  # (n,) cosine to it
    bounded: bool  # vectors of one length, as texts have: no row can be further away than the opposite point


def novelty(vectors: Array, *, seed: int = 0, progress: Progress | None = None) -> Novelty:
    """Vectors (n, d) in which near means alike -> how far each row lies from the body of the data.

    Two distances are averaged after each was put on a robust scale: the mean distance to a reference sample between
    its nearest tenth and third, which a cluster of strays of up to a tenth of the rows cannot shorten; and the
    distance to the nearest hundredth of the core, the 70% of rows deepest by the first. The scale is the upper
    quartile's distance from the median, so that a long tail below does not count.
    Distances without bound, as rows of numbers have, are compared by their logarithms: their tails are long by nature.
    The second follows k-nearest-neighbour novelty (Sun et al., "Out-of-Distribution Detection with Deep Nearest
    Neighbors", ICML 2022), with the trimmed core in place of a clean training set.
    """
    rows = len(vectors)
    rng = np.random.default_rng(seed)
    body, _, _ = _against(vectors, _some(np.arange(rows), rng), _in_the_body, progress)
    core = np.sort(np.argsort(body, kind="stable")[: max(2, int(_CORE * rows))])
    near, nearest, similarity = _against(vectors, _some(core, rng), _nearest, progress)
    lengths = np.linalg.norm(np.asarray(vectors[_some(np.arange(rows), rng)], np.float32), axis=1)
    bounded = bool(lengths.std() <= _SAME_LENGTH * lengths.mean())
    if not bounded:
        floor = 1e-6 * max(float(np.median(near)), 1e-12)
        body, near = np.log(np.maximum(body, floor)), np.log(np.maximum(near, floor))
    return Novelty((_robust(body) + _robust(near)) / 2, nearest, similarity, bounded)


def scores(found: Novelty) -> Floats:
    """(n,) in 0..1: one half where a row begins to be unusual, near one where it is surely about something else."""
    return np.asarray(1 / (1 + np.exp(np.clip(UNUSUAL - found.z, -30, 30))))


def off_topic(material: Material) -> tuple[list[Finding], dict[str, Any], Floats]:
    """Findings, facts and a score for every training example (NaN where the rows are too few to tell)."""
    examples = material.train.examples
    if len(examples) < _FEWEST:
        return [], {"checked": False, "why": f"fewer than {_FEWEST} rows"}, np.full(len(examples), np.nan)
    found = novelty(material.vectors, seed=material.plan.seed, progress=material.progress)
    score = scores(found)
    far = found.z >= UNUSUAL
    apart = _labels_apart(far, examples.targets) if _has_classes(material) else {}
    spared = np.isin(examples.targets, list(apart)) if apart else np.zeros(len(far), bool)
    names = examples.target.values(np.array(list(apart))) if apart else []
    findings = [_told_label(material, str(name), share) for name, share in zip(names, apart.values(), strict=True)]
    findings += [_told(material, found, score, int(at)) for at in np.flatnonzero(far & ~spared)]
    facts = {
        "checked": True,
        "flagged": int((far & ~spared).sum()),
        "share": float((far & ~spared).mean()),
        "threshold": UNUSUAL,
        "sure": SURE if found.bounded else None,
        "labels_apart": [
            {"label": name, "share": share} for name, share in zip(names, apart.values(), strict=True)
        ],
    }  # fmt: skip
    return findings, facts, score


def _told(material: Material, found: Novelty, score: Floats, at: int) -> Finding:
    rows = material.train.examples.rows
    near = int(rows[found.nearest[at]])
    what = "About something else than" if found.bounded else "Unlike"
    detail = (
        f"{what} the rest: {found.z[at]:.1f} standard deviations further from the body of the data "
        f"than the middle row; the nearest row that belongs is {near}, at similarity {found.similarity[at]:.2f}."
    )
    return Finding(
        "off_topic", int(rows[at]), material.train.file, float(score[at]), detail,
        # A rare value may be the very thing to learn: rows of numbers are shown, never proposed for leaving out.
        action="drop" if found.bounded and found.z[at] >= SURE else "review",
        related=(near,),
        facts={"z": round(float(found.z[at]), 3), "similarity": round(float(found.similarity[at]), 3)},
    )  # fmt: skip


def _told_label(material: Material, name: str, share: float) -> Finding:
    detail = (
        f"{share:.0%} of the rows labelled {name} are far from all others. A label may be a topic of its own, so its "
        "rows are not called off topic; look whether it belongs here."
    )
    target = material.train.dataset.schema.target
    return Finding("off_topic", None, material.train.file, 0.5, detail, column=target, facts={"share": share})


def _has_classes(material: Material) -> bool:
    return material.labelled and material.train.examples.target.width > 1


def _labels_apart(far: Array, labels: Array) -> dict[int, float]:
    """Class codes -> the share of their rows that are far out, where that is too much for strays."""
    known = labels >= 0
    size = np.bincount(labels[known])
    out = np.bincount(labels[known & far], minlength=len(size))
    return {int(c): float(out[c] / size[c]) for c in np.flatnonzero(out > _OWN_TOPIC * np.maximum(size, 1))}


def _some(rows: Array, rng: np.random.Generator) -> Array:
    return np.sort(rng.choice(rows, min(len(rows), _REFERENCE), replace=False))


def _robust(distance: Floats) -> Floats:
    """Distances above the median in standard deviations, as the upper half's inner quartile gives them."""
    middle, upper, top = np.quantile(distance, [0.5, 0.75, 1.0])
    spread = (upper - middle) / _NOT_NORMAL
    # Where most rows are equal there is no spread to speak of: a twentieth of the range stands in.
    spread = spread if spread > 1e-6 else max((top - middle) / 20, 1e-6)
    return np.asarray((distance - middle) / spread)


Reduce = Callable[[Array], Array]


def _in_the_body(distance: Array) -> Array:
    low, high = (max(int(share * distance.shape[1]), edge) for share, edge in zip(_BODY, (0, 1), strict=True))
    cut = np.partition(distance, sorted({max(low - 1, 0), high - 1}), axis=1)
    return np.asarray(cut[:, low:high].mean(1) if high > low else cut[:, 0])


def _nearest(distance: Array) -> Array:
    count = max(1, int(np.ceil(_NEAREST * distance.shape[1])))
    return np.asarray(np.partition(distance, count - 1, axis=1)[:, :count].mean(1))


def _against(
    vectors: Array, reference: Array, reduce: Reduce, progress: Progress | None
) -> tuple[Floats, npt.NDArray[np.int64], Floats]:
    """Squared distances to the reference rows, never to itself, reduced to one a row; its nearest row and cosine."""
    others = np.asarray(vectors[reference], np.float32)
    squares = (others**2).sum(1)
    out = np.empty(len(vectors))
    nearest = np.empty(len(vectors), np.int64)
    similarity = np.empty(len(vectors))
    with (progress or Silent()).stage("novelty", len(vectors), "rows") as stage:
        for start in range(0, len(vectors), _PIECE):
            own = np.asarray(vectors[start : start + _PIECE], np.float32)
            own_squares = (own**2).sum(1)
            distance = own @ others.T
            distance *= -2
            distance += squares
            distance += own_squares[:, None]
            np.maximum(distance, 0, out=distance)
            low, high = np.searchsorted(reference, [start, start + len(own)])
            distance[reference[low:high] - start, np.arange(low, high)] = np.inf
            at = distance.argmin(1)
            stop = start + len(own)
            nearest[start:stop] = reference[at]
            lengths = np.sqrt(np.maximum(own_squares * squares[at], 1e-12))
            similarity[start:stop] = (own_squares + squares[at] - distance[np.arange(len(own)), at]) / (2 * lengths)
            out[start:stop] = reduce(distance)
            stage.advance(len(own))
    return out, nearest, similarity
