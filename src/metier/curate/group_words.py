"""Words that stand in for a group of people or places: a model that reads them knows the group without being told it.

A word counts where nearly all texts with it are of one group, beyond chance and beyond what their labels explain, and
where a model that guesses the group from the words loses confidence once the word is deleted (delete and measure).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metier.curate.findings import Finding
from metier.curate.material import Material
from metier.curate.spurious import Reader, Words, words
from metier.evaluate.intervals import wilson
from metier.tasks.contract import Array

_LEVEL = 0.01  # for all words and groups of a column together (Bonferroni)
_FEWEST = 30  # different texts of a group, under which nothing is said of its words
_MOST_GROUPS = 20  # the commonest; all others are one
_PURE = 0.8  # of the texts with the word that are of the group: the lower end of its interval
_COVERAGE = 0.05  # of the group's texts that hold the word
_LEANS = 0.05  # of probability lost, at least, when the word is deleted
_CANDIDATES = 40
_SHOWN = 20


@dataclass(frozen=True)
class Proxy:
    """A word, the group it stands in for, and the evidence.

    `expected` is the share of the group that the labels of the word's texts let one expect; `drop` what a model of the
    group loses when the word is deleted, `label_drop` what one of the labels loses (None without labels).
    """

    word: str
    group: int
    rows: Array
    purity: float
    low: float
    expected: float
    coverage: float
    drop: float
    label_drop: float | None


def look(material: Material, name: str, codes: Array, levels: Sequence[str]) -> tuple[list[Finding], dict[str, Any]]:
    """The words that stand in for a level of this column, as findings, and facts about them for the page.

    `codes` (n,) are the examples' levels, commonest first, -1 where unknown.
    """
    said = words(material)
    if said is None:
        return [], {}
    examples = material.train.examples
    labels = None
    if material.labelled and examples.target.width > 1:
        labels = np.asarray(examples.targets)[said.rows]
    found = proxies(said, codes[said.rows], len(levels), labels, material.plan.seed)
    findings = [_finding(material, name, levels, one) for one in found]
    told = [{"group": levels[one.group], **_figures(one)} for one in found]
    for one, row in zip(found, told, strict=True):
        row["word"] = _shown(one.word)
    return findings, {"words_looked_at": len(said.words), "stand_ins": told}


def proxies(said: Words, codes: Array, count: int, labels: Array | None, seed: int) -> list[Proxy]:
    """Words of n texts, their groups (n,) of `count`, -1 where unknown, their labels (n,), if any: the stand-ins."""
    said, groups, labels = _judged(said, codes, count, labels)
    width = int(groups.max(initial=0)) + 1
    own = np.bincount(groups, minlength=width)
    # Copies of one text say the same thing once.
    single = np.sort(np.unique(said.units, return_index=True)[1])
    named = [group for group in range(min(count, _MOST_GROUPS)) if np.count_nonzero(groups[single] == group) >= _FEWEST]
    if not named or np.count_nonzero(own) < 2:
        return []
    candidates = _associated(said.presence[single], groups[single], None if labels is None else labels[single], named)
    if not candidates:
        return []
    reader = Reader.of(said, groups, width, seed)
    by_label = None if labels is None else Reader.of(said, labels, int(labels.max()) + 1, seed)
    phrases = said.phrases([word for word, *_ in candidates])
    found = []
    for word, group, low, expected in candidates:
        if word not in phrases:
            continue
        rows = said.holding(word)
        inside = rows[groups[rows] == group]
        drop = float(reader.lost(phrases[word], inside).mean())
        coverage = len(inside) / max(int(own[group]), 1)
        if drop >= _LEANS and coverage >= _COVERAGE:
            moved = None if by_label is None else float(by_label.lost(phrases[word], rows).mean())
            purity = len(inside) / len(rows)
            found.append(
                Proxy(str(said.words[word]), group, said.rows[rows], purity, low, expected, coverage, drop, moved)
            )
    return sorted(found, key=lambda one: -one.low * one.drop * one.coverage)


def _judged(said: Words, codes: Array, count: int, labels: Array | None) -> tuple[Words, Array, Array | None]:
    """The texts whose group is known; the groups beyond the commonest are one, the last."""
    kept = np.flatnonzero(codes >= 0)
    texts = [said.texts[at] for at in kept.tolist()]
    some = Words(said.rows[kept], texts, said.words, said.presence.tocsr()[kept].tocsc(), said.units[kept])
    return some, np.minimum(codes[kept], min(count, _MOST_GROUPS)), None if labels is None else labels[kept]


def _associated(
    presence: Any, groups: Array, labels: Array | None, named: Sequence[int]
) -> list[tuple[int, int, float, float]]:
    """(word, group, lower end of its share, share expected) of words nearly all of whose texts are of one group."""
    from scipy.stats import binom

    from metier.curate.label_views import one_hot

    width = int(groups.max(initial=0)) + 1
    held = presence.tocsc()
    joint = np.asarray(held.T @ one_hot(groups, width))
    rows, group = joint.sum(axis=1), joint.argmax(axis=1)
    most = joint.max(axis=1)
    expected = np.asarray(held.T @ _explained(groups, labels, width))
    likely = np.flatnonzero((most >= _PURE * np.maximum(rows, 1)) & np.isin(group, named))
    found = []
    for word in likely.tolist():
        share = float(expected[word, group[word]] / rows[word])
        low = wilson(float(most[word]), float(rows[word]))[0]
        chance = float(binom.sf(most[word] - 1, int(rows[word]), min(share, 1.0)))
        # A group that most texts are of anyway needs a purer word: halfway from what is expected to certainty.
        if low > max(_PURE, (1 + share) / 2) and chance * held.shape[1] * len(named) < _LEVEL:
            found.append((word, int(group[word]), low, share))
    return sorted(found, key=lambda one: -most[one[0]])[:_CANDIDATES]


def _explained(groups: Array, labels: Array | None, width: int) -> Array:
    """(n, width) the share of each group among the texts with this text's label; among all where there are none."""
    if labels is None:
        return np.tile(np.bincount(groups, minlength=width) / len(groups), (len(groups), 1)).astype(np.float32)
    table = np.zeros((int(labels.max(initial=0)) + 1, width))
    np.add.at(table, (labels, groups), 1)
    return np.asarray((table / np.maximum(table.sum(axis=1, keepdims=True), 1))[labels], np.float32)


def _shown(word: str) -> str:
    # A word of digits or signs may be somebody's number: it is not quoted.
    return repr(word) if word.isalpha() else "a word with digits or signs"


def _figures(one: Proxy) -> dict[str, Any]:
    return {
        "rows": len(one.rows),
        "purity": round(one.purity, 4),
        "low": round(one.low, 4),
        "expected": round(one.expected, 4),
        "coverage": round(one.coverage, 4),
        "drop": round(one.drop, 4),
        "label_drop": None if one.label_drop is None else round(one.label_drop, 4),
    }


def _finding(material: Material, name: str, levels: Sequence[str], one: Proxy) -> Finding:
    detail = (
        f"{_shown(one.word)} stands in for {name} {levels[one.group]!r}: {one.purity:.0%} of the {len(one.rows):,} "
        f"texts with it are of that group, where {one.expected:.0%} would be by their labels; deleting it costs a "
        f"model that guesses the group {100 * one.drop:.0f} points of confidence. "
        "Leaving the column out does not hide the group."
    )
    if one.label_drop is not None and one.label_drop >= _LEANS:
        detail += f" A model of the labels leans on it, too: {100 * one.label_drop:.0f} points."
    where = tuple(int(row) for row in material.train.examples.rows[one.rows[:_SHOWN]])
    return Finding(
        kind="spurious",
        row=None,
        file=material.train.file,
        score=float(np.clip(one.low, 0, 1)),
        detail=detail,
        column=name,
        related=where,
        facts={"group": levels[one.group], **_figures(one)},
    )
