"""Behaviours a person writes: read with every fault told, filled, asked of both models, and counted."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Finished
from tests.evaluate.robustness.worded import case_of

from metier.errors import UsageError
from metier.evaluate.intervals import wilson
from metier.evaluate.robustness import behaviours
from metier.evaluate.robustness.behaviours_file import read
from metier.pages.page import render

LABELS = ("card", "fees", "login", "transfer")


def written(path: Path, *records: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"behaviours": list(records)}), encoding="utf-8")
    return path


def asked(finished: Finished, path: Path) -> Any:
    return behaviours.ask(case_of(finished, None, 3, behaviours=str(path)))


def outcome(finished: Finished, folder: Path, **record: Any) -> dict[str, Any]:
    """One behaviour of the expert that reads whole words."""
    path = written(folder / "b.json", {"name": "one", **record})
    return dict(asked(finished, path).figures["behaviours"][0])


# --------------------------------------------------------------------------------------------------------- the file


def test_the_same_behaviours_in_three_forms(tmp_path: Path) -> None:
    one = {"name": "plain", "kind": "minimum", "texts": ["my card", "a card"], "label": "card", "allowed": 0.5}
    two = {
        "name": "more",
        "kind": "directional",
        "pairs": [["a", "a fee"]],
        "label": "fees",
        "must": "rise",
        "tolerance": 0,
    }
    (tmp_path / "b.jsonl").write_text("\n".join(map(json.dumps, (one, two))), encoding="utf-8")
    lines = ["name,kind,text,changed,label,must,tolerance,allowed", "plain,minimum,my card,,card,,,0.5", "plain,minimum,a card,,card,,,",
             "more,directional,a,a fee,fees,rise,0,"]  # fmt: skip
    (tmp_path / "b.csv").write_text("\n".join(lines), encoding="utf-8")
    forms = [written(tmp_path / "b.json", one, two), tmp_path / "b.jsonl", tmp_path / "b.csv"]
    found = [read(path, LABELS) for path in forms]
    for plain, more in found:
        assert [trial.items for trial in plain.trials] == [("my card",), ("a card",)]
        assert {trial.labels for trial in plain.trials} == {("card",)}
        assert (plain.allowed, more.must, more.tolerance) == (0.5, "rise", 0.0)
        assert more.trials[0].items == ("a", "a fee")


def test_slots_are_filled_within_a_case_and_from_case_to_case(tmp_path: Path) -> None:
    slots = {"name": ["Anna", "Li"], "thing": ["card", "fee"]}
    path = written(
        tmp_path / "b.json",
        {"name": "all", "kind": "minimum", "templates": ["{name}: my {thing}, {thing}"], "slots": slots, "label": "card"},
        {"name": "vary", "kind": "invariance", "templates": ["{name}: my {thing}"], "slots": slots, "vary": ["name"]},
        {"name": "pairs", "kind": "invariance", "templates": ["my {thing}"], "changed": ["MY {thing}"], "slots": slots},
        {"name": "rows", "kind": "invariance", "templates": [{"age": "{age}", "sex": "x{age}"}],
         "slots": {"age": [20, 30]}, "vary": "age"},
        {"name": "some", "kind": "minimum", "templates": ["{name} {thing}"], "slots": slots, "most": 2, "label": "card"},
    )  # fmt: skip
    every, vary, pairs, rows, some = ([trial.items for trial in one.trials] for one in read(path, LABELS))
    assert len(every) == 4
    assert every[0] == ("Anna: my card, card",)
    assert vary == [("Anna: my card", "Li: my card"), ("Anna: my fee", "Li: my fee")]
    assert pairs == [("my card", "MY card"), ("my fee", "MY fee")]
    assert rows == [({"age": 20, "sex": "x20"}, {"age": 30, "sex": "x30"})]
    assert some == [("Anna card",), ("Li fee",)]


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"kind": "minimal", "texts": ["a"], "label": "card"}, "kind must be one of"),
        ({"kind": "minimum", "texts": ["a"], "label": "cards"}, "did you mean 'card'"),
        ({"kind": "minimum", "texts": ["a"]}, "the label that is right"),
        ({"kind": "minimum", "label": "card"}, "it has no case"),
        ({"kind": "invariance", "texts": ["a"]}, "at least two texts"),
        ({"kind": "directional", "pairs": [["a", "b"]], "label": "card", "must": "grow"}, "must has to be one of"),
        ({"kind": "minimum", "templates": ["{x}"], "label": "card"}, "slots must list values for x"),
        ({"kind": "minimum", "texts": ["a"], "label": "card", "allowd": 1}, "did you mean 'allowed'"),
        ({"kind": "minimum", "texts": ["a"], "label": "card", "allowed": 2}, "from 0 to 1"),
        ({"kind": "invariance", "rows": 5}, "need a perturbation"),
        ({"kind": "minimum", "texts": "a", "label": "card"}, "texts must be a list"),
        ({"kind": "minimum", "templates": ["{x}"], "slots": ["x"], "label": "card"}, "slots must be an object"),
        ({"kind": "invariance", "trials": [1]}, "unknown key 'trials'"),
        ({"kind": "invariance", "templates": ["a"], "changed": []}, "as many entries"),
    ],
)
def test_a_faulty_behaviour_says_what_is_wrong(tmp_path: Path, record: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(written(tmp_path / "b.json", {"name": "one", **record}), LABELS)
    assert caught.value.code == "bad-behaviours"
    assert f"one: {said}" in caught.value.found or said in caught.value.found


def test_all_faults_are_told_at_once_and_no_file_is_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read(written(tmp_path / "b.json", {"name": "a", "kind": "x"}, {"kind": "minimum"}, {"name": "a"}), LABELS)
    assert all(part in caught.value.found for part in ("a: kind", "behaviour 2", "two behaviours are named 'a'"))
    for name, text in (("none.json", None), ("b.json", "{"), ("b.json", '{"tests": []}'), ("b.csv", "a,b\n1,2")):
        if text is not None:
            (tmp_path / name).write_text(text, encoding="utf-8")
        with pytest.raises(UsageError, match="file"):
            read(tmp_path / name, LABELS)


def test_a_quantity_has_no_labels(tmp_path: Path) -> None:
    texts = {"name": "one", "kind": "minimum", "texts": ["a"]}
    assert read(written(tmp_path / "b.json", {**texts, "between": [1, 2]}), ())[0].between == (1.0, 2.0)
    with pytest.raises(UsageError, match="must be complete") as caught:
        read(written(tmp_path / "b.json", {**texts, "label": "card"}), ())
    assert "give between" in caught.value.found


def test_the_documentations_example_can_be_read(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "behaviours.md").read_text(encoding="utf-8")
    example = re.findall(r"```json\n(.*?)```", page, re.DOTALL)[0]
    (tmp_path / "b.json").write_text(example, encoding="utf-8")
    found = read(tmp_path / "b.json", ("card_lost", "fee_charged"))
    assert [one.kind for one in found] == ["minimum", "invariance", "invariance", "directional"]
    assert len(found[0].trials) == 8 - 2  # "My {thing} is gone" has one slot


# ------------------------------------------------------------------------------------------------------- what fails


def test_a_minimum_fails_where_the_answer_is_none_of_its_labels(finished: Finished, tmp_path: Path) -> None:
    texts = ["my card", "the visa card", "one fee", "the wire"]
    one = outcome(finished, tmp_path, kind="minimum", texts=texts, label=["card", "fees"], allowed=0.1)
    assert (one["cases"], one["failed"], one["rate"], one["passed"]) == (4, 1, 0.25, False)
    assert (one["low"], one["high"]) == wilson(1, 4, 0.95)
    assert one["examples"][0]["texts"] == ["the wire"]
    assert one["examples"][0]["answers"] == ["transfer"]
    assert one["generic"] == 0.25
    assert outcome(finished, tmp_path, kind="minimum", texts=texts, label=["card", "fees"], allowed=0.25)["passed"]


def test_an_invariance_fails_where_the_answer_turns(finished: Finished, tmp_path: Path) -> None:
    pairs = [
        ["my fee today", "MY FEE TODAY"],
        ["my fee today", "my feee today"],
        ["my fee", "his fee", "no fee", "wire"],
    ]
    one = outcome(finished, tmp_path, kind="invariance", pairs=pairs)
    assert (one["failed"], one["cases"]) == (2, 3)
    assert one["generic"] == pytest.approx(1 / 3), "a base that reads beginnings stands the slip"
    assert one["examples"][1]["texts"] == ["my fee", "wire"]
    assert outcome(finished, tmp_path, kind="invariance", pairs=pairs, tolerance=1)["failed"] == 0


@pytest.mark.parametrize(("must", "failed"), [("rise", 1), ("not fall", 0), ("fall", 2), ("not rise", 1)])
def test_a_directional_case_watches_a_probability(finished: Finished, tmp_path: Path, must: str, failed: int) -> None:
    pairs = [["tell me", "tell me the fee"], ["the fee", "the fee now"]]
    one = outcome(finished, tmp_path, kind="directional", pairs=pairs, label="fees", must=must, tolerance=0.05)
    assert (one["failed"], one["cases"]) == (failed, 2)


def test_only_cases_it_is_about_count_and_empty_texts_fail(finished: Finished, tmp_path: Path) -> None:
    pairs = [["my fee", "my wire"], ["my wire", "my fee"]]
    assert outcome(finished, tmp_path, kind="invariance", pairs=pairs, when="fees")["cases"] == 1
    answer = asked(
        finished, written(tmp_path / "n.json", {"name": "n", "kind": "invariance", "pairs": pairs, "when": "login"})
    )
    assert answer.figures["behaviours"][0]["rate"] is None
    assert answer.figures["behaviours_passed"]
    assert "no case of 'n' counted" in answer.notes[0]
    empty = outcome(finished, tmp_path, kind="minimum", texts=["my card", " "], label="card")
    assert (empty["failed"], empty["examples"][0]["answers"]) == (1, ["no answer"])


def test_rows_of_the_data_can_be_disturbed_or_set(finished: Finished, tmp_path: Path) -> None:
    typed = outcome(finished, tmp_path, kind="invariance", perturbation="typos", severity=0.5, rows=30)
    assert typed["cases"] == 30
    assert typed["failed"] > 5
    assert typed["generic"] < typed["rate"]
    same = outcome(finished, tmp_path, kind="invariance", perturbation="case", severity=1, texts=["my card", "a fee"])
    assert (same["cases"], same["failed"]) == (2, 0)
    put = outcome(finished, tmp_path, kind="invariance", rows=7, set={"text": ["my card", "my fee"]})
    assert (put["cases"], put["failed"]) == (7, 7)
    for wrong in ({"perturbation": "typoes"}, {"set": {"colour": ["red"]}}):
        with pytest.raises(UsageError, match="must fit this expert"):
            outcome(finished, tmp_path, kind="invariance", rows=5, **wrong)


def test_a_failed_behaviour_makes_the_answer_say_so(finished: Finished, tmp_path: Path) -> None:
    good = {"name": "plain", "kind": "minimum", "texts": ["my card"], "label": "card"}
    bad = {"name": "slips", "kind": "invariance", "pairs": [["my fee", "my feee"]]}
    answer = asked(finished, written(tmp_path / "b.json", good, bad, {**good, "name": "wrong", "label": "fees"}))
    assert answer.figures["behaviours_passed"] is False
    assert [one["passed"] for one in answer.figures["behaviours"]] == [True, False, False]
    assert answer.card.standing == "bad"
    assert "2 of 3 behaviours fail: slips, wrong" in answer.card.answer
    page = render("Behaviours", answer.sections)
    assert "my feee" in page
    assert "Expected" in page
    held = asked(finished, written(tmp_path / "g.json", good))
    assert (held.figures["behaviours_passed"], held.card.standing) == (True, "good")
    json.dumps(answer.figures)


def test_nothing_is_asked_where_no_file_is_named(finished: Finished) -> None:
    assert behaviours.ask(case_of(finished, None, 3)).figures == {}


def test_the_command_ends_with_3_where_a_behaviour_fails(finished: Finished, tmp_path: Path, metier: Any) -> None:
    words = ["evaluate", finished.output, finished.test, "--only", "robustness", "--sample", "20", "--json", "--quiet"]
    words += ["--workspace", tmp_path / "home", "--behaviours"]
    any_label = {"name": "answers", "kind": "minimum", "texts": ["my card"], "label": list(LABELS)}
    held = metier(*words, written(tmp_path / "held.json", any_label))
    assert (held.code, held.json["behaviours_passed"]) == (0, True)
    broken = metier(*words, written(tmp_path / "broken.json", {**any_label, "texts": [""]}))
    assert (broken.code, broken.json["behaviours_passed"]) == (3, False)
    assert broken.json["behaviours"][0]["failed"] == 1
    assert metier(*words, tmp_path / "none.json").code == 1
