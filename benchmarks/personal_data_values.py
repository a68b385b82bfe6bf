"""Identity, bank and tax numbers with valid check digits, for the personal data benchmark; written from their public rules."""

# ruff: noqa: E501

from __future__ import annotations

import random
import string
from collections.abc import Callable
from dataclasses import dataclass

Random = random.Random


@dataclass(frozen=True)
class Value:
    """A value as it is written, and the key of the phrase that speaks of it where that is not its type's."""

    text: str
    phrase: str = ""


def digits(rng: Random, count: int) -> str:
    """`count` random digits."""
    return "".join(rng.choice(string.digits) for _ in range(count))


def pick(rng: Random, forms: str, held: bool) -> str:
    """One of `a ; b | c ; d`: before the bar to develop on, after it held out."""
    development, _, held_out = forms.partition("|")
    return rng.choice([form.strip() for form in (held_out if held else development).split(";")])


def written(rng: Random, form: str) -> str:
    """Fill a form: # digit, ~ digit from 1, A capital letter."""
    fill: dict[str, Callable[[], str]] = {
        "#": lambda: rng.choice(string.digits),
        "~": lambda: rng.choice("123456789"),
        "A": lambda: rng.choice("ABCDEFGHJKLMNPRSTUVWXY"),
    }
    return "".join(fill[sign]() if sign in fill else sign for sign in form)


def luhn_complete(body: str) -> str:
    """Append Luhn's check digit."""
    total = 0
    for at, sign in enumerate(reversed(body)):
        value = int(sign) * (2 if at % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return body + str(-total % 10)


def _weighted(body: str, weights: list[int], modulus: int) -> int:
    return sum(int(sign) * weight for sign, weight in zip(body, weights, strict=True)) % modulus


def _born(rng: Random) -> tuple[int, int, int]:
    return rng.randint(1940, 1999), rng.randint(1, 12), rng.randint(1, 28)


def _us(rng: Random, held: bool) -> Value:
    if rng.random() < 0.2:
        return _india(rng, held)
    area = rng.choice([rng.randint(1, 665), rng.randint(667, 899)])
    parts = f"{area:03d}", f"{rng.randint(1, 99):02d}", f"{rng.randint(1, 9999):04d}"
    return Value(rng.choice([" ", ""] if held else ["-"]).join(parts))


def _gb(rng: Random, held: bool) -> Value:
    if rng.random() < 0.4:
        while True:
            body = digits(rng, 9)
            check = 11 - _weighted(body, list(range(10, 1, -1)), 11)
            if check != 10:
                number = body + str(check % 11)
                cut = [number[:3], number[3:6], number[6:]]
                return Value(rng.choice(["-", ""] if held else [" "]).join(cut), "nhs")
    prefix = rng.choice("ABCEGHJKLMNOPRSTWXYZ") + rng.choice("ABCEGHJKLMNPRSTWXYZ")
    if prefix in {"BG", "GB", "NK", "KN", "TN", "NT", "ZZ"}:
        prefix = "JR"
    number, suffix = digits(rng, 6), rng.choice("ABCD")
    spaced = f"{prefix} {number[:2]} {number[2:4]} {number[4:]} {suffix}"
    return Value(
        rng.choice([spaced.lower(), f"{prefix} {number} {suffix}"] if held else [spaced, prefix + number + suffix])
    )


def _de(rng: Random, held: bool) -> Value:
    while True:
        pool = rng.sample(string.digits, 9)
        body = [*pool, pool[rng.randrange(9)]]
        rng.shuffle(body)
        if body[0] != "0" and not any(body[at] == body[at + 1] == body[at + 2] for at in range(8)):
            break
    product = 10
    for sign in body:
        total = (int(sign) + product) % 10 or 10
        product = 2 * total % 11
    number = "".join(body) + str((11 - product) % 10)
    spaced = [number[:2], number[2:5], number[5:8], number[8:]]
    return Value(rng.choice(["/", "-"] if held else [" ", ""]).join(spaced))


def _fr(rng: Random, held: bool) -> Value:
    year, month, _ = _born(rng)
    body = f"{rng.choice('12')}{year % 100:02d}{month:02d}{rng.randint(1, 95):02d}{rng.randint(1, 900):03d}{rng.randint(1, 900):03d}"
    if body[5:7] == "20":
        body = body[:5] + "21" + body[7:]
    number = body + f"{97 - int(body) % 97:02d}"
    cut = [number[0], number[1:3], number[3:5], number[5:7], number[7:10], number[10:13], number[13:]]
    return Value(rng.choice([".", "-"] if held else [" ", ""]).join(cut))


def _es(rng: Random, held: bool) -> Value:
    letters = "TRWAGMYFPDXBNJZSQVHLCKE"
    if rng.random() < 0.3:
        first, body = rng.choice("XYZ"), digits(rng, 7)
        letter = letters[int(str("XYZ".index(first)) + body) % 23]
        return Value(f"{first}-{body}-{letter}" if held else f"{first}{body}{letter}", "nie")
    body = digits(rng, 8)
    letter = letters[int(body) % 23]
    grouped = f"{body[:2]}.{body[2:5]}.{body[5:]}"
    return Value(rng.choice([f"{grouped}-{letter}", f"{body} {letter}", (body + letter).lower()] if held else [body + letter, f"{body}-{letter}"]))  # fmt: skip


_ODD = dict(zip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23], strict=True))  # fmt: skip


def _it(rng: Random, held: bool) -> Value:
    year, month, day = _born(rng)
    consonants = "BCDFGLMNPRSTVZ"
    body = "".join(rng.choice(consonants) for _ in range(6))
    body += f"{year % 100:02d}{'ABCDEHLMPRST'[month - 1]}{day + rng.choice([0, 40]):02d}{rng.choice('ABCDFGHL')}{digits(rng, 3)}"
    total = sum(
        _ODD[sign] if at % 2 == 0 else (int(sign) if sign.isdigit() else ord(sign) - 65) for at, sign in enumerate(body)
    )
    code = body + chr(65 + total % 26)
    cut = " ".join([code[:3], code[3:6], code[6:11], code[11:]])
    return Value(rng.choice([cut, code.lower()] if held else [code]))


def _nl(rng: Random, held: bool) -> Value:
    if rng.random() < 0.25:
        return _be(rng, held)
    while True:
        number = str(rng.randint(1, 9)) + digits(rng, 8)
        if _weighted(number, [9, 8, 7, 6, 5, 4, 3, 2, -1], 11) == 0:
            cut = [number[:4], number[4:6], number[6:]]
            return Value(rng.choice([".", " "] if held else [""]).join(cut))


def _be(rng: Random, held: bool) -> Value:
    year, month, day = _born(rng)
    body = f"{year % 100:02d}{month:02d}{day:02d}{rng.randint(1, 997):03d}"
    number = body + f"{97 - int(body) % 97:02d}"
    dotted = f"{number[:2]}.{number[2:4]}.{number[4:6]}-{number[6:9]}.{number[9:]}"
    return Value(rng.choice([f"{number[:6]}-{number[6:9]}-{number[9:]}", number]) if held else dotted, "rrn")


def _pl(rng: Random, held: bool) -> Value:
    year, month, day = _born(rng)
    body = f"{year % 100:02d}{month:02d}{day:02d}{digits(rng, 4)}"
    number = body + str(-_weighted(body, [1, 3, 7, 9, 1, 3, 7, 9, 1, 3], 10) % 10)
    return Value(f"{number[:6]} {number[6:]}" if held else number)


def _sv(rng: Random, held: bool) -> Value:
    year, month, day = _born(rng)
    body = luhn_complete(f"{year % 100:02d}{month:02d}{day:02d}{digits(rng, 3)}")
    short, full = f"{body[:6]}-{body[6:]}", f"{year // 100}{body[:6]}-{body[6:]}"
    return Value(rng.choice([body, f"{year // 100}{body}"] if held else [short, full]))


def _br(rng: Random, held: bool) -> Value:
    number = digits(rng, 9)
    for _ in range(2):
        rest = _weighted(number, list(range(len(number) + 1, 1, -1)), 11)
        number += "0" if rest < 2 else str(11 - rest)
    dotted = f"{number[:3]}.{number[3:6]}.{number[6:9]}-{number[9:]}"
    return Value(rng.choice([number, f"{number[:9]}-{number[9:]}"]) if held else dotted)


def _dihedral(a: int, b: int) -> int:
    """The product in the group of the pentagon's ten symmetries, 0-4 turns and 5-9 flips."""
    if a < 5:
        return (a + b) % 5 if b < 5 else 5 + (a + b - 5) % 5
    return 5 + (a - 5 - b) % 5 if b < 5 else (a - b) % 5


def _india(rng: Random, held: bool) -> Value:
    permutation, table = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4], [list(range(10))]
    for _ in range(7):
        table.append([permutation[entry] for entry in table[-1]])
    body = rng.choice("23456789") + digits(rng, 10)
    state = 0
    for at, sign in enumerate(reversed(body)):
        state = _dihedral(state, table[(at + 1) % 8][int(sign)])
    check = next(entry for entry in range(10) if _dihedral(state, entry) == 0)
    number = body + str(check)
    return Value(rng.choice(["-", ""] if held else [" "]).join([number[:4], number[4:8], number[8:]]), "aadhaar")


NATIONAL: dict[str, Callable[[Random, bool], Value]] = {
    "en-US": _us, "en-GB": _gb, "de": _de, "fr": _fr, "es": _es, "it": _it, "nl": _nl, "pl": _pl, "sv": _sv, "pt-BR": _br,
}  # fmt: skip


def _ein(rng: Random, held: bool) -> str:
    return f"{rng.choice(['12', '36', '47', '83'])}{'' if held else '-'}{digits(rng, 7)}"


def _vat_gb(rng: Random, held: bool) -> str:
    body = str(rng.randint(1, 9)) + digits(rng, 6)
    number = body + f"{97 - _weighted(body, [8, 7, 6, 5, 4, 3, 2], 97):02d}"
    return f"GB {number[:3]} {number[3:7]} {number[7:]}" if held else f"GB{number}"


def _vat_de(rng: Random, held: bool) -> str:
    body, product = str(rng.randint(1, 9)) + digits(rng, 7), 10
    for sign in body:
        product = 2 * ((int(sign) + product) % 10 or 10) % 11
    number = body + str((11 - product) % 10)
    return f"DE {number[:3]} {number[3:6]} {number[6:]}" if held else f"DE{number}"


def _vat_fr(rng: Random, held: bool) -> str:
    siren = luhn_complete(digits(rng, 8))
    key = (12 + 3 * (int(siren) % 97)) % 97
    return f"FR {key:02d} {siren[:3]} {siren[3:6]} {siren[6:]}" if held else f"FR{key:02d}{siren}"


def _cif(rng: Random, held: bool) -> str:
    body = digits(rng, 7)
    check = int(luhn_complete(body)[-1])
    kind = rng.choice("ABQS")
    return f"{kind}{'-' if held else ''}{body}{check if kind in 'AB' else 'JABCDEFGHI'[check]}"


def _vat_it(rng: Random, held: bool) -> str:
    number = luhn_complete(digits(rng, 10))
    return f"IT {number}" if held else rng.choice([number, f"IT{number}"])


def _vat_nl(rng: Random, held: bool) -> str:
    while True:
        body = str(rng.randint(1, 9)) + digits(rng, 7)
        check = _weighted(body, [9, 8, 7, 6, 5, 4, 3, 2], 11)
        if check < 10:
            return f"NL {body}{check} B01" if held else f"NL{body}{check}B01"


def _nip(rng: Random, held: bool) -> str:
    while True:
        body = str(rng.randint(1, 9)) + digits(rng, 8)
        check = _weighted(body, [6, 5, 7, 2, 3, 4, 5, 6, 7], 11)
        if check < 10:
            number = f"{body}{check}"
            return (
                f"PL{number}"
                if held
                else rng.choice([number, f"{number[:3]}-{number[3:6]}-{number[6:8]}-{number[8:]}"])
            )


def _vat_sv(rng: Random, held: bool) -> str:
    number = luhn_complete("556" + digits(rng, 6))
    return f"SE {number[:6]}-{number[6:]} 01" if held else f"SE{number}01"


def _cnpj(rng: Random, held: bool) -> str:
    number = digits(rng, 8) + "0001"
    for weights in ([5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2], [6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]):
        rest = _weighted(number, weights, 11)
        number += "0" if rest < 2 else str(11 - rest)
    return number if held else f"{number[:2]}.{number[2:5]}.{number[5:8]}/{number[8:12]}-{number[12:]}"


TAX: dict[str, Callable[[Random, bool], str]] = {
    "en-US": _ein, "en-GB": _vat_gb, "de": _vat_de, "fr": _vat_fr, "es": _cif, "it": _vat_it, "nl": _vat_nl,
    "pl": _nip, "sv": _vat_sv, "pt-BR": _cnpj,
}  # fmt: skip

_IBANS = {
    "en-US": "GB AAAA##############", "en-GB": "GB AAAA##############", "de": "DE ##################",
    "fr": "FR #######################", "es": "ES ####################", "it": "IT A######################",
    "nl": "NL AAAA##########", "pl": "PL ########################", "sv": "SE ####################",
    "pt-BR": "BR #######################A#",
}  # fmt: skip
_BANKS = {
    "en-US": "~######## ; ~########### | ~### #### ## ; ####~#####", "en-GB": "######## | #### ####",
    "de": "~######### ; ~####### | ~## ### ## ##", "fr": "~########## | ~#### #####A",
    "es": "~### #### ## ########## | ~###-####-##-##########", "it": "############ | ~#####",
    "nl": "~######## | ~#.##.##.###", "pl": "## #### #### #### #### #### #### | ##########################",
    "sv": "5### ### ### # | 8###-#,### ### ###-#", "pt-BR": "#####-# | ~#######-~",
}  # fmt: skip


def iban(rng: Random, locale: str, held: bool) -> str:
    """An IBAN of the locale's country; check digits by ISO 13616."""
    country, form = _IBANS[locale].split(" ", 1)
    body = written(rng, form)
    number = "".join(str(int(sign, 36)) for sign in body + country + "00")
    code = f"{country}{98 - int(number) % 97:02d}{body}"
    grouped = [code[at : at + 4] for at in range(0, len(code), 4)]
    return rng.choice(["-".join(grouped), " ".join(grouped).lower()] if held else [code, " ".join(grouped)])


def bank(rng: Random, locale: str, held: bool) -> Value:
    """An account number as it is written there; in the United States a routing number, in Britain a sort code too."""
    if locale == "en-US" and rng.random() < 0.5:
        body = "0" + rng.choice("123456789") + digits(rng, 6)
        return Value(body + str(-_weighted(body, [3, 7, 1, 3, 7, 1, 3, 7], 10) % 10), "routing")
    if locale == "en-GB" and rng.random() < 0.5:
        return Value(written(rng, "## ## ##" if held else "##-##-##"), "sort_code")
    return Value(written(rng, pick(rng, _BANKS[locale].replace(",", ""), held)))
