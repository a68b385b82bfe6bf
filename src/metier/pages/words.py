"""How numbers, durations and texts of unknown origin are written for a person: one place, so every page agrees."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup, escape

NOTHING = "–"
# Characters XML 1.0 forbids, lone surrogates among them: one of these would break the whole page.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_JOINERS = {"\u200d", "\ufe0f", "\ufe0e"}


def clean(text: object) -> str:
    """Any object's text without characters that HTML or XML cannot carry; those become U+FFFD."""
    return _FORBIDDEN.sub("\ufffd", str(text))


def finite(value: object) -> float | None:
    """A finite float, or None for null, NaN, infinity and anything that is no number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)


def number(value: object, unit: str | None = "", *, bare: bool = False) -> str:
    """A figure as read by a person: `%` takes a share in 0..1, any other unit is written after the number.

    `bare` leaves the unit away, for the first of two numbers that share it.
    """
    amount = finite(value)
    if amount is None:
        return NOTHING
    if unit == "%":
        return _signed(f"{100 * amount:.1f}") + ("" if bare else "%")
    size = abs(amount)
    decimals = (
        0 if size >= 100 or (size >= 10 and amount == int(amount)) else 1 if size >= 10 else 2 if size >= 1 else 3
    )
    text = _signed(f"{amount:.2g}" if 0 < size < 0.0005 else f"{amount:,.{decimals}f}")
    return text if bare or not unit else f"{text}\u00a0{clean(unit)}"


def _signed(text: str) -> str:
    """A true minus sign, and no minus before a zero."""
    return (text if text.strip("-0.,") else text.removeprefix("-")).replace("-", "\u2212")


def interval(low: object, high: object, unit: str | None = "") -> str:
    """`93.4 to 95.1%`; empty where an end is not known."""
    if finite(low) is None or finite(high) is None:
        return ""
    return f"{number(low, unit, bare=True)} to {number(high, unit)}"


def ends(row: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """The ends of a row's interval, None where not known."""
    return finite(row.get("low")), finite(row.get("high"))


def figure(value: object, low: object, high: object, unit: str | None = "") -> str:
    """A figure with its interval: `94.2% (93.4 to 95.1%)`."""
    between = interval(low, high, unit)
    return number(value, unit) + (f" ({between})" if between else "")


def count(value: object) -> str:
    """A whole number with thousands apart."""
    amount = finite(value)
    return NOTHING if amount is None else f"{round(amount):,}"


def seconds(value: object) -> str:
    """A duration in the largest units that say enough: `0.4 s`, `41 s`, `5 min 12 s`, `1 h 4 min`."""
    amount = finite(value)
    if amount is None:
        return NOTHING
    if amount < 0.05:
        return "under 0.1\u00a0s"
    if amount < 9.95:
        return f"{amount:.1f}\u00a0s"
    whole = round(amount)
    if whole < 60:
        return f"{whole}\u00a0s"
    if whole < 3600:
        return f"{whole // 60}\u00a0min" + (f" {whole % 60}\u00a0s" if whole % 60 and whole < 600 else "")
    hours, minutes = divmod(round(whole / 60), 60)
    return f"{hours:,}\u00a0h" + (f" {minutes}\u00a0min" if minutes else "")


def clip(text: object, length: int) -> str:
    """The text, or its beginning and `…`."""
    whole = clean(text)
    return whole if len(whole) <= length else whole[:length].rstrip() + "…"


def missing(text: object, length: int) -> str:
    """What `clip` left out, in words: to stand apart, since a text may turn the direction of what follows it."""
    left = len(clean(text)) - length
    return f"({left:,} more characters)" if left > 0 else ""


def breakable(text: object) -> Markup:
    """Escaped text that may break after `_`, `/`, `.`, `-` and `:`, as label names and paths need."""
    return Markup(re.sub(r"([_/.:\-])(?=\w)", r"\1<wbr>", str(escape(clean(text)))))


def columns(text: str) -> int:
    """Width in character cells: wide East Asian characters and emoji count two, combining marks none."""
    return sum(
        0 if unicodedata.combining(char) or char in _JOINERS else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def wrap(text: object, width: int, lines: int = 2) -> list[str]:
    """At most `lines` lines of at most `width` character cells, broken after spaces and `_-/.`; `…` ends a cut one."""
    pieces = re.findall(r"[^\s_\-/.]+[_\-/.]*\s*|[_\-/.]+\s*", " ".join(clean(text).split()))
    out = [""]
    for piece in pieces:
        if out[-1] and columns(out[-1] + piece.rstrip()) > width:
            out.append("")
        while columns((out[-1] + piece).rstrip()) > width:
            head = _cut(piece, width)
            out[-1], piece = head, piece[len(head) :]
            out.append("")
        out[-1] += piece
    out = [line.rstrip() for line in out if line.strip()] or [""]
    if len(out) <= lines:
        return out
    return [*out[: lines - 1], _cut(out[lines - 1], width - 1).rstrip() + "…"]


def _cut(text: str, width: int) -> str:
    """The longest beginning of at most `width` cells (one character at least) that parts no joined characters."""
    end = 0
    while end < len(text) and (end == 0 or columns(text[: end + 1]) <= width):
        end += 1
    while end < len(text) and (text[end] in _JOINERS or text[end - 1] == "\u200d" or unicodedata.combining(text[end])):
        end += 1
    return text[:end]


def plural(amount: Any, one: str, many: str = "") -> str:
    """`1 row`, `1,204 rows`."""
    return f"{count(amount)}\u00a0{one if amount == 1 else many or one + 's'}"
