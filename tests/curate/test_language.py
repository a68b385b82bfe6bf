"""Texts in another language are found; short, odd and sloppy texts of the own language are not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from metier.curate import language
from metier.curate.columns import TextColumn
from metier.errors import UsageError

ENGLISH = [
    "I am still waiting for my new card to arrive",
    "Why was I charged a fee for this transfer?",
    "How do I change my pin at the machine",
    "my payment was declined in the shop today",
    "Can I top up with a cheque or only with cash?",
    "The exchange rate for my purchase was wrong",
    "please help me to close the account",
    "what is the limit for transfers to a friend",
]
SLOPPY = ["ok", "hi", "no", "pin?", "Visa?", "lol thx u 2", "only transfer have", "card pls", "?!", "42", "top up",
          "Hello Dr Müller", "sent 2 u b4", "yes i am", "SEPA IBAN BIC", "#help @user", "in", "Mastercard"]  # fmt: skip
OTHERS = {
    "de": "Wie kann ich meine verlorene Karte sperren lassen?",
    "fr": "Pourquoi m'a-t-on facturé des frais pour ce virement ?",
    "es": "¿Por qué me cobraron una comisión por la transferencia?",
    "it": "Perché mi è stata addebitata questa commissione?",
    "nl": "Waarom zijn er kosten in rekening gebracht voor mijn overschrijving?",
    "pl": "Dlaczego pobrano ode mnie opłatę za ten przelew?",
    "pt": "Por que me cobraram uma taxa por esta transferência?",
    "sv": "Hur kan jag spärra mitt förlorade kort?",
    "tr": "Kaybettiğim kartımı nasıl bloke edebilirim?",
    "ru": "Почему с меня взяли комиссию за перевод?",
    "zh": "我怎么冻结我丢失的卡？",
}


def asked(texts: list[str], *wanted: str) -> tuple[list[Any], dict[str, Any]]:
    side: Any = SimpleNamespace(examples=SimpleNamespace(rows=np.arange(len(texts))), file="data.csv")
    return language.look(TextColumn("text", pa.chunked_array([pa.array(texts)])), side, wanted)


def test_texts_of_eleven_other_languages_are_found_and_no_other_row() -> None:
    texts = ENGLISH * 10 + SLOPPY + list(OTHERS.values())
    findings, facts = asked(texts)
    first = len(texts) - len(OTHERS)
    assert all(finding.row >= first for finding in findings)
    found = {list(OTHERS)[finding.row - first]: finding for finding in findings}
    assert len(found) >= 10
    assert all(finding.facts["language"] == code for code, finding in found.items())
    assert {(finding.kind, finding.action) for finding in findings} == {("wrong_language", "review")}
    assert facts["expected"] == ["en"]
    assert facts["share"]["en"] > 0.8
    assert facts["rows"] == len(findings)


def test_the_languages_asked_for_belong() -> None:
    texts = ENGLISH * 3 + [OTHERS["de"], OTHERS["fr"]] * 3
    rows = {finding.row for finding in asked(texts, "en", "de")[0]}
    assert rows == {25, 27, 29}


def test_without_a_dominant_language_nothing_is_wrong() -> None:
    findings, facts = asked([*ENGLISH[:4], *OTHERS.values()])
    assert findings == []
    assert facts["expected"] == []


def test_a_foreign_script_needs_few_letters() -> None:
    (finding,) = asked([*ENGLISH, "Где моя карта?"])[0]
    assert finding.row == len(ENGLISH)


def test_an_english_based_creole_counts_as_english() -> None:
    assert asked([*ENGLISH * 3, "how do i get a pin for my card", "Me sef dey laugh you oh"])[0] == []


def test_an_unknown_language_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="klingon"):
        asked(ENGLISH, "klingon")


def test_no_texts_no_answer() -> None:
    assert asked(["", "12", "?"])[0] == []
