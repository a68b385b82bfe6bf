"""The whole room on small tables: every row's fate, the files it leaves, what JSON and tables say, and bad input."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import metier as package
from metier.curate import curation, room
from metier.curate.findings import ACTIONS, KINDS, Answer, Finding
from metier.curate.material import Material
from metier.errors import DataError, UsageError
from metier.govern.record import verify

KEYS = {"kind", "row", "file", "score", "detail", "suggestion", "action"}
RELIED_ON = {"rows", "findings", "noise_rate", "summary", "report", "clean"}


def copies(material: Material) -> Answer:
    """Equal texts: the first is kept."""
    first: dict[str, int] = {}
    found = []
    for text, row in zip(material.texts, material.train.examples.rows.tolist(), strict=True):
        if text in first:
            detail = f"The same text as row {first[text]}."
            found.append(Finding("duplicate", row, material.train.file, 1.0, detail, first[text], "drop"))
        first.setdefault(text, row)
    material.shared["clusters"] = np.arange(len(material.texts))
    return Answer(tuple(found))


def labels(material: Material) -> Answer:
    """A ticket that names a thing of another label."""
    if not material.labelled:
        return Answer()
    assert "clusters" in material.shared
    examples, found, scores = material.train.examples, [], np.zeros(len(material.texts))
    names = examples.target.values(examples.targets)
    for at, text in enumerate(material.texts):
        said = "fees" if "fee" in text else "card" if "card" in text else None
        if said and names[at] != said:
            scores[at] = 0.8
            row = int(examples.rows[at])
            found.append(Finding("label_error", row, material.train.file, 0.8, f"Reads like {said}.", said, "relabel"))
    rate = {"value": len(found) / len(names), "low": 0.0, "high": 0.5}
    return Answer(tuple(found), {"noise_rate": rate}, {"label_error": scores})


def content(material: Material) -> Answer:
    """Short texts are off the topic."""
    lengths = np.array([len(text) for text in material.texts], float)
    scores = (lengths < 8).astype(float)
    rows = material.train.examples.rows[scores > 0].tolist()
    found = [Finding("off_topic", row, material.train.file, 0.7, "Hardly a ticket.") for row in rows]
    return Answer(tuple(found), {}, {"off_topic": scores})


def shouting(material: Material) -> Answer:
    """A question that knows nothing of privacy, and would write a text with an address in capitals."""
    if material.plan.curate.only != ("duplicates,labels,balance",):
        return Answer()
    new = material.texts[4].replace("about", "ABOUT")
    return Answer((Finding("broken", 5, material.train.file, 0.9, "Too quiet.", new, "rewrite", "text"),))


def privacy(material: Material) -> Answer:
    """E-mail addresses."""
    found = []
    for text, row in zip(material.texts, material.train.examples.rows.tolist(), strict=True):
        hidden = re.sub(r"\S+@\S+", "[email]", text)
        if hidden != text:
            more = {"column": "text", "facts": {"type": "email"}}
            one = Finding("personal_data", row, material.train.file, 0.99, "An address.", hidden, "rewrite", **more)
            found.append(one)
    return Answer(tuple(found))


@pytest.fixture
def small_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real questions of a few lines each, whose answers can be counted by hand, in place of the room's own."""
    asked = {"duplicates": copies, "leakage": lambda _: Answer(), "labels": labels, "content": content}
    asked |= {"balance": shouting, "privacy": privacy}
    for name, ask in asked.items():
        module = ModuleType(f"small_{name}")
        module.ask = ask  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(room, "QUESTIONS", {name: f"small_{name}" for name in asked})


TICKETS = [
    ("my card is gone", "card"),
    ("what is the fee", "fees"),
    ("my card is gone", "card"),
    ("a fee on my statement", "card"),
    ("", "card"),
    ("write to jo@example.org about the card", "card"),
    ("hi", "fees"),
    ("the card does not work", ""),
    ("how high is the fee", "fees"),
    ("new card please", "card"),
]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "tickets.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "intent"), *TICKETS])
    return path


@pytest.fixture
def curated(table: Path, tmp_path: Path, tiny_base: Path) -> Callable[..., curation.Curation]:
    def run(path: Path = table, **choices: Any) -> curation.Curation:
        choices = {"target": "intent", "base": str(tiny_base), "header": "yes", "text": ("text",), **choices}
        return package.curate(path, workspace=tmp_path / "home", **choices)

    return run


pytestmark = pytest.mark.usefixtures("small_questions")


def rows_of(path: Path) -> list[tuple[str, ...]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [tuple(row) for row in csv.reader(file)]


def test_without_apply_everything_is_told_and_nothing_changed(curated: Any, table: Path) -> None:
    found = curated()
    figures = json.loads(json.dumps(found.figures))
    assert set(figures) >= RELIED_ON
    assert figures["rows"] == 10
    assert figures["summary"] == {
        "duplicate": 1, "label_error": 1, "off_topic": 1, "personal_data": 1, "invalid": 2,
    }  # fmt: skip
    for one in figures["findings"]:
        assert set(one) >= KEYS
        assert one["kind"] in KINDS
        assert one["action"] in ACTIONS
        assert 0 <= one["score"] <= 1
        assert one["row"] is None or 0 <= one["row"] < 10
    assert figures["noise_rate"]["low"] <= figures["noise_rate"]["value"] <= figures["noise_rate"]["high"]
    assert Path(figures["report"]).is_file()
    assert Path(figures["clean"]).read_bytes() == table.read_bytes()
    assert found.of(2) == ("kept", "proposed and not done: drop, as The same text as row 0")
    assert found.of(4) == ("set_aside", "empty text")
    assert found.of(9) == ("kept", "")


def test_apply_acts_on_proposals_and_every_row_keeps_its_fate(curated: Any, tmp_path: Path) -> None:
    found = curated(apply=True, output=tmp_path / "clean.csv")
    assert found.figures["fates"] == {"kept": 5, "dropped": 1, "relabelled": 1, "rewritten": 1, "set_aside": 2}
    expected = [("text", "intent"), *TICKETS]
    expected[4] = ("a fee on my statement", "fees")
    expected[6] = ("write to [email] about the card", "card")
    del expected[3]
    assert rows_of(tmp_path / "clean.csv") == expected
    lines = rows_of(found.run / "fates.csv")
    assert lines[0] == ("row", "hash", "fate", "reason", "by")
    assert [line[0] for line in lines[1:]] == [str(row) for row in range(10)]
    assert [line[2] for line in lines[1:]] == [found.of(row)[0] for row in range(10)]
    assert all(line[3] for line in lines[1:] if line[2] != "kept")


def test_only_narrows_by_commas_and_repeats(curated: Any) -> None:
    assert room.questions(("labels, duplicates", "labels")) == ("duplicates", "labels")
    assert room.questions(()) == tuple(room.QUESTIONS)
    found = curated(only=("duplicates,privacy",))
    assert list(found.figures["questions"]) == ["duplicates", "privacy"]
    assert set(found.figures["summary"]) == {"duplicate", "personal_data", "invalid"}
    assert found.figures["noise_rate"] is None


@pytest.mark.parametrize("only", [("lables",), ("labels,typo",), (",",)])
def test_a_question_that_is_none_is_told_with_those_there_are(curated: Any, only: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="duplicates, leakage, labels, content, balance, privacy"):
        curated(only=only)


def test_scores_are_of_every_row_in_the_file_s_order(curated: Any, tmp_path: Path) -> None:
    curated(scores=tmp_path / "scores.csv")
    lines = rows_of(tmp_path / "scores.csv")
    assert lines[0] == ("row", "label_error", "off_topic")
    assert [line[0] for line in lines[1:]] == [str(row) for row in range(10)]
    assert lines[1 + 3][1:] == ("0.8", "0")
    assert lines[1 + 6][1:] == ("0", "1")
    assert [row for row, line in enumerate(lines[1:]) if line[1:] == ("", "")] == [4, 7]
    curated(scores=tmp_path / "some.csv", only=("content",))
    assert rows_of(tmp_path / "some.csv")[1] == ("0", "", "0")


def test_the_run_is_sealed_and_holds_the_whole_story(curated: Any) -> None:
    found = curated(apply=True, source="the desk")
    assert verify(found.run).ok
    told = curation.load(found.run)
    assert [one["row"] for one in told["changes"]] == [2, 3, 5]
    assert told["cleaned"]["sha256"] in (found.run / "done.json").read_text()
    names = {path.name for path in found.run.iterdir()}
    assert {"curation.json", "curation.html", "review.csv", "fates.csv", "datasheet.json", "datasheet.html"} <= names
    assert {"plan.json", "data.json", "environment.json", "base.json", "tickets.csv", "done.json"} <= names
    (found.run / "tickets.csv").write_text("text,intent\n")
    assert verify(found.run).first == "tickets.csv"


def test_personal_data_stands_nowhere_but_in_the_data(curated: Any) -> None:
    found = curated(only=("duplicates,labels,balance",))
    assert "broken" in found.figures["summary"]
    for path in found.run.iterdir():
        if path.is_file() and path != found.clean:
            assert b"jo@example.org" not in path.read_bytes(), path.name


def test_a_person_s_decisions_are_followed_with_and_without_apply(curated: Any, tmp_path: Path) -> None:
    first = curated()
    lines = rows_of(first.run / "review.csv")
    lines[0] = tuple(name.lstrip("\ufeff") for name in lines[0])
    by_row = {line[0]: list(line) for line in lines[1:]}
    by_row["2"][-2:] = ["keep", ""]
    by_row["3"][-2:] = ["relabel", "fees"]
    by_row["6"][-2:] = ["drop", ""]
    by_row["5"][1] = "h000000000000000"
    by_row["5"][-2:] = ["drop", ""]
    edited = tmp_path / "edited.csv"
    with edited.open("w", newline="", encoding="utf-16") as file:
        csv.writer(file, delimiter=";").writerows([lines[0], *reversed(by_row.values())])
    second = curated(review=str(edited), reviewer="Ana", output=tmp_path / "clean.csv")
    assert [second.of(row)[0] for row in (2, 3, 5, 6)] == ["kept", "relabelled", "kept", "dropped"]
    told = curation.load(second.run)["review"]
    assert told["reviewer"] == "Ana"
    assert sorted((one["row"], one["word"]) for one in told["decisions"]) == [(2, "keep"), (3, "relabel"), (6, "drop")]
    assert [line["row"] for line in told["unmatched"]] == ["5"]
    assert len(rows_of(tmp_path / "clean.csv")) == 1 + 9
    third = curated(review=str(edited), reviewer="Ana", apply=True)
    assert third.of(2) == ("kept", "Ana decided: keep")
    assert third.of(5)[0] == "rewritten"


def test_tune_reads_the_cleaned_file(curated: Any, tmp_path: Path, tiny_base: Path) -> None:
    path = tmp_path / "many.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = [(f"{text} {n}" if text else "", label) for n in range(12) for text, label in TICKETS]
        csv.writer(file).writerows([("text", "intent"), *rows])
    found = curated(path, apply=True, output=tmp_path / "clean.csv")
    tuned = package.tune(
        found.clean, target="intent", text=("text",), base=str(tiny_base), rung="linear", workspace=tmp_path / "home"
    )
    assert tuned.figures["chosen"] == "linear"


def test_without_labels_the_other_questions_are_asked(curated: Any, tmp_path: Path) -> None:
    path = tmp_path / "bare.csv"
    path.write_text("text\n" + "".join(f"{text}\n" for text, _ in TICKETS if text))
    found = curated(path, target=None)
    assert found.figures["noise_rate"] is None
    assert set(found.figures["summary"]) == {"duplicate", "off_topic", "personal_data"}
    assert found.figures["target"] is None
    with pytest.raises(UsageError, match="--worth"):
        curated(path, target=None, worth=True)


def test_worth_is_told_in_points_with_an_interval(curated: Any, tmp_path: Path) -> None:
    path = tmp_path / "many.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = [(f"{text} {n}" if text else "", label) for n in range(20) for text, label in TICKETS]
        csv.writer(file).writerows([("text", "intent"), *rows])
    found = curated(path, worth=True)
    told = found.figures["worth"]
    assert {"metric", "rung", "rows", "base", "fixes", "notes", "doubted"} <= set(told)
    assert {"relabel", "everything proposed"} <= {fix["fix"] for fix in told["fixes"]}
    for fix in told["fixes"]:
        assert fix["gain"]["low"] <= fix["gain"]["points"] <= fix["gain"]["high"]
    assert "What each fix is worth" in found.report.read_text(encoding="utf-8")


def test_a_test_file_with_a_label_of_its_own_is_looked_at_all_the_same(curated: Any, tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text(
        "text,intent\nmy card is gone,card\nwho are you,hello\n,fees\n" + "a fee,fees\n" * 5
    )
    found = curated(test=str(tmp_path / "test.csv"))
    assert [one.row for one in found.findings if one.file.endswith("test.csv")] == [2]


def test_dropping_every_row_is_refused(curated: Any, tmp_path: Path) -> None:
    path = tmp_path / "two.csv"
    path.write_text("text,intent\n" + "my card is gone,card\nthe fee is high,fees\n" * 2)
    edited = tmp_path / "edited.csv"
    lines = rows_of(curated(path).run / "fates.csv")
    with edited.open("w", newline="") as file:
        csv.writer(file).writerows(
            [("row", "hash", "decision", "value"), *((row, content, "drop", "") for row, content, *_ in lines[1:])]
        )
    with pytest.raises(DataError, match="At least one row"):
        curated(path, review=str(edited), reviewer="Ana")


def test_the_same_data_gives_the_same_findings_and_files(curated: Any, tmp_path: Path) -> None:
    one, other = curated(apply=True, output=tmp_path / "1.csv"), curated(apply=True, output=tmp_path / "2.csv")
    assert one.findings == other.findings
    assert one.run != other.run
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "2.csv").read_bytes()
    assert (one.run / "fates.csv").read_bytes() == (other.run / "fates.csv").read_bytes()


def test_the_versions_of_the_data_say_what_a_cleaned_file_was_made_from(tmp_path: Path) -> None:
    from metier import lifecycle
    from metier.data import versions
    from metier.files import sha256
    from metier.workspace import Workspace

    data, clean = tmp_path / "t.csv", tmp_path / "clean.csv"
    data.write_text("text,label\n" + "".join(f"a matter of {n} this time,{'ab'[n % 2]}\n" * 2 for n in range(30)))
    told = {"target": "label", "only": ("duplicates",), "workspace": tmp_path / "home"}
    lifecycle.curate(data, output=clean, **told)
    assert [one.curated_from for one in versions.versions(Workspace(tmp_path / "home"))] == [None]
    lifecycle.curate(data, output=clean, apply=True, **told)
    found = {one.name: one.curated_from for one in versions.versions(Workspace(tmp_path / "home"))}
    assert found == {"t": None, "clean": sha256(data)}


def test_what_is_asked_of_the_data_room_does_not_make_another_tuning_run(tmp_path: Path) -> None:
    from metier.govern import run_records
    from metier.plan import Plan

    class Same:
        source = type("Source", (), {"sha256": "x"})
        schema = type("Schema", (), {"problems": ()})
        sha256 = "y"

    plain, asked = Plan.of(target="a"), Plan.of(target="a", apply=True, source="desk", privacy=("email=keep",))
    keys = [run_records.key(plan, Same(), None, Same()) for plan in (plain, asked)]  # type: ignore[arg-type]
    assert keys[0] == keys[1]
    curated = [run_records.key(plan, Same(), None, Same(), sections=None) for plan in (plain, asked)]  # type: ignore[arg-type]
    assert len({*keys, *curated}) == 3
