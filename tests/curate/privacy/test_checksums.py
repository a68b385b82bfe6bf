"""Check digits against published numbers, and against every slip of one digit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metier.curate.privacy import checksums, identity
from metier.curate.privacy.national import RULES, compact


@pytest.mark.parametrize("number", ["4111111111111111", "378282246310005", "6011111111111117", "30569309025904"])
def test_published_cards_are_right_and_a_changed_digit_is_seen(number: str) -> None:
    assert checksums.card(number)
    for at in range(len(number)):
        wrong = number[:at] + str((int(number[at]) + 1) % 10) + number[at + 1 :]
        assert not checksums.luhn(wrong)


@pytest.mark.parametrize("number", ["GB82WEST12345698765432", "DE89370400440532013000", "FR1420041010050500013M02606"])
def test_published_ibans(number: str) -> None:
    assert checksums.iban(number)
    assert not checksums.iban(number[:-1])
    assert not checksums.iban(number[:4] + number[5] + number[4] + number[6:]) or number[4] == number[5]


def test_verhoeff_sees_every_slip_and_every_swap() -> None:
    number = "234123412346"
    assert checksums.verhoeff(number)
    for at in range(len(number) - 1):
        assert not checksums.verhoeff(number[:at] + str((int(number[at]) + 3) % 10) + number[at + 1 :])
        if number[at] != number[at + 1]:
            assert not checksums.verhoeff(number[:at] + number[at + 1] + number[at] + number[at + 2 :])


@pytest.mark.parametrize(
    ("judge", "right", "wrong"),
    [
        (identity.ssn, "123456789", "666456789"),
        (identity.nhs, "9434765919", "9434765918"),
        (identity.steuer_id, "86095742719", "86095742718"),
        (identity.nir, "255081416802538", "255081416802539"),
        (identity.dni, "12345678Z", "12345678A"),
        (identity.nie, "X1234567L", "Y1234567L"),
        (identity.codice_fiscale, "RSSMRA85T10A562S", "RSSMRA85T10A562T"),
        (identity.bsn, "111222333", "111222334"),
        (identity.belgian, "93051822361", "93051822362"),
        (identity.pesel, "44051401359", "44051401358"),
        (identity.personnummer, "8112189876", "8112189875"),
        (identity.cpf, "52998224725", "52998224726"),
        (identity.cpf, "52998224725", "11111111111"),
        (identity.cnpj, "11222333000181", "11222333000182"),
        (identity.routing, "021000021", "021000022"),
        (identity.vat_gb, "GB980780684", "GB980780685"),
        (identity.vat_fr, "FR40303265045", "FR41303265045"),
        (identity.nip, "5261040828", "5261040829"),
    ],
)
def test_published_numbers(judge: object, right: str, wrong: str) -> None:
    assert callable(judge)
    assert judge(right)
    assert not judge(wrong)


@given(st.from_regex(r"\A[0-9A-Z]{4,20}\Z"))
def test_no_rule_stumbles_over_what_its_form_lets_through(text: str) -> None:
    for rule in RULES:
        for match in rule.pattern.finditer(text):
            assert rule.valid(compact(match[0])) in {True, False}


def test_there_are_identity_numbers_of_ten_countries_or_more() -> None:
    countries = {rule.name.split("-")[0] for rule in RULES if rule.type == "national_id"}
    assert len(countries) >= 10
