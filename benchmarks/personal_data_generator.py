"""Sentences with planted personal data in ten locales, and with numbers that only look like it.

Nothing here is shared with the detector: check digits, formats and sentences are this file's own. Two parts differ in
sentences and in the ways a value is written: `personal_data_sentences` to develop on, `personal_data_held_out` to judge.
"""

# ruff: noqa: E501

from __future__ import annotations

import random
import string
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

from benchmarks import personal_data_held_out, personal_data_sentences
from benchmarks.personal_data_values import NATIONAL, TAX, Value, bank, digits, iban, luhn_complete, pick, written

LOCALES = ("en-US", "en-GB", "de", "fr", "es", "it", "nl", "pl", "sv", "pt-BR")
TYPES = (
    "email", "phone", "card", "iban", "national_id", "ip", "mac", "address", "birth_date", "passport", "medical_record",
    "secret", "bank_account", "tax_id", "licence_plate", "driver_licence", "username", "url", "coordinates", "name",
)  # fmt: skip
# Written so that the value says what it is; half of these stand without a phrase.
_SELF_SAYING = {"email", "iban", "mac", "card", "secret"}


@dataclass(frozen=True)
class Planted:
    """One value put into a text: text[start:end] is personal data of this type."""

    type: str
    start: int
    end: int


@dataclass(frozen=True)
class Example:
    """A text, what is in it, and its locale."""

    text: str
    planted: tuple[Planted, ...]
    locale: str


def examples(count: int, seed: int, *, held_out: bool = False) -> Iterator[Example]:
    """`count` texts of all types and locales in turn; a third hold look-alikes or nothing, a tenth several values."""
    rng = random.Random(f"{'held out' if held_out else 'development'} {seed}")
    words = personal_data_held_out if held_out else personal_data_sentences
    for number in range(count):
        locale = LOCALES[number % len(LOCALES)]
        draw = rng.random()
        if draw < 0.33:
            pieces = [_look_alike(rng, words, locale, held_out)]
        elif draw < 0.45:
            pieces = [_sentence(rng, words, locale, rng.choice(TYPES), held_out) for _ in range(rng.randint(2, 3))]
            pieces.insert(rng.randint(0, len(pieces)), _look_alike(rng, words, locale, held_out))
        else:
            type_ = TYPES[(number // len(LOCALES)) % len(TYPES)]
            pieces = [_sentence(rng, words, locale, type_, held_out)]
        yield _joined(pieces, locale, rng)


Piece = list[tuple[str, str | None]]  # runs of text, each with its type or None


def _joined(pieces: list[Piece], locale: str, rng: random.Random) -> Example:
    text, planted = "", []
    for number, piece in enumerate(pieces):
        if number:
            text += rng.choice([" ", "\n", ". ", " / "]) if len(pieces) > 1 else ""
        for run, type_ in piece:
            if type_ is not None:
                planted.append(Planted(type_, len(text), len(text) + len(run)))
            text += run
    return Example(text, tuple(planted), locale)


def _fill(frame: str, **parts: str | tuple[str, str]) -> Piece:
    piece: Piece = []
    for literal, field, _, _ in string.Formatter().parse(frame):
        piece.append((literal, None))
        if field:
            part = parts[field]
            piece.append((part, None) if isinstance(part, str) else (part[0], part[1]))
    return piece


def _phrases(table: str) -> dict[str, list[str]]:
    lines = [line.split(":", 1) for line in table.strip().splitlines() if ":" in line]
    return {key.strip(): [phrase.strip() for phrase in phrases.split(";")] for key, phrases in lines}


def _sentence(rng: random.Random, words: ModuleType, locale: str, type_: str, held: bool) -> Piece:
    if type_ == "name":
        given, family = rng.choice(GIVEN[locale]), rng.choice(FAMILY[locale])
        frame = rng.choice(words.NAMES[locale])
        return _fill(frame, name=(f"{given} {family}", "name"), family=(family, "name"), given=(given, "name"))
    if type_ == "address":
        return _fill(rng.choice(words.ADDRESSES[locale]), value=(_address(rng, locale, held), "address"))
    value = _value(rng, locale, type_, held)
    table = _phrases(words.PHRASES[locale])
    alone = type_ in _SELF_SAYING and (rng.random() < 0.5 or type_ == "email") and value.phrase in {"", "card", "iban"}
    if alone:
        return _fill(rng.choice(words.ALONE[locale]), value=(value.text, type_))
    phrase = rng.choice(table[value.phrase or type_])
    return _fill(rng.choice(words.FRAMES[locale]), noun=phrase, value=(value.text, type_))


def _look_alike(rng: random.Random, words: ModuleType, locale: str, held: bool) -> Piece:
    if rng.random() < 0.3:
        return [(rng.choice(words.NOTHING[locale]), None)]
    kind, phrases = rng.choice(sorted(_phrases(words.NOT_PERSONAL[locale]).items()))
    return _fill(
        rng.choice(words.FRAMES[locale]), noun=rng.choice(phrases), value=_not_personal(rng, locale, kind, held)
    )


def _value(rng: random.Random, locale: str, type_: str, held: bool) -> Value:
    def plain(text: str) -> Value:
        return Value(text)

    match type_:
        case "email":
            return plain(_email(rng, locale, held))
        case "phone":
            return plain(written(rng, pick(rng, PHONES[locale], held)))
        case "card":
            return plain(_card(rng, held))
        case "iban":
            return plain(iban(rng, locale, held))
        case "national_id":
            return NATIONAL[locale](rng, held)
        case "tax_id":
            return plain(TAX[locale](rng, held))
        case "bank_account":
            return bank(rng, locale, held)
        case "ip":
            return plain(_ip(rng, held))
        case "mac":
            return plain(_mac(rng, held))
        case "birth_date":
            return plain(_date(rng, locale, held, rng.randint(1931, 2008)))
        case "coordinates":
            return plain(_coordinates(rng, held))
        case "secret":
            return plain(_secret(rng, held))
        case "url":
            return plain(_url(rng, locale, held))
        case "username":
            return plain(_username(rng, locale, held))
    shape = pick(rng, FORMS[type_].get(locale) or FORMS[type_]["*"], held)
    return plain(written(rng, shape))


# `#` is a digit, `~` a digit from 1 to 9, `A` a capital letter, `H` a hexadecimal digit; before | to develop, after it held out.
PHONES = {
    "en-US": "(~##) 555-#### ; ~##-555-#### ; +1 ~##-~##-#### ; +1 (~##) ~##-#### | ~##.~##.#### ; 1-~##-~##-#### ; +1~##~###### ; (~##)~##-####",
    "en-GB": "07### ###### ; +44 7### ###### ; 020 7### #### ; 01### ###### | 07### ### ### ; +44 (0)20 7### #### ; 0161 ### #### ; (01###) ######",
    "de": "01~# ######## ; +49 1~# ####### ; 030/~###### ; 089 ~####### | 01~#-####### ; +49 (0)30 ~###### ; (040) ~## ## ## ; 0049 1~# ########",
    "fr": "06 ## ## ## ## ; +33 6 ## ## ## ## ; 01 ## ## ## ## | 07.##.##.##.## ; 06-##-##-##-## ; +336######## ; 0033 1 ## ## ## ##",
    "es": "6## ### ### ; +34 6## ### ### ; 91 ### ## ## | 6## ## ## ## ; +34 9## ## ## ## ; 0034 6######## ; 6########",
    "it": "3~# ### #### ; +39 3~# ####### ; 06 ######## | 3~# ####### ; +39 02 ######## ; 02-####### ; 3~#/#######",
    "nl": "06-######## ; +31 6 ######## ; 020-####### | 06 ## ## ## ## ; +31 (0)20 ### #### ; 010 ### ## ## ; 0031 6########",
    "pl": "6## ### ### ; +48 6## ### ### ; 22 ### ## ## | 5##-###-### ; +48 22 ### ## ## ; (22) ### ## ## ; 0048 6########",
    "sv": "070-### ## ## ; +46 70 ### ## ## ; 08-### ### ## | 073 ### ## ## ; +46 (0)8 ### ## ## ; 031-## ## ## ; 076#######",
    "pt-BR": "(11) 9####-#### ; +55 11 9####-#### ; (21) 3###-#### | 11 9#### #### ; +55 (31) 9####-#### ; 0055 21 9######## ; (11)9########",
}
FORMS = {
    "passport": {
        "*": "~######## ; A######## | A####### ; ~## ### ###",
        "de": "C#A#A#A## ; CF####### | L#A#A#A#A ; C######A#",
        "fr": "##AA##### | ## AA #####",
        "it": "AA####### | AA ## ## ###",
        "pl": "AA####### | AA #######",
        "pt-BR": "AA###### | AA ######",
        "es": "AAA###### | AAA-######",
    },
    "medical_record": {"*": "~####### ; ~##-##-## | MRN~###### ; ~###### ; A~######"},
    "licence_plate": {
        "en-US": "~AAA### ; AAA-#### | AAA #### ; ###-AAA",
        "en-GB": "AA~# AAA | AA~#AAA ; A~## AAA",
        "de": "B-AA ~### ; M-AA ~## | HH AA ~### ; K-A ~###",
        "fr": "AA-###-AA | AA ### AA ; ### AAA 75",
        "es": "#### AAA | ####AAA ; ####-AAA",
        "it": "AA ###AA | AA###AA ; AA-###-AA",
        "nl": "##-AA-AA ; AA-###-A | A-###-AA ; ##-AAA-#",
        "pl": "WA ##### ; KR #### | PO ###AA ; GD#####",
        "sv": "AAA ### | AAA### ; AAA ##A",
        "pt-BR": "AAA-#### | AAA#A## ; AAA ####",
    },
    "driver_licence": {
        "*": "A####### ; A###-####-#### | A#### ##### ##### ; ~########",
        "en-GB": "AAAAA~###~~AA9AA | AAAAA ~###~~ AA9AA",
        "de": "A##AA######A | B#########1",
        "fr": "##AA##### | ############",
        "es": "########A | ######## A",
        "it": "AA#######A | U1#######A",
        "nl": "~######### | ~#########",
        "pl": "#####/##/#### | ##### ## ####",
        "sv": "########-#### | ######-####",
        "pt-BR": "~########## | ~## ### ### ##",
    },
}  # fmt: skip


def _email(rng: random.Random, locale: str, held: bool) -> str:
    given, family = rng.choice(GIVEN[locale]), rng.choice(FAMILY[locale])
    plain = (given + "." + family).encode("ascii", "ignore").decode().replace(" ", "").replace("'", "").strip(".")
    domain = rng.choice(
        ["example.com", "mail.example.org", "gmail.com", "firma-beispiel.de", "post.co.uk", "uol.com.br", "orange.fr"]
    )
    shapes = (
        [f"{plain.lower()}{rng.choice(['+news', '_x', '.1988'])}@{domain.upper()}", f"{plain[:1]}-{rng.randint(1, 999)}@sub.{domain}", f"{rng.randint(10**5, 10**6)}@{domain}", f"o'{plain.lower()}@{domain}"]
        if held
        else [f"{plain.lower()}@{domain}", f"{plain}@{domain}", f"{plain.lower().replace('.', '_')}{rng.randint(1, 99)}@{domain}", f"{plain[:1].lower()}.{plain[-4:].lower()}@{domain}"]
    )  # fmt: skip
    return rng.choice(shapes).replace(".@", "@").replace("..", ".")


def _card(rng: random.Random, held: bool) -> str:
    prefix, length = rng.choice([("4", 16), ("51", 16), ("55", 16), ("2221", 16), ("2720", 16), ("37", 15), ("34", 15), ("6011", 16), ("65", 16), ("3530", 16), ("36", 14)])  # fmt: skip
    number = luhn_complete(prefix + digits(rng, length - len(prefix) - 1))
    groups = {16: (4, 4, 4, 4), 15: (4, 6, 5), 14: (4, 6, 4)}[length]
    separator = rng.choice([".", "  ", " - "] if held else [" ", "-", ""])
    return separator.join(_cut(number, groups))


def _cut(number: str, groups: tuple[int, ...]) -> list[str]:
    pieces, at = [], 0
    for size in groups:
        pieces.append(number[at : at + size])
        at += size
    return pieces


def _ip(rng: random.Random, held: bool) -> str:
    if rng.random() < 0.6:
        address = ".".join(str(rng.randint(low, 254)) for low in (11, 0, 0, 1))
        return f"{address}:{rng.randint(1024, 65535)}" if held and rng.random() < 0.3 else address
    groups = [f"{rng.randint(0, 65535):x}" for _ in range(6)]
    if held:
        return rng.choice([f"fe80::{':'.join(groups[:4])}", "2001:DB8:" + ":".join(groups).upper()])
    return rng.choice(["2001:db8:" + ":".join(groups), f"2a02:{groups[0]}::{groups[1]}:{groups[2]}"])


def _mac(rng: random.Random, held: bool) -> str:
    pairs = [f"{rng.randint(0, 255):02x}" for _ in range(5)] + [f"{rng.randint(10, 15):x}{rng.randint(0, 15):x}"]
    if held:
        joined = "".join(pairs)
        return rng.choice(["-".join(pairs), ".".join(_cut(joined, (4, 4, 4)))])
    return rng.choice([":".join(pairs), ":".join(pairs).upper(), "-".join(pairs).upper()])


MONTHS = {
    "en": "January February March April May June July August September October November December",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "nl": "januari februari maart april mei juni juli augustus september oktober november december",
    "pl": "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia",
    "sv": "januari februari mars april maj juni juli augusti september oktober november december",
    "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
}


def _date(rng: random.Random, locale: str, held: bool, year: int) -> str:
    day, month, language = rng.randint(1, 28), rng.randint(1, 12), locale[:2]
    name = MONTHS[language].split()[month - 1]
    of = " de " if language in {"es", "pt"} else " "
    long = (
        f"{name} {day}, {year}" if locale == "en-US" else f"{day}{'.' if language == 'de' else ''}{of}{name}{of}{year}"
    )
    short = (
        f"{month:02d}/{day:02d}/{year}"
        if locale == "en-US"
        else f"{day:02d}{'.' if language in {'de', 'pl'} else '/'}{month:02d}{'.' if language in {'de', 'pl'} else '/'}{year}"
    )
    if held:
        middle = f"{month}-{day}-{year}" if locale == "en-US" else f"{day}-{month}-{year}"
        return rng.choice([f"{year}/{month:02d}/{day:02d}", middle, long.lower(), short[:-4] + short[-2:]])
    return rng.choice([f"{year}-{month:02d}-{day:02d}", short, long])


def _coordinates(rng: random.Random, held: bool) -> str:
    latitude, longitude = rng.uniform(-60, 70), rng.uniform(-170, 170)
    if held:
        ns, ew = "NS"[latitude < 0], "EW"[longitude < 0]
        return rng.choice([f"{abs(latitude):.4f}° {ns}, {abs(longitude):.4f}° {ew}", f"{int(abs(latitude))}°{rng.randint(10, 59)}'{rng.randint(10, 59)}\"{ns} {int(abs(longitude))}°{rng.randint(10, 59)}'{rng.randint(10, 59)}\"{ew}", f"{latitude:.5f};{longitude:.5f}"])  # fmt: skip
    return rng.choice([f"{latitude:.6f}, {longitude:.6f}", f"{latitude:.5f},{longitude:.5f}"])


def _random(rng: random.Random, length: int, letters: str = string.ascii_letters + string.digits) -> str:
    return "".join(rng.choice(letters) for _ in range(length))


def _secret(rng: random.Random, held: bool) -> str:
    if held:
        return rng.choice([
            "github_pat_" + _random(rng, 22) + "_" + _random(rng, 59), "xoxb-" + digits(rng, 12) + "-" + _random(rng, 24),
            "sk_live_" + _random(rng, 24), "AIza" + _random(rng, 35), "glpat-" + _random(rng, 20),
            "hf_" + _random(rng, 34, string.ascii_letters), "SG." + _random(rng, 22) + "." + _random(rng, 43),
        ])  # fmt: skip
    part = string.ascii_letters + string.digits + "_-"
    return rng.choice([
        "AKIA" + _random(rng, 16, string.ascii_uppercase + "234567"), "ghp_" + _random(rng, 36), "sk-" + _random(rng, 48),
        f"eyJ{_random(rng, 30, part)}.eyJ{_random(rng, 60, part)}.{_random(rng, 43, part)}",
    ])  # fmt: skip


def _handle(rng: random.Random, locale: str) -> str:
    return rng.choice(GIVEN[locale]).encode("ascii", "ignore").decode().lower().replace(" ", "") or "user"


def _url(rng: random.Random, locale: str, held: bool) -> str:
    handle = f"{_handle(rng, locale)}{rng.randint(10, 99)}"
    if held:
        return rng.choice([f"www.linkedin.com/in/{handle}/", f"https://shop.example.com/reset?user={handle}&x=1", f"https://{handle}:geheim9@git.example.org/repo", f"t.me/{handle}"])  # fmt: skip
    return rng.choice([f"https://www.facebook.com/{handle}", f"https://example.com/u?email={handle}%40example.com", f"https://instagram.com/{handle}", f"https://x.com/{handle}"])  # fmt: skip


def _username(rng: random.Random, locale: str, held: bool) -> str:
    handle = _handle(rng, locale)
    if held:
        return rng.choice([f"{handle}-{rng.randint(100, 999)}", f"the.{handle}{rng.randint(1, 99)}", f"@{handle}__{rng.randint(1, 99)}"])  # fmt: skip
    return rng.choice([f"{handle}_{rng.randint(1, 99)}", f"{handle}{rng.randint(1970, 2005)}", f"@{handle}{rng.randint(1, 99)}"])  # fmt: skip


def _address(rng: random.Random, locale: str, held: bool) -> str:
    number, flat = rng.randint(1, 240), rng.randint(1, 40)
    code, street, city = digits(rng, 5), rng.choice(STREETS[locale]), rng.choice(CITIES[locale])
    match locale:
        case "en-US":
            state = rng.choice(["CA", "TX", "NY", "OH", "WA"])
            shapes = [f"{number}{flat} {street} {rng.choice(['St', 'Street', 'Ave', 'Drive'])}, {city}, {state} {code}", f"{number} {street} {rng.choice(['Road', 'Lane'])}"], [f"{number} N {street} Blvd., Apt {flat}B, {city} {state} {code}-1234", f"{number} {street} Ct, {city}, {state}"]  # fmt: skip
        case "en-GB":
            postcode = f"{rng.choice(['LS', 'M', 'SW', 'B'])}{rng.randint(1, 19)} {rng.randint(1, 9)}{rng.choice('ABD')}{rng.choice('EFHJ')}"
            shapes = [f"{number} {street} {rng.choice(['Road', 'Street', 'Close'])}, {city} {postcode}", f"{number} {street} Lane, {city}"], [f"Flat {flat}, {number} {street} Gardens, {city}, {postcode}", f"{number}a {street} Crescent, {postcode}"]  # fmt: skip
        case "de":
            shapes = (
                [f"{street}straße {number}, {code} {city}", f"{street}str. {number}"],
                [f"{street}weg {number}a, {code} {city}", f"{street}platz {flat}, D-{code} {city}"],
            )
        case "fr":
            shapes = (
                [f"{number} rue {street}, {code} {city}", f"{number}, avenue {street}"],
                [f"{number} bis, boulevard {street} - {code} {city}", f"{number} impasse {street}, {code} {city}"],
            )
        case "es":
            shapes = (
                [f"Calle {street} {number}, {code} {city}", f"C/ {street}, {number}"],
                [f"Avda. {street} nº {number}, {flat}º B, {code} {city}", f"Plaza {street} {flat}"],
            )
        case "it":
            shapes = (
                [f"Via {street} {number}, {code} {city}", f"Viale {street}, {number}"],
                [f"Piazza {street} n. {flat}, {code} {city}", f"Corso {street} {number}/A"],
            )
        case "nl":
            postcode = f"{rng.randint(1000, 9999)} {rng.choice('BCDG')}{rng.choice('KLNP')}"
            shapes = (
                [f"{street}straat {number}, {postcode} {city}", f"{street}laan {number}"],
                [f"{street}weg {number}-{flat}, {postcode.replace(' ', '')} {city}", f"{street}plein {flat}"],
            )
        case "pl":
            postcode = f"{code[:2]}-{code[2:]}"
            shapes = (
                [f"ul. {street} {number}, {postcode} {city}", f"ul. {street} {number}/{flat}"],
                [f"al. {street} {number} m. {flat}, {postcode} {city}", f"os. {street} {flat}, {postcode} {city}"],
            )
        case "sv":
            shapes = (
                [f"{street}gatan {number}, {code[:3]} {code[3:]} {city}", f"{street}gatan {number}"],
                [f"{street}vägen {number} B, {code[:3]} {code[3:]} {city}", f"{street}gränd {flat}"],
            )
        case _:
            shapes = (
                [f"Rua {street}, {number}, {city}", f"Rua {street}, {number} - CEP {code}-000"],
                [f"Av. {street} {number}, apto {flat}, {city}", f"Travessa {street}, nº {number}"],
            )
    return rng.choice(shapes[held])


def _not_personal(rng: random.Random, locale: str, kind: str, held: bool) -> str:
    match kind:
        case "order":
            return written(
                rng,
                pick(
                    rng,
                    "~######### ; ORD-###### ; ~##-#######-####### ; ~############### | #A-~####### ; ~########## ; ~#######/~# ; ~## ### ### ### ; 0##########",
                    held,
                ),
            )
        case "invoice":
            return written(
                rng,
                pick(rng, "INV-2024-#### ; 2024####### ; RE~##### | 2023/######## ; F~########### ; ~########", held),
            )
        case "tracking":
            return written(
                rng,
                pick(
                    rng,
                    "1Z###AA1########## ; ~################### | JD############### ; AA#########DE ; ~###########",
                    held,
                ),
            )
        case "product":
            return written(
                rng,
                pick(
                    rng, "AA-####-AA ; AA######A ; ~###-AAA | AAA####A ; ~##.~##.~## ; A~######## ; ~###########0", held
                ),
            )
        case "amount":
            whole = rng.randint(1, 99999)
            return rng.choice([f"{whole:,}.{rng.randint(10, 99)}", f"${whole}.00", f"{whole} EUR"] if not held else [f"{whole:,}".replace(",", ".") + f",{rng.randint(10, 99)} €", f"EUR {whole}", f"{rng.randint(100, 999)} {rng.randint(100, 999)} {rng.randint(100, 999)} kr"])  # fmt: skip
        case "date":
            return _date(rng, locale, held, rng.randint(2019, 2026))
        case "isbn":
            body = "978" + digits(rng, 9)
            check = (10 - sum(int(d) * (3 if at % 2 else 1) for at, d in enumerate(body))) % 10
            whole = f"{body}{check}"
            return "-".join(_cut(whole, (3, 1, 4, 4, 1))) if held else rng.choice([whole, f"{whole[:3]}-{whole[3:]}"])
        case "version":
            parts = [str(rng.randint(0, high)) for high in (20, 20, 30, 255)]
            return rng.choice(["v", ""]) + ".".join(parts) + (rng.choice(["", "-rc1"]) if held else "")
        case "hash":
            return rng.choice([_random(rng, 40, "0123456789abcdef"), str(uuid.UUID(int=rng.getrandbits(128)))] if held else [_random(rng, 64, "0123456789abcdef"), _random(rng, 7, "0123456789abcdef")])  # fmt: skip
        case "time":
            return f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}" + (f":{rng.randint(0, 59):02d}" if held else "")
        case _:
            return f"{rng.randint(1, 20000):,}" if held else str(rng.randint(1, 500000))


# Families and given names people have there, common and less so.
GIVEN = {
    "en-US": [
        "James",
        "Linda",
        "Tyrell",
        "Ashley",
        "Maria",
        "DeShawn",
        "Kimberly",
        "Brandon",
        "Mei",
        "Caleb",
        "Harper",
        "Priya",
        "Wyatt",
        "Imani",
    ],
    "en-GB": [
        "Oliver",
        "Amelia",
        "Gareth",
        "Niamh",
        "Imogen",
        "Rhys",
        "Callum",
        "Poppy",
        "Alistair",
        "Fatima",
        "Nigel",
        "Gemma",
        "Hamish",
        "Saoirse",
    ],
    "de": [
        "Lukas",
        "Anneliese",
        "Jürgen",
        "Heike",
        "Torsten",
        "Sabine",
        "Ayşe",
        "Uwe",
        "Friederike",
        "Kai",
        "Matthias",
        "Silke",
        "Leonie",
        "Bernd",
    ],
    "fr": [
        "Jean",
        "Amélie",
        "Thierry",
        "Océane",
        "Mathieu",
        "Solène",
        "Yasmine",
        "Guillaume",
        "Élodie",
        "Bastien",
        "Corinne",
        "Loïc",
        "Margaux",
        "Hugues",
    ],
    "es": [
        "Carlos",
        "Lucía",
        "Iker",
        "Rocío",
        "Álvaro",
        "Montserrat",
        "Javier",
        "Nuria",
        "Ignacio",
        "Pilar",
        "Gonzalo",
        "Itziar",
        "Raúl",
        "Ximena",
    ],
    "it": [
        "Giuseppe",
        "Chiara",
        "Matteo",
        "Ludovica",
        "Salvatore",
        "Federica",
        "Gennaro",
        "Ilaria",
        "Davide",
        "Ornella",
        "Tommaso",
        "Fabiola",
        "Dario",
        "Giada",
    ],
    "nl": [
        "Jan",
        "Sanne",
        "Bram",
        "Femke",
        "Joost",
        "Anouk",
        "Daan",
        "Marijke",
        "Thijs",
        "Lotte",
        "Sjoerd",
        "Willemijn",
        "Ruben",
        "Hanneke",
    ],
    "pl": [
        "Piotr",
        "Agnieszka",
        "Krzysztof",
        "Małgorzata",
        "Tomasz",
        "Zofia",
        "Grzegorz",
        "Kinga",
        "Paweł",
        "Jadwiga",
        "Wojciech",
        "Beata",
        "Michał",
        "Halina",
    ],
    "sv": [
        "Erik",
        "Astrid",
        "Gunnar",
        "Ebba",
        "Johan",
        "Frida",
        "Lars",
        "Linnea",
        "Nils",
        "Maja",
        "Torbjörn",
        "Ingrid",
        "Axel",
        "Birgitta",
    ],
    "pt-BR": [
        "João",
        "Beatriz",
        "Thiago",
        "Larissa",
        "Rodrigo",
        "Camila",
        "Marcelo",
        "Jussara",
        "Vinícius",
        "Fernanda",
        "Edson",
        "Letícia",
        "Caio",
        "Rosângela",
    ],
}
FAMILY = {
    "en-US": [
        "Johnson",
        "Ramirez",
        "Washington",
        "Nguyen",
        "Kowalski",
        "O'Brien",
        "Patel",
        "Hernandez",
        "McAllister",
        "Fitzgerald",
        "Boone",
        "Okafor",
    ],
    "en-GB": [
        "Whitaker",
        "Evans",
        "Choudhury",
        "Ashworth",
        "Pritchard",
        "MacDonald",
        "Hargreaves",
        "Singh",
        "Featherstone",
        "Clarke",
        "Blackwood",
        "Mistry",
    ],
    "de": [
        "Schmidt",
        "Müller",
        "Hoffmann",
        "Kühnel",
        "Yılmaz",
        "Bergmann",
        "Winkelmann",
        "Schröder",
        "Pfeiffer",
        "Lindner",
        "Vogelsang",
        "Krause",
    ],
    "fr": [
        "Dubois",
        "Lefèvre",
        "Moreau",
        "Benali",
        "Girard",
        "Rousseau",
        "Chevalier",
        "Tanguy",
        "Perrin",
        "Delacroix",
        "Marchand",
        "Guérin",
    ],
    "es": [
        "García",
        "Fernández",
        "Etxeberria",
        "Molina",
        "Iglesias",
        "Castaño",
        "Navarro",
        "Ortega",
        "Villalobos",
        "Serrano",
        "Quintana",
        "Rubio",
    ],
    "it": [
        "Rossi",
        "Esposito",
        "Bianchi",
        "Caruso",
        "Ferrara",
        "Lombardi",
        "Santoro",
        "Pellegrini",
        "Bonfanti",
        "Marchetti",
        "Zanella",
        "Gallo",
    ],
    "nl": [
        "Jansen",
        "Bakker",
        "Visser",
        "Hoekstra",
        "Vermeulen",
        "Dijkstra",
        "Kuipers",
        "Brouwer",
        "Postma",
        "Schouten",
        "Wijnands",
        "Smit",
    ],
    "pl": [
        "Kowalski",
        "Nowak",
        "Wiśniewska",
        "Zieliński",
        "Wójcik",
        "Kamińska",
        "Lewandowski",
        "Dąbrowska",
        "Szymański",
        "Piekarska",
        "Mazur",
        "Duda",
    ],
    "sv": [
        "Andersson",
        "Johansson",
        "Lindqvist",
        "Bergström",
        "Holmgren",
        "Söderberg",
        "Nyström",
        "Ekman",
        "Sandberg",
        "Hallgren",
        "Wallin",
        "Åkesson",
    ],
    "pt-BR": [
        "Silva",
        "Santos",
        "Oliveira",
        "Cavalcanti",
        "Ribeiro",
        "Nascimento",
        "Barbosa",
        "Figueiredo",
        "Teixeira",
        "Moura",
        "Pacheco",
        "Queiroz",
    ],
}
STREETS = {
    "en-US": ["Maple", "Cedar Ridge", "Martin Luther King", "Elm", "Sunset"],
    "en-GB": ["Station", "Church", "Victoria", "Kings Mill", "Orchard"],
    "de": ["Goethe", "Linden", "Bahnhof", "Schiller", "Garten"],
    "fr": ["Victor Hugo", "de la République", "des Lilas", "du Général Leclerc", "Pasteur"],
    "es": ["Mayor", "de Alcalá", "San Juan", "del Carmen", "Cervantes"],
    "it": ["Garibaldi", "Roma", "dei Mille", "Giuseppe Verdi", "della Libertà"],
    "nl": ["Kerk", "Dorps", "Wilhelmina", "Molen", "Linden"],
    "pl": ["Mickiewicza", "Długa", "Marszałkowska", "Jana Pawła II", "Kwiatowa"],
    "sv": ["Stor", "Drottning", "Kungs", "Björk", "Sve"],
    "pt-BR": ["das Flores", "Sete de Setembro", "XV de Novembro", "São José", "Dom Pedro II"],
}
CITIES = {
    "en-US": ["Springfield", "Austin", "Fort Wayne", "Portland"],
    "en-GB": ["Leeds", "Milton Keynes", "Bristol", "Manchester"],
    "de": ["Berlin", "München", "Bad Homburg", "Köln"],
    "fr": ["Lyon", "Aix-en-Provence", "Paris", "Le Mans"],
    "es": ["Madrid", "San Sebastián", "Valencia", "Sevilla"],
    "it": ["Milano", "Reggio Emilia", "Torino", "Bari"],
    "nl": ["Utrecht", "Den Haag", "Amsterdam", "Zwolle"],
    "pl": ["Warszawa", "Zielona Góra", "Kraków", "Łódź"],
    "sv": ["Stockholm", "Västra Frölunda", "Malmö", "Umeå"],
    "pt-BR": ["São Paulo", "Belo Horizonte", "Recife", "Porto Alegre"],
}
