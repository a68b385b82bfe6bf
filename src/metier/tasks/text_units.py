"""The words of a text as an explanation takes them: cut out, exchanged for others, or never heard before."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

import pyarrow as pa

from metier.tasks.contract import Array, Inputs

_UNIT = re.compile(r"\w+(?:['\u2019]\w+)*|[^\w\s]+")


def units(text: str) -> list[tuple[int, int]]:
    """Words and runs of marks, as (start, end); an apostrophe within a word is part of it."""
    return [match.span() for match in _UNIT.finditer(text)]


def keeping(inputs: Inputs, kept: Sequence[tuple[int, Array]]) -> Inputs:
    """The texts without the words removed; a space stays between what they stood between."""
    texts: list[str] = []
    for position, masks in kept:
        text = str(inputs[position].as_py())
        spans = units(text)
        texts += [text if mask.all() else _without(text, spans, mask) for mask in masks]
    return _inputs(texts)


def exchanged(inputs: Inputs, position: int, unit: int, donors: Inputs, most: int) -> Inputs:
    """A word replaced by words of the donors that the text itself lacks, those most of them have first."""
    text = str(inputs[position].as_py())
    (start, end), own, counts = units(text)[unit], _words(text), Counter[str]()
    for donor in donors.to_pylist():
        counts.update(sorted(_words(donor or "") - own))
    return _inputs([text[:start] + word + text[end:] for word, _ in counts.most_common(most)])


def unheard(heard: Inputs) -> Callable[[Inputs, int], list[int]]:
    """A function naming the words (of letters) that stand in none of these texts, in whatever case."""
    known: set[str] = set()
    for text in heard.to_pylist():
        known |= _words(text or "")

    def missing(inputs: Inputs, position: int) -> list[int]:
        text = str(inputs[position].as_py())
        words = [text[start:end].lower() for start, end in units(text)]
        return [at for at, word in enumerate(words) if word.isalpha() and word not in known]

    return missing


def _words(text: str) -> set[str]:
    return {word for match in _UNIT.finditer(text) if (word := match[0].lower())[0].isalpha()}


def _without(text: str, spans: Sequence[tuple[int, int]], mask: Array) -> str:
    parts, at = [], 0
    for (start, end), stays in zip(spans, mask, strict=True):
        parts.append(text[at : end if stays else start])
        if not stays:
            parts.append(" ")
        at = end
    return " ".join("".join([*parts, text[at:]]).split())


def _inputs(texts: list[str]) -> Inputs:
    return pa.chunked_array([pa.array(texts, pa.large_string())])
