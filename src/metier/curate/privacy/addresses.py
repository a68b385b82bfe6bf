"""Postal addresses: how street and house number are written in ten locales, and the postcode and town after them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from metier.curate.privacy.hits import Hit
from metier.curate.privacy.tables import sections

_CAP = r"[A-ZÀ-ÖØ-ÞŁŚŻŹĆŃÓ][^\W\d_]*(?:['’\-][^\W\d_]+)*\.?"
_NAME = (
    rf"(?:{_CAP}|\d{{1,3}}(?:st|nd|rd|th)|XV|de|da|do|das|dos|del|della|delle|dei|degli|di|la|las|los|le|les"
    rf"|du|des|van|der|den|ten|ter|zum|zur|am|an|und|y|e|of|the|d'{_CAP}|l'{_CAP}|I{{1,3}})(?!\w)"
)
_NUMBER = r"\d{1,5}(?:[ \-/]?[A-Za-z](?![\w]))?(?:[\-/]\d{1,4})?"
_TOWN = rf"{_CAP}(?!\w)(?:[ \-](?:{_CAP}|am|an|der|den|de|la|le|do|da|em|en|sur|sous|del|upon|on)(?!\w)){{0,3}}"
_UK_POSTCODE = r"[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}"
_FLAT = r"(?:(?:Flat|Apt\.?|Apartment|Unit|Suite|Ste\.?|Room|Floor|#)\s?\w{1,5},?\s)?"

_ENGLISH_KINDS = (
    r"(?:Street|St|Road|Rd|Avenue|Ave|Av|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Square|Sq|Terrace"
    r"|Ter|Way|Close|Crescent|Cres|Gardens|Gdns|Grove|Hill|Mews|Parade|Park|Parkway|Pkwy|Highway|Hwy|Circle"
    r"|Cir|Trail|Trl|Row|Walk|Wharf|Rise|Green|View|Loop|Alley|Plaza)"
)
_ENGLISH = re.compile(
    rf"(?<![\w.,/\-]){_FLAT}\d{{1,6}}[A-Za-z]?,?\s(?:(?:N|S|E|W|NE|NW|SE|SW|North|South|East"
    rf"|West)\.?\s)?(?:(?:{_CAP}|\d{{1,3}}(?:st|nd|rd|th))\s){{1,4}}{_ENGLISH_KINDS}\b\.?"
    rf"(?:,?\s(?:Flat|Apt\.?|Apartment|Unit|Suite|Ste\.?"
    rf"|#)\s?\w{{1,5}})?(?:,\s{_TOWN})?(?:,?\s(?:[A-Z]{{2}}\s\d{{5}}(?:-\d{{4}})?|{_UK_POSTCODE}"
    rf"|[A-Z]{{2}}\b))?"
)
_ENGLISH_SMALL = re.compile(
    r"(?<![\w.,/\-])\d{1,5}[a-z]?\s(?:[a-z]+\s){1,2}(?:street|st|road|rd|avenue|ave|boulevard|blvd|lane"
    r"|drive|close|crescent)\b(?:,\s[a-z]+){0,2}",
)
_PO_BOX = re.compile(
    (
        r"\b(?:P\.?\s?O\.?\s?Box|Postfach|Postbus|Boîte postale|Apartado(?: de correos)?|Caixa Postal|Casella "
        r"postale|Skr\.? poczt\.?)\s?\d{1,7}\b(?:,?\s[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}\b)?"
    ),
    re.IGNORECASE,
)

_GERMANIC = re.compile(
    rf"(?<![\w\-])(?:{_CAP}[ \-]){{0,3}}?{_CAP}?(?:(?<=\w)|(?<=[ \-]))(?:stra(?:ß|ss)e|str\.|weg|allee"
    rf"|gasse|platz|damm|ufer|chaussee|Stra(?:ß|ss)e|Str\.|Weg|Allee|Platz"
    rf"|straat|laan|plein|gracht|kade|dijk|dreef|singel|steeg|gatan|vägen|gränd|stigen|torget|backen|allén)\s{_NUMBER}"
    rf"(?:,?\s(?:[A-Z]{{1,2}}-)?(?:\d{{5}}|\d{{3}}\s\d{{2}}|\d{{4}}\s?[A-Z]{{2}}|\d{{4}})\s{_TOWN})?(?!\w)"
)
_FRENCH = re.compile(
    rf"(?<![\w.,/\-])\d{{1,4}}(?:\s?(?:bis|ter|quater))?,?\s(?i:rue|avenue|av\.|boulevard|bd\.?|place"
    rf"|chemin|allée|impasse|quai|route|cours|square|passage|villa|sentier|faubourg"
    rf"|esplanade)\s(?:{_NAME}\s?){{1,6}}"
    rf"(?:[,\-–]?\s?(?:[,\-–]\s)?\d{{5}}\s{_TOWN})?"
)
_ROMANCE = re.compile(
    rf"(?<![\w])(?:Calle|C/|c/|Cl\.|Avenida|Avda\.?|Av\.|Plaza|Pza\.?|Paseo|Pº|Camino|Carretera|Ctra\.?"
    rf"|Ronda|Travesía|Rua|R\.|Travessa|Tv\.|Alameda|Al\.|Praça|Pça\.?|Largo|Estrada|Rodovia"
    rf"|Via|Viale|V\.le|Corso|C\.so|Piazza|P\.za|Piazzale|Vicolo|Strada|Lungomare|Contrada|Largo|calle"
    rf"|avenida|plaza|paseo|rua|travessa|(?<=in )via|(?<=alla )via|(?<=di )via|(?<=: )via|viale|corso"
    rf"|piazza)\s(?:{_NAME}\s?){{1,6}},?\s?(?:(?:n[º°.]?|núm\.?|no\.?|número"
    rf"|nº)\s?)?\d{{1,5}}(?:\s?[/\-]?\s?[A-Za-z]\b)?"
    rf"(?:,?\s\d{{1,2}}\s?[º°ª](?:\s?[A-Z]\b|\s(?:izq|dcha)\.?)?)?(?:,?\s(?:apto?\.?|ap\.|apartamento"
    rf"|bloco|sala|int\.?|interno|piso|esc\.?)\s?\w{{1,4}})?"
    rf"(?:\s?[,\-–]?\s(?:CEP\s?)?(?:\d{{5}}(?:-\d{{3}})?)(?:\s{_TOWN})?)?(?:\s?[,\-–]\s{_TOWN}(?:\s?[/\-,]"
    rf"\s?[A-Z]{{2}}\b)?)?"
)
_POLISH = re.compile(
    rf"(?<![\w])(?:ul\.|ulica|ulicy|al\.|aleja|alei|Aleje|Al\.|os\.|osiedle|osiedlu|pl\.|plac|placu|Ul\."
    rf"|Os\.|Pl\.)\s?(?:(?:{_CAP}|\d{{1,2}}|i|im\.|gen\.|św\."
    rf"|ks\.)\s){{1,5}}\d{{1,4}}[A-Za-z]?(?:\s?/\s?\d{{1,4}})?(?:\s(?:m\."
    rf"|lok\.)\s?\d{{1,4}})?(?:,?\s\d{{2}}-\d{{3}}\s{_TOWN})?"
)
_DIGIT_WORD = re.compile(r"\d")

_PLAIN = re.compile(r"[^\W\d_]+")
# A date before "St", or a place in a ranking, reads like an address.
_NOT_STREETS = frozenset(
    [
        "january",
        "february",
        "march",
        "april",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
        "auf",
        "der",
        "die",
        "den",
        "ersten",
        "jeden",
        "jeder",
    ]
)

_ENGLISH_WORDS = re.compile(rf"\b{_ENGLISH_KINDS}\b")


def _wakers(section: str) -> tuple[str, ...]:
    return tuple(word.replace("_", " ") for word in sections("words.txt")[section].split())


# What must stand in the small letters of a text before a form is tried; `_` in the file is a blank.
_WORLD = tuple(
    (_wakers(f"street {rule}"), form, rule)
    for form, rule in ((_GERMANIC, "germanic"), (_FRENCH, "french"), (_ROMANCE, "romance"), (_POLISH, "polish"))
)


def addresses(text: str, lowered: str, awake: set[str]) -> Iterator[Hit]:
    """Addresses in a text that holds a digit."""
    if _ENGLISH_WORDS.search(text):
        yield from _found(_ENGLISH, text, "english")
    if "box" in lowered or "post" in lowered or "apartado" in lowered or "caixa" in lowered:
        yield from _found(_PO_BOX, text, "box")
    if "address" in awake:
        yield from _found(_ENGLISH_SMALL, text, "english")
    for words, form, rule in _WORLD:
        for word in words:  # a plain loop: this is asked of every text with a digit
            if word in lowered:
                yield from _found(form, text, rule)
                break


def _found(form: re.Pattern[str], text: str, rule: str) -> Iterator[Hit]:
    for match in form.finditer(text):
        end = match.start() + len(match[0].rstrip(" ,.-–"))
        first = _PLAIN.search(match[0])
        if first is not None and first[0].lower() not in _NOT_STREETS and _DIGIT_WORD.search(text, match.start(), end):
            yield Hit("address", match.start(), end, 0.88, rule)
