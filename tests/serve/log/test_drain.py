"""Into the records exactly once: after a crash, from another server's spool, with the database away and back."""

from __future__ import annotations

import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.postgres import Server

from metier.errors import ResourceError
from metier.govern.ledger.book import open_ledger
from metier.serve.log import drain as draining
from metier.serve.log import spool
from metier.serve.log.book import Book
from metier.serve.log.drain import Drain
from metier.serve.log.entry import Asked, Policy, new_id
from metier.serve.log.reading import ids_of, joined
from metier.serve.log.sealing import Sealer, sealer
from metier.serve.log.spool import Spool
from metier.serve.problems import Refused
from metier.store.records import Store, open_store
from metier.workspace import Workspace

ANSWER = {"prediction": "card", "confidence": 0.9, "abstain": False}
ASKED = Asked("request", "banking", "3", "live", "key:a", 0.0)


@pytest.fixture
def store(workspace: Workspace) -> Iterator[Store]:
    found = open_store(workspace)
    yield found
    found.close()


def book_of(place: Workspace, store: Store, policy: Policy | None = None, **choices: Any) -> Book:
    own = Spool(place)
    return Book(own, Drain(place, store, own, choices.pop("keep_days", None)), policy or Policy(), **choices)


def count(store: Store, table: str = "predictions") -> int:
    with store.read() as connection:
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() or 0)


def test_answers_and_truths_find_each_other(workspace: Workspace, store: Store) -> None:
    book = book_of(workspace, store)
    first, second = book.answers(
        ASKED, [{**ANSWER, "summary": {"norm": 1.5}}, {**ANSWER, "low": 1.0, "high": 2.0}], ["a", "b"]
    )
    book.truth(second, "fees", "key:a", None)
    book.truth(second, "login", "key:a", frozenset({"banking"}))
    book.truth(second, "poison", "key:b", frozenset({"loans"}))
    book.truth(new_id(), "early", "key:a", None)
    assert book.drain.once() == 6
    rows = list(joined(store))
    assert [row["id"] for row in rows] == [first, second]
    assert [row["truth"] for row in rows] == [None, "login"]
    assert rows[0]["summary"] == {"norm": 1.5}
    assert (rows[1]["low"], rows[1]["high"], rows[1]["prediction"], rows[1]["input"]) == (1.0, 2.0, "card", None)
    assert rows[0]["caller"] == "key:a"
    assert ids_of(store, "a") == [first]
    assert list(joined(store, expert="loans")) == []
    assert book.expert_of(first) == "banking"
    book.spool.close()


def test_a_spool_read_twice_is_written_once(workspace: Workspace, store: Store, tmp_path: Path) -> None:
    book = book_of(workspace, store)
    book.answers(ASKED, [ANSWER] * 50, ["a"] * 50)
    shutil.copytree(book.spool.folder, tmp_path / "copy")
    assert book.drain.once() == 50
    assert book.drain.once() == 0
    shutil.copytree(tmp_path / "copy", spool.folder_of(workspace) / "copy")
    assert book.drain.once() == 50
    assert count(store) == 50
    assert not (spool.folder_of(workspace) / "copy").exists()
    book.spool.close()


def test_a_dead_servers_rows_are_taken_over_and_a_live_ones_are_not(workspace: Workspace, store: Store) -> None:
    dead, alive = book_of(workspace, store), book_of(workspace, store)
    dead.answers(ASKED, [ANSWER], ["a"])
    path = dead.spool.files()[0][0]
    with path.open("ab") as file:
        file.write(b'00000000 ["predictions", {"id": "torn')
    assert alive.drain.once() == 0
    dead.spool._lock_file.close()
    assert alive.drain.once() == 1
    assert not dead.spool.folder.exists()
    alive.spool.close()


def test_a_row_that_the_database_refuses_does_not_hold_up_the_others(workspace: Workspace, store: Store) -> None:
    book = book_of(workspace, store)
    ids = book.answers(ASKED, [ANSWER] * 5, ["a"] * 5)
    book.spool.append([("predictions", {"id": new_id(), "at": "x"}), ("feedback", {"id": new_id(), "at": None})])
    book.drain.once()
    assert [row["id"] for row in joined(store)] == ids
    assert book.drain.rejected == 2
    assert len((spool.folder_of(workspace).parent / "rejected.jsonl").read_bytes().splitlines()) == 2
    book.spool.close()


@pytest.mark.parametrize("nasty", ["a\0b", "\ud800", "😀" * 10, ""])
def test_any_text_can_be_kept(workspace: Workspace, store: Store, nasty: str) -> None:
    book = book_of(workspace, store, Policy("text"))
    book.answers(Asked("r", nasty, "1", "live", "local", 0.0), [{**ANSWER, "prediction": nasty}], [nasty])
    book.answers(ASKED, [ANSWER], [{"column": nasty}])
    book.drain.once()
    assert book.drain.rejected == 0
    assert len(list(joined(store))) == 2
    book.spool.close()


def test_the_database_away_and_back_on_sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("METIER_DATABASE_URL", raising=False)
    monkeypatch.setattr("metier.store.records._PATIENCE", 0.05)
    place = Workspace(tmp_path / "home")
    store = open_store(place)
    book = book_of(place, store)
    other = sqlite3.connect(place.root / "metier.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    book.answers(ASKED, [ANSWER] * 3, ["a"] * 3)
    for _ in range(2):
        with pytest.raises(ResourceError):
            book.drain.once()
        book.answers(ASKED, [ANSWER] * 3, ["a"] * 3)
    other.execute("ROLLBACK")
    other.close()
    assert book.drain.once() == 9
    assert count(store) == 9
    book.spool.close()
    store.close()


def test_the_database_away_and_back_on_postgresql(
    postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"m{secrets.token_hex(6)}"
    postgres.run(f"CREATE DATABASE {name}")
    monkeypatch.setenv("METIER_DATABASE_URL", postgres.url(database=name))
    place = Workspace(tmp_path / "home")
    store = open_store(place)
    book = book_of(place, store)
    book.answers(ASKED, [ANSWER] * 2, ["a"] * 2)
    assert book.drain.once() == 2
    postgres.run(
        f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
    )
    book.answers(ASKED, [ANSWER] * 3, ["a"] * 3)
    with pytest.raises(ResourceError):
        book.drain.once()
    postgres.run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert book.drain.once() == 3
    assert count(store) == 5
    book.spool.close()
    store.close()
    postgres.run(f"DROP DATABASE {name} WITH (FORCE)")


def test_what_is_sealed_is_nowhere_in_plain(tmp_path: Path) -> None:
    place = Workspace(tmp_path / "home")
    store = open_store(place)
    key = sealer({"METIER_LOG_KEY": "a key that is long enough"})
    book = book_of(place, store, Policy("text", key))
    (id_,) = book.answers(ASKED, [{**ANSWER, "prediction": "haemorrhoids"}], ["Ada Lovelace asks"])
    book.truth(id_, "influenza", "local", None)
    secret = [b"haemorrhoids", b"Lovelace", b"influenza"]
    written = [path.read_bytes() for path in place.root.rglob("*") if path.is_file()]
    assert not any(word in content for content in written for word in secret)
    book.drain.once()
    written = [path.read_bytes() for path in place.root.rglob("*") if path.is_file()]
    assert not any(word in content for content in written for word in secret)
    (row,) = joined(store, sealer=key)
    assert (row["prediction"], row["input"], row["truth"]) == ("haemorrhoids", "Ada Lovelace asks", "influenza")
    (row,) = joined(store)
    assert (row["prediction"], row["input"], row["truth"]) == (None, None, None)
    assert ids_of(store, "Ada Lovelace asks", key) == [id_]
    assert ids_of(store, "Ada Lovelace asks") == [], "a hash without a key could be guessed"
    newer = Sealer((b"n" * 32, *(key.keys if key else ())))
    assert ids_of(store, "Ada Lovelace asks", newer) == [id_]
    book.spool.close()
    store.close()


@pytest.mark.parametrize(
    ("kept", "found"), [("none", None), ("hash", None), ("masked", "call [EMAIL]"), ("text", "call a@b.org")]
)
def test_inputs_are_kept_as_the_policy_says(tmp_path: Path, kept: Any, found: str | None) -> None:
    place = Workspace(tmp_path / "home")
    store = open_store(place)
    book = book_of(place, store, Policy(kept))
    book.answers(ASKED, [ANSWER], ["call a@b.org"])
    book.drain.once()
    (row,) = joined(store)
    assert row["input"] == found
    assert (row["input_hash"] is None) == (kept == "none")
    book.spool.close()
    store.close()


def test_old_rows_are_deleted_and_the_ledger_is_told(
    workspace: Workspace, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = book_of(workspace, store, keep_days=30)
    monkeypatch.setattr("metier.serve.log.entry.now", lambda: "2026-01-01T00:00:00.000000Z")
    (old,) = book.answers(ASKED, [ANSWER], ["a"])
    book.truth(old, "card", "local", None)
    monkeypatch.undo()
    if store.postgres:
        monkeypatch.setenv("METIER_DATABASE_URL", store.address)
    (new,) = book.answers(ASKED, [ANSWER], ["a"])
    book.drain.once()
    monkeypatch.setattr(draining, "_PIECE", 1)
    book.drain._clock -= 10_000_000
    assert book.drain.prune() == 0, "a clock that has jumped deletes nothing"
    book.drain._clock += 10_000_000
    assert book.drain.prune() == 2
    assert [row["id"] for row in joined(store)] == [new]
    assert count(store, "feedback") == 0
    ledger = open_ledger(workspace)
    assert [record.facts["rows"] for record in ledger.records("log:predictions")] == [2]
    ledger.store.close()
    book.spool.close()


@pytest.mark.parametrize("on_failure", ["refuse", "serve"])
def test_a_full_disk_refuses_or_serves_as_it_is_told_and_never_acknowledges_a_lost_truth(
    tmp_path: Path, on_failure: Any
) -> None:
    place = Workspace(tmp_path / "home")
    store = open_store(place)
    book = book_of(place, store, on_failure=on_failure)
    book.spool.most_bytes = 10
    if on_failure == "refuse":
        with pytest.raises(Refused) as error:
            book.answers(ASKED, [ANSWER], ["a"])
        assert (error.value.status, error.value.code) == (503, "log-full")
    else:
        assert len(book.answers(ASKED, [ANSWER], ["a"])) == 1
    assert book.full
    assert book.lost == (on_failure == "serve")
    with pytest.raises(Refused):
        book.truth(new_id(), "card", "local", None)
    book.spool.most_bytes = 1 << 20
    (id_,) = book.answers(ASKED, [ANSWER], ["a"])
    assert not book.full
    book.drain.once()
    assert [row["id"] for row in joined(store)] == [id_]
    book.spool.close()
    store.close()


def test_the_thread_empties_the_spool_and_ends(workspace: Workspace, store: Store) -> None:
    book = book_of(workspace, store)
    book.drain.start()
    book.answers(ASKED, [ANSWER] * 10, ["a"] * 10)
    assert book.drain.stop(20)
    assert count(store) == 10
    book.spool.close()
    assert not book.spool.folder.exists()
