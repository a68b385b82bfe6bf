"""Names: by context in ten languages and by the gazetteer; what looks like a name and is none."""

from __future__ import annotations

import pytest

from metier.curate.privacy.detect import detect


def named(text: str) -> list[str]:
    return [text[hit.start : hit.end] for hit in detect(text) if hit.type == "name"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("My name is Johnathan Featherington", "Johnathan Featherington"),
        ("my name is john smith and i am angry", "john smith"),
        ("Hi, I'm Sarah", "Sarah"),
        ("Dear Mei,\nthanks", "Mei"),
        ("Dear Mr. Thompson's office", "Thompson"),
        ("Kind regards,\nEmily Clark", "Emily Clark"),
        ("Thanks, Chiara Caruso", "Chiara Caruso"),
        ("Smith, John called", "Smith, John"),
        ("ich heiße Torsten Überknall", "Torsten Überknall"),
        ("je m'appelle Solène Quelconque", "Solène Quelconque"),
        ("me llamo Iker Etxeberria", "Iker Etxeberria"),
        ("mi chiamo Gennaro Qualunque", "Gennaro Qualunque"),
        ("mijn naam is Sanne de Vries", "Sanne de Vries"),
        ("nazywam się Kinga Dowolna", "Kinga Dowolna"),
        ("jag heter Torbjörn Vilkensom", "Torbjörn Vilkensom"),
        ("meu nome é Jussara Qualquer", "Jussara Qualquer"),
        ("articulated by Lester R. Dragstedt, MD", "Lester R. Dragstedt"),
        ("María José García López has moved", "María José García López"),
    ],
)
def test_names_are_found(text: str, name: str) -> None:
    assert named(text) == [name]


@pytest.mark.parametrize(
    "text",
    [
        "May is nice in Paris, Will Mark be there in April",
        "Dear Customer, thanks Amazon",
        "Morgan Stanley, Charles Schwab, Wells Fargo, Calvin Klein",
        "Los Angeles Medical Center, San Antonio Texas, Victoria Station",
        "levels were determined by ELISA",
        "I really miss Todd, and I will miss payments",
        "Grace period of 30 days, Jack of all trades",
        "designed by tracy reese",
        "my name was wrong on the card",
        "Dr Pepper",
    ],
)
def test_what_is_no_name_is_left_alone(text: str) -> None:
    assert named(text) == []
