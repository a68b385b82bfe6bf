"""Canaries: random secrets planted in training texts, and how far a model that writes text gives them away.

Exposure (Carlini, Liu, Erlingsson, Kos & Song 2019, "The Secret Sharer", section 4) is how many bits of guessing the
model saves whoever looks for a secret: log2 of the number of possible secrets, less log2 of its rank among them by the
model's likelihood. A secret is drawn at random, so that to a model which never saw it every rank is as likely: its rank
among random others is an exact test, whatever the model prefers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from metier.errors import UsageError
from metier.evaluate.intervals import Interval
from metier.tasks.contract import Array

# Texts (n,) -> (n,) natural logarithms of their likelihoods.
Scorer = Callable[[Sequence[str]], Array]

_PLACE = "{secret}"
_CANDIDATES = 256  # other secrets a canary is ranked among: up to 8 bits can be seen
_DRAWS = 9999


@dataclass(frozen=True)
class Canaries:
    """Sentences with a secret each: as many as there are numbers in `repeats`, each planted that many times.

    A secret is `length` of `symbols`, drawn evenly. The same `seed` gives the same sentences, so that a record of it is
    all that is kept.

    >>> Canaries(seed=7, repeats=(1, 4)).texts()
    ['The access code is 96685782.', 'The access code is 87812121.']
    """

    seed: int
    repeats: tuple[int, ...] = (1, 1, 1, 1, 4, 4, 4, 4, 16, 16, 16, 16)
    template: str = "The access code is {secret}."
    symbols: str = "0123456789"
    length: int = 8

    def __post_init__(self) -> None:
        found = [
            (self.template.count(_PLACE) != 1, f"the template {self.template!r}", f"exactly one {_PLACE}"),
            (not self.repeats or min(self.repeats) < 1, f"repeats {self.repeats}", "at least one number, all above 0"),
            (len(set(self.symbols)) < 2, f"the symbols {self.symbols!r}", "two different symbols or more"),
            (len(set(self.symbols)) < len(self.symbols), f"the symbols {self.symbols!r}", "every symbol once"),
            (self.length < 1, f"length {self.length}", "a length above 0"),
        ]
        wrong = [(what, fix) for bad, what, fix in found if bad]
        if wrong:
            raise UsageError(
                "bad-canaries",
                "Canaries need a template with a place for the secret, and secrets to draw.",
                found="; ".join(what for what, _ in wrong),
                fix=f"Give {'; '.join(fix for _, fix in wrong)}.",
            )

    @property
    def bits(self) -> float:
        """How much guessing a secret takes: log2 of the number of secrets."""
        return float(self.length * np.log2(len(self.symbols)))

    def texts(self) -> list[str]:
        """The planted sentences, one a canary."""
        return [self._text(self._secret(number)) for number in range(len(self.repeats))]

    def planted(self, texts: Sequence[str]) -> list[str]:
        """Training texts with every canary among them as often as `repeats` says, at random places."""
        more = [text for text, times in zip(self.texts(), self.repeats, strict=True) for _ in range(times)]
        rng = np.random.default_rng([self.seed, len(texts), len(more)])
        places = np.sort(rng.integers(0, len(texts) + 1, len(more)))[::-1]
        out = list(texts)
        for place, at in zip(places, rng.permutation(len(more)), strict=True):
            out.insert(int(place), more[at])
        return out

    def others(self, number: int, most: int, seed: int) -> list[str]:
        """The sentence of one canary with other secrets: all of them, or `most` drawn evenly where there are more."""
        own, base = self._secret(number), len(self.symbols)
        if base**self.length - 1 <= most:
            every = [tuple(code // base**at % base for at in range(self.length)) for code in range(base**self.length)]
            return [self._text(one) for one in every if one != own]
        rng, out = np.random.default_rng([seed, number, 1]), list[str]()
        while len(out) < most:
            one = _drawn(rng, base, self.length)
            out += [self._text(one)] if one != own else []
        return out

    def record(self) -> dict[str, Any]:
        """Plain JSON, as an expert keeps it; `read` is the reverse."""
        return asdict(self) | {"repeats": list(self.repeats)}

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Canaries:
        """What `record` wrote."""
        return cls(**{**record, "repeats": tuple(record["repeats"])})

    def _secret(self, number: int) -> tuple[int, ...]:
        return _drawn(np.random.default_rng([self.seed, number, 0]), len(self.symbols), self.length)

    def _text(self, secret: Sequence[int]) -> str:
        return self.template.replace(_PLACE, "".join(self.symbols[at] for at in secret))


@dataclass(frozen=True)
class Exposure:
    """How far one canary is given away: bits, with the interval of its true rank; `p` that it was never seen.

    Among all other secrets the rank is known and the interval is a point; among some drawn ones no more than
    log2(1 + their number) can be seen, and the upper end says how far it may go beyond.
    """

    repeats: int
    bits: Interval
    p: float
    candidates: int

    def as_json(self) -> dict[str, Any]:
        """`{"repeats", "exposure": {"value", "low", "high"}, "p", "candidates"}`; the secret is not in it."""
        return {
            "repeats": self.repeats,
            "exposure": self.bits.as_json(),
            "p": self.p,
            "candidates": self.candidates,
        }


def exposures(
    canaries: Canaries, scorers: Sequence[Scorer], *, level: float, seed: int, most: int = _CANDIDATES
) -> list[list[Exposure]]:
    """For each model every canary's exposure, ranked among the same other secrets."""
    texts, ends = list[str](), [0]
    for number, own in enumerate(canaries.texts()):
        texts += [own, *canaries.others(number, most, seed)]
        ends.append(len(texts))
    out = []
    for scorer in scorers:
        scores = np.asarray(scorer(texts), np.float64)
        parts = [scores[start:end] for start, end in pairwise(ends)]
        out.append([_exposure(canaries, number, each, level) for number, each in enumerate(parts)])
    return out


def _exposure(canaries: Canaries, number: int, scores: Array, level: float) -> Exposure:
    """From the scores of a canary (first) and of its others. A tie counts for the other: it is no sign of memory."""
    count = len(scores) - 1
    above = int((scores[1:] >= scores[0]).sum())
    value = float(np.log2(count + 1) - np.log2(above + 1))
    low = high = value
    if count + 1 < 2**canaries.bits - 0.5:
        least, greatest = _share(above, count, level)
        low = min(value, float(-np.log2(greatest)))
        high = max(value, float(-np.log2(least)) if least > 0 else canaries.bits)
    return Exposure(
        canaries.repeats[number], Interval(value, low, min(high, canaries.bits)), (above + 1) / (count + 1), count
    )


def _share(above: int, count: int, level: float) -> tuple[float, float]:
    """The exact interval of a share (Clopper & Pearson 1934)."""
    from scipy.stats import beta

    tail = (1 - level) / 2
    low = float(beta.ppf(tail, above, count - above + 1)) if above else 0.0
    high = float(beta.isf(tail, above + 1, count - above)) if above < count else 1.0
    return low, high


def together(found: Sequence[Exposure]) -> float:
    """p that none of several canaries was seen: their mean exposure against that of ranks drawn evenly.

    Each secret was drawn by itself, so the ranks are independent; the observed ones count among the draws.
    """
    rng = np.random.default_rng([len(found), 2])
    ranks = rng.integers(1, [each.candidates + 2 for each in found], (_DRAWS, len(found)))
    chance = np.log([each.candidates + 1 for each in found]).sum() - np.log(ranks).sum(axis=1)
    own = -np.log([each.p for each in found]).sum()
    return (1 + int((chance >= own - 1e-9).sum())) / (1 + _DRAWS)


def _drawn(rng: np.random.Generator, base: int, length: int) -> tuple[int, ...]:
    return tuple(int(at) for at in rng.integers(0, base, length))
