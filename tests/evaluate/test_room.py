"""`metier evaluate`: every question asked, every figure in its place, sealed, and fit for a pipeline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from metier.errors import UsageError
from metier.evaluate import room


def test_questions_are_narrowed_by_name() -> None:
    assert room.questions(()) == tuple(room.QUESTIONS)
    assert room.questions(("cost, slices", "SLICES")) == ("slices", "cost")
    for wrong in (("slice",), ("",), (",",)):
        with pytest.raises(UsageError, match="--only must name"):
            room.questions(wrong)


@pytest.fixture(scope="module")
def whole(finished: Any, metier: Any) -> Any:
    """All questions put to the shared expert, once."""
    answer = metier("evaluate", finished.output, finished.test, "--workspace", finished.workspace, "--json", "--quiet")
    assert answer.code == 0, answer
    return answer.json


def test_every_question_answers_under_the_names_relied_on(whole: Any) -> None:
    assert {"rows", "metrics", "generic", "gain", "calibration", "slices", "robustness", "forgetting"} <= set(whole)
    assert {"conformal", "selective", "privacy", "cost", "notes", "report", "run"} <= set(whole)
    assert set(whole["questions"]) == set(room.QUESTIONS)
    assert {"level", "coverage", "size"} <= set(whole["conformal"])
    assert all({"precision", "answered", "threshold"} <= set(each) for each in whole["selective"])
    assert isinstance(whole["privacy"]["membership_auc"], float)
    wanted = {"perturbation", "severity", "metric", "value", "low", "high", "generic"}
    assert whole["robustness"]
    assert all(wanted <= set(each) for each in whole["robustness"])
    assert whole["calibration"]["ece"] is not None
    for way in ("expert", "generic"):
        assert whole["cost"][way]["latency_ms"]["p50"] > 0


def test_the_page_answers_each_question_and_stands_alone(whole: Any) -> None:
    page = Path(whole["report"]).read_text(encoding="utf-8")
    for question in ("Better?", "Robust?", "Calibrated?", "Private?", "Cheap?"):
        assert question in page
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org/", "")
    links = [part.split('"')[0] for part in page.split('href="#')[1:]]
    assert links
    assert all(f'id="{link}"' in page for link in links)


def test_the_evaluation_is_sealed_and_any_change_is_seen(whole: Any, metier: Any) -> None:
    run = Path(whole["run"])
    assert metier("verify", run).code == 0
    stored = json.loads((run / "evaluation.json").read_text())
    assert stored["metrics"] == whole["metrics"]
    body = (run / "evaluation.json").read_bytes()
    (run / "evaluation.json").write_bytes(body.replace(b'"rows"', b'"rowz"', 1))
    try:
        assert metier("verify", run).code == 1
    finally:
        (run / "evaluation.json").write_bytes(body)


def test_the_command_on_the_page_asks_the_same_again(finished: Any, metier: Any) -> None:
    words = ["evaluate", finished.output, finished.test, "--workspace", finished.workspace, "--json", "--quiet"]
    first = metier(*words, "--only", "calibration", "--coverage", "0.8", "--seed", "5").json
    page = Path(first["report"]).read_text(encoding="utf-8")
    for part in ("--only calibration", "--coverage 0.8", "--seed 5"):
        assert part in page
    again = metier(*words, "--only", "calibration", "--coverage", "0.8", "--seed", "5").json
    assert again["conformal"] == first["conformal"]
    assert again["run"] != first["run"]


@pytest.mark.parametrize(("limit", "code"), [("accuracy=0.01", 0), ("accuracy=1.01", 3)])
def test_a_missed_limit_ends_with_its_own_exit_code(finished: Any, metier: Any, limit: str, code: int) -> None:
    words = ["evaluate", finished.output, finished.test, "--only", "calibration", "--workspace", finished.workspace]
    answer = metier(*words, "--fail-under", limit, "--json")
    assert answer.code == code
    assert answer.json["gate"]["passed"] is (code == 0)
    spoken = metier(*words, "--fail-under", limit)
    assert ("missed: metrics.accuracy.value" in spoken.out) is (code == 3)


def test_a_wrong_limit_is_told_before_anything_is_asked(finished: Any, metier: Any, tmp_path: Path) -> None:
    answer = metier("evaluate", finished.output, finished.test, "--fail-under", "acuracy=1", "--json",
                    "--workspace", tmp_path / "home")  # fmt: skip
    assert answer.code == 1
    assert answer.json["error"]["code"] == "bad-gate"
    assert not list((tmp_path / "home" / "runs").glob("*"))


def test_without_the_training_rows_the_page_says_so(finished: Any, metier: Any, tmp_path: Path) -> None:
    answer = metier("evaluate", finished.output, finished.test, "--only", "privacy", "--json",
                    "--workspace", tmp_path / "home")  # fmt: skip
    assert answer.code == 0
    assert any("training" in note for note in answer.json["notes"])
    assert "What could not be measured" in Path(answer.json["report"]).read_text(encoding="utf-8")
