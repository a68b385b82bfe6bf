"""`metier documents`: what a person types, and what programs read."""

from __future__ import annotations

import json

import pytest

from metier import files
from metier.workspace import Workspace


@pytest.fixture
def draft(finished, tmp_path):
    """The words for the shared expert, in a workspace with nothing else in it."""
    return ["documents", finished.run / "expert", "--workspace", tmp_path / "home"]


def test_documents_of_a_draft_are_written_and_told(metier, draft, tmp_path):
    answer = metier(*draft, "-o", tmp_path / "out", "--json")
    assert answer.code == 0, answer
    found = answer.json
    assert found["folder"] == str(tmp_path / "out")
    assert set(found["files"]) == {path.name for path in (tmp_path / "out").iterdir()}
    assert found["documents"][0]["name"] == "card"
    told = metier(*draft, "-o", tmp_path / "out", "--format", "md")
    assert told.code == 0, told
    assert "questions are open" in told.out
    assert not list((tmp_path / "out").glob("*.html"))


def test_a_runs_folder_stands_for_its_expert(metier, finished, tmp_path):
    answer = metier("documents", finished.run, "-o", tmp_path / "out", "--workspace", tmp_path / "home", "--json")
    assert answer.code == 0, answer
    assert "run/evaluation.json" in answer.json["sources"]


def test_questions_are_listed_and_answered(metier, draft, tmp_path):
    asked = metier(*draft, "--questions", "--json")
    assert asked.code == 0, asked
    sheet = asked.json
    assert "intended-use" in metier(*draft, "--questions").out
    sheet["by"], sheet["answers"]["intended-use"]["answer"] = "Ada Lovelace", "To route tickets."
    files.write_json(tmp_path / "answers.json", sheet)
    left = metier(*draft, "--questions", "--answers", tmp_path / "answers.json", "--json").json
    assert set(sheet["answers"]) - set(left["answers"]) == {"intended-use"}


def test_check_says_whether_they_are_current(metier, draft, tmp_path):
    out = tmp_path / "out"
    assert metier(*draft, "-o", out, "--json").code == 0
    assert metier(*draft, "-o", out, "--check", "--json").json == {"current": True, "problems": []}
    (out / "dpia.md").write_text("all is well")
    answer = metier(*draft, "-o", out, "--check", "--json")
    assert answer.code == 1
    assert answer.json["problems"] == ["dpia.md was altered since it was written."]


@pytest.mark.parametrize(
    ("words", "code"), [([], "no-output"), (["-o", "out", "--answers", "none.json"], "bad-answers")]
)
def test_wrong_words_are_told_plainly(metier, draft, words, code):
    answer = metier(*draft, *words, "--json")
    assert answer.code == 1
    assert answer.json["error"]["code"] == code


def test_a_name_nobody_knows_is_told_plainly(metier, tmp_path):
    answer = metier("documents", "tickets@3", "-o", tmp_path / "out", "--workspace", tmp_path / "home", "--json")
    assert answer.code == 1
    assert answer.json["error"]["code"] == "no-such-release"


def test_the_registry_is_asked_first(finished, tmp_path):
    from metier.govern.documents.find import dossier_of

    release = {"name": "tickets", "version": 3, "stage": "live", "id": "r3"}
    known = {"tickets@3": {"expert": str(finished.output), "release": release, "previous": None}}
    found = dossier_of("tickets@3", Workspace(tmp_path / "home"), registry=known.get)
    assert (found.expert, found.release) == (finished.output, release)
    assert json.loads(json.dumps(found.sources()["registry.json"].data)) == {"release": release}
