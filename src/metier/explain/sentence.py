"""An explanation as one would say it: what decided, what would have turned it, and what the expert does not know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metier.tasks.contract import Array

_UNSURE = 0.5
_SHORT = 60
_NAMED = 3


@dataclass(frozen=True)
class Doubts:
    """What speaks against an answer: it was handed to a person, is unsure, lies far from all rows, or has new words."""

    abstained: bool
    confidence: float
    far: bool
    unheard: Sequence[str]

    def __bool__(self) -> bool:
        return self.abstained or self.confidence < _UNSURE or self.far or bool(self.unheard)


def compose(
    answer: Any,
    confidence: float,
    attribution: Sequence[Mapping[str, Any]],
    because: Sequence[Mapping[str, Any]],
    change: tuple[Sequence[str], Sequence[str], Any] | None,
    doubts: Doubts,
    *,
    says: str = "said",
) -> str:
    """The sentence. `change` holds the parts changed, what came in their place (if anything), and the new answer.

    `says` is what an example does with its parts: `Task.says`.
    """
    parts = [f"The answer is {_quoted(answer)} ({confidence:.0%} sure){_because_of(attribution)}."]
    if change is not None:
        old, new, other = change
        told = f"{says} {_listed(new)} instead of {_listed(old)}" if new else f"not {says} {_listed(old)}"
        parts.append(f"Had it {told}, the answer would have been {_quoted(other)}.")
    if because:
        first = because[0]
        label = "" if first["label"] is None else f", labelled {_quoted(first['label'])}"
        parts.append(f"Of the rows it learnt from, row {first['row']} pulled most: {_quoted(first['text'])}{label}.")
    return " ".join([*parts, *_told(doubts)])


def drivers(weights: Array) -> list[int]:
    """The units worth naming: at most three, those with at least a third of the greatest weight."""
    order = np.argsort(-weights, kind="stable")[:_NAMED]
    return [int(at) for at in order if weights[at] > 0 and weights[at] >= weights[order[0]] / 3]


def _because_of(attribution: Sequence[Mapping[str, Any]]) -> str:
    named = drivers(np.array([part["weight"] for part in attribution])) if attribution else []
    if not named:
        return "; no single part of it decided"
    return f", mostly for {_listed([attribution[at]['token'] for at in named])}"


def _told(doubts: Doubts) -> list[str]:
    found = []
    if doubts.abstained:
        found.append("It is not sure enough: a person should answer.")
    elif doubts.confidence < _UNSURE:
        found.append("It is not sure: another answer is likelier than not.")
    if doubts.far:
        found.append("It has learnt from nothing like this.")
    if doubts.unheard:
        found.append(f"Nothing it learnt from has {_listed(doubts.unheard[:_NAMED])}.")
    return found


def _listed(words: Sequence[str]) -> str:
    quoted = [_quoted(word) for word in words[:4]]
    more = [f"{len(words) - 4} more"] if len(words) > 4 else []
    every = [*quoted, *more]
    return every[0] if len(every) == 1 else f"{', '.join(every[:-1])} and {every[-1]}"


def _quoted(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    text = " ".join(str(value).split())
    return f"“{text if len(text) <= _SHORT else text[: _SHORT - 1] + '…'}”"
