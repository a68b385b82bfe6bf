"""A person's row is found wherever it lies, is gone afterwards, stays out, and the certificate says the truth."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import Command
from tests.govern.erasure.conftest import PERSON, TEXT, Desk

from metier import lifecycle
from metier.data import erased, versions
from metier.data.read import read
from metier.errors import MetierError, RecordError, UsageError
from metier.expert import Expert
from metier.govern import origin, record
from metier.govern.erasure import certificate, records
from metier.govern.erasure.forget import Ways, forget
from metier.govern.ledger.book import open_ledger
from metier.govern.verify import verify
from metier.plan import DataPlan, Plan
from metier.trunk.cache import holding, keys
from metier.workspace import Workspace

WHO = f"customer={PERSON}"


def everywhere(root: Path, needle: str) -> list[str]:
    """The files of a folder that hold these bytes."""
    return [str(path) for path in root.rglob("*") if path.is_file() and needle.encode() in path.read_bytes()]


def vectors(place: Workspace, text: str) -> int:
    return sum(holding(path, keys([text])) for path in place.cache.rglob("*.seg"))


def test_a_dry_run_finds_all_and_changes_nothing(desk: Desk) -> None:
    before = {path: path.read_bytes() for path in desk.place.runs.rglob("*") if path.is_file()}
    found = forget(WHO, ways=Ways(dry_run=True), workspace=desk.place.root)
    assert [one["rows"] for one in found["found"]["data"]] == [[1]]
    assert found["found"]["features"]["vectors"] == 1
    assert {one["path"] for one in found["found"]["quotes"]} >= {"data.json", "expert/metier.json"}
    assert [(one["run"], one["learnt"]) for one in found["experts"]] == [(desk.run.name, 1)]
    assert {path: path.read_bytes() for path in desk.place.runs.rglob("*") if path.is_file()} == before
    assert records.pending(desk.place) == []
    assert vectors(desk.place, TEXT) == 1


def test_everything_of_the_person_is_gone_and_the_run_still_verifies(desk: Desk) -> None:
    assert everywhere(desk.place.root, PERSON)
    found = forget(WHO, ways=Ways(reason="article 17"), workspace=desk.place.root)
    assert everywhere(desk.place.root, PERSON) == []
    assert everywhere(desk.place.root, TEXT) == []
    assert vectors(desk.place, TEXT) == 0
    verdict = verify(desk.run)
    assert verdict.ok
    assert any(f"data.json was redacted by erasure {found['erasure']}" in note for note in verdict.notes)
    assert verify(desk.run / "expert").ok
    assert Expert.load(desk.run / "expert").predict(["my card does not work"])
    assert [(one.run, one.rows) for one in records.pending(desk.place)] == [(desk.run.name, 1)]
    assert verify(desk.place.root).ok
    assert str(desk.data) in {one["what"] for one in found["remains"]}
    assert not {"erased", "erasing"} - {one.act for one in open_ledger(desk.place).records()}
    assert desk.data.read_text(encoding="utf-8").count(PERSON) == 1


def test_every_other_change_of_a_redacted_run_is_found(desk: Desk) -> None:
    forget(WHO, workspace=desk.place.root)
    data, listed = desk.run / "data.json", desk.run / "redacted.json"
    for path, content in (
        (data, data.read_bytes() + b" "),
        (listed, listed.read_bytes().replace(b'"at": "2', b'"at": "1')),
    ):
        kept = path.read_bytes()
        path.write_bytes(content)
        assert not verify(desk.run).ok
        path.write_bytes(kept)
    assert verify(desk.run).ok
    listed.unlink()
    assert verify(desk.run).record == "data.json"


def test_a_list_signed_by_a_stranger_explains_nothing_unless_named(desk: Desk, tmp_path: Path) -> None:
    from metier.govern import redaction, signing

    stranger = signing.signer(Workspace(tmp_path / "other"))
    root = json.loads((desk.run / "done.json").read_bytes())["root"]
    entry = next(
        one for one in json.loads((desk.run / "done.json").read_bytes())["files"] if one["path"] == "plan.json"
    )
    (desk.run / "plan.json").unlink()
    redaction.write(
        desk.run, root, [redaction.Redacted("plan.json", entry["sha256"], None, "E", "2026-01-01")], stranger
    )
    refused = verify(desk.run)
    assert not refused.ok
    assert verify(desk.run, key=stranger.fingerprint).ok
    assert not verify(desk.run, key="0" * 16).ok


def test_the_row_does_not_come_back(desk: Desk, tmp_path: Path) -> None:
    forget(WHO, workspace=desk.place.root)
    cache = desk.place.cache / "tables"
    for path in (desk.data, tmp_path / "again.csv"):
        if path != desk.data:
            path.write_text(f'who,note,n\nx,"{TEXT.upper()}",1\ny,another text that may stay,2\n', encoding="utf-8")
        dataset = read(path, DataPlan(), cache)
        problem = next(one for one in dataset.schema.problems if one.code == erased.CODE)
        assert problem.rows == 1
        assert TEXT.casefold() not in str(dataset.table.to_pylist()).casefold()
        assert len(read(path, DataPlan(), cache)) == len(dataset)
        assert sum(one.rows for one in read(path, DataPlan(), cache).schema.problems if one.code == erased.CODE) == 1
    assert versions.find("people@1", desk.place, Plan()).table.column("customer")[1].as_py() is None


def test_row_numbers_still_mean_the_same_rows(desk: Desk) -> None:
    expert = Expert.load(desk.run / "expert")
    before, _ = origin.find(expert, desk.place)
    forget(WHO, workspace=desk.place.root)
    after, _ = origin.find(expert, desk.place)
    assert before is not None
    assert after is not None
    assert sorted(set(before.examples.rows) - set(after.examples.rows)) == [1]
    same = np.isin(before.examples.rows, after.examples.rows)
    assert before.examples.inputs.filter(same).to_pylist() == after.examples.inputs.to_pylist()
    assert np.array_equal(before.held_out[same], after.held_out)


def test_tuning_again_leaves_the_row_out_and_says_what_can_be_told(desk: Desk) -> None:
    found = forget(WHO, ways=Ways(retune=True, remove_old=True), workspace=desk.place.root)
    (one,) = found["experts"]
    assert one["retuned"]
    new = desk.place.runs / one["retuned"]
    assert 1 in {row for rows in json.loads((new / "data.json").read_bytes())["set_aside"].values() for row in rows}
    for side in ("before", "after"):
        assert one["membership"][side]["never_seen_rows"] == 60
        assert 0 <= one["membership"][side]["never_seen_at_or_above"] <= 1
    assert records.pending(desk.place) == []
    assert not list((desk.run / "expert").rglob("*.safetensors"))
    assert verify(desk.run).ok
    assert verify(new).ok
    assert everywhere(desk.place.root, PERSON) == []


def test_a_text_is_enough(desk: Desk) -> None:
    found = forget(text=f"  {TEXT.upper()} ", workspace=desk.place.root)
    assert found["found"]["data"][0]["rows"] == [1]
    assert found["subject"]["kind"] == "text"
    assert everywhere(desk.place.root, TEXT) == []


def test_a_text_of_others_too_is_left(desk: Desk) -> None:
    text = read(desk.data, DataPlan(), desk.place.cache / "tables").table.column("text")[0].as_py()
    with desk.data.parent.joinpath("shared.csv").open("w", encoding="utf-8") as file:
        file.write(f"customer,text,intent\nZ-1-aaaa,{text},card\nZ-2-bbbb,another of that kind,card\n")
    read(desk.data.parent / "shared.csv", DataPlan(), desk.place.cache / "tables")
    found = forget("customer=Z-1-aaaa", workspace=desk.place.root)
    assert found["found"]["texts_of_others_too"] == 1
    assert vectors(desk.place, text) == 1
    assert found["tombstones"] == 1


def test_copies_of_the_expert_in_the_workspace_are_redacted_too(desk: Desk) -> None:
    from metier.govern.packing import packed

    packed.pack(desk.run / "expert", desk.place.root.parent / "p.metier", workspace=desk.place.root)
    copy = packed.unpacked(desk.place.root.parent / "p.metier", desk.place)
    assert everywhere(copy, TEXT)
    found = forget(WHO, workspace=desk.place.root)
    assert everywhere(copy, TEXT) == []
    assert verify(copy).ok
    assert copy.relative_to(desk.place.root).as_posix() in {one["what"] for one in found["remains"]}


def test_near_texts_are_listed_and_left(desk: Desk, tmp_path: Path) -> None:
    near = TEXT.replace("tram", "trem")
    path = tmp_path / "near.csv"
    path.write_text(f'text,n\n"{near}",1\n"something else entirely",2\n', encoding="utf-8")
    read(path, DataPlan(), desk.place.cache / "tables")
    found = forget(text=TEXT, ways=Ways(near=True, dry_run=True), workspace=desk.place.root)
    assert [(one["version"], one["row"]) for one in found["near"]] == [("near@1", 0)]


def test_a_file_is_rewritten_only_when_named(desk: Desk, tmp_path: Path) -> None:
    mine = tmp_path / "mine.csv"
    mine.write_bytes(desk.data.read_bytes())
    lines = desk.data.read_bytes().splitlines(keepends=True)
    found = forget(WHO, ways=Ways(rewrite=(str(mine),)), workspace=desk.place.root)
    assert found["purged"]["rewritten"] == [{"path": str(mine), "rows": 1}]
    assert mine.read_bytes() == b"".join(line for line in lines if PERSON.encode() not in line)


def test_an_unfinished_run_of_the_data_is_removed_and_one_at_work_is_told(desk: Desk) -> None:
    sha256 = json.loads((desk.run / "data.json").read_bytes())["train"]["source"]["sha256"]
    with desk.place.open_run("k", "left", [sha256]) as left:
        (left.folder / "train.f16").write_bytes(b"states")
    working = desk.place.open_run("other", "working", [sha256])
    elsewhere = desk.place.open_run("third", "elsewhere", ["0" * 64])
    elsewhere.release()
    found = forget(WHO, workspace=desk.place.root)
    working.release()
    assert not left.folder.exists()
    assert working.folder.exists()
    assert elsewhere.folder.exists()
    assert f"runs/{working.folder.name}" in {one["what"] for one in found["remains"]}


def test_what_cannot_be_read_again_is_told(desk: Desk) -> None:
    for path in (desk.place.cache / "tables").glob("*.json"):
        path.unlink()
    moved = desk.test.rename(desk.test.with_suffix(".moved"))
    found = forget(WHO, ways=Ways(dry_run=True), workspace=desk.place.root)
    moved.rename(desk.test)
    assert [one["rows"] for one in found["found"]["data"]] == [[1]]
    assert any("test@1" in one["what"] for one in found["unsearched"])


def test_the_certificate_is_verified_offline_and_holds_nothing_of_the_person(desk: Desk, tmp_path: Path) -> None:
    found = forget(WHO, ways=Ways(reason="asked to"), workspace=desk.place.root)
    copy = tmp_path / "certificate.json"
    copy.write_bytes(Path(found["certificate"]).read_bytes())
    assert verify(copy).ok
    key = verify(copy).notes[0].split()[4].strip(":")
    assert verify(copy, key=key).notes == ()
    assert not verify(copy, key="f" * 16).ok
    for old, new in ((b"asked to", b"asked ta"), (b'"remains": [', b'"remains":  ['), (b'"rows": 1', b'"rows": 2')):
        assert old in copy.read_bytes()
        copy.write_bytes(Path(found["certificate"]).read_bytes().replace(old, new, 1))
        assert not verify(copy).ok
    page = Path(found["page"]).read_text(encoding="utf-8")
    assert PERSON not in page
    assert TEXT not in page
    assert found["erasure"] in page


def test_nothing_found_is_certified_too(desk: Desk) -> None:
    found = forget("customer=nobody-at-all", workspace=desk.place.root)
    assert found["found"]["data"] == []
    assert found["experts"] == []
    assert certificate.check(Path(found["certificate"])).ok


@pytest.mark.parametrize(
    ("identifier", "text"), [(None, None), ("a=b", "c"), ("no sign", None), ("=4", None), ("a=", None), (None, " ")]
)
def test_whose_rows_must_be_said(desk: Desk, identifier: str | None, text: str | None) -> None:
    with pytest.raises(UsageError) as error:
        forget(identifier, text, workspace=desk.place.root)
    assert error.value.code == "whose-rows"


def test_without_a_workspace_there_is_nothing_to_forget(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        forget(WHO, workspace=tmp_path / "none")
    assert error.value.code == "no-workspace"


def test_without_its_key_erased_rows_are_not_read(desk: Desk) -> None:
    forget(WHO, workspace=desk.place.root)
    key = desk.place.root / "keys" / "erasure.key"
    kept = key.read_text()
    for content, code in (("00", "bad-erasure-key"), (None, "no-erasure-key")):
        key.unlink() if content is None else key.write_text(content)
        with pytest.raises(RecordError) as error:
            read(desk.data, DataPlan(), desk.place.cache / "tables")
        assert error.value.code == code
    key.write_text(kept)
    erased.file_of(desk.place.root).write_text("[{}]")
    with pytest.raises(RecordError) as error:
        read(desk.data, DataPlan(), desk.place.cache / "tables")
    assert error.value.code == "broken-tombstones"


def test_a_team_shares_tombstones_through_its_database(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    path = tmp_path / "some.csv"
    path.write_text(
        "customer,text\nA-1-xyz,one text of some length\nB-2-xyz,another text of some length\n", encoding="utf-8"
    )
    read(path, DataPlan(), workspace.cache / "tables") if workspace.prepare() is None else None
    forget("customer=A-1-xyz", workspace=workspace.root)
    if not os.environ.get("METIER_DATABASE_URL"):
        return
    colleague = Workspace(tmp_path / "colleague")
    colleague.prepare()
    monkeypatch.setenv("METIER_ERASURE_KEY", str(workspace.root / "keys" / "erasure.key"))
    for _ in range(2):
        dataset = read(path, DataPlan(), colleague.cache / "tables")
        assert dataset.table.column("text").to_pylist() == [None, "another text of some length"]
        # From here on the file must do: the database is away.
        monkeypatch.setenv("METIER_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
        for table in (colleague.cache / "tables").glob("*.json"):
            table.unlink()


def test_pending_is_told_on_both_databases(workspace: Workspace) -> None:
    from metier.govern.actor import Actor
    from metier.govern.erasure.search import Taught

    ledger = open_ledger(workspace)
    taught = Taught("run-1", "banking", "a" * 64, "b" * 64, (1, 2), (2,), 0)
    with ledger.turn(Actor("anna")) as turn:
        records.enter(turn.connection, "E1", [{"digest": "d" * 64, "column": "", "erasure": "E1"}], [taught])
        records.enter(turn.connection, "E2", [{"digest": "d" * 64, "column": "", "erasure": "E2"}], [])
        records.certify(turn.connection, "E1", "anna", "asked", {"n": 1})
        records.certify(turn.connection, "E1", "anna", "asked", {"n": 2})
    assert [(one.name, one.rows, one.erasure) for one in records.pending(workspace)] == [("banking", 2, "E1")]
    with ledger.turn(Actor("anna")) as turn:
        records.retuned(turn.connection, "run-1", "run-2")
    assert records.pending(workspace) == []
    ledger.store.close()


def test_the_command_tells_and_answers_in_json(desk: Desk, metier: Command) -> None:
    told = metier("forget", "--id", WHO, "--dry-run", "--workspace", desk.place.root)
    assert "Nothing was changed." in told.out
    assert "1 learnt" in told.out
    answer = metier(
        "forget", "--id", WHO, "--reason", "asked", "--as", "anna", "--workspace", desk.place.root, "--json"
    )
    assert answer.json["by"] == "anna"
    assert metier("verify", answer.json["certificate"], "--json").json["ok"]
    assert metier("forget", "--id", WHO, "--workspace", desk.place.root).code == 0
    refused = metier("forget", "--expired", "--id", WHO, "--workspace", desk.place.root, "--json")
    assert refused.json["error"]["code"] == "expired-alone"


def test_an_expert_tuned_before_takes_up_no_run_of_the_old_rows(desk: Desk, tiny_base: Path) -> None:
    forget(WHO, workspace=desk.place.root)
    again = lifecycle.tune(
        desk.data, workspace=desk.place.root, target="intent", text=("text",), base=str(tiny_base), rung="linear"
    )
    problems = json.loads((again.run / "data.json").read_bytes())["train"]["schema"]["problems"]
    assert [one["rows"] for one in problems if one["code"] == erased.CODE] == [1]
    assert record.verify(again.run).ok


def test_refusals_leave_no_trace(desk: Desk) -> None:
    (desk.place.root / "retention.json").write_text(
        json.dumps({"holds": [{"what": f"id:{WHO}", "reason": "claim 12/26"}]}), encoding="utf-8"
    )
    with pytest.raises(MetierError) as error:
        forget(WHO, workspace=desk.place.root)
    assert error.value.code == "legal-hold"
    assert not erased.file_of(desk.place.root).exists()
    assert forget(WHO, ways=Ways(dry_run=True), workspace=desk.place.root)["held"].startswith(f"id:{WHO}: claim")
