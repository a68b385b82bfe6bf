"""Identity and tax numbers of twelve countries: their forms and check digits, from the issuers' public rules.

Each rule says how much its form proves: `form` is enough alone, `check` is enough unless the words beside it speak of
something else, `context` needs words that speak of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from metier.curate.privacy import identity
from metier.curate.privacy.checksums import iso7064_11_10, luhn
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
    name: str, type_: str, digits: int, body: str, valid: Callable[[str], bool], bare: Proof, grouped: Proof
) -> Rule:
    form = re.compile(
        rf"(?<![\w@#])(?<!\d[.,/\-])(?<![A-Za-z]-)"
        rf"(?:{body})(?![\w@])(?![.,\-/]\d)",
        re.IGNORECASE,
    )
    return Rule(name, type_, digits, form, valid, bare, grouped)


def _any(text: str) -> bool:
    return text != ""


RULES: tuple[Rule, ...] = (
    _rule("us-ssn", "national_id", 9, r"\d{3}[- ]?\d{2}[- ]?\d{4}", identity.ssn, "context", "context"),
    _rule("us-ssn-dashed", "national_id", 9, r"\d{3}-\d{2}-\d{4}", identity.ssn, "check", "check"),
    _rule(
        "gb-nino",
        "national_id",
        6,
        rf"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]{_S}\d\d{_S}\d\d{_S}\d\d{_S}[A-D]",
        identity.nino,
        "check",
        "check",
    ),
    _rule("gb-nhs", "national_id", 10, r"\d{3}[- ]?\d{3}[- ]?\d{4}", identity.nhs, "context", "context"),
    _rule(
        "de-steuer-id",
        "national_id",
        11,
        rf"[1-9]\d{_S}\d{{3}}{_S}\d{{3}}{_S}\d{{3}}",
        identity.steuer_id,
        "context",
        "check",
    ),
    _rule(
        "fr-nir",
        "national_id",
        10,
        rf"[12]{_S}\d\d{_S}\d\d{_S}\d[\dAB]{_S}\d{{3}}{_S}\d{{3}}{_S}\d\d",
        identity.nir,
        "check",
        "check",
    ),
    _rule("es-dni", "national_id", 8, r"\d{2}\.?\d{3}\.?\d{3}[- ]?[A-HJ-NP-TV-Z]", identity.dni, "check", "check"),
    _rule(
        "es-nie", "national_id", 7, r"[XYZ][- ]?\d\.?\d{3}\.?\d{3}[- ]?[A-HJ-NP-TV-Z]", identity.nie, "check", "check"
    ),
    _rule(
        "it-codice-fiscale",
        "national_id",
        0,
        r"[A-Z]{3} ?[A-Z]{3} ?[\dLMNP-V]{2}[A-EHLMPRST][\dLMNP-V]{2} ?[A-Z][\dLMNP-V]{3}[A-Z]",
        identity.codice_fiscale,
        "form",
        "form",
    ),
    _rule(
        "nl-bsn",
        "national_id",
        9,
        r"\d{4}[. ]?\d{2}[. ]?\d{3}|\d{3}[. ]\d{3}[. ]\d{3}",
        identity.bsn,
        "context",
        "context",
    ),
    _rule(
        "be-national",
        "national_id",
        11,
        rf"\d\d{_S}[0-5]\d{_S}[0-3]\d{_S}\d{{3}}{_S}\d\d",
        identity.belgian,
        "context",
        "check",
    ),
    _rule("pl-pesel", "national_id", 11, r"\d{6} ?\d{5}", identity.pesel, "context", "check"),
    _rule(
        "se-personnummer",
        "national_id",
        6,
        r"(?:19|20)?\d\d[01]\d[0-9]\d[-+ ]\d{4}",
        identity.personnummer,
        "check",
        "check",
    ),
    _rule(
        "se-personnummer-bare",
        "national_id",
        10,
        r"(?:19|20)?\d\d[01]\d[0-9]\d{5}",
        identity.personnummer,
        "context",
        "context",
    ),
    _rule("br-cpf", "national_id", 11, r"\d{3}\.?\d{3}\.?\d{3}[-/ ]?\d\d", identity.cpf, "context", "check"),
    _rule("in-aadhaar", "national_id", 12, r"[2-9]\d{3}[- ]?\d{4}[- ]?\d{4}", identity.aadhaar, "context", "check"),
    replace(
        _rule("us-routing", "bank_account", 9, r"[0-3]\d{8}", identity.routing, "context", "context"), context="routing"
    ),
    _rule("us-ein", "tax_id", 9, r"\d\d-?\d{7}", _any, "context", "context"),
    _rule("gb-vat", "tax_id", 9, rf"GB{_S}\d{{3}}{_S}\d{{4}}{_S}\d\d", identity.vat_gb, "form", "form"),
    _rule(
        "de-vat",
        "tax_id",
        9,
        rf"DE{_S}[1-9]\d\d{_S}\d{{3}}{_S}\d{{3}}",
        lambda text: iso7064_11_10(text[2:]),
        "form",
        "form",
    ),
    _rule("fr-vat", "tax_id", 11, rf"FR{_S}\d\d{_S}\d{{3}}{_S}\d{{3}}{_S}\d{{3}}", identity.vat_fr, "form", "form"),
    _rule("es-cif", "tax_id", 7, r"[ABCDEFGHJNPQRSUVW][- ]?\d{7}[- ]?[0-9A-J]", identity.cif, "check", "check"),
    _rule("it-vat", "tax_id", 11, r"IT[ ]?\d{11}", lambda text: luhn(text[2:]), "form", "form"),
    _rule("it-vat-bare", "tax_id", 11, r"\d{11}", luhn, "context", "context"),
    _rule("nl-vat", "tax_id", 9, rf"NL{_S}\d{{3}}{_S}\d{{3}}{_S}\d{{3}}{_S}B{_S}\d\d", identity.vat_nl, "form", "form"),
    _rule("pl-nip", "tax_id", 10, r"(?:PL ?)?\d{3}-?\d{3}-?\d\d-?\d\d", identity.nip, "context", "context"),
    _rule("pl-vat", "tax_id", 10, r"PL ?\d{10}", identity.nip, "form", "form"),
    _rule("se-vat", "tax_id", 10, r"SE ?\d{6}-?\d{4} ?01", lambda text: luhn(text[2:12]), "form", "form"),
    _rule("se-organisation", "tax_id", 10, r"\d{6}-?\d{4}", luhn, "context", "context"),
    _rule("be-vat", "tax_id", 10, rf"BE{_S}[01]\d{{3}}{_S}\d{{3}}{_S}\d{{3}}", identity.vat_be, "form", "form"),
    _rule("br-cnpj", "tax_id", 14, r"\d{2}\.?\d{3}\.?\d{3}/?\d{4}-?\d\d", identity.cnpj, "check", "form"),
)
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
