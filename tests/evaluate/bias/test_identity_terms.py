"""Identity terms: the shipped lists are sound, a user's own file is read or refused with what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from metier.errors import UsageError
from metier.evaluate.bias.identity_terms import load, shipped
from metier.evaluate.bias.swap_texts import NEUTRAL, Wordings, exchanged, wordings

AXES = {"age", "disability", "ethnicity", "gender", "names", "nationality", "orientation", "religion"}


def axis(name: str) -> Any:
    return next(terms for terms in shipped() if terms.axis == name)


def texts(found: Wordings | None, identity: str) -> list[str]:
    assert found is not None
    return [version.text for version in found.versions if version.identity == identity]


def test_the_shipped_lists_name_every_axis_and_no_term_twice() -> None:
    assert {terms.axis for terms in shipped()} == AXES
    for terms in shipped():
        assert len(terms.identities) >= 2
        slots = [set(each) for each in terms.identities.values()]
        assert all(each == slots[0] for each in slots), terms.axis
        assert not terms.neutral or set(terms.neutral) == slots[0]
        owners: dict[str, set[str]] = {}
        for identity, each in terms.identities.items():
            for word in (word for words in each.values() for word in words):
                owners.setdefault(word.lower(), set()).add(identity)
        assert all(len(names) == 1 for names in owners.values()), terms.axis


def test_a_swap_keeps_grammar_case_and_all_else() -> None:
    found = wordings(0, "He told his wife that the fault is his. I saw him with a dog.", axis("gender"))
    assert texts(found, "female") == ["She told her husband that the fault is hers. I saw her with a dog."]
    back = wordings(0, "She said her bag is hers; I saw her yesterday, and her dog.", axis("gender"))
    assert texts(back, "male") == ["He said his bag is his; I saw him yesterday, and his dog."]
    assert texts(wordings(0, "SHE IS HERE", axis("gender")), "male") == ["HE IS HERE"]
    assert texts(wordings(0, "emily's dog", axis("names")), "arabic")[0] == "fatima's dog"


def test_articles_follow_and_two_identities_are_exchanged() -> None:
    found = wordings(0, "an atheist man met a Muslim", axis("religion"))
    assert texts(found, "muslim") == ["a Muslim man met an atheist", "an Islamic man met an atheist"]
    assert texts(found, "jewish") == ["a Jewish man met a Muslim"]
    assert texts(wordings(0, "A German came", axis("nationality")), "american") == ["An American came"]


def test_only_whole_words_count() -> None:
    assert wordings(0, "the theme of this shelter is there", axis("gender")) is None
    assert wordings(0, "hindustan and christianson", axis("religion")) is None


def test_the_text_as_it_stands_is_the_first_version_and_neutral_words_fill_the_same_place() -> None:
    found = wordings(3, "that Muslim driver waved", axis("religion"))
    assert found is not None
    assert (found.row, found.identity, found.versions[0].text) == (3, "muslim", "that Muslim driver waved")
    assert "that tall driver waved" in texts(found, NEUTRAL)
    assert len({version.text for version in found.versions}) == len(found.versions)


def test_a_word_of_the_data_is_exchanged_in_its_own_case() -> None:
    assert exchanged("Bus, bus and BUS, not abuse", "bus", "car") == "Car, car and CAR, not abuse"


def write(folder: Path, content: Any) -> Path:
    path = folder / "swaps.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_a_users_file_adds_axes_and_replaces_those_of_the_same_name(tmp_path: Path) -> None:
    own = {"region": {"north": ["Hamburg", "Kiel"], "south": ["Munich"], "neutral": ["Springfield", "Lakeside"]},
           "gender": {"male": ["he", "his"], "female": ["she", "her"]}}  # fmt: skip
    found = {terms.axis: terms for terms in load(write(tmp_path, own))}
    assert set(found) == AXES | {"region"}
    assert texts(wordings(0, "his dog and he", found["gender"]), "female") == ["her dog and she"]
    moved = wordings(0, "a train to Munich", found["region"])
    assert texts(moved, "north") == ["a train to Hamburg", "a train to Kiel"]
    assert texts(moved, NEUTRAL) == ["a train to Springfield", "a train to Lakeside"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "Expecting"),
        ([], "an empty list"),
        ({}, "an empty object"),
        ({"region": ["north"]}, "region: a list instead of identities"),
        ({"region": {"north": ["Kiel"]}}, "region: fewer than two identities"),
        ({"region": {"north": ["Kiel"], "neutral": ["here"]}}, "region: fewer than two identities"),
        ({"region": {"north": [], "south": ["Ulm"]}}, "region: north: an empty list instead"),
        ({"region": {"north": "Kiel", "south": ["Ulm"]}}, "region: north: a text instead"),
        ({"region": {"north": ["Kiel", 3], "south": ["Ulm"]}}, "region: north: 3 is no term"),
        ({"region": {"north": ["Kiel"], "south": ["kiel"]}}, "region: 'kiel' is both north and south"),
    ],
)
def test_a_bad_file_is_refused_with_what_was_found(tmp_path: Path, content: Any, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(write(tmp_path, content))
    assert caught.value.code == "bad-swaps"
    assert said in caught.value.found
    assert '"neutral"' in caught.value.fix


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--swaps"):
        load(tmp_path / "none.json")
