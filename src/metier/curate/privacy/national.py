"""Identity and tax numbers of twelve countries: their forms and check digits, from the issuers' public rules.

Each rule says how much its form proves: `form` is enough alone, `check` is enough unless the words beside it speak of
something else, `context` needs words that speak of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Literal

from metier.curate.privacy.checksums import iso7064_11_10, iso7064_97, luhn, verhoeff, weighted
from metier.curate.privacy.contexts import ANOTHERS, MINE, NOTHING, said
from metier.curate.privacy.hits import Hit

Proof = Literal["form", "check", "context"]
_S = r"[ .\-/\u00a0]?"


@dataclass(frozen=True)
class Rule:
    """One kind of number: `pattern` finds candidates, `valid` judges their letters and digits in capitals.

    `bare` is what proves a candidate without any separator in it, `grouped` what proves one with separators.
    """

    name: str
    type: str
    digits: int  # that a run must have at least; letters and the next number may stand in between
    pattern: re.Pattern[str]
    valid: Callable[[str], bool]
    bare: Proof
    grouped: Proof
    context: str | None = None  # the context that counts, where it is not the type's


def _rule(
    name: str, type_: str, digits: int, body: str, valid: Callable[[str], bool], bare: Proof, grouped: Proof, context: str | None = None
) -> Rule:  # fmt: skip
    form = re.compile(rf"(?<![\w@#])(?<!\d[.,/\-])(?<![A-Za-z]-){body}(?![\w@])(?![.,\-/]\d)", re.IGNORECASE)
    return Rule(name, type_, digits, form, valid, bare, grouped, context)


def _calendar(year: int, month: int, day: int) -> bool:
    try:
        return date(year, month, day) is not None
    except ValueError:
        return False


def _ssn(text: str) -> bool:
    return text[:3] not in {"000", "666"} and text[0] != "9" and text[3:5] != "00" and text[5:] != "0000"


def _nino(text: str) -> bool:
    return text[:2] not in {"BG", "GB", "NK", "KN", "TN", "NT", "ZZ"}


def _nhs(text: str) -> bool:
    return weighted(text, range(10, 0, -1)) % 11 == 0 and len(set(text)) > 1


def _steuer_id(text: str) -> bool:
    counts = sorted(text[:10].count(sign) for sign in set(text[:10]))
    # One digit stands twice or three times among the first ten, all others at most once.
    return counts[-1] in {2, 3} and counts[:-1] == [1] * (len(counts) - 1) and iso7064_11_10(text)


def _nir(text: str) -> bool:
    body = text[:13].replace("2A", "19").replace("2B", "18")
    month = int(body[3:5])
    return (
        body.isdigit()
        and (1 <= month <= 12 or 20 <= month <= 42 or month >= 50)
        and 97 - int(body) % 97 == int(text[13:])
    )


_DNI = "TRWAGMYFPDXBNJZSQVHLCKE"


def _dni(text: str) -> bool:
    return _DNI[int(text[:8]) % 23] == text[8]


def _nie(text: str) -> bool:
    return _DNI[int(str("XYZ".index(text[0])) + text[1:8]) % 23] == text[8]


_ODD = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)


def _codice_fiscale(text: str) -> bool:
    values = [int(sign) if sign.isdigit() else ord(sign) - 65 for sign in text[:15]]
    total = sum(_ODD[value] if at % 2 == 0 else value for at, value in enumerate(values))
    return chr(65 + total % 26) == text[15]


def _bsn(text: str) -> bool:
    return weighted(text, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0 and len(set(text)) > 1


def _belgian(text: str) -> bool:
    # The third figure of the month may carry 20 or 40 (bis numbers); born from 2000 a 2 stands before.
    fits = int(text[2:4]) % 20 <= 12 and int(text[4:6]) <= 31 and text[6:9] not in {"000", "999"}
    return fits and int(text[9:]) in {97 - int(text[:9]) % 97, 97 - int("2" + text[:9]) % 97}


def _pesel(text: str) -> bool:
    century = {0: 1900, 2: 2000, 4: 2100, 6: 2200, 8: 1800}.get(int(text[2]) // 2 * 2, 1900)
    fits = _calendar(century + int(text[:2]), int(text[2:4]) % 20, int(text[4:6]))
    return fits and weighted(text, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def _personnummer(text: str) -> bool:
    short = text[-10:]
    day = int(short[4:6])
    return _calendar(2000, int(short[2:4]), day - 60 if day > 60 else day) and luhn(short)


def _mod11(text: str, weights: tuple[int, ...]) -> int:
    rest = weighted(text, weights) % 11
    return 0 if rest < 2 else 11 - rest


def _cpf(text: str) -> bool:
    first, second = _mod11(text, tuple(range(10, 1, -1))), _mod11(text, tuple(range(11, 1, -1)))
    return text[9:] == f"{first}{second}" and len(set(text)) > 1


def _cnpj(text: str) -> bool:
    weights = (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)
    return text[12:] == f"{_mod11(text[:12], weights[1:])}{_mod11(text[:13], weights)}" and len(set(text)) > 1


def _aadhaar(text: str) -> bool:
    return verhoeff(text) and text != text[::-1]


def _routing(text: str) -> bool:
    return weighted(text, (3, 7, 1) * 3) % 10 == 0 and text != "000000000"


def _vat_gb(text: str) -> bool:
    total = weighted(text[2:9], (8, 7, 6, 5, 4, 3, 2)) + int(text[9:11])
    return total % 97 == 0 or (total + 55) % 97 == 0


def _vat_fr(text: str) -> bool:
    return luhn(text[4:]) and (12 + 3 * (int(text[4:]) % 97)) % 97 == int(text[2:4])


def _cif(text: str) -> bool:
    check = int(_luhn_digit(text[1:8]))
    return text[8] in {str(check), "JABCDEFGHI"[check]}


def _luhn_digit(body: str) -> str:
    return next(sign for sign in "0123456789" if luhn(body + sign))


def _vat_nl(text: str) -> bool:
    return weighted(text[2:10], (9, 8, 7, 6, 5, 4, 3, 2)) % 11 == int(text[10]) or iso7064_97(text)


def _nip(text: str) -> bool:
    return weighted(text[-10:], (6, 5, 7, 2, 3, 4, 5, 6, 7)) % 11 == int(text[-1]) and len(set(text[-10:])) > 1


def _vat_be(text: str) -> bool:
    return 97 - int(text[2:10]) % 97 == int(text[10:])


RULES: tuple[Rule, ...] = (
    _rule("us-ssn", "national_id", 9, r"\d{3}[- ]?\d{2}[- ]?\d{4}", _ssn, "context", "context"),
    _rule("us-ssn-dashed", "national_id", 9, r"\d{3}-\d{2}-\d{4}", _ssn, "check", "check"),
    _rule("gb-nino", "national_id", 6, rf"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]{_S}\d\d{_S}\d\d{_S}\d\d{_S}[A-D]", _nino, "check", "check"),
    _rule("gb-nhs", "national_id", 10, r"\d{3}[- ]?\d{3}[- ]?\d{4}", _nhs, "context", "context"),
    _rule("de-steuer-id", "national_id", 11, rf"[1-9]\d{_S}\d{{3}}{_S}\d{{3}}{_S}\d{{3}}", _steuer_id, "context", "check"),
    _rule("fr-nir", "national_id", 10, rf"[12]{_S}\d\d{_S}\d\d{_S}\d[\dAB]{_S}\d{{3}}{_S}\d{{3}}{_S}\d\d", _nir, "check", "check"),
    _rule("es-dni", "national_id", 8, r"\d{2}\.?\d{3}\.?\d{3}[- ]?[A-HJ-NP-TV-Z]", _dni, "check", "check"),
    _rule("es-nie", "national_id", 7, r"[XYZ][- ]?\d\.?\d{3}\.?\d{3}[- ]?[A-HJ-NP-TV-Z]", _nie, "check", "check"),
    _rule("it-codice-fiscale", "national_id", 0, r"[A-Z]{3} ?[A-Z]{3} ?[\dLMNP-V]{2}[A-EHLMPRST][\dLMNP-V]{2} ?[A-Z][\dLMNP-V]{3}[A-Z]", _codice_fiscale, "form", "form"),
    _rule("nl-bsn", "national_id", 9, r"\d{4}[. ]?\d{2}[. ]?\d{3}|\d{3}[. ]\d{3}[. ]\d{3}", _bsn, "context", "context"),
    _rule("be-national", "national_id", 11, rf"\d\d{_S}[0-5]\d{_S}[0-3]\d{_S}\d{{3}}{_S}\d\d", _belgian, "context", "check"),
    _rule("pl-pesel", "national_id", 11, r"\d{6} ?\d{5}", _pesel, "context", "check"),
    _rule("se-personnummer", "national_id", 6, r"(?:19|20)?\d\d[01]\d[0-9]\d[-+ ]\d{4}", _personnummer, "check", "check"),
    _rule("se-personnummer-bare", "national_id", 10, r"(?:19|20)?\d\d[01]\d[0-9]\d{5}", _personnummer, "context", "context"),
    _rule("br-cpf", "national_id", 11, r"\d{3}\.?\d{3}\.?\d{3}[-/ ]?\d\d", _cpf, "context", "check"),
    _rule("in-aadhaar", "national_id", 12, r"[2-9]\d{3}[- ]?\d{4}[- ]?\d{4}", _aadhaar, "context", "check"),
    _rule("us-routing", "bank_account", 9, r"[0-3]\d{8}", _routing, "context", "context", "routing"),
    _rule("us-ein", "tax_id", 9, r"\d\d-?\d{7}", lambda text: True, "context", "context"),
    _rule("gb-vat", "tax_id", 9, rf"GB{_S}\d{{3}}{_S}\d{{4}}{_S}\d\d", _vat_gb, "form", "form"),
    _rule("de-vat", "tax_id", 9, rf"DE{_S}[1-9]\d\d{_S}\d{{3}}{_S}\d{{3}}", lambda text: iso7064_11_10(text[2:]), "form", "form"),
    _rule("fr-vat", "tax_id", 11, rf"FR{_S}\d\d{_S}\d{{3}}{_S}\d{{3}}{_S}\d{{3}}", _vat_fr, "form", "form"),
    _rule("es-cif", "tax_id", 7, r"[ABCDEFGHJNPQRSUVW][- ]?\d{7}[- ]?[0-9A-J]", _cif, "check", "check"),
    _rule("it-vat", "tax_id", 11, r"IT[ ]?\d{11}", lambda text: luhn(text[2:]), "form", "form"),
    _rule("it-vat-bare", "tax_id", 11, r"\d{11}", luhn, "context", "context"),
    _rule("nl-vat", "tax_id", 9, rf"NL{_S}\d{{3}}{_S}\d{{3}}{_S}\d{{3}}{_S}B{_S}\d\d", _vat_nl, "form", "form"),
    _rule("pl-nip", "tax_id", 10, r"(?:PL ?)?\d{3}-?\d{3}-?\d\d-?\d\d", _nip, "context", "context"),
    _rule("pl-vat", "tax_id", 10, r"PL ?\d{10}", _nip, "form", "form"),
    _rule("se-vat", "tax_id", 10, r"SE ?\d{6}-?\d{4} ?01", lambda text: luhn(text[2:12]), "form", "form"),
    _rule("se-organisation", "tax_id", 10, r"\d{6}-?\d{4}", luhn, "context", "context"),
    _rule("be-vat", "tax_id", 10, rf"BE{_S}[01]\d{{3}}{_S}\d{{3}}{_S}\d{{3}}", _vat_be, "form", "form"),
    _rule("br-cnpj", "tax_id", 14, r"\d{2}\.?\d{3}\.?\d{3}/?\d{4}-?\d\d", _cnpj, "check", "form"),
)  # fmt: skip
BY_NAME = {rule.name: rule for rule in RULES}
_RUN = re.compile(r"\d(?:[ .\-/+\u00a0]?\d)*")
_NOT_COMPACT = re.compile(r"[\W_]+")


def compact(text: str) -> str:
    """Letters and digits in capitals, nothing else."""
    return _NOT_COMPACT.sub("", text).upper()


def numbers(text: str, awake: set[str]) -> Iterator[Hit]:
    """Identity, tax and routing numbers in a text of which `awake` contexts may speak."""
    longest = max((sum(map(str.isdigit, run)) for run in _RUN.findall(text)), default=0)
    for rule in RULES:
        context = rule.context or rule.type
        if rule.digits > longest:
            continue
        if rule.bare == rule.grouped == "context" and context not in awake:
            continue
        for match in rule.pattern.finditer(text):
            plain = compact(match[0])
            if not rule.valid(plain):
                continue
            grouped = len(plain) != len(match[0])
            proof = rule.grouped if grouped else rule.bare
            words = said(text, match.start(), match.end(), context, awake)
            if words == MINE:
                yield Hit(rule.type, match.start(), match.end(), 0.98, rule.name)
            elif proof == "form" or (proof == "check" and words in ({NOTHING, ANOTHERS} if grouped else {NOTHING})):
                yield Hit(rule.type, match.start(), match.end(), 0.9 if proof == "form" else 0.86, rule.name)
