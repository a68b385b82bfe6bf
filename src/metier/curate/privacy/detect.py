"""What personal data is in a text: cheap questions first, so that most texts never meet most rules."""

from __future__ import annotations

import re
from collections.abc import Sequence

from metier.curate.privacy import contexts
from metier.curate.privacy.addresses import addresses
from metier.curate.privacy.called import birth_dates, called
from metier.curate.privacy.credentials import secrets
from metier.curate.privacy.hits import Hit, settle
from metier.curate.privacy.names import names
from metier.curate.privacy.national import numbers
from metier.curate.privacy.network import (
    coordinates,
    emails,
    handles,
    ip_addresses,
    links,
    mac_addresses,
    spelt_emails,
    usernames,
)
from metier.curate.privacy.payment import cards, ibans
from metier.curate.privacy.phones import phones

_DIGIT = re.compile(r"\d")
# Six digits with little between them: below that no number with a form of its own begins.
_DENSE = re.compile(r"\d(?:\W{0,3}[A-Za-z]{0,2}\W{0,2}\d){5}")
_LINK = re.compile(r"://|www\.|\.[a-zA-Z]{2,6}/|t\.me/")
_SPELT = re.compile(r"[\[({<]\s?(?:at|ät|@|arroba)\s?[\])}>]| at .{1,40} dot ", re.IGNORECASE)
_LONG_WORD = re.compile(r"[^\s]{16}")
_HEXADECIMAL = re.compile(r"[0-9A-Fa-f]{2,4}[:\-.][0-9A-Fa-f]{2,4}[:\-.][0-9A-Fa-f]{2,4}|::")


def detect(text: str, exempt: Sequence[re.Pattern[str]] = ()) -> list[Hit]:
    """The personal data in a text, in reading order, no two overlapping.

    `exempt` are patterns of what is never personal here: a hit that lies within a match of one is left out.

    >>> [(hit.type, hit.start, hit.end) for hit in detect("Write to ada@example.org")]
    [('email', 9, 24)]
    """
    lowered = text.lower()
    words = contexts.words_of(lowered)
    awake = contexts.awake(words)
    hits = list(names(text, words))
    if "@" in text:
        hits += emails(text)
        hits += handles(text)
    if "username" in awake:
        hits += usernames(text)
    if _LINK.search(text):
        hits += links(text)
    if (" dot " in lowered or "at" in words or "@" in text or "arroba" in words) and _SPELT.search(text):
        hits += spelt_emails(text)
    if _LONG_WORD.search(text) or "secret" in awake:
        hits += secrets(text, lowered, awake)
    if _HEXADECIMAL.search(text):
        hits += mac_addresses(text, awake)
    if _DIGIT.search(text):
        hits += _with_digits(text, lowered, awake)
    if exempt and hits:
        hits = _without(hits, text, exempt)
    return settle(hits)


def _with_digits(text: str, lowered: str, awake: set[str]) -> list[Hit]:
    hits = list(addresses(text, lowered, awake))
    hits += called(text, awake)
    if text.count(".") >= 3 or text.count(":") >= 2:
        hits += ip_addresses(text, awake)
    if "birth_date" in awake:
        hits += birth_dates(text)
    if "." in text or "°" in text:
        hits += coordinates(text, awake)
    if _DENSE.search(text):
        hits += cards(text, awake)
        hits += ibans(text)
        hits += numbers(text, awake)
        hits += phones(text, awake)
    return hits


def _without(hits: list[Hit], text: str, exempt: Sequence[re.Pattern[str]]) -> list[Hit]:
    spans = [match.span() for pattern in exempt for match in pattern.finditer(text)]
    return [hit for hit in hits if not any(start <= hit.start and hit.end <= end for start, end in spans)]
