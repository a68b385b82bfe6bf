"""A registry whose tables disagree with the ledger is found, and the record named; on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from tests.govern.conftest import OPEN, Desk

from metier.govern import moves, people, registry
from metier.govern.actor import Actor
from metier.govern.release import release
from metier.govern.verify import verify
from metier.store.records import open_store

ADA = Actor("ada")


def changed(desk: Desk, statement: str) -> None:
    store = open_store(desk.place)
    try:
        with store.write() as connection:
            connection.execute(text(statement))
    finally:
        store.close()


@pytest.fixture
def governed(desk: Desk) -> Desk:
    people.add(desk.place, "ada", "admin", ADA)
    people.add(desk.place, "olga", "operator", ADA)
    for seed in (1, 2):
        assert release(desk.expert(seed), desk.place, policy=desk.policy(OPEN), actor=ADA).released
    moves.alias(desk.place, "tickets@1", "stable", ADA)
    assert verify(desk.place.root).ok
    return desk


# (what somebody types into the database, what is told of it)
CHANGES = [
    ("UPDATE releases SET stage = 'retired' WHERE version = 2", "says stage 'retired' of tickets@2"),
    ("UPDATE releases SET manifest = 'x' WHERE version = 1", "says manifest 'x' of tickets@1"),
    ("DELETE FROM releases WHERE version = 1", "lacks tickets@1"),
    ("UPDATE aliases SET version = 2", "says version 2 of tickets@stable"),
    ("DELETE FROM aliases", "lacks tickets@stable"),
    ("UPDATE people SET role = 'approver' WHERE role = 'operator'", "olga@approver"),
    ("UPDATE people SET public = 'ab'", "says public 'ab'"),
    ("INSERT INTO aliases VALUES ('tickets', 'fastest', 2, 3)", "knows nothing of"),
]
TABLES = ("releases", "aliases", "people")


def test_every_change_past_the_ledger_is_found(governed: Desk) -> None:
    for table in TABLES:
        changed(governed, f"CREATE TABLE kept_{table} AS SELECT * FROM {table}")
    for statement, told in CHANGES:
        changed(governed, statement)
        verdict = verify(governed.place.root)
        assert not verdict.ok, statement
        assert told in verdict.problem
        assert isinstance(verdict.record, int)
        for table in TABLES:
            changed(governed, f"DELETE FROM {table}")
            changed(governed, f"INSERT INTO {table} SELECT * FROM kept_{table}")
    assert verify(governed.place.root).ok


def test_two_live_versions_of_a_name_cannot_be(governed: Desk) -> None:
    from metier.errors import ResourceError

    with pytest.raises(ResourceError):
        changed(governed, "UPDATE releases SET stage = 'live'")


def test_a_signature_that_is_not_the_persons_is_found(small_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever holds the workspace's key can write a chain that holds, but not another's signature."""
    place = small_desk.place
    people.add(place, "ada", "admin", ADA)
    assert release(small_desk.expert(), place, policy=small_desk.policy(OPEN), actor=ADA).released
    people.add(place, "ada", "operator", ADA, public="ab" * 32)
    monkeypatch.setattr(people, "registered", lambda connection: {})
    moves.retire(place, "tickets", ADA)
    monkeypatch.undo()
    verdict = verify(place.root)
    assert not verdict.ok
    assert "was not signed by ada's own key" in verdict.problem
    assert registry.live(place) == []
