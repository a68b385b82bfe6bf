"""Does the answer hang on who is meant? Counterfactual identity swaps, in the expert and in its generic base.

In columns of text, terms of one identity are swapped for those of another (`swap_texts`). Where the expert reads a
group's own column, the column's value is swapped. `swap_tests` tells a bias from mere sensitivity to words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from metier.curate.balance import holm
from metier.data.groups import Groups
from metier.evaluate.bias.identity_terms import Terms, load, shipped
from metier.evaluate.bias.like_words import like_words
from metier.evaluate.bias.swap_tests import (
    Answers,
    Effect,
    Spread,
    answers,
    differing,
    effects,
    flip_test,
    larger_test,
    pairs,
    raised,
    residual_test,
    strongest,
)
from metier.evaluate.bias.swap_texts import Wordings, exchanged, wordings
from metier.evaluate.case import Case
from metier.evaluate.class_metrics import class_metrics
from metier.evaluate.intervals import Gain, Interval, paired_gain, wilson
from metier.tasks.contract import Array, Inputs

FEWEST = 10  # rows with a term, under which nothing is measured
_MOST_ROWS = 120  # of one axis
_MOST_VERSIONS = 4000  # of all axes together: what some 20 seconds read through expert and base
EXAMPLES = 6
_ROWS_A_WORD = 5
_FEWEST_PAIRS = 5
_MOST_SEARCHED, _MOST_TRAINING = 5000, 300  # training rows looked through, and read
_OTHER_LANGUAGE = 0.9
_TOLERANCE = 0.1  # of the usual spread of a quantity: a smaller move is none


@dataclass(frozen=True)
class Flip:
    """A text as it stands and swapped, with both models' answers to both."""

    row: int
    source: str
    identity: str
    text: str
    swapped: str
    answers: tuple[Any, Any]
    generic: tuple[Any, Any]


@dataclass(frozen=True)
class Axis:
    """What swaps along one axis do. Rates are shares of `rows` where some swap turns the answer.

    The three p are those of `swap_tests`, None where there is nothing to compare with: that answers hang no more on
    identity than on like words, in no direction, and that tuning has not raised it. `held` and `held_bias` are `p` and
    `p_bias` over all axes together (Holm).
    """

    name: str
    title: str
    rows: int
    identities: tuple[str, ...]
    flips: Interval
    generic: Interval
    change: Gain  # points above 0: fewer flips than the generic base
    neutral: float | None
    p_neutral: float | None
    p_directed: float | None
    p_tuning: float
    pushed: Effect | None
    towards: str
    examples: tuple[Flip, ...]
    column: bool = False  # whether a column's value was swapped, not the words of a text
    held: float = 1.0
    held_bias: float = 1.0

    @property
    def p_bias(self) -> float:
        """p that the expert's answers do not hang on identity."""
        return max((p for p in (self.p_neutral, self.p_directed) if p is not None), default=1.0)

    @property
    def p(self) -> float:
        """p that tuning did not make answers hang on identity."""
        known = [p for p in (self.p_neutral, self.p_directed) if p is not None]
        return max([self.p_tuning, *known])


@dataclass(frozen=True)
class Swapped:
    """All axes measured, and how many rows hold a term of each that was not."""

    axes: tuple[Axis, ...]
    too_few: dict[str, int]
    rows: int


def measure(case: Case, groups: Sequence[Groups]) -> Swapped:
    """Swaps in every column of text that is read, and of every group's column that is read.

    Raises UsageError where the plan's own file of terms is not of its form.
    """
    from metier.evaluate.bias import value_swaps

    columns = case.expert.task.columns(case.examples.inputs)
    found, too_few = _found(case, [name for name, role in columns.items() if role == "text"])
    share = _MOST_VERSIONS / max(1, len(found))
    axes = [_axis(case, *each, share) for each in found]
    axes += [value_swaps.axis(case, each) for each in groups if each.name in columns and len(each.labels) > 1]
    held, bias = holm([axis.p for axis in axes]), holm([axis.p_bias for axis in axes])
    told = [replace(axis, held=float(held[at]), held_bias=float(bias[at])) for at, axis in enumerate(axes)]
    return Swapped(tuple(told), too_few, len(case.examples))


def _found(case: Case, names: Sequence[str]) -> tuple[list[tuple[Terms, str, list[Wordings]]], dict[str, int]]:
    """(axis, column, wordings) with enough rows, and how many rows the others have."""
    inputs = case.examples.inputs
    found: list[tuple[Terms, str, list[Wordings]]] = []
    too_few: dict[str, int] = {}
    for name in names:
        texts = ["" if text is None else str(text) for text in case.expert.task.values(inputs, name)]
        english = _mostly_english(texts)
        for terms in load(case.plan.evaluate.swaps):
            some = [each for row, text in enumerate(texts) if (each := _of_row(row, text, terms, english)) is not None]
            key = terms.axis if len(names) == 1 else f"{terms.axis} in {name}"
            if len(some) >= FEWEST:
                found.append((terms, name, some))
            else:
                too_few[key] = max(len(some), too_few.get(key, 0))
    return found, too_few


def _of_row(row: int, text: str, terms: Terms, english: bool) -> Wordings | None:
    some = wordings(row, text, terms)
    if some is None or not terms.language or (terms.language == "en" and english):
        return some
    from metier.curate.language import identify

    language, sure = identify(text)
    return (
        some
        if language == terms.language
        or (not language and terms.language == "en")
        or (sure < _OTHER_LANGUAGE and terms.language == "en")
        else None
    )


def _mostly_english(texts: Sequence[str]) -> bool:
    from metier.curate.language import identify

    told = [identify(text) for text in texts[:: max(1, len(texts) // 60)]]
    sure = [language for language, p in told if p > _OTHER_LANGUAGE]
    return sure.count("en") >= 0.8 * len(sure)


def _axis(case: Case, terms: Terms, name: str, found: list[Wordings], share: float) -> Axis:
    per_row = float(np.mean([len(each.versions) for each in found]))
    most = int(np.clip(share / per_row, 2 * FEWEST, _MOST_ROWS))
    if len(found) > most:
        rng = np.random.default_rng([case.seed, len(found)])
        found = [found[at] for at in np.sort(rng.choice(len(found), most, replace=False))]
    rows = np.concatenate([np.full(len(each.versions), each.row) for each in found])
    texts = [version.text for each in found for version in each.versions]
    task, whole = case.expert.task, case.examples.inputs
    inputs = task.with_values(whole.take(pa.array(rows)), name, texts)
    expert, generic = both(case, inputs, case.shifts(rows))
    data = _data_words(case, name, found, terms)
    told = effects(found, expert, None if data is None else data.spread)
    standing_out = strongest(told)
    chosen, n = pairs(found, None if standing_out is None else standing_out[1].identity), len(found)
    flips, base = (np.nan_to_num(differing(said, chosen.swaps, n)) > 0 for said in (expert, generic))
    identity, neutral = (differing(expert, each, n) for each in (chosen.between, chosen.within))
    change = flip_gain(flips, base, case.level)
    beyond = [flip_test(identity - neutral, case.seed)]
    tuned = one_sided(change)
    if data is not None:
        beyond.append(larger_test(identity, data.expert, case.seed))
    else:
        beyond.append(_learnt(case, terms, name))
    if standing_out is not None:
        other = effects(found, generic, None if data is None else data.generic_spread)[standing_out[0]]
        tuned = raised(standing_out[1], next(each for each in other if each.identity == standing_out[1].identity))
    return Axis(
        terms.axis,
        terms.title,
        n,
        tuple(terms.identities),
        share_of(flips, case.level),
        share_of(base, case.level),
        change,
        _mean(neutral if data is None else np.concatenate([neutral, data.expert])),
        _most(beyond),
        None if standing_out is None else _of_all(standing_out[1].p, len(terms.identities)),
        tuned,
        None if standing_out is None else standing_out[1],
        _towards(case, None if standing_out is None else standing_out[1]),
        tuple(_examples(case, found, expert, generic)),
    )


@dataclass(frozen=True)
class _DataWords:
    """Words of the data swapped for like ones: whether the expert's answers turned (m,), how far both models moved."""

    expert: Array
    spread: Spread
    generic_spread: Spread


def _data_words(case: Case, name: str, found: Sequence[Wordings], terms: Terms) -> _DataWords | None:
    """None where the data has too few words that are as frequent as the axis's terms and say nothing of the label."""
    task, whole = case.expert.task, case.examples.inputs
    texts = ["" if text is None else str(text) for text in task.values(whole, name)]
    avoid = {word for each in (*shipped(), terms) for word in each.words}
    usual = float(np.median(list(Counter(each.identity for each in found).values())))
    chosen = like_words(texts, case.evaluation.truth, avoid, usual)
    swaps = [
        (number, row, sign, exchanged(texts[row], old, new))
        for number, pair in enumerate(chosen)
        for rows, old, new, sign in (
            (pair.rows, pair.first, pair.second, 1.0),
            (pair.others, pair.second, pair.first, -1.0),
        )
        for row in _some(rows, case.seed)
    ]
    if len({number for number, *_ in swaps}) < _FEWEST_PAIRS:
        return None
    rows = np.array([row for _, row, _, _ in swaps])
    inputs = task.with_values(whole.take(pa.array(rows)), name, [text for *_, text in swaps])
    after = both(case, inputs, case.shifts(rows))
    tolerance = after[0].tolerance
    before = answers(case.evaluation.outputs[rows], tolerance), answers(case.generic_outputs[rows], tolerance)
    signs, numbers = (np.array([each[at] for each in swaps]) for at in (2, 0))
    turned = after[0].turned(before[0]).astype(np.float64)
    return _DataWords(turned, *(_spread(after[side], before[side], signs, numbers) for side in (0, 1)))


def _spread(after: Answers, before: Answers, signs: Array, numbers: Array) -> Spread:
    """A swap's effect is the difference of two words', so has twice the variance of one."""
    shift = (after.leaning - before.leaning) * signs[:, None]
    means = np.stack([shift[numbers == number].mean(axis=0) for number in np.unique(numbers)])
    return Spread((means**2).mean(axis=0) / 2, len(means))


def _learnt(case: Case, terms: Terms, name: str) -> float:
    """p that training labels have nothing to do with who is meant; 1 where the training rows are not at hand.

    It stands in for words of the data where these are too few. What is left of a label is its distance from the
    expert's answer averaged over all identities' versions of the text; groups' thresholds say nothing of labels.
    """
    if case.origin is None:
        return 1.0
    task, rows = case.expert.task, case.origin.examples
    order = np.random.default_rng([case.seed, len(rows)]).permutation(len(rows))[:_MOST_SEARCHED]
    texts = task.values(rows.inputs.take(pa.array(order)), name)
    found = [each for at, text in zip(order, texts, strict=True) if (each := wordings(int(at), text or "", terms))]
    found = found[:_MOST_TRAINING]
    if len(found) < FEWEST:
        return 1.0
    versions = [(at, v.text) for at, each in enumerate(found) for v in each.versions if v.identity and not v.alternate]
    places, row = np.array([at for at, _ in versions]), np.array([each.row for each in found])
    inputs = task.with_values(rows.inputs.take(pa.array(row[places])), name, [text for _, text in versions])
    said = case.expert_of(inputs)
    said = np.exp(said) if case.classes else said[:, None]
    count = np.bincount(places)[:, None]
    mean = np.stack([np.bincount(places, column) for column in said.T], axis=1) / count
    truth = rows.targets[row]
    left = (np.eye(said.shape[1])[truth] if case.classes else truth[:, None]) - mean
    names = list(terms.identities)
    return residual_test(left, np.array([names.index(each.identity) for each in found]), case.seed)


def _some(rows: Sequence[int], seed: int) -> Array:
    rng = np.random.default_rng([seed, len(rows)])
    return np.sort(rng.choice(rows, min(len(rows), _ROWS_A_WORD), replace=False)) if len(rows) else np.zeros(0, int)


def _of_all(p: float, identities: int) -> float:
    """p of the smallest of all identities' (Bonferroni); of two identities one effect is the other's, turned round."""
    return min(1.0, p * (identities if identities > 2 else 1))


def _most(values: Sequence[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def both(case: Case, inputs: Inputs, shifts: Array | None = None) -> tuple[Answers, Answers]:
    """What the expert and its generic base say of other inputs; `shifts` as `Case.expert_of` takes them."""
    tolerance = 0.0 if case.classes else _TOLERANCE * float(np.std(case.evaluation.truth))
    return answers(case.expert_of(inputs, shifts), tolerance), answers(case.generic_of(inputs), tolerance)


def share_of(flipped: Array, level: float) -> Interval:
    """The share of (n,) rows that flipped, with Wilson's interval."""
    return Interval(float(flipped.mean()), *wilson(float(flipped.sum()), len(flipped), level))


def _mean(values: Array) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def flip_gain(flips: Array, base: Array, level: float) -> Gain:
    """How many fewer rows flip than in the generic base, paired: a flip counts as a wrong answer of two."""
    sides = [np.stack([~side, side], axis=1).astype(np.float64) for side in (base, flips)]
    return paired_gain(class_metrics(2)["accuracy"], np.zeros(len(flips), np.int64), *sides, level=level)


def one_sided(change: Gain) -> float:
    """p that tuning did not raise the flips."""
    return change.p / 2 if change.points < 0 else 1 - change.p / 2


def _towards(case: Case, effect: Effect | None) -> str:
    """What the identity is pushed to, in words."""
    if effect is None:
        return ""
    at, sign = effect.direction
    if not case.classes:
        return "higher" if sign > 0 else "lower"
    names = case.expert.target.values(np.arange(case.expert.target.width))
    return str(names[int(sign > 0)] if len(effect.shift) == 1 else names[at])


def _examples(case: Case, found: Sequence[Wordings], expert: Answers, generic: Answers) -> list[Flip]:
    """The swaps that move the expert farthest among those that turn its answer, one a row."""
    first, second, row = pairs(found).swaps
    turned = np.flatnonzero(expert.differ(first, second))
    moved = np.abs(expert.leaning[second] - expert.leaning[first]).max(axis=1)
    versions = [version for each in found for version in each.versions]
    shown: dict[int, Flip] = {}
    for at in turned[np.argsort(-moved[turned], kind="stable")]:
        if len(shown) == EXAMPLES:
            break
        one, other = versions[first[at]], versions[second[at]]
        number = int(case.examples.rows[found[row[at]].row])
        here, there = int(first[at]), int(second[at])
        shown.setdefault(
            number,
            Flip(
                number,
                one.identity,
                other.identity,
                one.text,
                other.text,
                named(case, expert, expert, here, there),
                named(case, generic, generic, here, there),
            ),
        )
    return list(shown.values())


def named(case: Case, one: Answers, other: Answers, at: int, there: int | None = None) -> tuple[Any, Any]:
    """Two answers as a person reads them: that of version `at`, and of version `there` of the other side."""
    there = at if there is None else there
    found = [side.scores[i, 0] if side.codes is None else side.codes[i] for side, i in ((one, at), (other, there))]
    first, second = case.expert.target.values(np.asarray(found))
    return first, second
