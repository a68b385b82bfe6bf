"""The words that say what the number beside them is, in ten languages; and those that say it is nobody's."""

from __future__ import annotations

import re
from functools import cache

from metier.curate.privacy.tables import phrases, sections

WINDOW = 48  # characters before a value in which its context is looked for
_AFTER = 24  # and after it
MINE, NOTHING, NOBODYS, ANOTHERS = "mine", "nothing", "nobodys", "anothers"

# The section of what numbers of nobody in particular are called.
NEGATIVE = "negative"


def _phrases(type_: str) -> list[str]:
    return sorted(phrases("contexts.txt", type_), key=lambda phrase: (-len(phrase), phrase))


def _compiled(wanted: list[str]) -> re.Pattern[str]:
    body = "|".join(re.escape(phrase).replace(r"\ ", r"[\s._\-]{1,3}") for phrase in wanted)
    return re.compile(rf"(?<![^\W\d_])(?:{body})(?![^\W\d_])", re.IGNORECASE)


@cache
def pattern(type_: str) -> re.Pattern[str]:
    """What finds the context of a type, or NEGATIVE: what says that a number is nobody's."""
    return _compiled(_phrases(type_))


_WORD = re.compile(r"[^\W\d_]+")


def _wakers() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for type_ in sections("contexts.txt"):
        for phrase in () if type_ == NEGATIVE else _phrases(type_):
            found.setdefault(max(_WORD.findall(phrase), key=len), set()).add(type_)
    return {word: frozenset(types) for word, types in found.items()}


_WAKERS = _wakers()
_WAKING = frozenset(_WAKERS)


def words_of(lowered: str) -> set[str]:
    """The distinct words of a lower-case text."""
    return set(_WORD.findall(lowered))


def awake(words: set[str]) -> set[str]:
    """The types some context of which may stand in a text of these words: one set look-up a word."""
    types: set[str] = set()
    for word in _WAKING & words:
        types |= _WAKERS[word]
    return types


_NUMBER = re.compile(r"\d(?:[ .\-]?\d){3,}")
# A full stop ends a sentence after a number, or after a word and before a capital: "Nr. 12" and "IdNr. 12" are none.
_ENDED = re.compile(r"[^\W\d_]{4}\.+\s+(?=[A-ZÀ-ÖØ-Þ¿¡])|[\d)\]]\.+\s|[!?]+[.\s]|(?<!:)\n")
_CLAUSE = re.compile(r"[^.!?;/\n\d]*")


def _last(found: re.Pattern[str], text: str, start: int, end: int) -> int:
    """Where the last match between start and end ends, or -1."""
    place = -1
    for match in found.finditer(text, start, end):
        place = match.end()
    return place


# Types whose words claim a number: the nearest of them has it.
_CLAIMS = frozenset(
    ["phone", "card", "national_id", "bank_account", "tax_id", "passport", "driver_licence", "medical_record"]
)


def said(text: str, start: int, end: int, type_: str, awake: set[str]) -> str:
    """What the words beside text[start:end] say: MINE, it is of this type; NOBODYS; ANOTHERS type; or NOTHING.

    The nearest word before the value decides, if no other number stands between; a context after it counts when
    nothing stands before.
    """
    left = max(0, start - WINDOW)
    # "order 12345, 555-0123": what was spoken of has had its number.
    left = max(left, _last(_NUMBER, text, left, start), _last(_ENDED, text, left, start))
    for_it = _last(pattern(type_), text, left, start) if type_ in awake else -1
    against = _last(pattern(NEGATIVE), text, left, start)
    rival = max((_last(pattern(other), text, left, start) for other in _CLAIMS & awake if other != type_), default=-1)
    if max(for_it, against, rival) >= 0:
        if for_it >= max(against, rival):
            return MINE
        return ANOTHERS if rival >= against else NOBODYS
    after = _CLAUSE.match(text, end, min(len(text), end + _AFTER)) if type_ in awake else None
    return MINE if after is not None and pattern(type_).search(text, end, after.end()) else NOTHING
