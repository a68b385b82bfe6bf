"""Payment cards and IBANs: known prefixes and lengths, and their check digits."""

from __future__ import annotations

import re
from collections.abc import Iterator

from metier.curate.privacy import checksums
from metier.curate.privacy.contexts import MINE, NOBODYS, said
from metier.curate.privacy.hits import Hit
from metier.curate.privacy.national import compact

_GROUPED = r"\d{4}(?P<s>[ .\-\u00a0\u2013]{1,3})(?:\d{4}(?P=s)\d{4}(?P=s)\d{4}|\d{6}(?P=s)\d{4,5})(?!\d)"
_CARD = re.compile(
    rf"(?<![\w+@#])(?<!\d[.,\-])(?:{_GROUPED}|\d{{12,19}}(?!\d)"
    rf"|\d(?:[ .\-\u00a0\u2013]{{0,3}}\d){{11,18}}(?!\d))(?!-\d)"
)
_IBAN = re.compile(r"(?<![\w@])[A-Z]{2}\d{2}(?:[ \-\u00a0]?[A-Z0-9]){11,30}(?![\w@])", re.IGNORECASE)


def cards(text: str, awake: set[str]) -> Iterator[Hit]:
    """Payment card numbers; a bare run of digits called an order number stays one, whatever its check digit."""
    for match in _CARD.finditer(text):
        digits = compact(match[0])
        if not checksums.card(digits):
            continue
        words = said(text, match.start(), match.end(), "card", awake)
        grouped = match["s"] is not None
        if words == MINE or (words != NOBODYS and (grouped or len(digits) == len(match[0]))):
            yield Hit("card", match.start(), match.end(), 0.99 if words == MINE else 0.93, "card")


def ibans(text: str) -> Iterator[Hit]:
    """IBANs, also in small letters and in groups of four; a following word is not swallowed."""
    after = 0
    while (match := _IBAN.search(text, after)) is not None:
        after = match.start() + 2
        length = checksums.IBAN_LENGTHS.get(match[0][:2].upper())
        if length is None:
            continue
        end, seen = match.start(), 0
        while seen < length and end < match.end():
            seen += text[end].isalnum()
            end += 1
        whole = seen == length and not text[end : end + 1].isalnum()
        if whole and checksums.iban(compact(text[match.start() : end])):
            yield Hit("iban", match.start(), end, 0.995, "iban")
            after = end
