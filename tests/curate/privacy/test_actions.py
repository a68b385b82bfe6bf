"""What is done with what was found: choices that are refused, masks, and pseudonyms that stay and cannot be undone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metier.curate.privacy import checksums, masked
from metier.curate.privacy.actions import exemptions, rewrite, treatments
from metier.curate.privacy.detect import detect
from metier.curate.privacy.hits import TYPES
from metier.curate.privacy.keys import FILE, VARIABLE, pseudonym_key
from metier.curate.privacy.national import BY_NAME, compact
from metier.errors import UsageError
from metier.plan import PrivacyPlan

KEY = b"a key of the tests, long enough"
PSEUDONYM = treatments(["all=pseudonym"])


def renamed(text: str, key: bytes = KEY) -> str:
    return rewrite(text, detect(text), PSEUDONYM, key)


def test_every_type_is_masked_unless_told_otherwise() -> None:
    assert set(treatments(()).values()) == {"mask"}
    assert set(treatments(())) == set(TYPES)
    chosen = treatments(["email=keep, card=drop", "all=pseudonym"])
    assert (chosen["email"], chosen["card"], chosen["iban"]) == ("keep", "drop", "pseudonym")


def test_unknown_types_and_actions_are_told_together() -> None:
    with pytest.raises(UsageError) as error:
        treatments(["emial=mask", "card=burn", "iban", "phone=mask", "phone=keep"])
    for part in ("emial=mask: no such type", "card=burn: no such action", "iban: no such action", "two actions"):
        assert part in error.value.found
    assert "licence_plate" in error.value.fix
    assert "pseudonym" in error.value.fix


def test_a_pattern_that_cannot_be_read_is_named() -> None:
    with pytest.raises(UsageError, match=r"\(\[: unterminated"):
        exemptions([r"ORD-\d+", "(["])


def test_each_type_may_be_treated_its_own_way() -> None:
    text = "Ms Byron, ada@example.org, 4111111111111111"
    done = rewrite(text, detect(text), {"name": "keep", "card": "drop"})
    assert done == "Ms Byron, [EMAIL], [CARD]"


def test_a_pseudonym_without_a_key_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="needs a key"):
        rewrite("ada@example.org", detect("ada@example.org"), PSEUDONYM)


def test_the_same_person_stays_the_same_person() -> None:
    whole = renamed("My name is Ada Byron")
    assert whole != "My name is Ada Byron"
    family = whole.split()[-1]
    assert renamed("Ms Byron called") == f"Ms {family} called"
    assert renamed("my name is ADA BYRON").lower() == whole.lower()
    assert renamed("mail ada@example.org") == renamed("mail ADA@EXAMPLE.ORG")
    one, other = renamed("call +49 171 1234567"), renamed("call 0171 1234567")
    assert one[-7:] == other[-7:] != "1234567"


@pytest.mark.parametrize(
    "text",
    [
        "5500-0000-0000-0004",
        "de89 3704 0044 0532 0130 00",
        "SSN 123-45-6789",
        "NHS number 943 476 5919",
        "Steuer-ID 86 095 742 719",
        "NIR 2 55 08 14 168 025 38",
        "DNI 12345678Z",
        "codice fiscale RSSMRA85T10A562S",
        "BSN 111222333",
        "PESEL 44051401359",
        "rijksregisternummer 93.05.18-223.61",
        "personnummer 811218-9876",
        "CPF 529.982.247-25",
        "Aadhaar 2341 2341 2346",
        "USt-IdNr. DE136695976",
        "routing number 021000021",
        "ada.byron@example.org",
        "192.168.1.100 was it",
        "00:1B:44:11:3A:B7",
        "I live at 221B Baker Street",
        "born March 12, 1985",
        "geboren am 12.03.1985",
        "passport X1234567",
        "number plate AB12 CDE",
        "40.712812, -74.006015",
        "AKIAIOSFODNN7EXAMPLE",
        "username: jdoe_42",
        "see linkedin.com/in/jane-doe-123",
        "My name is Ada Byron",
    ],
)
def test_a_pseudonym_keeps_its_form_and_its_check_digit(text: str) -> None:
    before, after = detect(text), renamed(text)
    again = detect(after)
    assert len(before) == 1
    assert [(hit.type, hit.start) for hit in again] == [(before[0].type, before[0].start)]
    old, new = text[before[0].start : before[0].end], after[again[0].start : again[0].end]
    assert new != old
    assert renamed(text) == after != renamed(text, b"another key of the tests, as long")
    if before[0].type in {"card", "iban", "national_id", "tax_id", "bank_account"}:
        assert re.sub(r"\w", "x", new) == re.sub(r"\w", "x", old)
        judge = {"card": checksums.card, "iban": checksums.iban}.get(before[0].type) or BY_NAME[before[0].rule].valid
        assert judge(compact(new))


@given(st.integers(0, 10**7))
def test_pseudonyms_of_many_people_differ(number: int) -> None:
    one, other = (renamed(f"call +44 20 7{value:07d}") for value in (number, (number + 1) % 10**7))
    assert one != other


def test_the_page_masks_all_but_what_the_plan_keeps_or_exempts() -> None:
    text = "ada@example.org and 4111111111111111 and bob@example.org"
    plan = PrivacyPlan(privacy=("email=keep", "card=pseudonym"))
    assert masked(text, plan) == "ada@example.org and [CARD] and bob@example.org"
    assert masked(text, PrivacyPlan(exempt=("bob@.*",))) == "[EMAIL] and [CARD] and bob@example.org"


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    workspace = tmp_path / "deep" / "workspace"
    key = pseudonym_key(workspace)
    assert pseudonym_key(workspace) == key
    assert len(key) == 64
    assert (workspace / FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in workspace.iterdir()] == [FILE]
    assert pseudonym_key(tmp_path / "other") != key


def test_the_environments_key_comes_first_and_must_be_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "sixteen letters!")
    assert pseudonym_key(tmp_path) == b"sixteen letters!"
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv(VARIABLE, "short")
    with pytest.raises(UsageError, match="5 characters in METIER_PSEUDONYM_KEY"):
        pseudonym_key(tmp_path)
