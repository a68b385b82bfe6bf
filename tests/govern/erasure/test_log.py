"""Answers to a person's inputs are found in the prediction log by text or by id, with what was said of them."""

from __future__ import annotations

import json

import pytest

from metier.govern.erasure import records
from metier.govern.erasure.subject import Subject, Traces
from metier.store.records import open_store
from metier.store.tables.serving import feedback, predictions
from metier.workspace import Workspace

MINE = "my own words, and no one else's"
INPUTS = {
    "a": json.dumps(MINE.upper()),
    "b": json.dumps({"customer": "C-4711", "text": "anything"}),
    "c": json.dumps("of somebody else"),
    "d": None,
    "e": json.dumps({"customer": "C-47110", "text": "of somebody else"}),
}


def answer(id_: str, content: str | None, sealed: str | None = None, at: str = "2026-01-01") -> dict[str, object]:
    """A row of the prediction log."""
    figures = {"confidence": 0.5, "abstain": False, "latency_ms": 1.0, "share": "live"}
    named = {"request": "r", "expert": "banking", "version": "1", "caller": "anna"}
    return {"id": id_, "at": f"{at}T00:00:00.000000Z", "input": content, "sealed": sealed, **named, **figures}


def said(id_: str, of: str, at: str = "2026-01-01") -> dict[str, object]:
    """A row of feedback."""
    return {"id": id_, "at": f"{at}T00:00:00.000000Z", "prediction_id": of, "caller": "anna", "truth": '"card"'}


def test_they_are_found_and_go(workspace: Workspace) -> None:
    store = open_store(workspace)
    with store.write() as connection:
        for name, content in INPUTS.items():
            sealed = "ffffffff.xxxx" if content is None else None
            connection.execute(predictions.insert().values(answer(name, content, sealed)))
        for name in ("a", "c"):
            connection.execute(feedback.insert().values(said(f"f{name}", name)))
    found = records.logged(store, Subject("customer", "C-4711"), Traces((MINE,), ("C-4711",)))
    assert (found.predictions, found.feedback, found.sealed) == (("a", "b"), ("fa",), 1)
    with store.write() as connection:
        records.purge_log(connection, found)
    with store.read() as connection:
        left = connection.exec_driver_sql("SELECT id FROM predictions ORDER BY id").scalars().all()
        assert left == ["c", "d", "e"]
        assert connection.exec_driver_sql("SELECT id FROM feedback").scalars().all() == ["fc"]
    store.close()


def test_what_is_sealed_is_opened_with_its_key(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from metier.serve.log.sealing import sealer

    monkeypatch.setenv("METIER_LOG_KEY", "a key of more than sixteen characters")
    key = sealer()
    assert key is not None
    store = open_store(workspace)
    with store.write() as connection:
        for name, content in (("a", MINE), ("c", "of somebody else")):
            sealed = key.seal(name, {"prediction": {"prediction": "card"}, "input": content})
            connection.execute(predictions.insert().values(answer(name, None, sealed)))
    found = records.logged(store, Subject(text=MINE), Traces((MINE,), ()))
    assert (found.predictions, found.sealed) == (("a",), 0)
    monkeypatch.delenv("METIER_LOG_KEY")
    assert records.logged(store, Subject(text=MINE), Traces((MINE,), ())).sealed == 2
    store.close()
