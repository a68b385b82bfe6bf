"""What is found and what is not: by hand-written texts of many countries, and by properties of any text."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metier.curate.privacy import mask
from metier.curate.privacy.detect import detect
from metier.curate.privacy.hits import TYPES


def found(text: str) -> list[tuple[str, str]]:
    return [(hit.type, text[hit.start : hit.end]) for hit in detect(text)]


@pytest.mark.parametrize(
    ("text", "type_", "value"),
    [
        ("Write to ada.byron+x@mail.example.org, please", "email", "ada.byron+x@mail.example.org"),
        ("jürgen@müller.de", "email", "jürgen@müller.de"),
        ("jane [at] example [dot] com", "email", "jane [at] example [dot] com"),
        ("Call me: 555-123-4567", "phone", "555-123-4567"),
        ("(212)555-0199", "phone", "(212)555-0199"),
        ("Handy 0171/1234567", "phone", "0171/1234567"),
        ("+49 (0)30 123456-78", "phone", "+49 (0)30 123456-78"),
        ("06 12 34 56 78", "phone", "06 12 34 56 78"),
        ("(11) 98765-4321", "phone", "(11) 98765-4321"),
        ("(4111 1111 1111 1111)", "card", "4111 1111 1111 1111"),
        ("card 4111111111111111 exp 12/26", "card", "4111111111111111"),
        ("Amex 3782-822463-10005", "card", "3782-822463-10005"),
        ("DE89 3704 0044 0532 0130 00 Danke", "iban", "DE89 3704 0044 0532 0130 00"),
        ("gb82west12345698765432", "iban", "gb82west12345698765432"),
        ("My SSN is 123-45-6789.", "national_id", "123-45-6789"),
        ("national insurance AB 12 34 56 C", "national_id", "AB 12 34 56 C"),
        ("NHS number 943 476 5919", "national_id", "943 476 5919"),
        ("Steuer-ID 86 095 742 719", "national_id", "86 095 742 719"),
        ("NIR 2 55 08 14 168 025 38", "national_id", "2 55 08 14 168 025 38"),
        ("DNI 12345678Z", "national_id", "12345678Z"),
        ("NIE X1234567L", "national_id", "X1234567L"),
        ("rssmra85t10a562s", "national_id", "rssmra85t10a562s"),
        ("BSN 111222333", "national_id", "111222333"),
        ("PESEL 44051401359", "national_id", "44051401359"),
        ("rijksregisternummer 93.05.18-223.61", "national_id", "93.05.18-223.61"),
        ("personnummer 811218-9876", "national_id", "811218-9876"),
        ("CPF 529.982.247-25", "national_id", "529.982.247-25"),
        ("Aadhaar 2341 2341 2346", "national_id", "2341 2341 2346"),
        ("192.168.1.100 logged in", "ip", "192.168.1.100"),
        ("IP:2001:0db8:85a3::8a2e:0370:7334", "ip", "2001:0db8:85a3::8a2e:0370:7334"),
        ("00:1B:44:11:3A:B7", "mac", "00:1B:44:11:3A:B7"),
        ("I live at 221B Baker Street, London NW1 6XE.", "address", "221B Baker Street, London NW1 6XE"),
        ("123 Main St, Springfield, IL 62704", "address", "123 Main St, Springfield, IL 62704"),
        ("Hauptstraße 5, 10115 Berlin", "address", "Hauptstraße 5, 10115 Berlin"),
        ("12 rue des Lilas, 75002 Paris", "address", "12 rue des Lilas, 75002 Paris"),
        ("Calle de Alcalá 45, 28014 Madrid", "address", "Calle de Alcalá 45, 28014 Madrid"),
        ("Via Roma 10, 00184 Roma", "address", "Via Roma 10, 00184 Roma"),
        ("Kerkstraat 12, 1015 CJ Den Haag", "address", "Kerkstraat 12, 1015 CJ Den Haag"),
        ("ul. Długa 10/5, 00-590 Warszawa", "address", "ul. Długa 10/5, 00-590 Warszawa"),
        ("Storgatan 12, 111 22 Stockholm", "address", "Storgatan 12, 111 22 Stockholm"),
        ("Rua Augusta, 1500 - São Paulo", "address", "Rua Augusta, 1500 - São Paulo"),
        ("born 12/03/1985", "birth_date", "12/03/1985"),
        ("nascida em: 11 de novembro de 1961", "birth_date", "11 de novembro de 1961"),
        ("Passport No. C01X00T47", "passport", "C01X00T47"),
        ("patient id 445-887-21", "medical_record", "445-887-21"),
        ("AKIAIOSFODNN7EXAMPLE", "secret", "AKIAIOSFODNN7EXAMPLE"),
        ("password: Tr0ub4dor&3", "secret", "Tr0ub4dor&3"),
        ("api_key=9f8e7d6c5b4a39281706f5e4d3c2b1a0", "secret", "9f8e7d6c5b4a39281706f5e4d3c2b1a0"),
        ("sort code 12-34-56", "bank_account", "12-34-56"),
        ("routing number 021000021", "bank_account", "021000021"),
        ("USt-IdNr. DE136695976", "tax_id", "DE136695976"),
        ("number plate AB12 CDE", "licence_plate", "AB12 CDE"),
        ("driver's license D1234567", "driver_licence", "D1234567"),
        ("username: jdoe_42", "username", "jdoe_42"),
        ("follow @jane_doe", "username", "@jane_doe"),
        ("see linkedin.com/in/jane-doe-123", "url", "linkedin.com/in/jane-doe-123"),
        ("40.712812, -74.006015", "coordinates", "40.712812, -74.006015"),
        ("40°26'46\"N 79°58'56\"W", "coordinates", "40°26'46\"N 79°58'56\"W"),
    ],
)
def test_it_is_found_to_the_letter(text: str, type_: str, value: str) -> None:
    assert found(text) == [(type_, value)]


@pytest.mark.parametrize(
    "text",
    [
        "order 4111111111111111",
        "4111 1111 1111 1112 fails its check digit",
        "DE89 3704 0044 0532 0130 01",
        "Order #123-4567890-1234567",
        "ISBN 978-3-16-148410-0, 0-306-40615-2",
        "Firmware 1.2.3.4, version 10.0.190.3",
        "12:30:45 on 01.02.2024",
        "price 1,234,567.89 USD or € 1.234.567,89",
        "$1234567890 was paid from my account {$430.00}",
        "sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "uuid 123e4567-e89b-12d3-a456-426614174000",
        "tracking 1Z999AA10123456784",
        "my phone broke after 2 weeks and 3 calls",
        "the account was opened in 2015, my passport expired in 2020",
        "password must have 8 characters, username already taken",
        "lodash@4.17.21 and image@2x.png and git@github.com:org/repo.git",
        "https://example.com/help/faq",
        "released 12/03/1985, delivered on 01.02.2024",
        "zamówienie 44051401359",
        "2024-01-15T10:30:00Z 1705312200000",
        "@user @user hello",
        "Spring 2024 deals, platform 9, auf Platz 3, 12 March St Patrick",
        "123456789 and 12345678901 units",
        "My name is XXXX XXXX",
        "",
        "\ud800\x00",
    ],
)
def test_what_only_looks_like_it_is_left_alone(text: str) -> None:
    assert found(text) == []


def test_the_nearest_words_decide_what_a_number_is() -> None:
    assert found("order 12345678, passport 123456789") == [("passport", "123456789")]
    assert found("my passport is fine, order 123456789") == []
    text = "routing number 021000021 account 123456789012 card 4111111111111111"
    assert [type_ for type_, _ in found(text)] == ["bank_account", "bank_account", "card"]


def test_several_in_one_text_without_blanks_around() -> None:
    text = "(ada@example.org)/4111111111111111;DE89370400440532013000,192.168.0.17"
    assert [type_ for type_, _ in found(text)] == ["email", "card", "iban", "ip"]


def test_exempt_patterns_win() -> None:
    text = "paid with 4111111111111111 and 5500005555555559"
    assert len(detect(text)) == 2
    assert [hit.start for hit in detect(text, [re.compile(r"4\d{15}")])] == [text.index("5500")]


@given(st.text(alphabet=st.sampled_from(" \n@.:-+()/0123456789abAZéß'[]") | st.characters(), max_size=200))
def test_any_text_gives_hits_in_order_within_it_and_apart(text: str) -> None:
    end = 0
    for hit in detect(text):
        assert hit.type in TYPES
        assert end <= hit.start < hit.end <= len(text)
        assert 0.5 <= hit.confidence <= 1
        end = hit.end


@given(st.sampled_from(["ada@example.org", "4111111111111111", "AKIAIOSFODNN7EXAMPLE"]), st.text(max_size=30))
def test_what_says_itself_is_found_between_any_two_blanks(value: str, around: str) -> None:
    assert value not in mask(f"x {value} {around}")


def test_a_masked_text_holds_nothing_more() -> None:
    text = "I am Ada Byron, ada@example.org, call 555-123-4567, born 12/03/1985, card 4111111111111111"
    masked = mask(text)
    assert masked == "I am [NAME], [EMAIL], call [PHONE], born [BIRTH_DATE], card [CARD]"
    assert mask(masked) == masked


def test_masking_loads_no_heavy_library() -> None:
    code = (
        "import json, sys; from metier.curate.privacy import mask; mask('a@b.org, Ms Byron, 4111111111111111');"
        "print(json.dumps([name for name in ('torch', 'numpy', 'pyarrow', 'sklearn', 'pydantic') if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == []
