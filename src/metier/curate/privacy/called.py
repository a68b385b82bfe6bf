"""Numbers without a check digit that are personal because the words beside them say so: passports, plates, accounts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from metier.curate.privacy.contexts import NEGATIVE, pattern
from metier.curate.privacy.hits import Hit

_REACH = 48  # characters from the words to the value
_LONGEST = 40  # what a value may run on beyond that
_BACK = 18  # and from a value to the words after it

# Pieces of letters and digits in capitals, each with a digit but for a letter or two at the ends.
_WRITTEN = re.compile(
    r"(?<![\w@.,/\-])(?:[A-Z]{1,5}[ \-]?){0,2}\d[A-Z0-9]*(?:[ ./\-](?:[A-Z]{1,3}[ "
    r"./\-]?)?\d[A-Z0-9]*)*(?:[ \-]?[A-Z]{1,3}(?!\w)){0,2}(?![\w@])(?![.,]\d)"
)
_SMALL = re.compile(r"(?<![\w@.,/\-])(?=[a-z\-]*\d)[a-z0-9]+(?:-[a-z0-9]+)*(?![\w@])(?![.,]\d)")
_DATE_LIKE = re.compile(r"\d{1,2}([./\-])\d{1,2}\1\d{2,4}|\d{4}([./\-])\d{1,2}\2\d{1,2}")
_CURRENCY, _CENTS = frozenset("$€£₹¥"), re.compile(r"\d+\.\d\d")
_MONEY = re.compile(r"\s?(?:[€$£%]|EUR\b|USD\b|GBP\b|kr\b|zł\b)")

# Twelve months a line, as they stand in dates.
CALENDARS = tuple(
    tuple(line.split())
    for line in """january february march april may june july august september october november december
    jan feb mar apr may jun jul aug sep oct nov dec
    januar februar märz april mai juni juli august september oktober november dezember
    jänner feber maerz apr mai jun jul aug sept okt nov dez
    janvier février mars avril mai juin juillet août septembre octobre novembre décembre
    janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre
    enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre
    gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre
    januari februari maart april mei juni juli augustus september oktober november december
    stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia
    januari februari mars april maj juni juli augusti september oktober november december
    janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro""".splitlines()
)
_MONTH = "|".join(
    sorted({month for calendar in CALENDARS for month in calendar}, key=lambda month: (-len(month), month))
)
_NUMERIC_DATE = r"(?:\d{1,2}[./\- ]{1,2}\d{1,2}[./\- ]{1,2}(?:19|20)?\d\d|(?:19|20)\d\d[./\-]\d{1,2}[./\-]\d{1,2})"
_WORDED_DATE = (
    rf"(?:\d{{1,2}}(?:st|nd|rd|th|er|º|ª|\.)?\s(?:of\s|de\s|di\s)?(?:{_MONTH})\.?,?\s(?:de\s|del\s|of\s)?(?:19"
    rf"|20)\d\d|(?:{_MONTH})\.?\s\d{{1,2}}(?:st|nd|rd|th)?,?\s(?:19|20)\d\d)"
)
DATE = re.compile(rf"(?<![\w.,/\-])(?:{_WORDED_DATE}|{_NUMERIC_DATE})(?![\w])(?![./\-]\d)", re.IGNORECASE)


def _shape(word: str) -> tuple[int, int]:
    return sum(map(str.isdigit, word)), sum(map(str.isalpha, word))


def _passport(word: str) -> bool:
    digits, letters = _shape(word)
    return 6 <= digits + letters <= 10 and digits >= 4 and letters <= 5


def _plate(word: str) -> bool:
    digits, letters = _shape(word)
    return 4 <= digits + letters <= 8 and digits >= 1 and letters >= 1


def _licence(word: str) -> bool:
    digits, letters = _shape(word)
    return 6 <= digits + letters <= 20 and digits >= 5 and letters <= 10


def _medical(word: str) -> bool:
    digits, letters = _shape(word)
    return 5 <= digits + letters <= 14 and digits >= 4 and letters <= 4


def _account(word: str) -> bool:
    digits, letters = _shape(word)
    return 6 <= digits <= 26 and letters <= 2


def _tax(word: str) -> bool:
    digits, letters = _shape(word)
    return 8 <= digits <= 14 and letters <= 4


FORMS: dict[str, Callable[[str], bool]] = {
    "passport": _passport,
    "licence_plate": _plate,
    "driver_licence": _licence,
    "medical_record": _medical,
    "bank_account": _account,
    "tax_id": _tax,
}
# Words too weak to make every number near them personal: the number must stand close.
_CLOSE = {"bank_account": 26, "tax_id": 30}
_SORT_CODE = re.compile(r"(?<![\w.,/\-])\d\d[ \-]?\d\d[ \-]?\d\d(?![\w.,/\-]\d|\d)")


def called(text: str, awake: set[str]) -> Iterator[Hit]:
    """Values whose form and whose words fit each other; the nearer the words, the surer."""
    for type_, fits in FORMS.items():
        if type_ in awake:
            for context in pattern(type_).finditer(text):
                yield from _nearest(text, context.start(), context.end(), type_, fits)
    if "sort_code" in awake:
        for context in pattern("sort_code").finditer(text):
            match = _SORT_CODE.search(text, context.end(), context.end() + _REACH + _LONGEST)
            if match is not None and match.start() <= context.end() + _REACH:
                yield Hit("bank_account", match.start(), match.end(), 0.92, "sort-code")


def _nearest(text: str, start: int, end: int, type_: str, fits: Callable[[str], bool]) -> Iterator[Hit]:
    reach = end + _REACH
    for form in (_WRITTEN, _SMALL):
        for match in form.finditer(text, end, reach + _LONGEST):
            if match.start() > reach:
                break
            size = _fitting(text, match, fits)
            if size and not pattern(NEGATIVE).search(text, end, match.start()):
                yield Hit(type_, match.start(), match.start() + size, 0.89 - 0.002 * (match.start() - end), "called")
                return
    for match in _WRITTEN.finditer(text, max(0, start - _BACK - 30), start):
        # "X1234567 is my passport number": only where nothing else stands between.
        between = text[match.end() : start]
        if (
            len(between) <= _BACK
            and not re.search(r"[.!?\n;]|\d", between)
            and _fitting(text, match, fits) == len(match[0])
        ):
            yield Hit(type_, match.start(), match.end(), 0.7, "called")
            return


def _fitting(text: str, match: re.Match[str], fits: Callable[[str], bool]) -> int:
    """How much of what was matched fits the form, whole groups only; 0 where it is a date or money."""
    word = match[0]
    money = (
        text[match.start() - 1 : match.start()] in _CURRENCY
        or _CENTS.fullmatch(word)
        or _MONEY.match(text, match.end())
    )
    if money or _DATE_LIKE.fullmatch(word):
        return 0
    while word and not fits(word):
        word = word.rpartition(" ")[0]
    return len(word)


def birth_dates(text: str) -> Iterator[Hit]:
    """Dates that the words beside them call a birth; any other date is no personal data."""
    for context in pattern("birth_date").finditer(text):
        match = DATE.search(text, context.end(), context.end() + _REACH + _LONGEST)
        if match is not None and match.start() <= context.end() + _REACH and _plausible(match[0]):
            yield Hit("birth_date", match.start(), match.end(), 0.93, "called")
            continue
        for match in DATE.finditer(text, max(0, context.start() - 40), context.start()):
            between = text[match.end() : context.start()]
            if len(between) <= _BACK and not re.search(r"[.!?\n;]", between) and _plausible(match[0]):
                yield Hit("birth_date", match.start(), match.end(), 0.75, "called")
                break


def _plausible(date: str) -> bool:
    numbers = [int(number) for number in re.findall(r"\d+", date)]
    years = [number for number in numbers if number > 31]
    small = [number for number in numbers if number <= 31]
    return len(numbers) >= 2 and all(1900 <= year <= 2035 or year < 100 for year in years) and 0 not in small[:1]
