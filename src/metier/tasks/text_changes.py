"""What goes wrong with texts in use: typing, scanning, case, white space, punctuation, accents, lost and moved words.

Every word (or gap) draws its numbers whatever the severity, and is touched where its first draw lies below it: with
the same random numbers a stronger change touches all that a milder one does. text_wording has what needs words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

import numpy as np

from metier.tasks.contract import Array, Examples, Perturbation
from metier.tasks.text_wording import TextChange, by_text, contractions, injection, irrelevant, synonyms
from metier.trunk.features import Trunk

_SPACE = re.compile(r"(\s+)")
# Severities of what touches few words of a text, and of what has three forms.
_FEW, _LEVELS = (0.25, 0.5, 1.0), (1 / 3, 2 / 3, 1.0)
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
# What scanned letters are taken for (each read from left to right; the longest first).
_SCANNED = {
    "rn": "m", "cl": "d", "vv": "w", "m": "rn", "d": "cl", "w": "vv", "l": "1", "I": "l", "i": "l", "1": "l", "0": "O",
    "O": "0", "o": "0", "e": "c", "c": "e", "S": "5", "s": "5", "5": "S", "B": "8", "8": "B", "h": "b", "b": "6",
    "g": "q", "q": "g", "n": "ri", "u": "ii", "t": "f", "f": "t", "Z": "2", "z": "2", "2": "Z", "ü": "u", "ö": "o",
    "ä": "a", "é": "e",
}  # fmt: skip
_SCAN = re.compile("|".join(sorted(map(re.escape, _SCANNED), key=len, reverse=True)))
_VOWELS = {"a": "áàâ", "e": "éèê", "i": "íìî", "o": "óòô", "u": "úùû"}
_MARKS = (",", ".", "!", "?", "...", ";")


def perturbations(like: Examples | None, trunk: Trunk | None) -> tuple[Perturbation, ...]:
    """All changes of texts; synonyms are learnt from `like` through the trunk, and left out where either is missing."""
    of = "share of the words"
    found = [
        Perturbation("typos", f"{of} mistyped", mistyped),
        Perturbation("scanning errors", f"{of} misread by a scanner (OCR)", by_text(each_word(_scanned))),
        Perturbation("case", f"{of} in upper case, or lower where they were upper", by_text(each_word(_cased))),
        Perturbation("white space", "share of the gaps lost, doubled or broken", by_text(_spaced)),
        Perturbation("punctuation", f"{of} that lose the mark behind them or get one", by_text(each_word(_marked))),
        Perturbation("accents", f"{of} whose letters lose their accents or get one", by_text(each_word(_accented))),
        Perturbation("contractions", "share of don't written out, of do not contracted", by_text(contractions), _FEW),
        Perturbation("lost words", f"{of} that are missing", by_text(each_word(_lost))),
        Perturbation("truncation", f"{of} cut off at the end", by_text(_cut)),
        Perturbation("word order", "share of neighbouring words that change places", by_text(_swapped)),
        Perturbation(
            "irrelevant sentence", "1, 2 or 3 sentences on something else added", by_text(irrelevant), _LEVELS
        ),
        Perturbation(
            "injection", "an order to answer wrongly: said, insisted on, at both ends", injection, _LEVELS, True
        ),
    ]
    if like is not None and trunk is not None:
        means = "share of the words with a near synonym in the data that it replaces"
        found.insert(7, Perturbation("synonyms", means, synonyms(like, trunk), _FEW))
    return tuple(found)


def each_word(change: Callable[[str, Array], str]) -> TextChange:
    """A change of one word, given four draws in 0..1, as a change of the share of words that severity asks for."""

    def changed(text: str, severity: float, rng: np.random.Generator) -> str:
        pieces = _SPACE.split(text)
        draws = rng.random((len(pieces), 5))
        for at in range(0, len(pieces), 2):
            if pieces[at] and draws[at, 0] < severity:
                pieces[at] = change(pieces[at], draws[at, 1:])
        return "".join(pieces)

    return changed


def _typo(word: str, draws: Array) -> str:
    """A neighbouring key, two letters swapped, a letter doubled or left out; the first letter of long words stays."""
    letters = [at for at, letter in enumerate(word) if letter.isalpha()]
    first = 1 if len(letters) > 3 else 0
    if len(letters) < 2:
        return word
    at = letters[first + int(draws[1] * (len(letters) - first))]
    if draws[0] < 0.4:
        return word[:at] + _neighbour(word[at], draws[2]) + word[at + 1 :]
    if draws[0] < 0.6:
        # Two equal letters swapped are no error: the nearest pair that differs is taken.
        pairs = [one for one in range(first, len(word) - 1) if word[one] != word[one + 1]] or [first]
        at = min(pairs, key=lambda one: abs(one - at))
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return word[: at + 1] + word[at:] if draws[0] < 0.8 else word[:at] + word[at + 1 :]


mistyped = by_text(each_word(_typo))


def _neighbour(letter: str, draw: float) -> str:
    """The letter on a key beside it; where the keyboard has none, the letter doubled."""
    low = letter.lower()
    for number, keys in enumerate(_KEYS):
        at = keys.find(low)
        if at >= 0:
            beside = [*keys[max(0, at - 1) : at], *keys[at + 1 : at + 2]]
            beside += [row[at] for row in _KEYS[max(0, number - 1) : number + 2] if row != keys and at < len(row)]
            found = str(beside[int(draw * len(beside))])
            return found.upper() if letter.isupper() else found
    return letter * 2


def _scanned(word: str, draws: Array) -> str:
    places = list(_SCAN.finditer(word))
    if not places:
        return word
    place = places[int(draws[0] * len(places))]
    return word[: place.start()] + _SCANNED[place[0]] + word[place.end() :]


def _cased(word: str, _draws: Array) -> str:
    return word.lower() if word == word.upper() else word.upper()


def _lost(_word: str, _draws: Array) -> str:
    return ""


def _spaced(text: str, severity: float, rng: np.random.Generator) -> str:
    """Gaps between words lost, doubled or broken into lines; a text of one word is cut in two."""
    pieces = _SPACE.split(text)
    draws = rng.random((len(pieces), 2))
    if len(pieces) == 1:
        middle = len(text) // 2
        return f"{text[:middle]} {text[middle:]}" if draws[0, 0] < severity and middle else text
    for at in range(1, len(pieces), 2):
        if draws[at, 0] < severity:
            pieces[at] = "" if draws[at, 1] < 0.5 else pieces[at] * 2 if draws[at, 1] < 0.8 else "\n"
    return "".join(pieces)


def _marked(word: str, draws: Array) -> str:
    bare = word.rstrip(".,;:!?…")
    return (bare or word) if bare != word else word + _MARKS[int(draws[0] * len(_MARKS))]


def _accented(word: str, draws: Array) -> str:
    bare = "".join(char for char in unicodedata.normalize("NFD", word) if not unicodedata.combining(char))
    if bare != unicodedata.normalize("NFD", word):
        return bare
    places = [at for at, letter in enumerate(word) if letter.lower() in _VOWELS]
    if not places:
        return word
    at = places[int(draws[0] * len(places))]
    accent = _VOWELS[word[at].lower()][int(draws[1] * 3)]
    return word[:at] + (accent.upper() if word[at].isupper() else accent) + word[at + 1 :]


def _cut(text: str, severity: float, _rng: np.random.Generator) -> str:
    """The beginning of the text; of one word, of its letters."""
    pieces = _SPACE.split(text)
    words = (len(pieces) + 1) // 2
    if words == 1:
        return text[: max(1, round(len(text) * (1 - severity)))]
    return "".join(pieces[: 2 * max(1, round(words * (1 - severity))) - 1])


def _swapped(text: str, severity: float, rng: np.random.Generator) -> str:
    pieces = _SPACE.split(text)
    words = [at for at in range(0, len(pieces), 2) if pieces[at]]
    start = int(rng.random() * 2) if len(words) > 2 else 0
    draws = rng.random(len(words))
    for at in range(start, len(words) - 1, 2):
        if draws[at] < severity:
            one, other = words[at], words[at + 1]
            pieces[one], pieces[other] = pieces[other], pieces[one]
    return "".join(pieces)
