"""Check digits of identity and tax numbers by the issuers' public rules; each judges letters and digits in capitals."""

from __future__ import annotations

from datetime import date

from metier.curate.privacy.checksums import iso7064_11_10, iso7064_97, luhn, verhoeff, weighted


def _calendar(year: int, month: int, day: int) -> bool:
    try:
        return date(year, month, day) is not None
    except ValueError:
        return False


def ssn(text: str) -> bool:
    """United States social security number: areas and groups never given out."""
    return text[:3] not in {"000", "666"} and text[0] != "9" and text[3:5] != "00" and text[5:] != "0000"


def nino(text: str) -> bool:
    """United Kingdom national insurance number: prefixes never given out."""
    return text[:2] not in {"BG", "GB", "NK", "KN", "TN", "NT", "ZZ"}


def nhs(text: str) -> bool:
    """United Kingdom NHS number."""
    return weighted(text, range(10, 0, -1)) % 11 == 0 and len(set(text)) > 1


def steuer_id(text: str) -> bool:
    """German tax identification number."""
    counts = sorted(text[:10].count(sign) for sign in set(text[:10]))
    # One digit stands twice or three times among the first ten, all others at most once.
    return counts[-1] in {2, 3} and counts[:-1] == [1] * (len(counts) - 1) and iso7064_11_10(text)


def nir(text: str) -> bool:
    """French social security number (INSEE)."""
    body = text[:13].replace("2A", "19").replace("2B", "18")
    month = int(body[3:5])
    return (
        body.isdigit()
        and (1 <= month <= 12 or 20 <= month <= 42 or month >= 50)
        and 97 - int(body) % 97 == int(text[13:])
    )


_DNI = "TRWAGMYFPDXBNJZSQVHLCKE"


def dni(text: str) -> bool:
    """Spanish identity card."""
    return _DNI[int(text[:8]) % 23] == text[8]


def nie(text: str) -> bool:
    """Spanish foreigner's number."""
    return _DNI[int(str("XYZ".index(text[0])) + text[1:8]) % 23] == text[8]


_ODD = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)


def codice_fiscale(text: str) -> bool:
    """Italian tax code of a person."""
    values = [int(sign) if sign.isdigit() else ord(sign) - 65 for sign in text[:15]]
    total = sum(_ODD[value] if at % 2 == 0 else value for at, value in enumerate(values))
    return chr(65 + total % 26) == text[15]


def bsn(text: str) -> bool:
    """Dutch citizen's number."""
    return weighted(text, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0 and len(set(text)) > 1


def belgian(text: str) -> bool:
    """Belgian national register number."""
    # The third figure of the month may carry 20 or 40 (bis numbers); born from 2000 a 2 stands before.
    fits = int(text[2:4]) % 20 <= 12 and int(text[4:6]) <= 31 and text[6:9] not in {"000", "999"}
    return fits and int(text[9:]) in {97 - int(text[:9]) % 97, 97 - int("2" + text[:9]) % 97}


def pesel(text: str) -> bool:
    """Polish PESEL."""
    century = {0: 1900, 2: 2000, 4: 2100, 6: 2200, 8: 1800}.get(int(text[2]) // 2 * 2, 1900)
    fits = _calendar(century + int(text[:2]), int(text[2:4]) % 20, int(text[4:6]))
    return fits and weighted(text, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def personnummer(text: str) -> bool:
    """Swedish personal number, ten or twelve digits."""
    short = text[-10:]
    day = int(short[4:6])
    return _calendar(2000, int(short[2:4]), day - 60 if day > 60 else day) and luhn(short)


def _mod11(text: str, weights: tuple[int, ...]) -> int:
    rest = weighted(text, weights) % 11
    return 0 if rest < 2 else 11 - rest


def cpf(text: str) -> bool:
    """Brazilian taxpayer of flesh and blood."""
    first, second = _mod11(text, tuple(range(10, 1, -1))), _mod11(text, tuple(range(11, 1, -1)))
    return text[9:] == f"{first}{second}" and len(set(text)) > 1


def cnpj(text: str) -> bool:
    """Brazilian firm."""
    weights = (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)
    return text[12:] == f"{_mod11(text[:12], weights[1:])}{_mod11(text[:13], weights)}" and len(set(text)) > 1


def aadhaar(text: str) -> bool:
    """Indian Aadhaar."""
    return verhoeff(text) and text != text[::-1]


def routing(text: str) -> bool:
    """United States bank routing number (ABA)."""
    return weighted(text, (3, 7, 1) * 3) % 10 == 0 and text != "000000000"


def vat_gb(text: str) -> bool:
    """British VAT number."""
    total = weighted(text[2:9], (8, 7, 6, 5, 4, 3, 2)) + int(text[9:11])
    return total % 97 == 0 or (total + 55) % 97 == 0


def vat_fr(text: str) -> bool:
    """French VAT number."""
    return luhn(text[4:]) and (12 + 3 * (int(text[4:]) % 97)) % 97 == int(text[2:4])


def cif(text: str) -> bool:
    """Spanish tax code of a firm."""
    check = int(_luhn_digit(text[1:8]))
    return text[8] in {str(check), "JABCDEFGHI"[check]}


def _luhn_digit(body: str) -> str:
    return next(sign for sign in "0123456789" if luhn(body + sign))


def vat_nl(text: str) -> bool:
    """Dutch VAT number."""
    return weighted(text[2:10], (9, 8, 7, 6, 5, 4, 3, 2)) % 11 == int(text[10]) or iso7064_97(text)


def nip(text: str) -> bool:
    """Polish tax number."""
    return weighted(text[-10:], (6, 5, 7, 2, 3, 4, 5, 6, 7)) % 11 == int(text[-1]) and len(set(text[-10:])) > 1


def vat_be(text: str) -> bool:
    """Belgian VAT number."""
    return 97 - int(text[2:10]) % 97 == int(text[10:])
