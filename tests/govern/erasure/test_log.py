"""Answers to a person's inputs are found in the prediction log by text or by id, with what was said of them."""

from __future__ import annotations

import json

import pytest

from metier.govern.erasure import records
from metier.govern.erasure.subject import Subject, Traces
from metier.store.records import open_store
from metier.workspace import Workspace

MINE = "my own words, and no one else's"
INPUTS = {
    "a": json.dumps(MINE.upper()),
    "b": json.dumps({"customer": "C-4711", "text": "anything"}),
    "c": json.dumps("of somebody else"),
    "d": None,
    "e": json.dumps({"customer": "C-47110", "text": "of somebody else"}),
}


def test_they_are_found_and_go(workspace: Workspace) -> None:
    import sqlalchemy

    store = open_store(workspace)
    with store.write() as connection:
        if sqlalchemy.inspect(connection).has_table("predictions"):
            pytest.skip("the log has tables of its own: its tests hold it to this")
        connection.exec_driver_sql("CREATE TABLE predictions (id VARCHAR(32) PRIMARY KEY, input TEXT, sealed TEXT)")
        connection.exec_driver_sql("CREATE TABLE feedback (id VARCHAR(32) PRIMARY KEY, prediction_id VARCHAR(32))")
        table = sqlalchemy.table("predictions", *map(sqlalchemy.column, ("id", "input", "sealed")))
        for name, content in INPUTS.items():
            sealed = "ffffffff.xxxx" if content is None else None
            connection.execute(table.insert().values(id=name, input=content, sealed=sealed))
        for name in ("a", "c"):
            connection.exec_driver_sql(f"INSERT INTO feedback VALUES ('f{name}', '{name}')")
    found = records.logged(store, Subject("customer", "C-4711"), Traces((MINE,), ("C-4711",)))
    assert (found.predictions, found.feedback, found.sealed) == (("a", "b"), ("fa",), 1)
    with store.write() as connection:
        records.purge_log(connection, found)
    with store.read() as connection:
        left = connection.exec_driver_sql("SELECT id FROM predictions ORDER BY id").scalars().all()
        assert left == ["c", "d", "e"]
        assert connection.exec_driver_sql("SELECT id FROM feedback").scalars().all() == ["fc"]
    store.close()
