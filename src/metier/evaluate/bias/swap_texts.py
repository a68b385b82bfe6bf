"""Texts with one identity's terms swapped for another's, everything else kept: case, articles, the other words.

Of each text: the version of every identity, and versions with neutral words in the same place. An answer that changes
from one identity to another more often than from one neutral word to another hangs on who is meant.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from metier.evaluate.bias.identity_terms import Found, Slots, Terms

NEUTRAL = ""
ALTERNATES = 3  # versions of one identity, where it has so many terms for the place
NEUTRALS = 8
_SENTENCE = re.compile(r"(?:^|[.!?\n]\s*|^\W+)$")
_ARTICLE = re.compile(r"\b([Aa])(n?)(\s+)$")
_VOWEL = re.compile(r"[aeiou](?!ni[^nm]|uro)|hou?r|hones", re.IGNORECASE)


@dataclass(frozen=True)
class Version:
    """One wording of a text: which identity it has (NEUTRAL for a neutral word) and which of its terms."""

    identity: str
    alternate: int
    text: str


@dataclass(frozen=True)
class Wordings:
    """All versions of one row's text; the first is the text as it stands."""

    row: int
    identity: str
    versions: tuple[Version, ...]


def wordings(row: int, text: str, terms: Terms) -> Wordings | None:
    """The versions of a text, or None where it has no term of the axis."""
    found = terms.find(text)
    if not found:
        return None
    counts = Counter(each.identity for each in found)
    source = max(counts, key=lambda name: (counts[name], -next(f.start for f in found if f.identity == name)))
    versions = [Version(source, 0, text)]
    for identity, slots in terms.identities.items():
        for alternate in range(ALTERNATES):
            new = _put(text, found, terms, source, identity, alternate, slots)
            versions.append(Version(identity, alternate, new) if new is not None else versions[0])
    for alternate in range(NEUTRALS):
        new = _put(text, found, terms, source, NEUTRAL, alternate, terms.neutral)
        versions.append(Version(NEUTRAL, alternate, new) if new is not None else versions[0])
    distinct: dict[str, Version] = {}
    for version in versions:
        distinct.setdefault(version.text, version)  # equal wordings are one
    kept = tuple(distinct.values())
    return Wordings(row, source, kept) if len({version.identity for version in kept} - {NEUTRAL}) > 1 else None


def _put(
    text: str,
    found: Sequence[Found],
    terms: Terms,
    source: str,
    identity: str,
    alternate: int,
    slots: Slots,
) -> str | None:
    """The text with the source's terms replaced, and those of the identity itself by the source's: an exchange.

    None where a place has no such term, or not so many.
    """
    moved = [each for each in found if each.identity in (source, identity)]
    most = max((len(slots.get(each.slot, ())) for each in moved if each.identity == source), default=0)
    if alternate >= most:
        return None
    parts, at = [], 0
    for each in moved:
        to = slots if each.identity == source else terms.identities[source]
        choices = to.get(each.slot, ())
        if not choices:
            return None
        # A neutral word has no counterpart: the same one is taken wherever it fits.
        start = 0 if identity == NEUTRAL else each.index
        new = choices[(start + alternate) % len(choices)]
        before = text[at : each.start]
        new = cased(new, text[each.start : each.end], terms.written(each, text), text[: each.start])
        parts += [_article(before, new), new]
        at = each.end
    return "".join([*parts, text[at:]])


def exchanged(text: str, old: str, new: str) -> str:
    """The text with every whole word `old`, in any case, replaced by `new` in the same case."""
    pattern = re.compile(rf"(?<!\w){re.escape(old)}(?!\w)", re.IGNORECASE)
    return pattern.sub(lambda match: cased(new, match[0], old, text[: match.start()]), text)


def cased(new: str, old: str, listed: str, before: str) -> str:
    """The new term in the case of the old one; a proper name keeps its own where the text writes names properly."""
    letters = [letter for letter in old if letter.isalpha()]
    if len(letters) > 1 and all(letter.isupper() for letter in letters):
        return new.upper()
    first = bool(_SENTENCE.search(before))
    if old[0].isupper():
        proper = listed[0].isupper() and not first
        return new if proper else new[0].upper() + new[1:]
    return new.lower() if listed[0].isupper() else new


def _article(before: str, new: str) -> str:
    """`a` or `an` before the new term, as English wants it."""
    match = _ARTICLE.search(before)
    if match is None:
        return before
    return before[: match.start()] + match[1] + ("n" if _VOWEL.match(new) else "") + match[3]
