"""Telephone numbers: international ones by calling code, national ones by how they are written and what is said beside.

Own rules rather than a library of numbering plans: made-up numbers (555-0123) are personal data as well, and a plan
of all countries together calls any ten digits somebody's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from metier.curate.privacy.contexts import ANOTHERS, MINE, NOBODYS, NOTHING, said
from metier.curate.privacy.hits import Hit

# ITU-T E.164 calling codes.
_ONE = frozenset("17")
_TWO = re.compile(r"2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]")
_THREE = re.compile(r"2[1-689]\d|3[578]\d|42\d|50\d|59\d|6[789]\d|8[058]\d|96\d|97\d|99\d")

_CANDIDATE = re.compile(
    r"(?<![\w+#$€£])(?<![\d][.,:/\-])(?:\+ ?|\( ?\+?)?\d(?:[ ().\-/\u00a0\u2013]{0,3}\d){6,16}(?!\d)"
)
_DATE = re.compile(r"\(?(?:\d{1,2}([./-])\d{1,2}\1(?:\d{4}|\d\d)|\d{4}([./-])\d{1,2}\2\d{1,2})(?!\d)")
_MONEY = re.compile(r"\s?(?:[€$£%]|EUR\b|USD\b|GBP\b|kr\b|zł\b|,\d\d\b)", re.IGNORECASE)

# Ways of writing that say by themselves "telephone"; the rest needs words.
_SHAPES = re.compile(
    r"""(?:1[ .-]?)?\([2-9]\d\d\)[ .-]?\d{3}[ .-]?\d{4}          # (212) 555-0123
    |(?:1-)?[2-9]\d\d-\d{3}-\d{4}|(?:1\.)?[2-9]\d\d\.\d{3}\.\d{4}
    |\(0?\d{1,4}\)[ -]?9?\d{2,4}(?:[ -]\d{2,4}){1,3}|\(0\d{1,4}\)[ -]?\d{5,8}|\(\d\d\)[ -]?9\d{8}
    |0\d(?:[ .\-]\d\d){4}|[679]\d\d(?:[ ]\d\d){3}|9\d[ ]\d{3}(?:[ ]\d\d){2}
    |0\d{1,4}[ /\-][ ]?\d{5,9}|0\d{1,4}[ /\-]\d{2,4}(?:[ \-]\d{2,5}){1,3}
    |\d\d[ ]9\d{4}[- ]?\d{4}|3\d\d[ /]\d{6,7}|[2-9]\d\d[ ][2-9]\d\d[ ]\d{4}""",
    re.VERBOSE,
)


def _called(digits: str) -> bool:
    """Whether digits begin with a calling code and are as long as a number may be."""
    known = digits[0] in _ONE or _TWO.match(digits) is not None or _THREE.match(digits) is not None
    return known and (len(digits) == 11 if digits[0] in _ONE else 8 <= len(digits) <= 15)


def _confidence(raw: str, words: str) -> float:
    digits = re.sub(r"\D", "", raw)
    if raw.lstrip("( ").startswith("+"):
        return 0.95 if _called(digits.replace("0", "", 1) if "(0)" in raw else digits) else 0.0
    if words == NOBODYS or _DATE.match(raw):
        return 0.0
    grouped = len(digits) < len(raw)
    if digits.startswith("00"):
        fine = _called(digits[2:].replace("0", "", 1) if "(0)" in raw else digits[2:]) and len(digits) >= 11
        return 0.9 if fine and (words == MINE or (grouped and words == NOTHING)) else 0.0
    if grouped and _SHAPES.fullmatch(raw) and 9 <= len(digits) <= 13:
        return 0.95 if words == MINE else 0.8
    return 0.82 if words == MINE and 7 <= len(digits) <= 14 else 0.0


def phones(text: str, awake: set[str]) -> Iterator[Hit]:
    """Telephone numbers in a text with at least seven digits."""
    for match in _CANDIDATE.finditer(text):
        raw, start = match[0], match.start()
        if raw.startswith("(") and raw.count("(") > raw.count(")"):
            raw, start = raw[1:], start + 1
        if raw.count("(") > raw.count(")"):
            raw = raw[: raw.rindex("(")].rstrip()
        if _MONEY.match(text, match.end()):
            continue
        words = said(text, start, match.end(), "phone", awake)
        if words == NOTHING and text[max(0, start - 2) : start].rstrip()[-1:].isdigit():
            words = ANOTHERS  # the end of a longer number
        while raw:
            confidence = _confidence(raw, words)
            if confidence:
                yield Hit("phone", start, start + len(raw), confidence, "phone")
                break
            raw = re.sub(r"[ ().\-/\u00a0\u2013]*[^ ]*$", "", raw)
            if sum(map(str.isdigit, raw)) < 9:
                break
