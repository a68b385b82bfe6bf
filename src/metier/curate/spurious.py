"""Words that stand in for a label: what a model may lean on though the meaning of the texts has nothing to do with it.

Three questions to each word. Does it go with one label far beyond chance? Does a model that reads words lose confidence
when the word is deleted (delete and measure)? And is it strange to that label: is the word by itself, as the base
understands it, no nearer to the label's *other* texts and to its name than words in general are? Words that stand in
for a group are asked after in `group_words`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metier.curate.columns import text_columns
from metier.curate.findings import Answer, Finding
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
_TOGETHER = 0.8  # of the texts with either of two words that hold both: they are one phrase
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
    if not material.labelled or width < 2:
        return Answer()
    said = words(material)
    if said is None:
        return Answer()
    given = np.asarray(examples.targets)[said.rows]
    names = [str(name) for name in examples.target.values(np.arange(width))]
    found = shortcuts(said, given, names, material.trunk.features, material.plan.seed)
    findings = tuple(_finding(material, one, names, said.rows) for one in found)
    return Answer(findings, {"words_looked_at": len(said.words), "shortcuts": len(found)})


@dataclass(frozen=True)
class Words:
    """Which of n texts hold which of m words: `presence` is sparse (n, m) by columns; `rows` (n,) are their examples.

    Texts of one unit (n,) are one another's copies or of one group: what one teaches must not be tried on the other.
    """

    rows: Array
    texts: Sequence[str]
    words: Array
    presence: Any
    units: Array

    def holding(self, word: int) -> Array:
        """Positions of the texts that hold this word, in order."""
        return np.sort(self.presence.indices[self.presence.indptr[word] : self.presence.indptr[word + 1]])

    def phrases(self, candidates: Sequence[int]) -> dict[int, list[int]]:
        """The first word of each phrase -> all its words: those that nearly always stand in the same texts.

        They are deleted together: alone, each would be made up for by the others.
        """
        found: dict[int, list[int]] = {}
        held = {word: set(self.holding(word).tolist()) for word in candidates}
        for word in candidates:
            for first, others in found.items():
                if len(held[word] & held[first]) >= _TOGETHER * len(held[word] | held[first]):
                    others.append(word)
                    break
            else:
                found[word] = [word]
        return found


def words(material: Material) -> Words | None:
    """The words of the text columns, of at most 50,000 rows, read once for all questions; None for too few rows."""
    if "words" not in material.shared:
        material.shared["words"] = _words(material)
    found = material.shared["words"]
    assert found is None or isinstance(found, Words)
    return found


def _words(material: Material) -> Words | None:
    columns = text_columns(material, material.train)
    count = len(material.train.examples)
    if not columns or count < _FEWEST_ROWS:
        return None
    rows = np.sort(np.random.default_rng(material.plan.seed).permutation(count)[:_MOST_ROWS])
    cells = zip(*(column.texts(rows) for column in columns), strict=True)
    texts = ["\n".join(filter(None, row)) for row in cells]  # as a task of texts joins them: their features are known
    return presence(texts, rows, whole_units(material)[rows])


def presence(texts: Sequence[str], rows: Array, units: Array) -> Words | None:
    """The words that stand in eight or more of the texts (n,); None where none does."""
    from sklearn.feature_extraction.text import CountVectorizer

    reader = CountVectorizer(token_pattern=r"(?u)\b\w[\w\-]*\b", binary=True, min_df=_FEWEST, max_features=50_000)
    try:
        found = reader.fit_transform(texts).tocsc()
    except ValueError:  # no word is common enough
        return None
    return Words(rows, texts, reader.get_feature_names_out(), found, units)


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


def shortcuts(said: Words, given: Array, names: Sequence[str], embed: Any, seed: int) -> list[Shortcut]:
    """Words of n texts, their codes (n,), label names (k,), `embed(texts) -> (m, d)`: the shortcuts, surest first.

    Strangeness is judged against the label's texts *without* the word, which a shortcut has no tie to but its label.
    """
    candidates = _associated(said.presence, given, len(names))
    if not candidates:
        return []
    reader = Reader.of(said, given, len(names), seed)
    leaning = []
    phrases = said.phrases([word for word, _ in candidates])
    for word, label in candidates:
        if word not in phrases:
            continue
        rows = said.holding(word)
        drop = float(reader.lost(phrases[word], rows[given[rows] == label]).mean())
        if drop >= _LEANS:
            leaning.append((word, label, drop))
    found = []
    strangeness = _strangeness(leaning, said, given, names, embed, seed)
    for (word, label, drop), strange in zip(leaning, strangeness, strict=True):
        rows = said.holding(word)
        purity = float((given[rows] == label).mean())
        coverage = float((given[rows] == label).sum() / max((given == label).sum(), 1))
        if 1 - strange < _STRANGE and not _names(said.words[word], names[label]):
            found.append(Shortcut(str(said.words[word]), label, rows, purity, coverage, drop, strange))
    return sorted(found, key=lambda one: -one.purity * one.strange * one.drop)


def _associated(presence: Any, given: Array, width: int) -> list[tuple[int, int]]:
    """(word, label) of words nearly all of whose rows have one label, those that cover most of it first."""
    from metier.curate.label_views import one_hot

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


@dataclass(frozen=True)
class Reader:
    """A naive Bayes of words that never saw the text it judges: to delete a word takes out exactly that word's term.

    `outputs` (n, k) are out-of-fold log-odds; `weights` one (words, k) a fold; `parts` (n,) the fold of each text.
    """

    presence: Any
    given: Array
    outputs: Array
    weights: Sequence[Array]
    parts: Array

    @classmethod
    def of(cls, said: Words, given: Array, width: int, seed: int) -> Reader:
        """Fitted once a fold, in one product."""
        from metier.curate.label_views import one_hot, whole_folds

        parts = whole_folds(given, said.units, 5, seed)
        rows_first = said.presence.tocsr()
        weights, outputs = [], np.empty((len(given), width), np.float32)
        for fold in range(int(parts.max()) + 1):
            seen = parts != fold
            joint = np.asarray(rows_first[seen].T @ one_hot(given[seen], width)) + 0.5
            weights.append(np.log(joint / (np.bincount(given[seen], minlength=width) + 1.0)))
            prior = np.log(np.bincount(given[seen], minlength=width) + 0.5)
            outputs[~seen] = np.asarray(rows_first[~seen] @ weights[-1]) + prior
        return cls(rows_first, given, outputs, weights, parts)

    def lost(self, words: Sequence[int], rows: Array) -> Array:
        """(m,) of the probability of its own label, what each of these texts loses when the words are deleted."""
        held = self.presence[rows][:, list(words)].toarray()
        weights = np.stack([weight[list(words)] for weight in self.weights])[self.parts[rows]]
        term = np.einsum("rw,rwk->rk", held, weights)
        own = np.arange(len(rows)), self.given[rows]
        before = np.exp(log_probabilities(self.outputs[rows])[own])
        return np.asarray(before - np.exp(log_probabilities(self.outputs[rows] - term)[own]))


def _strangeness(
    leaning: Sequence[tuple[int, int, float]], said: Words, given: Array, names: Sequence[str], embed: Any, seed: int
) -> list[float]:
    """The share of common words that are nearer than this one to its label's texts without it, and to its name."""
    if not leaning:
        return []
    vectors = embed(said.texts)
    often = np.argsort(-np.diff(said.presence.indptr), kind="stable")[:2000]
    yardstick = np.random.default_rng(seed).permutation(often)[:_YARDSTICK]
    wanted = [str(said.words[word]) for word in (*(word for word, _, _ in leaning), *yardstick)]
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
        rows = said.holding(word)
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
