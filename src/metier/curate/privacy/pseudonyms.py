"""Pseudonyms: the same value always becomes the same other value of the same form, and none leads back without the key.

All choices are drawn from HMAC-SHA256 (RFC 2104) of the value under the key. What has a check digit keeps a right one;
a name becomes a name, word by word, so that "Ada Byron" and "Ms Byron" stay one person; mail goes to example.com.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from functools import lru_cache
from itertools import count

from metier.curate.privacy import checksums
from metier.curate.privacy.called import CALENDARS
from metier.curate.privacy.credentials import KNOWN_FORMS
from metier.curate.privacy.gazetteer import family_names, fold, given_names
from metier.curate.privacy.national import BY_NAME, Rule, compact
from metier.curate.privacy.tables import words

_TRIES = 20_000


class _Draws:
    """Numbers that follow from a key and a label, and from nothing else."""

    def __init__(self, key: bytes, *labels: str) -> None:
        self._key, self._label = key, "\0".join(labels).encode("utf-8", "surrogatepass")
        self._blocks = count()
        self._left = b""

    def below(self, limit: int) -> int:
        """A number from 0 to below `limit`, even to within 2^-40 of it."""
        if len(self._left) < 8:
            block = hmac.digest(self._key, self._label + b"\0" + str(next(self._blocks)).encode(), "sha256")
            self._left += block
        number = int.from_bytes(self._left[:8], "big")
        self._left = self._left[8:]
        return number % limit

    def one_of(self, signs: str) -> str:
        """One of these signs."""
        return signs[self.below(len(signs))]


def pseudonym(value: str, type_: str, rule: str, key: bytes) -> str:
    """What stands for `value`, of the type and found by the rule of a Hit."""
    return _pseudonym(value, type_, rule, key)


@lru_cache(maxsize=65_536)
def _pseudonym(value: str, type_: str, rule: str, key: bytes) -> str:
    make = _MAKERS.get(type_)
    if make is not None:
        return make(value, key)
    known = BY_NAME.get(rule)
    draws = _Draws(key, type_, _same(value))
    if known is not None:
        return _checked(value, draws, lambda new: _follows(known, new), keep=_prefix(known, value))
    return _scrambled(value, draws)


def _same(value: str) -> str:
    """What two spellings of one value share."""
    return compact(value) or value


def _scrambled(value: str, draws: _Draws, keep: int = 0) -> str:
    """Digits for digits, capitals for capitals, small letters for small ones, after the first `keep` signs."""
    signs = list(value[:keep])
    leading = True
    for sign in value[keep:]:
        if sign.isdigit():
            # A number that did not begin with a nought does not begin with one afterwards.
            signs.append(draws.one_of("123456789" if leading and sign != "0" else "0123456789"))
        elif sign.isalpha():
            signs.append(draws.one_of("ABCDEFGHJKLMNPRSTUVWXYZ" if sign.isupper() else "abcdefghjkmnpqrstuvwxyz"))
        else:
            signs.append(sign)
        leading = leading and not sign.isalnum()
    return "".join(signs)


def _checked(value: str, draws: _Draws, right: Callable[[str], bool], keep: int = 0) -> str:
    for _ in range(_TRIES):
        new = _scrambled(value, draws, keep)
        if new != value and right(new):
            return new
    return _scrambled(value, draws, keep)


def _follows(rule: Rule, new: str) -> bool:
    return rule.pattern.fullmatch(new) is not None and rule.valid(compact(new))


def _prefix(rule: Rule, value: str) -> int:
    """How many signs at the front say the country and the form, not the person."""
    if rule.type == "tax_id" and value[:2].isalpha():
        return 2
    return 1 if value[:1].isalpha() and rule.name not in {"it-codice-fiscale", "gb-nino"} else 0


def _card(value: str, key: bytes) -> str:
    return _checked(value, _Draws(key, "card", _same(value)), lambda new: checksums.card(compact(new)), keep=1)


def _iban(value: str, key: bytes) -> str:
    plain = compact(value)
    draws = _Draws(key, "iban", plain)
    body = _scrambled(plain[4:], draws)
    number = int("".join(str(int(sign, 36)) for sign in body + plain[:2] + "00"))
    return _laid_over(value, f"{plain[:2]}{98 - number % 97:02d}{body}")


def _laid_over(form: str, signs: str) -> str:
    """The signs where `form` has letters and digits, in its case, and its blanks and dashes in between."""
    supply = iter(signs)
    return "".join(_cased(next(supply, sign), sign) if sign.isalnum() else sign for sign in form)


def _cased(new: str, like: str) -> str:
    return new.lower() if like.islower() else new


def _phone(value: str, key: bytes) -> str:
    # The subscriber's digits alone are drawn, from themselves: +49 30 1234567 and 030 1234567 stay one number.
    digits = compact(value)
    most = min(7, max(4, len(digits) - 3))
    draws = _Draws(key, "phone", digits[-most:])
    fresh = "".join(draws.one_of("0123456789") for _ in range(most))
    return _laid_over(value, digits[:-most] + fresh)


def _email(value: str, key: bytes) -> str:
    draws = _Draws(key, "email", value.lower())
    given, family = _listed(given_names(), draws), _listed(family_names(), draws)
    domain = ("example.com", "example.org", "example.net")[draws.below(3)]
    return f"{_ascii(given)}.{_ascii(family)}{draws.below(900) + 100}@{domain}"


def _ascii(name: str) -> str:
    return re.sub(r"[^a-z]", "", fold(name)) or "x"


def _listed(names: dict[str, str], draws: _Draws) -> str:
    written = list(names.values())
    return written[draws.below(len(written))]


_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


def _name(value: str, key: bytes) -> str:
    return _WORD.sub(lambda match: _name_word(match[0], key), value)


def _name_word(word: str, key: bytes) -> str:
    if len(word) <= 3 and word.islower() and word in _PARTICLES:  # fmt: skip
        return word
    folded = fold(word)
    draws = _Draws(key, "name", folded)
    known = given_names() if folded in given_names() and folded not in family_names() else family_names()
    new = _listed(known, draws)
    while fold(new) == folded:
        new = _listed(known, draws)
    if len(word) == 1:
        return new[0]
    return new.upper() if word.isupper() else new.lower() if word.islower() else new


_STREET_ENDS = re.compile(
    r"(?:stra(?:ß|ss)e|str\.?|weg|allee|gasse|platz|damm|ufer|straat|laan|plein|gracht|kade|dijk|dreef|singel"
    r"|steeg|gatan|vägen|gränd|stigen|torget|backen)$",
    re.IGNORECASE,
)
_PARTICLES, _STREET_WORDS = words("particles"), words("street words")


def _address(value: str, key: bytes) -> str:
    def replaced(match: re.Match[str]) -> str:
        word = match[0]
        if word.lower() in _STREET_WORDS or not word[0].isupper() or len(word) < 3:
            return word
        ending = _STREET_ENDS.search(word)
        stem = word[: ending.start()] if ending else word
        draws = _Draws(key, "street", fold(word))
        new = _listed(family_names(), draws) if stem else ""
        return new + (word[ending.start() :] if ending else "")

    worded = _WORD.sub(replaced, value)
    draws = _Draws(key, "address", _same(value))
    return re.sub(r"\d+", lambda match: _scrambled(match[0], draws), worded)


def _birth_date(value: str, key: bytes) -> str:
    months = {month: (row, at) for row, calendar in enumerate(CALENDARS) for at, month in enumerate(calendar)}
    words = [word for word in re.findall(r"[^\W\d_]+", value.lower()) if word in months]
    numbers = [int(number) for number in re.findall(r"\d+", value)]
    # Day and month may come in any order: sorted they are one date in every spelling.
    known = sorted([number % 100 for number in numbers] + [months[word][1] + 1 for word in words[:1]])
    draws = _Draws(key, "birth_date", *map(str, known))
    shift, fresh = (-3, -2, -1, 1, 2, 3)[draws.below(6)], [draws.below(12) + 1, draws.below(12) + 1]

    def replaced(match: re.Match[str]) -> str:
        piece = match[0]
        if piece.isdigit():
            year = len(piece) == 4 or int(piece) > 31
            new = (int(piece) + shift) % 10 ** len(piece) if year else fresh[match.start() % 2]
            return f"{new:0{len(piece)}d}"
        if piece.lower() not in months:
            return piece
        new_month = CALENDARS[months[piece.lower()][0]][fresh[0] - 1]
        return new_month.capitalize() if piece[0].isupper() else new_month

    return re.sub(r"\d+|[^\W\d_]+", replaced, value)


def _ip(value: str, key: bytes) -> str:
    draws = _Draws(key, "ip", value.lower())
    if ":" in value:
        return "2001:db8:" + ":".join(f"{draws.below(65_536):x}" for _ in range(6))
    return "10." + ".".join(str(draws.below(254) + 1) for _ in range(3))


def _mac(value: str, key: bytes) -> str:
    draws = _Draws(key, "mac", _same(value))
    # 02: locally administered, so nobody's.
    signs = "02" + "".join(draws.one_of("0123456789abcdef") for _ in range(10))
    return _laid_over(value, signs if any(map(str.islower, value)) else signs.upper())


def _url(value: str, key: bytes) -> str:
    draws = _Draws(key, "url", value.lower())
    head = re.match(r"(?:\w+://)?(?:[^/@\s]*@)?[^/]+", value)
    if head is None:
        return _scrambled(value, draws)
    host = re.sub(r"(?<=//)[^/@]*(?=@)", lambda match: _scrambled(match[0], draws), head[0])
    rest = value[head.end() :]
    if "=" in rest:
        return host + re.sub(r"(?<==)[^&;\s]+", lambda match: _scrambled(match[0], draws), rest)
    return host + re.sub(r"[^/]+(?=/?$)", lambda match: _scrambled(match[0], draws), rest)


def _coordinates(value: str, key: bytes) -> str:
    draws = _Draws(key, "coordinates", value)

    def replaced(match: re.Match[str]) -> str:
        whole, _, decimals = match[0].partition(".")
        low, high = {1: (0, 10), 2: (10, 60)}.get(len(whole), (100, 180))
        new = str(low + draws.below(high - low))
        return new + ("." + "".join(draws.one_of("0123456789") for _ in decimals) if decimals else "")

    return re.sub(r"\d+(?:\.\d+)?", replaced, value)


def _secret(value: str, key: bytes) -> str:
    if len(value) > 400:  # a key block
        return "[SECRET]"
    forms = [form for _, form in KNOWN_FORMS.values() if form.fullmatch(value)]
    right = forms[0].fullmatch if forms else bool
    return _checked(value, _Draws(key, "secret", value), lambda new: bool(right(new)), keep=4)


def _username(value: str, key: bytes) -> str:
    return _scrambled(value, _Draws(key, "username", value.lower().lstrip("@")))


_MAKERS: dict[str, Callable[[str, bytes], str]] = {
    "name": _name,
    "email": _email,
    "phone": _phone,
    "card": _card,
    "iban": _iban,
    "address": _address,
    "birth_date": _birth_date,
    "ip": _ip,
    "mac": _mac,
    "url": _url,
    "coordinates": _coordinates,
    "secret": _secret,
    "username": _username,
}
