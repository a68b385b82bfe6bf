"""The question put to whole tables: every column of text, both files, and nothing personal in what is said of them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metier.curate import room
from metier.curate.findings import Answer, Finding
from metier.curate.material import Material
from metier.curate.privacy import ask
from metier.curate.privacy.keys import FILE, VARIABLE
from metier.errors import UsageError
from metier.lifecycle import read
from metier.plan import Plan
from metier.progress import Silent
from metier.trunk import base as bases
from metier.trunk.features import Trunk
from metier.workspace import Workspace

NAMES = ["Ada Byron", "John Smith", "Zorblat Quux", "Maria Garcia", "Sanne de Vries", "Bo Li"]
MAIL = "user{}@example.org"
Asking = Callable[..., tuple[Material, Answer]]


def rows(count: int) -> list[dict[str, str]]:
    return [
        {
            "order_id": f"41111111111111{number:02d}",
            "customer_name": NAMES[number % 6],
            "contact": MAIL.format(number),
            "phone": f"555{1000000 + number * 7}",
            "text": "please cancel my order 12345678"
            if number % 2
            else f"I am {NAMES[0]}, card 4111 1111 1111 1111, or {MAIL.format(number)}, ticket 2024-001{number:02d}",
            "label": "ab"[number % 2],
        }
        for number in range(count)
    ]


@pytest.fixture
def asking(tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> Asking:
    monkeypatch.delenv(VARIABLE, raising=False)

    def ask_of(data: Path, test: Path | None = None, **choices: object) -> tuple[Material, Answer]:
        plan, place = Plan.of(target="label", **choices), Workspace(tmp_path / "workspace")
        held_out = None if test is None else read(test, plan, place)
        trunk = Trunk(bases.find(str(tiny_base)), place.cache)
        material = room.gather(read(data, plan, place), held_out, trunk, plan, Silent())
        return material, ask(material)

    return ask_of


def write(path: Path, table: list[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(table[0]))
        writer.writeheader()
        writer.writerows(table)
    return path


def of(answer: Answer, column: str, row: int | None) -> Finding:
    return next(one for one in answer.findings if (one.column, one.row) == (column, row))


def test_every_column_of_text_is_read_and_rewritten(asking: Asking, tmp_path: Path) -> None:
    _, answer = asking(write(tmp_path / "t.csv", rows(40)))
    finding = of(answer, "text", 2)
    assert finding.kind == "personal_data"
    assert finding.action == "rewrite"
    assert finding.suggestion == "I am [NAME], card [CARD], or [EMAIL], ticket 2024-00102"
    assert finding.facts["types"] == {"name": 1, "card": 1, "email": 1}
    assert of(answer, "phone", 7).suggestion == "[PHONE]"
    assert not [one for one in answer.findings if one.column in {"order_id", "label"}]
    assert not [one for one in answer.findings if one.column == "text" and (one.row or 0) % 2]
    assert answer.facts["columns"]["text"] == {"name": 20, "card": 20, "email": 20}
    assert answer.facts["types"]["email"] == 60
    assert answer.facts["rows"] == 40


def test_a_column_that_is_one_of_mail_addresses_or_names_is_told_as_such(asking: Asking, tmp_path: Path) -> None:
    _, answer = asking(write(tmp_path / "t.csv", rows(40)))
    about = of(answer, "contact", None)
    assert about.detail == "The column contact is one of e-mail addresses: 100% of its values are nothing else."
    assert about.facts["type"] == "email"
    # A name no list has is as personal as its neighbours.
    assert of(answer, "customer_name", 2).suggestion == "[NAME]"
    assert not [one for one in answer.findings if one.column == "text" and one.row is None]


def test_a_nameless_column_of_names_takes_its_unknown_names_along(asking: Asking, tmp_path: Path) -> None:
    table = [{"q": one["customer_name"], "text": "my card is late", "label": one["label"]} for one in rows(60)]
    _, answer = asking(write(tmp_path / "t.csv", table))
    unknown = of(answer, "q", 2)
    assert unknown.suggestion == "[NAME]"
    assert unknown.score < 0.9


def test_findings_never_quote_what_they_found(asking: Asking, tmp_path: Path) -> None:
    _, answer = asking(write(tmp_path / "t.csv", rows(40)), privacy=("all=pseudonym",))
    told = json.dumps([[one.detail, dict(one.facts)] for one in answer.findings] + [dict(answer.facts)])
    assert json.loads(json.dumps([one.as_json() for one in answer.findings]))
    for secret in ("Byron", "4111", "user2", "5551000014"):
        assert secret not in told
        assert not [one for one in answer.findings if secret in str(one.suggestion)]


def test_the_test_file_is_read_too(asking: Asking, tmp_path: Path) -> None:
    held_out = write(tmp_path / "held.csv", rows(10))
    _, answer = asking(write(tmp_path / "t.csv", rows(40)), held_out)
    assert {one.file for one in answer.findings} == {str(tmp_path / "t.csv"), str(held_out)}
    assert answer.facts["files"][str(held_out)]["rows"] == 10


def test_actions_by_type(asking: Asking, tmp_path: Path) -> None:
    data = write(tmp_path / "t.csv", rows(40))
    _, answer = asking(data, privacy=("card=drop", "name=keep", "email=pseudonym"), exempt=(r"user4@.*",))
    assert of(answer, "text", 2).action == "drop"
    assert of(answer, "customer_name", 0).action == "keep"
    assert of(answer, "customer_name", 0).suggestion is None
    new = of(answer, "contact", 2).suggestion
    assert new != MAIL.format(2)
    assert new in of(answer, "text", 2).suggestion
    assert "I am Ada Byron, card [CARD]" in of(answer, "text", 2).suggestion
    assert MAIL.format(4) in of(answer, "text", 4).suggestion
    assert (tmp_path / "workspace" / FILE).exists()
    assert set(answer.facts["actions"].values()) <= {"keep", "mask", "pseudonym", "drop"}


def test_no_key_is_made_where_none_is_needed(asking: Asking, tmp_path: Path) -> None:
    asking(write(tmp_path / "t.csv", rows(20)))
    assert not (tmp_path / "workspace" / FILE).exists()


def test_bad_choices_are_refused_before_any_row_is_read(asking: Asking, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="emial"):
        asking(write(tmp_path / "t.csv", rows(20)), privacy=("emial=mask",))


def test_a_target_that_names_people_is_told_and_left_alone(asking: Asking, tmp_path: Path) -> None:
    table = [{"text": f"who wrote line {n}", "label": NAMES[n % 2]} for n in range(40)]
    _, answer = asking(write(tmp_path / "t.csv", table))
    assert [(one.column, one.row, one.action) for one in answer.findings] == [("label", None, "review")]


def test_typed_files_with_large_strings_and_dictionaries(asking: Asking, tmp_path: Path) -> None:
    table = rows(40)
    columns = {
        "text": pa.array([one["text"] for one in table], pa.large_string()),
        "contact": pa.array([one["contact"] for one in table]).dictionary_encode(),
        "label": pa.array([one["label"] for one in table]),
        "amount": pa.array(range(40)),
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    _, answer = asking(tmp_path / "t.parquet")
    assert {one.column for one in answer.findings} == {"text", "contact"}
    assert of(answer, "contact", 3).suggestion == "[EMAIL]"
