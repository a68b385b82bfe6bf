"""The folder of documents: whole, hashed, complete where people answered, refused where the sources do not agree."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from metier import files
from metier.errors import RecordError, ResourceError, UsageError
from metier.expert import Expert
from metier.govern import record
from metier.govern.documents import room
from metier.govern.documents.dossier import Dossier, check
from metier.govern.documents.questions import QUESTIONS

TODAY = date(2026, 11, 24)
EVERY = {"answers": {id: f"What was said of {id}." for id in QUESTIONS}, "by": "Ada Lovelace", "on": "2026-11-20"}


def answered(path: Path, answers: dict = EVERY) -> Path:
    path.write_text(json.dumps(answers), encoding="utf-8")
    return path


def altered(folder: Path, place: Path) -> Path:
    """A copy of a run whose evaluation says otherwise, sealed anew as a forger would."""
    copy = place / folder.name
    shutil.copytree(folder, copy)
    found = files.read_json(copy / "data.json")
    found["manifest"] = "0" * 64
    files.write_json(copy / "data.json", found)
    (copy / "done.json").unlink()
    record.seal(copy)
    return copy


@pytest.fixture(scope="module")
def written(texts, tmp_path_factory) -> room.Written:
    return room.documents(texts.dossier(), tmp_path_factory.mktemp("documents") / "out", today=TODAY)


def test_every_document_is_written_and_hashed(written):
    names = [one["name"] for one in written.manifest["documents"]]
    assert names == ["card", "data-sheet", "annex-iv", "model-risk", "nist-ai-rmf", "iso-42001", "dpia", "bill"]
    assert written.manifest["left_out"] == {"changes": "There is no version before this one to compare with."}
    for one in written.manifest["documents"]:
        assert {Path(name).suffix for name in one["files"]} >= {".md", ".html"}
        for name, sha256 in one["files"].items():
            assert files.sha256(written.folder / name) == sha256
    assert json.loads((written.folder / "documents.json").read_text()) == json.loads(files.pretty(written.manifest))
    assert {path.name for path in written.folder.iterdir()} == set(written.files)


def test_sources_are_named_by_the_hashes_of_their_files(written, texts):
    found = written.manifest["sources"]
    assert found["expert/metier.json"] == files.sha256(texts.expert / "metier.json")
    assert found["run/evaluation.json"] == files.sha256(texts.expert.parent / "evaluation.json")
    (evaluation,) = texts.dossier().evaluations
    assert found["evaluation/evaluation.json"] == files.sha256(evaluation / "evaluation.json")


def test_the_same_sources_and_day_give_the_same_bytes(written, texts, tmp_path):
    again = room.documents(texts.dossier(), tmp_path / "again", today=TODAY)
    assert files.pretty(again.manifest) == files.pretty(written.manifest)


def test_gaps_are_counted_by_id_with_who_must_answer(written):
    gaps = {gap["id"]: gap for gap in written.manifest["gaps"]}
    assert gaps["intended-use"]["who"] == "business owner"
    assert "card" in gaps["intended-use"]["documents"]
    assert gaps["measure-bias"]["who"] == "metier evaluate EXPERT DATA --group COLUMN"
    assert set(QUESTIONS) - {id for id, gap in gaps.items() if gap["kind"] == "question"} == set()
    card = (written.folder / "card.md").read_text(encoding="utf-8")
    assert f"**Question for business owner** (`intended-use`): {QUESTIONS['intended-use'].text}" in card


def test_a_named_role_is_asked_by_name(texts):
    dossier = replace(texts.dossier(), approvals=[{"name": "Grace Hopper", "role": "validator", "decision": "approve"}])
    gaps = {gap["id"]: gap["who"] for gap in room.missing(dossier, ["model-risk"])["model-risk"]}
    assert gaps["conceptual-soundness"] == "Grace Hopper, validator"


def test_answers_close_the_questions_and_carry_their_names(texts, tmp_path):
    answers = answered(tmp_path / "answers.json")
    done = room.documents(texts.dossier(), tmp_path / "out", ("md",), answers, TODAY)
    assert [gap for gap in done.manifest["gaps"] if gap["kind"] == "question"] == []
    card = (done.folder / "card.md").read_text(encoding="utf-8")
    assert "What was said of intended-use. — Ada Lovelace, 2026-11-20" in card
    assert "Question for" not in card
    assert done.manifest["sources"]["answers.json"] == files.sha256(done.folder / "answers.json")
    assert room.questions(texts.dossier(), answers)["answers"] == {}


def test_the_skeleton_of_questions_is_an_answers_file(texts, tmp_path):
    asked = room.questions(texts.dossier())
    assert set(asked["answers"]) == set(QUESTIONS)
    unfilled = answered(tmp_path / "answers.json", asked)
    assert set(room.questions(texts.dossier(), unfilled)["answers"]) == set(QUESTIONS)
    asked["by"], asked["answers"]["licence"]["answer"] = "Ada", "apache-2.0"
    assert "licence" not in room.questions(texts.dossier(), answered(unfilled, asked))["answers"]


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ({"answers": {"intended-used": "x"}, "by": "Ada"}, "did you mean 'intended-use'?"),
        ({"answers": {"licence": "mit"}}, "licence: an answer needs `by`"),
        ({"answers": {"licence": {"answer": "mit", "by": "Ada", "on": "soon"}}}, "`on` is 'soon'"),
        ({"answers": {"licence": 7}}, "licence: neither a text nor an object"),
        ({"answers": {"licence": {"answer": 7}}}, "licence: `answer` is no text"),
        ({"answers": {"licence": {"said": "mit"}}}, "licence: 'said' is not known"),
        ({"who": "Ada", "answers": {}}, "'who' is not known"),
        ({"by": "Ada"}, "there is no object `answers`"),
        ([], "there is no object `answers`"),
    ],
)
def test_answers_that_cannot_be_are_refused_with_all_their_faults(texts, tmp_path, answers, told):
    with pytest.raises(UsageError) as caught:
        room.documents(texts.dossier(), tmp_path / "out", answers=answered(tmp_path / "answers.json", answers))
    assert caught.value.code == "bad-answers"
    assert told in caught.value.found
    assert not (tmp_path / "out").exists()


def test_an_answers_file_that_is_not_there_is_refused(texts, tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        room.questions(texts.dossier(), tmp_path / "none.json")


def test_an_altered_source_is_refused(texts, tmp_path):
    run = tmp_path / texts.expert.parent.name
    shutil.copytree(texts.expert.parent, run)
    dossier = replace(texts.dossier(), run=run)
    check(dossier)
    text = (run / "evaluation.json").read_text()
    (run / "evaluation.json").write_text(text.replace('"metric": "accuracy"', '"metric": "accurate"', 1))
    with pytest.raises(RecordError) as caught:
        room.documents(dossier, tmp_path / "out")
    assert caught.value.code == "altered-source"
    assert "evaluation.json was altered" in caught.value.found
    assert not (tmp_path / "out").exists()


def test_the_evaluation_of_another_expert_is_refused(texts, loans, tmp_path):
    dossier = replace(texts.dossier(), evaluations=loans[0].dossier().evaluations)
    with pytest.raises(RecordError) as caught:
        room.documents(dossier, tmp_path / "out")
    assert caught.value.code == "contradictory-sources"
    assert "evaluation/data.json says" in caught.value.found


def test_an_evaluation_sealed_anew_for_no_expert_is_refused(texts, tmp_path):
    forged = altered(texts.dossier().evaluations[0], tmp_path)
    with pytest.raises(RecordError, match="must speak of the expert at hand"):
        check(replace(texts.dossier(), evaluations=(forged,)))


def test_the_run_of_another_expert_is_refused(loans):
    with pytest.raises(RecordError) as caught:
        check(replace(loans[0].dossier(), run=loans[1].dossier().run))
    assert "run/data.json" in caught.value.found


def test_documents_are_current_until_a_source_or_a_file_changes(texts, tmp_path, loans):
    done = room.documents(texts.dossier(), tmp_path / "out", ("md",), answered(tmp_path / "answers.json"), TODAY)
    assert room.stale(done.folder, texts.dossier()) == []
    later = replace(texts.dossier(), evaluations=(*texts.dossier().evaluations, *loans[0].dossier().evaluations))
    (told,) = room.stale(done.folder, later)
    assert told.startswith("All were drawn without evaluation-2/data.json")
    approved = replace(texts.dossier(), review={"limitations": "few rows"})
    assert "registry.json" in room.stale(done.folder, approved)[0]
    without = replace(texts.dossier(), evaluations=())
    assert "which now is gone." in "".join(room.stale(done.folder, without))
    (done.folder / "card.md").write_text("better")
    assert room.stale(done.folder, texts.dossier()) == ["card.md was altered since it was written."]
    (done.folder / "card.md").unlink()
    assert room.stale(done.folder, texts.dossier()) == ["card.md is missing."]


def test_a_newer_registry_makes_its_documents_stale(texts, tmp_path):
    first = replace(texts.dossier(), release={"name": "tickets", "version": 1, "stage": "candidate", "id": "r1"})
    done = room.documents(first, tmp_path / "out", ("md",), today=TODAY)
    assert "tickets version 1 (candidate)" in (done.folder / "card.md").read_text()
    assert files.sha256(done.folder / "registry.json") == done.manifest["sources"]["registry.json"]
    live = replace(first, release={**(first.release or {}), "stage": "live"})
    assert any(told.startswith("card was drawn from registry.json") for told in room.stale(done.folder, live))


def test_a_folder_without_documents_is_no_folder_of_documents(texts, tmp_path):
    with pytest.raises(ResourceError):
        room.stale(tmp_path, texts.dossier())
    (tmp_path / "documents.json").write_text("{}")
    with pytest.raises(RecordError, match=r"holds the documents\.json"):
        room.stale(tmp_path, texts.dossier())


def test_missing_asks_only_for_those_documents(texts, tmp_path):
    assert set(room.missing(texts.dossier(), ["dpia", "bill"])) == {"dpia"}
    answers = answered(tmp_path / "answers.json")
    left = room.missing(texts.dossier(), ["dpia"], answers)["dpia"]
    assert [gap["id"] for gap in left] == ["measure-privacy", "measure-bias"]
    with pytest.raises(UsageError, match="by its name"):
        room.missing(texts.dossier(), ["karte"])


def test_nobodys_folder_is_overwritten(texts, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ResourceError, match="must be new, empty"):
        room.documents(texts.dossier(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("formats", [(), ("docx",), ("md", "rtf")])
def test_a_format_nobody_writes_is_refused(texts, tmp_path, formats):
    with pytest.raises(UsageError, match="md, html or pdf"):
        room.documents(texts.dossier(), tmp_path / "out", formats)


def test_a_copy_of_the_expert_away_from_its_run_still_has_documents(finished, tmp_path):
    bare = Dossier(expert=finished.output)
    done = room.documents(bare, tmp_path / "out", ("md",), today=TODAY)
    assert set(done.manifest["sources"]) == {"expert/metier.json", "expert/manifest.json"}
    assert "measure-evaluation" in {gap["id"] for gap in done.manifest["gaps"]}


def test_the_example_answers_what_it_says_and_leaves_the_rest_open(texts):
    example = Path(__file__).parents[3] / "examples/credit/answers.json"
    given = json.loads(example.read_text(encoding="utf-8"))["answers"]
    left = room.questions(texts.dossier(), example)["answers"]
    assert set(left) == set(QUESTIONS) - set(given)
    assert len(given) >= 15


def test_a_ledger_that_has_grown_makes_nothing_stale(texts, tmp_path):
    before = replace(texts.dossier(), ledger={"records": 3, "root": "ab"})
    done = room.documents(before, tmp_path / "out", ("md",), today=TODAY)
    assert "3 records, root ab" in (done.folder / "card.md").read_text()
    assert room.stale(done.folder, replace(before, ledger={"records": 4, "root": "cd"})) == []


def test_the_version_before_is_looked_at_where_it_is_named(loans, tmp_path):
    with_previous = loans[1].dossier(since=loans[0].expert)
    done = room.documents(with_previous, tmp_path / "out", ("md",), today=TODAY)
    assert room.stale(done.folder, with_previous) == []
    assert room.stale(done.folder, loans[1].dossier()) == []
    other = replace(with_previous, previous=replace(with_previous.previous, evaluations=()))
    assert "changes was drawn from previous/evaluation/evaluation.json" in "".join(room.stale(done.folder, other))


def test_a_signature_shows_the_hashes_it_was_given_for(texts, tmp_path):
    given = {
        "name": "Ada",
        "role": "approver",
        "decision": "approve",
        "hashes": {"expert": "0123456789abcdef"},
        "signature": "s1",
    }
    done = room.documents(replace(texts.dossier(), approvals=[given]), tmp_path / "out", ("md",), today=TODAY)
    assert "expert 0123456789ab [" in (done.folder / "model-risk.md").read_text()


def test_a_merged_expert_still_belongs_to_its_run(texts, tmp_path):
    merged = Expert.load(texts.expert).merge(tmp_path / "merged")
    dossier = Dossier(expert=merged, run=texts.expert.parent)
    assert dossier.derived
    check(dossier)
    with pytest.raises(RecordError, match="must speak of the expert at hand"):
        check(replace(dossier, evaluations=texts.dossier().evaluations))  # they were of the expert before it was merged
