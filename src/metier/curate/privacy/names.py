"""Names of people: by what stands before them (titles, greetings, "my name is"), after a closing, and by a gazetteer.

Precision comes first: a lone word that happens to be a name is none. The gazetteer holds common given and family names
of many cultures written in Latin letters; other scripts need a model (`models.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from metier.curate.privacy.gazetteer import (
    STOP,
    WEAK_FAMILY,
    WEAK_GIVEN,
    Word,
    fold,
    given_names,
    given_words,
    joined_on,
    words_from,
)
from metier.curate.privacy.hits import Hit
from metier.curate.privacy.tables import phrases, sections
from metier.curate.privacy.tables import words as words_of

_UPPER = "A-ZÀ-ÖØ-ÞĄĆČĎĐĘĚĞİŁŃŇŐŒŘŚŞŠŤŮŰŹŻŽ"
_PAIR = re.compile(
    rf"(?<![\w@./\-])[{_UPPER}][\w'’\-]+(?=,?(?:\s[{_UPPER}]\.)?(?:\s(?:[a-z]{{1,3}}|d[aeo]s))?\s[{_UPPER}][\w'’\-])"
)
_COMMA = re.compile(rf"([{_UPPER}][\w'’\-]+), ([{_UPPER}][\w'’\-]+)")


def _opening(section: str, after: str) -> re.Pattern[str]:
    """Any of a section's forms (regular expressions between bars), then `after`."""
    forms = "|".join(form.strip() for form in sections("openings.txt")[section].split(" | "))
    return re.compile(rf"(?<![\w@])(?:{forms}){after}", re.IGNORECASE)


_TITLE = _opening("titles", rf"\.?\s+(?:(?:{'|'.join(sections('openings.txt')['titles'].split(' | '))})\.?\s+){{0,2}}")
_FRENCH_M = re.compile(rf"(?<![\w.])M\.\s(?=[{_UPPER}])")
# Any capitalised words after these are a name.
_NAMED = _opening("introductions", r"\s*")
# After these the first word must be a known given name, or the words a known pair.
_HINTED = _opening("hints", r"[,:]?\s+")
_CLOSING = _opening("closings", r"\s*[,.!\-–]*\s+")
_END = re.compile(r"[.!]?\s*(?:$|\n|\(|\+?\d{5})")
# The words of these forms: where none of them stands, the form is not looked for.
_TITLE_WORDS, _NAMED_WORDS, _CLOSING_WORDS = words_of("titles"), words_of("introductions"), words_of("closings")
_GREETINGS = words_of("greetings")
# After these small letters are no name: "designed by tracy reese" is a make.
_BY = frozenset(["by", "an", "von", "mit", "avec", "con", "met", "z", "med", "com", "till", "för", "from", "to"])
# Makes and firms named after people.
_MAKES = phrases("words.txt", "makes")
_SAINTS = words_of("saints")


def names(text: str, words: set[str]) -> Iterator[Hit]:
    """Names in a text of these lower-case words."""
    known = words & given_words()
    if not words.isdisjoint(_TITLE_WORDS):
        yield from _titled(text)
    if not words.isdisjoint(_NAMED_WORDS):
        yield from _named(text)
    if not words.isdisjoint(_CLOSING_WORDS):
        yield from _signed(text)
    if known:
        if not known <= WEAK_GIVEN or not words.isdisjoint(_GREETINGS):
            yield from _hinted(text)
        for match in _PAIR.finditer(text):
            yield from _paired(text, match.start())


def _hit(words: list[Word], confidence: float, rule: str) -> Hit:
    return Hit("name", words[0].start, words[-1].end, confidence, rule)


def _titled(text: str) -> Iterator[Hit]:
    for match in _TITLE.finditer(text):
        found = words_from(text, match.end(), 3)
        known = bool(found) and (found[0].family or found[0].given)
        if match[0].lower().startswith("miss") and not (match[0][0] == "M" and known):
            continue  # the verb
        if found and found[0].capital:
            yield _hit(found, 0.9, "title")
            continue
        small = words_from(text, match.end(), 1, capitals=False)
        if small and small[0].family and small[0].folded not in WEAK_FAMILY and len(small[0].text) > 3:
            yield _hit(small, 0.7, "title")
    for match in _FRENCH_M.finditer(text):
        found = words_from(text, match.end(), 3)
        if found and (found[0].family or found[0].given):
            yield _hit(found, 0.8, "title")


def _named(text: str) -> Iterator[Hit]:
    for match in _NAMED.finditer(text):
        found = words_from(text, match.end())
        if found and found[0].capital:
            yield _hit(found, 0.9, "introduced")
            continue
        small = words_from(text, match.end(), 2, capitals=False)
        if small and small[0].given and (small[0].folded not in WEAK_GIVEN or (len(small) > 1 and small[1].family)):
            last = len(small) > 1 and (small[1].family or text[small[1].end :].strip(" .!,") == "")
            yield _hit(small if last else small[:1], 0.8, "introduced")


def _hinted(text: str) -> Iterator[Hit]:
    for match in _HINTED.finditer(text):
        hint = fold(match[0].split()[0].strip(",:"))
        found = words_from(text, match.end(), 3)
        if not found or not found[0].capital:
            yield from [] if hint in _BY else _small(text, match.end())
        elif found[0].given and not joined_on(text, found[-1].end):
            greeted = hint in _GREETINGS and text[found[0].end : found[0].end + 1] in {",", "!", "\n"}
            known = found[0].folded not in WEAK_GIVEN or (len(found) > 1 and found[1].family) or greeted
            # "measured by ELISA": alone and in capitals it is a name only where it is greeted.
            shouted = len(found) == 1 and found[0].text.isupper() and hint not in _GREETINGS
            whole = len(found) < 3 or found[-1].family or found[1].initial
            if known and not shouted:
                yield _hit(found if whole else found[:2], 0.84, "addressed")


def _small(text: str, start: int) -> Iterator[Hit]:
    """A given and a family name in small letters, both well known and neither an ordinary word."""
    words = words_from(text, start, 2, capitals=False)
    if len(words) == 2 and words[0].given and words[1].family:
        given, family = words[0].folded, words[1].folded
        if given not in WEAK_GIVEN and family not in WEAK_FAMILY:
            yield _hit(words, 0.75, "addressed")


def _signed(text: str) -> Iterator[Hit]:
    for match in _CLOSING.finditer(text):
        found = words_from(text, match.end(), 3)
        if found and found[0].capital and _END.match(text, found[-1].end):
            alone = len(found) == 1 and not (found[0].given or found[0].family)
            new_line = "\n" in match[0]
            if (
                (found[0].given and found[0].folded not in STOP)
                or (new_line and not alone)
                or (len(found) > 1 and found[-1].family)
            ):
                yield _hit(found, 0.85, "signed")


def _paired(text: str, start: int) -> Iterator[Hit]:
    found = words_from(text, start, 5)
    for at, first in enumerate(found[:-1]):
        before = text[max(0, first.start - 8) : first.start].split()
        if not first.given or not first.capital or (before and before[-1].strip(".").lower() in _SAINTS):
            continue
        last = _last_of(found, at)
        if last is not None and f"{first.folded} {found[at + 1].folded}" not in _MAKES:
            yield _hit(found[at : last + 1], 0.85, "gazetteer")
            return
    comma = _COMMA.match(text, start)
    if comma is not None:
        family, given = (Word(comma.start(n), comma.end(n), comma[n], fold(comma[n])) for n in (1, 2))
        strong = family.folded not in WEAK_FAMILY and given.folded not in WEAK_GIVEN and not family.given
        if family.family and given.given and strong:
            yield Hit("name", comma.start(), comma.end(), 0.75, "gazetteer")


def _last_of(found: list[Word], at: int) -> int | None:
    """Where a name that begins with the given name `at` ends, or None where it is no name."""
    first = found[at]
    known = [number for number in range(at + 1, len(found)) if found[number].family and found[number].capital]
    if known:
        number = known[-1] if known[-1] - known[0] <= 2 else known[0]
        weak = first.folded in WEAK_GIVEN and found[number].folded in WEAK_FAMILY | WEAK_GIVEN
        return None if weak else number
    follower = found[at + 1]
    strange = follower.folded not in given_names() and len(follower.text) > 3 and not follower.text.isupper()
    # A well-known given name before a family name that no list has: "Sanne Verwey".
    return (
        at + 1
        if strange
        and first.folded not in WEAK_GIVEN
        and len(first.text) > 2
        and len(found) == at + 2
        and follower.capital
        else None
    )
