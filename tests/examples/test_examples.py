"""The bundled data: what the generators write is what is committed, and it holds what its READMEs say."""

from __future__ import annotations

import csv
import importlib.util
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from metier import examples
from metier.errors import DataError

HERE = Path(__file__).parents[2] / "examples"
MADE = {
    "support": {"tickets.csv", "tickets-test.csv", "planted.csv"},
    "credit": {"loans.csv"},
    "reviews": {"reviews.csv"},
}


def generator(name: str) -> ModuleType:
    title = f"example_{name}"
    spec = importlib.util.spec_from_file_location(title, HERE / name / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[title] = module  # dataclasses look their module up while it is being read
    spec.loader.exec_module(module)
    return module


def rows(name: str) -> list[dict[str, str]]:
    with (HERE / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", sorted(MADE))
def test_the_generator_gives_the_committed_bytes(name: str) -> None:
    made = generator(name).make()
    assert set(made) == MADE[name]
    for file, text in made.items():
        assert text.encode("utf-8") == (HERE / name / file).read_bytes(), f"run python examples/{name}/make.py"


@pytest.mark.parametrize("name", sorted(MADE))
def test_another_seed_gives_other_rows(name: str) -> None:
    module = generator(name)
    assert module.make(1) != module.make()


def test_every_example_folder_has_a_generator_and_a_readme_with_its_licence() -> None:
    folders = [folder for folder in sorted(HERE.iterdir()) if folder.is_dir() and folder.name != "__pycache__"]
    assert [folder.name for folder in folders] == sorted(MADE)
    for folder in folders:
        assert (folder / "make.py").is_file()
        assert "CC0" in (folder / "README.md").read_text(encoding="utf-8")


def test_every_intent_has_56_phrasings_that_no_other_has() -> None:
    files = sorted((HERE / "support" / "phrasings").glob("*.txt"))
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    assert len(files) == 26
    assert Counter(len(file.read_text(encoding="utf-8").splitlines()) for file in files) == {56: 26}
    assert len(set(lines)) == len(lines) == 1456


def test_no_brace_is_left_unfilled() -> None:
    texts = [row["text"] for name in ("tickets.csv", "tickets-test.csv") for row in rows(f"support/{name}")]
    texts += [row["text"] for row in rows("reviews/reviews.csv")]
    assert [text for text in texts if "{" in text or "}" in text] == []


def test_the_held_out_tickets_come_later_and_repeat_no_text() -> None:
    train, test = rows("support/tickets.csv"), rows("support/tickets-test.csv")
    assert len(train) == 1212
    assert len(test) == len({row["text"] for row in test}) == 300
    assert max(row["date"] for row in train) < min(row["date"] for row in test)
    assert {row["intent"] for row in train} == {row["intent"] for row in test}
    assert {row["text"] for row in train}.isdisjoint(row["text"] for row in test)
    assert len({row["ticket_id"] for row in train + test}) == 1512


def test_planted_rows_are_where_the_list_says() -> None:
    tickets, planted = rows("support/tickets.csv"), rows("support/planted.csv")
    assert Counter(row["kind"].split("-")[0] for row in planted) == {
        "duplicate": 60,
        "label": 50,
        "personal": 40,
        "offtopic": 20,
        "odd": 19,
        "language": 18,
    }
    assert len({row["row"] for row in planted}) == len(planted)
    for row in planted:
        ticket = tickets[int(row["row"])]
        assert ticket["ticket_id"] == row["ticket_id"]
        if row["kind"].startswith("personal"):
            assert row["detail"] in ticket["text"]
        elif row["kind"].startswith("label"):
            assert row["detail"] != ticket["intent"]
        elif row["kind"].startswith("duplicate"):
            original = tickets[int(row["detail"])]
            assert original["intent"] == ticket["intent"]
            assert (original["text"] == ticket["text"]) is (row["kind"] == "duplicate-exact")


def test_texts_repeat_only_where_that_was_planted() -> None:
    tickets, planted = rows("support/tickets.csv"), rows("support/planted.csv")
    copies = {int(row["row"]) for row in planted if row["kind"] == "duplicate-exact"}
    texts = [ticket["text"] for at, ticket in enumerate(tickets) if at not in copies and ticket["text"]]
    assert len(texts) == len(set(texts))


def test_planted_card_numbers_pass_luhn_and_ibans_their_checksum() -> None:
    planted = rows("support/planted.csv")
    cards = [row["detail"] for row in planted if row["kind"] == "personal-card"]
    ibans = [row["detail"].replace(" ", "") for row in planted if row["kind"] == "personal-iban"]
    assert len(cards) == len(ibans) == 7
    for card in cards:
        digits = [int(digit) for digit in reversed(card) if digit.isdigit()]
        assert (sum(digits[::2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])) % 10 == 0
    for iban in ibans:
        assert int("".join(str(int(sign, 36)) for sign in iban[4:] + iban[:4])) % 97 == 1


def test_loans_and_reviews_have_every_outcome_and_gaps_where_promised() -> None:
    loans, reviews = rows("credit/loans.csv"), rows("reviews/reviews.csv")
    assert len(loans) == 800
    assert 120 < sum(loan["default"] == "yes" for loan in loans) < 240
    gaps = {name for loan in loans for name, value in loan.items() if value == ""}
    assert gaps == {"annual_income", "years_employed", "debt_ratio", "housing", "purpose"}
    assert len(reviews) == len({review["text"] for review in reviews}) == 500
    assert min(Counter(review["rating"] for review in reviews).values()) >= 50
    assert {review["rating"] for review in reviews} == set("12345")


def test_path_finds_an_example() -> None:
    assert examples.path("support/tickets.csv") == HERE / "support" / "tickets.csv"


def test_path_names_what_there_is() -> None:
    with pytest.raises(DataError) as caught:
        examples.path("support/parrots.csv")
    assert caught.value.code == "no-such-example"
    assert "support/tickets.csv" in caught.value.found


def test_path_falls_back_to_the_copies_in_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    copies = tmp_path / "site-packages" / "metier"
    (copies / "_examples" / "support").mkdir(parents=True)
    (copies / "_examples" / "support" / "tickets.csv").write_text("text,intent\n")
    monkeypatch.setattr(examples, "_PACKAGE", copies)
    monkeypatch.setattr(examples, "_CHECKOUT", tmp_path)
    assert examples.path("support/tickets.csv") == copies / "_examples" / "support" / "tickets.csv"


def test_the_wheel_carries_every_example_that_users_are_told_of() -> None:
    import tomllib

    about = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    included = about["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    data = {f"examples/{name}/{file}" for name, files in MADE.items() for file in files if file != "planted.csv"}
    assert {source: f"metier/_{source}" for source in data} == included
