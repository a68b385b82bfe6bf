"""The noun of this room: Hit, one piece of personal data in a text; and the types it may be of."""

from __future__ import annotations

from dataclasses import dataclass

# type -> what a person reads in a finding: one, several
TYPES: dict[str, tuple[str, str]] = {
    "email": ("e-mail address", "e-mail addresses"),
    "phone": ("phone number", "phone numbers"),
    "card": ("payment card number", "payment card numbers"),
    "iban": ("IBAN", "IBANs"),
    "bank_account": ("bank account or routing number", "bank account or routing numbers"),
    "national_id": ("national identity number", "national identity numbers"),
    "tax_id": ("tax or VAT number", "tax or VAT numbers"),
    "passport": ("passport number", "passport numbers"),
    "driver_licence": ("driving licence number", "driving licence numbers"),
    "licence_plate": ("licence plate", "licence plates"),
    "medical_record": ("medical record number", "medical record numbers"),
    "birth_date": ("date of birth", "dates of birth"),
    "address": ("postal address", "postal addresses"),
    "coordinates": ("pair of coordinates", "pairs of coordinates"),
    "ip": ("IP address", "IP addresses"),
    "mac": ("MAC address", "MAC addresses"),
    "secret": ("key or token", "keys or tokens"),
    "username": ("user name", "user names"),
    "url": ("link to a person", "links to persons"),
    "name": ("name", "names"),
}


@dataclass(frozen=True, slots=True)
class Hit:
    """text[start:end] is personal data of this type; `confidence` in 0..1; `rule` names what recognised it."""

    type: str
    start: int
    end: int
    confidence: float
    rule: str = ""


def settle(hits: list[Hit]) -> list[Hit]:
    """Of hits that overlap the surest stays, of equally sure ones the longest; in reading order."""
    if len(hits) < 2:
        return hits
    kept: list[Hit] = []
    for hit in sorted(hits, key=lambda hit: (-hit.confidence, hit.start - hit.end, hit.start)):
        if all(hit.end <= other.start or other.end <= hit.start for other in kept):
            kept.append(hit)
    return sorted(kept, key=lambda hit: hit.start)
