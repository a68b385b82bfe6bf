"""Words that stand in for a label: what a model may lean on though the meaning of the texts has nothing to do with it.

Three questions to each word. Does it go with one label far beyond chance? Does a model that reads words lose confidence
when the word is deleted (delete and measure)? And is it strange to that label: is the word by itself, as the base
understands it, no nearer to the label's *other* texts and to its name than words in general are?
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metier.curate.findings import Answer, Finding
from metier.curate.label_audit import whole_folds
from metier.curate.labels import whole_units
from metier.curate.material import Material
from metier.evaluate.intervals import wilson
from metier.evaluate.metrics import log_probabilities
from metier.tasks.contract import Array

_FEWEST_ROWS = 60
_FEWEST = 8  # rows with the word
_COVERAGE = 0.05  # of the label's rows
_PURE = 0.8  # of the rows with the word that have the label: the lower end of its interval
_LEANS = 0.05  # of probability lost, at least, when the word is deleted
_CANDIDATES = 40
_YARDSTICK = 200  # common words that say how near to a label a word is by chance
_STRANGE = 0.95  # rank among those, under which a word is strange to its label
_MOST_ROWS = 50_000
_SHOWN = 20


@dataclass(frozen=True)
class Shortcut:
    """A word, the label it stands for, and the evidence."""

    word: str
    label: int
    rows: Array
    purity: float
    coverage: float
    drop: float
    strange: float  # 0..1, 1: farther from the label's meaning than any other word


def ask(material: Material) -> Answer:
    """Findings of kind `spurious` about the table, surest first, with rows that hold the word."""
    examples = material.train.examples
    width = examples.target.width
    if (
        not material.labelled
        or width < 2
        or len(examples) < _FEWEST_ROWS
        or not material.train.dataset.schema.named("text")
    ):
        return Answer()
    rows = np.sort(np.random.default_rng(material.plan.seed).permutation(len(examples))[:_MOST_ROWS])
    texts, given = [material.texts[at] for at in rows], np.asarray(examples.targets)[rows]
    names = [str(name) for name in examples.target.values(np.arange(width))]
    found, looked_at = shortcuts(
        texts, given, names, material.vectors[rows], material.trunk.features, whole_units(material)[rows],
        material.plan.seed,
    )  # fmt: skip
    findings = tuple(_finding(material, one, names, rows) for one in found)
    return Answer(findings, {"words_looked_at": looked_at, "shortcuts": len(found)})


def _finding(material: Material, one: Shortcut, names: Sequence[str], rows: Array) -> Finding:
    # A word of digits or signs may be somebody's number: it is not quoted.
    shown = repr(one.word) if one.word.isalpha() else "a word with digits or signs"
    detail = (
        f"{shown} stands in for {names[one.label]!r}: {one.purity:.0%} of the {len(one.rows):,} texts with it have "
        f"that label; deleting it costs a model of words {100 * one.drop:.0f} points of confidence there, and by its "
        "meaning it is no nearer to that label than other words are. A person must say whether it belongs to the label."
    )
    where = tuple(int(row) for row in material.train.examples.rows[rows[one.rows[:_SHOWN]]])
    return Finding(
        kind="spurious",
        row=None,
        file=material.train.file,
        score=float(np.clip(one.purity * one.strange, 0, 1)),
        detail=detail,
        column=material.train.dataset.schema.named("text")[0],
        related=where,
        facts={
            "label": names[one.label],
            "rows": len(one.rows),
            "purity": round(one.purity, 4),
            "coverage": round(one.coverage, 4),
            "drop": round(one.drop, 4),
            "strange": round(one.strange, 4),
        },
    )


def shortcuts(
    texts: Sequence[str], given: Array, names: Sequence[str], vectors: Array, embed: Any, units: Array, seed: int
) -> tuple[list[Shortcut], int]:
    """Texts (n,), codes (n,), label names (k,), vectors (n, d), `embed(words) -> (m, d)`: (shortcuts, words looked at).

    Strangeness is judged against the label's texts *without* the word, which a shortcut has no tie to but its label.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    reader = CountVectorizer(token_pattern=r"(?u)\b\w[\w\-]*\b", binary=True, min_df=_FEWEST, max_features=50_000)
    try:
        presence = reader.fit_transform(texts).tocsc()
    except ValueError:  # no word is common enough
        return [], 0
    words = reader.get_feature_names_out()
    candidates = _associated(presence, given, len(names))
    if not candidates:
        return [], len(words)
    drops = _deleted(presence, given, candidates, whole_folds(given, units, 5, seed), len(names))
    leaning = [(word, label, drop) for (word, label), drop in zip(candidates, drops, strict=True) if drop >= _LEANS]
    found = []
    for (word, label, drop), strange in zip(
        leaning, _strangeness(leaning, words, presence, given, names, vectors, embed, seed), strict=True
    ):
        rows = presence.indices[presence.indptr[word] : presence.indptr[word + 1]]
        purity = float((given[rows] == label).mean())
        coverage = float((given[rows] == label).sum() / max((given == label).sum(), 1))
        if 1 - strange < _STRANGE and not _names(words[word], names[label]):
            found.append(Shortcut(str(words[word]), label, np.sort(rows), purity, coverage, drop, strange))
    return sorted(found, key=lambda one: -one.purity * one.strange * one.drop), len(words)


def _associated(presence: Any, given: Array, width: int) -> list[tuple[int, int]]:
    """(word, label) of words nearly all of whose rows have one label, those that cover most of it first."""
    from metier.curate.label_audit import one_hot

    joint = np.asarray(presence.T @ one_hot(given, width))
    rows, label = joint.sum(axis=1), joint.argmax(axis=1)
    most, shares = joint.max(axis=1), np.bincount(given, minlength=width) / len(given)
    coverage = most / np.maximum(shares[label] * len(given), 1)
    likely = np.flatnonzero((most / rows >= _PURE) & (coverage >= _COVERAGE))
    pure = [
        word
        for word in likely
        if wilson(float(most[word]), float(rows[word]))[0] > max(_PURE, _halfway(shares[label[word]]))
    ]
    ordered = sorted(pure, key=lambda word: -coverage[word])[:_CANDIDATES]
    return [(int(word), int(label[word])) for word in ordered]


def _halfway(share: float) -> float:
    """A label that most rows have anyway needs a purer word: halfway from its share to certainty."""
    return (1 + share) / 2


def _deleted(
    presence: Any, given: Array, candidates: Sequence[tuple[int, int]], parts: Array, width: int
) -> list[float]:
    """The mean loss of the label's out-of-fold probability on its rows when the word is deleted from them.

    A naive Bayes of words: fitted in one product, and deleting a word takes out exactly its own term.
    """
    from metier.curate.label_audit import one_hot

    rows_first = presence.tocsr()
    weights, outputs = [], np.empty((len(given), width), np.float32)
    for fold in range(int(parts.max()) + 1):
        seen = parts != fold
        joint = np.asarray(rows_first[seen].T @ one_hot(given[seen], width)) + 0.5
        weight = np.log(joint / (np.bincount(given[seen], minlength=width) + 1.0))
        weights.append(weight)
        prior = np.log(np.bincount(given[seen], minlength=width) + 0.5)
        outputs[~seen] = np.asarray(rows_first[~seen] @ weight) + prior
    drops = []
    for word, label in candidates:
        rows = presence.indices[presence.indptr[word] : presence.indptr[word + 1]]
        rows = rows[given[rows] == label]
        term = np.stack([weights[parts[row]][word] for row in rows])
        before = np.exp(log_probabilities(outputs[rows])[:, label])
        after = np.exp(log_probabilities(outputs[rows] - term)[:, label])
        drops.append(float((before - after).mean()))
    return drops


def _strangeness(
    leaning: Sequence[tuple[int, int, float]], words: Array, presence: Any, given: Array, names: Sequence[str],
    vectors: Array, embed: Any, seed: int,
) -> list[float]:  # fmt: skip
    """The share of common words that are nearer than this one to its label's texts without it, and to its name."""
    if not leaning:
        return []
    often = np.argsort(-np.diff(presence.indptr), kind="stable")[:2000]
    yardstick = np.random.default_rng(seed).permutation(often)[:_YARDSTICK]
    wanted = [*(str(words[word]) for word, _, _ in leaning), *(str(words[word]) for word in yardstick)]
    wanted += [re.sub(r"[\W_]+", " ", name) for name in names]
    plain = np.asarray(embed(wanted), np.float32)
    own, common, named = np.split(plain, [len(leaning), len(leaning) + len(yardstick)])
    common_middle = common.mean(axis=0)
    counts = np.bincount(given, minlength=len(names)).astype(np.float32)
    sums = np.zeros((len(names), vectors.shape[1]), np.float32)
    for label in np.unique(given):
        sums[label] = np.asarray(vectors[given == label], np.float32).sum(axis=0)
    out = []
    for at, (word, label, _) in enumerate(leaning):
        rows = presence.indices[presence.indptr[word] : presence.indptr[word + 1]]
        without = sums.copy()
        left = counts.copy()
        for row in rows:
            without[given[row]] -= np.asarray(vectors[row], np.float32)
            left[given[row]] -= 1
        ranks = []
        for centres, there in ((without / np.maximum(left, 1)[:, None], left), (named, counts)):
            towards = centres[label] - np.average(centres, axis=0, weights=np.maximum(there, 1e-6))
            if there[label] < 5:
                continue
            near = (np.concatenate([own[at : at + 1], common]) - common_middle) @ towards
            ranks.append(float((near[1:] >= near[0]).mean()))
        out.append(min(ranks, default=1.0))
    return out


def _names(word: str, label: str) -> bool:
    """Whether the label's own name says the word, or its beginning."""
    parts = [part for part in re.split(r"[\W_]+", label.casefold()) if part]
    return any(part == word or (min(len(part), len(word)) >= 4 and (part[:5] == word[:5])) for part in parts)
