from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metier.pages import words

ANY_TEXT = st.text(st.characters(), max_size=80)  # lone surrogates and controls among them


@pytest.mark.parametrize(
    ("value", "unit", "seen"),
    [
        (0.9451, "%", "94.5%"),
        (0, "%", "0.0%"),
        (-0.00001, "%", "0.0%"),
        (-0.4, "", "\u22120.400"),
        (1.402, "", "1.40"),
        (12.0, "", "12"),
        (12.34, "days", "12.3\u00a0days"),
        (12345.6, "", "12,346"),
        (None, "%", "–"),
        (float("nan"), "", "–"),
        (float("inf"), "", "–"),
        ("0.5", "", "–"),
        (True, "", "–"),
    ],
)
def test_a_number_is_written_for_a_person(value, unit, seen):
    assert words.number(value, unit) == seen


def test_an_interval_names_its_unit_once_and_is_empty_when_an_end_is_unknown():
    assert words.interval(0.934, 0.951, "%") == "93.4 to 95.1%"
    assert words.interval(1.5, 2.5, "days") == "1.50 to 2.50\u00a0days"
    assert words.interval(None, 0.951, "%") == ""
    assert words.figure(0.945, 0.934, 0.951, "%") == "94.5% (93.4 to 95.1%)"


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        (0.0, "under 0.1 s"),
        (0.42, "0.4 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.9, "1 min"),
        (312, "5 min 12 s"),
        (719, "11 min"),
        (3599.7, "1 h"),
        (3900, "1 h 5 min"),
        (None, "–"),
    ],
)
def test_a_duration_is_written_in_its_largest_units(value, seen):
    assert words.seconds(value).replace("\u00a0", " ") == seen


@given(ANY_TEXT)
def test_cleaned_text_can_stand_in_a_page_and_in_xml(text):
    seen = words.clean(text)
    seen.encode()
    assert len(seen) == len(text)
    ElementTree.fromstring(f"<a>{words.breakable(text).replace('<wbr>', '')}</a>")


@given(ANY_TEXT, st.integers(2, 30), st.integers(1, 4))
def test_wrapped_text_fits_and_loses_nothing_but_what_the_ellipsis_stands_for(text, width, lines):
    wrapped = words.wrap(text, width, lines)
    assert 1 <= len(wrapped) <= lines
    whole = "".join(words.clean(text).split())
    kept = "".join("".join(wrapped).split())
    assert kept == whole or (kept.endswith("…") and whole.startswith(kept[:-1]))


@given(st.text("abcdefgh_-/. ", max_size=80), st.integers(2, 30), st.integers(1, 4))
def test_wrapped_lines_are_no_wider_than_wished(text, width, lines):
    assert max(map(words.columns, words.wrap(text, width, lines))) <= width


def test_label_names_break_after_underscores_and_joined_emoji_stay_whole():
    assert words.wrap("card_payment_wrong_exchange_rate", 20) == ["card_payment_wrong_", "exchange_rate"]
    assert words.wrap("a very long label that never ends", 10) == ["a very", "long labe…"]
    family = "👩\u200d👩\u200d👧"
    assert all(line.count("\u200d") % 2 == 0 for line in words.wrap(family * 4, 5, 9))


@given(ANY_TEXT, st.integers(1, 50))
def test_a_clipped_text_keeps_its_beginning_and_says_what_is_missing(text, length):
    seen, missing = words.clip(text, length), words.missing(text, length)
    if len(text) <= length:
        assert (seen, missing) == (words.clean(text), "")
    else:
        assert words.clean(text).startswith(seen[:-1])
        assert missing == f"({len(text) - length:,} more characters)"
