"""The ledger: every single tamper is found and named, concurrent writers lose nothing, a killed one is told apart."""

from __future__ import annotations

import json
import multiprocessing
import random
from pathlib import Path

import pytest

from metier.errors import RecordError
from metier.govern.actor import Actor
from metier.govern.ledger import checkpoints, pending
from metier.govern.ledger.book import Ledger, open_ledger, verify_file
from metier.govern.ledger.entry import FIELDS, Act, Record, next_record
from metier.govern.ledger.note import note
from metier.store.tables.ledger import ledger as table
from metier.workspace import Workspace

ANNA = Actor("anna", "author")


def filled(place: Workspace, acts: int = 12) -> Ledger:
    book = open_ledger(place)
    for number in range(acts):
        book.append([Act("tuned", f"expert:e@{number}", "why", {"figure": 0.1 * number, "text": "é\n"})], ANNA)
    return book


def test_records_come_back_in_order_and_verify(workspace: Workspace) -> None:
    book = filled(workspace)
    found = list(book.records())
    assert [record.seq for record in found] == list(range(1, 14))
    assert found[0].act == "signs"
    assert found[3].facts == {"figure": 0.2, "text": "é\n"}
    assert (found[3].actor, found[3].role, found[3].reason) == ("anna", "author", "why")
    assert book.verify().ok
    assert [record.subject for record in book.records("e@3")] == ["expert:e@3"]
    assert len(list(book.records("expert:e"))) == len(list(book.records("e"))) == 12
    assert len(list(book.records("e", after=10))) == 3
    assert list(book.records("e_")) == []
    book.store.close()


def _rows(book: Ledger) -> list[Record]:
    return list(book.records())


def _replace(book: Ledger, rows: list[dict[str, object]]) -> None:
    with book.store.write() as connection:
        connection.execute(table.delete())
        if rows:
            connection.execute(table.insert(), rows)


def _tamper(rows: list[dict[str, object]], rng: random.Random) -> int:
    """Change one thing; the number of the first record that is not what it was."""
    at = rng.randrange(len(rows))
    match rng.choice(["edit", "delete", "insert", "reorder", "truncate", "anew"]):
        case "edit":
            name = rng.choice([name for name in FIELDS if name != "seq"])
            rows[at][name] = str(rows[at][name])[:-1] + rng.choice("xyz0")
            if name == "details":
                rows[at][name] = '{"figure":9}'
        case "delete":
            del rows[at]
        case "insert":
            rows.insert(at, {**rows[at], "id": "put-in", "reason": "put in"})
            for number, row in enumerate(rows, start=1):
                row["seq"] = number
        case "reorder":
            at = rng.randrange(len(rows) - 1)
            rows[at], rows[at + 1] = {**rows[at + 1], "seq": at + 1}, {**rows[at], "seq": at + 2}
        case "truncate":
            del rows[at:]
        case "anew":  # changed, and everything from there hashed again
            previous = str(rows[at]["previous"])
            for place in range(at, len(rows)):
                row = rows[place]
                act = Act(
                    str(row["act"]), str(row["subject"]), "changed", json.loads(str(row["details"])), str(row["id"])
                )
                fresh = next_record(act, place + 1, previous, str(row["at"]), (str(row["actor"]), str(row["role"])))
                rows[place] = {name: getattr(fresh, name) for name in FIELDS}
                previous = fresh.link
            return max(at, 1) + 1  # the first two were kept in one turn, and signed by one checkpoint
    return at + 1


def test_every_single_tamper_of_the_database_is_found_and_named(tmp_path: Path) -> None:
    book = filled(Workspace(tmp_path / "metier"))
    whole = [{name: getattr(record, name) for name in FIELDS} for record in _rows(book)]
    for seed in range(300):
        rows = [dict(row) for row in whole]
        wanted = _tamper(rows, random.Random(seed))
        if rows == whole:
            continue
        _replace(book, rows)
        found = book.verify()
        assert not found.ok, seed
        assert found.record == wanted, (seed, found)
    _replace(book, whole)
    assert book.verify().ok
    book.store.close()


def test_every_single_tamper_of_an_exported_file_is_found(tmp_path: Path) -> None:
    book = filled(Workspace(tmp_path / "metier"))
    book.export(tmp_path / "ledger.jsonl")
    book.store.close()
    whole = (tmp_path / "ledger.jsonl").read_text()
    assert verify_file(tmp_path / "ledger.jsonl").ok
    file = tmp_path / "changed.jsonl"
    for seed in range(600):
        rng = random.Random(seed)
        lines = whole.splitlines(keepends=True)
        at = rng.randrange(len(lines))
        match rng.choice(["edit", "delete", "insert", "reorder", "truncate", "cut"]):
            case "edit":
                place = rng.randrange(len(lines[at]))
                lines[at] = lines[at][:place] + rng.choice("abc019 {}\n") + lines[at][place + 1 :]
            case "delete":
                del lines[at]
            case "insert":
                lines.insert(at, rng.choice(lines))
            case "reorder":
                other = rng.randrange(len(lines))
                lines[at], lines[other] = lines[other], lines[at]
            case "truncate":
                del lines[at:]
            case "cut":
                lines = ["".join(lines)[: -rng.randrange(2, 500)]]
        text = "".join(lines)
        if text == whole:
            continue
        file.write_text(text)
        found = verify_file(file)
        assert not found.ok, seed
        assert found.record is not None, (seed, found)


def test_a_file_is_held_against_the_key_that_must_have_signed(tmp_path: Path) -> None:
    book = filled(Workspace(tmp_path / "metier"), 2)
    key = book.export(tmp_path / "a.jsonl")["key"]
    book.store.close()
    other = filled(Workspace(tmp_path / "other"), 2)
    other.export(tmp_path / "b.jsonl")
    other.store.close()
    assert verify_file(tmp_path / "a.jsonl", key).ok
    assert not verify_file(tmp_path / "b.jsonl", key).ok


def test_nothing_to_export_is_told(tmp_path: Path) -> None:
    book = open_ledger(Workspace(tmp_path / "metier"))
    with pytest.raises(RecordError) as error:
        book.export(tmp_path / "ledger.jsonl")
    assert error.value.code == "empty-ledger"
    assert not (tmp_path / "ledger.jsonl").exists()
    book.store.close()


def test_lost_checkpoints_are_found(workspace: Workspace) -> None:
    book = filled(workspace, 3)
    checkpoints.path_of(workspace, book.signer.public).unlink()
    assert "checkpoints are gone" in book.verify().problem
    book.store.close()


def test_a_torn_last_checkpoint_is_what_a_killed_process_leaves(workspace: Workspace) -> None:
    book = filled(workspace, 3)
    path = checkpoints.path_of(workspace, book.signer.public)
    path.write_bytes(path.read_bytes()[:-7])
    assert book.verify().ok
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([lines[0][:-9], *lines[1:]]))
    assert not book.verify().ok
    book.store.close()


def test_a_record_put_in_after_the_last_checkpoint_is_found(workspace: Workspace) -> None:
    book = filled(workspace, 2)
    with book.store.write() as connection:
        last = list(book.records())[-1]
        added = next_record(Act("approved", "release:e@1"), last.seq + 1, last.link, last.at, ("eve", ""))
        connection.execute(table.insert().values({name: getattr(added, name) for name in FIELDS}))
    found = book.verify()
    assert (found.ok, found.record) == (False, last.seq + 1)
    book.store.close()


def test_a_process_killed_before_its_checkpoint_is_no_tampering(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = filled(workspace, 2)
    keep = checkpoints.keep
    monkeypatch.setattr(checkpoints, "keep", lambda *_: None)
    book.append([Act("tuned", "expert:late")], ANNA)
    monkeypatch.setattr(checkpoints, "keep", keep)
    assert book.verify().ok
    book.append([Act("tuned", "expert:later")], ANNA)
    assert book.verify().ok
    book.store.close()


def _append(root: Path, number: int, acts: int) -> None:
    book = open_ledger(Workspace(root))
    for count in range(acts):
        book.append([Act("read", f"data:{number}", "", {"n": count})], Actor(f"process {number}"))
    book.store.close()


def test_concurrent_writers_lose_nothing(workspace: Workspace) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_append, args=(workspace.root, number, 25)) for number in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    book = open_ledger(workspace)
    assert book.verify().ok
    for number in range(3):
        assert [record.facts["n"] for record in book.records(f"data:{number}")] == list(range(25))
    book.store.close()


def test_acts_wait_while_the_database_is_away_and_are_written_once(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(workspace, 1).store.close()
    with monkeypatch.context() as away:
        away.setenv("METIER_DATABASE_URL", "postgresql://anna@127.0.0.1:1/away")
        note(workspace, Act("tuned", "expert:away"), actor=ANNA)
    waiting = list(pending.folder(workspace).iterdir())
    assert len(waiting) == 1
    copy = waiting[0].read_bytes()
    note(workspace, Act("tuned", "expert:back"), actor=ANNA)
    assert list(pending.folder(workspace).iterdir()) == []
    waiting[0].write_bytes(copy)  # killed between keeping the record and removing the file
    note(workspace, Act("tuned", "expert:again"), actor=ANNA)
    book = open_ledger(workspace)
    assert [record.subject for record in book.records("expert")][-3:] == ["expert:away", "expert:back", "expert:again"]
    assert "happened" in next(book.records("away")).facts
    assert book.verify().ok
    book.store.close()
