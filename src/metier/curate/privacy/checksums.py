"""Check digits: the arithmetic that tells a card, an account or an identity number from any other number."""

from __future__ import annotations

from collections.abc import Sequence

_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)

# Verhoeff (1969): the dihedral group D5 and its permutation.
_TIMES = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 3, 4, 0, 6, 7, 8, 9, 5), (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
    (3, 4, 0, 1, 2, 8, 9, 5, 6, 7), (4, 0, 1, 2, 3, 9, 5, 6, 7, 8), (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
    (6, 5, 9, 8, 7, 1, 0, 4, 3, 2), (7, 6, 5, 9, 8, 2, 1, 0, 4, 3), (8, 7, 6, 5, 9, 3, 2, 1, 0, 4),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)  # fmt: skip
_PERMUTED = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 5, 7, 6, 2, 8, 3, 0, 9, 4), (5, 8, 0, 3, 7, 9, 6, 1, 4, 2),
    (8, 9, 1, 6, 0, 4, 3, 5, 2, 7), (9, 4, 5, 3, 1, 2, 6, 8, 7, 0), (4, 2, 8, 6, 5, 7, 3, 9, 0, 1),
    (2, 7, 9, 3, 8, 0, 6, 4, 1, 5), (7, 0, 4, 6, 9, 1, 3, 2, 5, 8),
)  # fmt: skip

# Length of an IBAN by country (SWIFT IBAN registry).
IBAN_LENGTHS = {
    country: int(length)
    for length, countries in {
        "15": "NO", "16": "BE", "18": "DK FI FO GL NL SD FK", "19": "MK SI", "20": "AT BA EE KZ LT LU XK MN",
        "21": "CH HR LI LV", "22": "BG BH CR DE GB GE IE ME RS VA", "23": "AE GI IL IQ TL OM SO",
        "24": "AD CZ ES MD PK RO SA SE SK TN VG", "25": "LY PT ST", "26": "IS TR", "27": "BI DJ FR GR IT MC MR SM",
        "28": "AL AZ BY CY DO GT HU LB NI PL SV", "29": "BR EG PS QA UA", "30": "JO KW MU YE", "31": "MT SC",
        "33": "LC RU",
    }.items()
    for country in countries.split()
}  # fmt: skip


def luhn(digits: str) -> bool:
    """Luhn's formula (ISO/IEC 7812-1, annex B)."""
    total = sum(map(int, digits[-1::-2])) + sum(_DOUBLED[int(sign)] for sign in digits[-2::-2])
    return total % 10 == 0


def weighted(digits: str, weights: Sequence[int]) -> int:
    """Sum of digit times weight over the shorter of the two."""
    return sum(int(sign) * weight for sign, weight in zip(digits, weights, strict=False))


def iso7064_97(text: str) -> bool:
    """ISO 7064 MOD 97-10 over letters and digits as they stand."""
    return int("".join(str(int(sign, 36)) for sign in text)) % 97 == 1


def iso7064_11_10(digits: str) -> bool:
    """ISO 7064 MOD 11,10, as Germany's tax numbers use it."""
    product = 10
    for sign in digits[:-1]:
        product = 2 * ((int(sign) + product) % 10 or 10) % 11
    return (11 - product) % 10 == int(digits[-1])


def verhoeff(digits: str) -> bool:
    """Verhoeff's scheme."""
    state = 0
    for at, sign in enumerate(reversed(digits)):
        state = _TIMES[state][_PERMUTED[at % 8][int(sign)]]
    return state == 0


def iban(compact: str) -> bool:
    """An IBAN in capitals without spaces: its country's length, and ISO 13616's check."""
    return IBAN_LENGTHS.get(compact[:2]) == len(compact) and iso7064_97(compact[4:] + compact[:4])


def card(digits: str) -> bool:
    """A payment card number: a known issuer's prefix and length, and Luhn's formula."""
    return _issued(digits) and len(set(digits)) > 1 and luhn(digits)


def _issued(digits: str) -> bool:
    size, two, four = len(digits), int(digits[:2]), int(digits[:4])
    if digits[0] == "4":
        return size in {13, 16, 19}
    if 51 <= two <= 55 or 2221 <= four <= 2720:
        return size == 16
    if two in {34, 37}:
        return size == 15
    if two in {36, 38, 39} or 3000 <= four <= 3059:
        return size == 14
    if four == 6011 or two == 65 or 6440 <= four <= 6499 or 3528 <= four <= 3589 or two == 62:
        return 16 <= size <= 19
    maestro = {5018, 5020, 5038, 5893, 6304, 6759, 6761, 6762, 6763}
    return four in maestro and 12 <= size <= 19
