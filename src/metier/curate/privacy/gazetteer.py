"""The gazetteer of given and family names, and what is looked up in it: words of a text, folded."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from pathlib import Path
from typing import NamedTuple

from metier.curate.privacy.tables import words

PARTICLES = words("particles")
# Capitalised words that begin a clause or address nobody in particular.
STOP = words("stop")
# Names that are words, places or makes as well: such a one alone, or two of them together, prove nothing.
WEAK_GIVEN, WEAK_FAMILY = words("weak given"), words("weak family")
_TOKEN = re.compile(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*\.?")
_POSSESSIVE = re.compile(r"['’]s$")
_TRANSLATED = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ß": "ss", "ı": "i", "æ": "ae", "œ": "oe"})


def fold(word: str) -> str:
    """Small letters without accents, as the gazetteer is looked up."""
    if word.isascii():
        return word.lower()
    decomposed = unicodedata.normalize("NFKD", word.lower().translate(_TRANSLATED))
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign))


@cache
def _list(file: str) -> tuple[str, ...]:
    words = (Path(__file__).parent / file).read_text(encoding="utf-8").split()
    return tuple(dict.fromkeys(word for word in words if len(word) > 1))


@cache
def given_names() -> dict[str, str]:
    """Folded given name -> how it is written."""
    return {fold(word): word for word in _list("given_names.txt")}


@cache
def family_names() -> dict[str, str]:
    """Folded family name -> how it is written."""
    return {fold(word): word for word in _list("family_names.txt")}


@cache
def given_words() -> frozenset[str]:
    """Every word of a given name in small letters, with and without its accents."""
    parts = {part for name in _list("given_names.txt") for part in name.lower().split("-")}
    return frozenset(parts | {fold(part) for part in parts})


class Word(NamedTuple):
    """A word of a text at its place, and as the gazetteer knows it."""

    start: int
    end: int
    text: str
    folded: str

    @property
    def capital(self) -> bool:
        """Whether it begins with a capital and is more than one letter."""
        return self.text[0].isupper() and (len(self.text) > 1 or not self.text.isascii())

    @property
    def initial(self) -> bool:
        """Whether it is an initial, as `Q.`"""
        return len(self.text) == 2 and self.text[0].isupper() and self.text[1] == "."

    @property
    def given(self) -> bool:
        """Whether the gazetteer has it as a given name."""
        known = given_names()
        return self.folded in known or ("-" in self.folded and self.folded.split("-")[0] in known)

    @property
    def family(self) -> bool:
        """Whether the gazetteer has it as a family name."""
        known = family_names()
        return self.folded in known or any(part in known for part in re.split(r"['’\-]", self.folded)[-1:])


def words_from(text: str, start: int, most: int = 4, *, capitals: bool = True) -> list[Word]:
    """The words from `start` on that may belong to one name: side by side, none of them a stop word."""
    found: list[Word] = []
    place = start
    while len(found) < most + 2:
        match = _TOKEN.match(text, place)
        if match is None:
            break
        raw = match[0]
        initial = len(raw) == 2 and raw[1] == "." and raw[0].isupper()
        plain = raw if initial else _POSSESSIVE.sub("", raw.rstrip("."))
        word = Word(match.start(), match.start() + len(plain), plain, fold(plain))
        if not _may_follow(word, bool(found), capitals):
            break
        found.append(word)
        place = word.end
        if raw != plain or text[place : place + 1] != " ":
            break
        place += 1
    while found and (found[-1].text in PARTICLES or found[-1].initial):
        found.pop()
    return found[:most]


def _may_follow(word: Word, inside: bool, capitals: bool) -> bool:
    hidden = set(word.folded) == {"x"}  # "XXXX": somebody has masked it already
    if hidden or word.initial:
        return not hidden
    if inside and word.text in PARTICLES:
        return True
    return (word.capital or not capitals) and word.text.lower() not in STOP


def joined_on(text: str, end: int) -> bool:
    """Whether what looked like a name goes on as something else: a mail address, a path, a model number."""
    return text[end : end + 1] in {"@", "/", "_"} or text[end : end + 2].strip().isdigit()
