"""What is older than its time goes, what is held or needed stays, and the ledger knows."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.govern.erasure.test_log import answer, said

from metier.errors import UsageError
from metier.govern.actor import Actor
from metier.govern.erasure import records, retention
from metier.govern.erasure.search import Taught
from metier.govern.ledger.book import open_ledger
from metier.store.tables.serving import feedback, predictions
from metier.workspace import Workspace

LATER = datetime.now(UTC) + timedelta(days=500)


def policy(place: Workspace, **content: Any) -> None:
    place.prepare()
    (place.root / "retention.json").write_text(json.dumps(content), encoding="utf-8")


def finished(place: Workspace, name: str) -> Path:
    with place.open_run(name, name) as run:
        (run.folder / "done.json").write_text("{}")
    return run.folder


def test_old_runs_go_and_those_held_pending_or_young_stay(workspace: Workspace) -> None:
    policy(workspace, keep={"runs": "400d", "unfinished": "2w"}, holds=[])
    old, held, pending = (finished(workspace, name) for name in ("old", "held", "pending"))
    hold = {"what": f"run:{held.name}", "reason": "claim", "until": (LATER + timedelta(days=1)).date().isoformat()}
    lapsed = {"what": f"run:{old.name}", "reason": "claim", "until": "2020-01-01"}
    policy(workspace, keep={"runs": "400d", "unfinished": "2w"}, holds=[hold, lapsed])
    ledger = open_ledger(workspace)
    with ledger.turn(Actor("anna")) as turn:
        records.enter(turn.connection, "E", [], [Taught(pending.name, "x", "a" * 64, "b" * 64, (1,), (), 0)])
    with workspace.open_run("left", "left") as run:
        left = run.folder
    working = workspace.open_run("at-work", "at-work")
    assert retention.expire(workspace.root)["expired"] == []
    told = retention.expire(workspace.root, dry_run=True, today=LATER)
    assert old.exists()
    found = retention.expire(workspace.root, today=LATER)
    working.release()
    assert found["expired"] == told["expired"]
    assert {(one["kind"], one["what"]) for one in found["expired"]} == {("runs", old.name), ("unfinished", left.name)}
    assert {one["what"] for one in found["held"]} == {f"run:{held.name}", f"run:{pending.name}"}
    assert not old.exists()
    assert held.exists()
    assert pending.exists()
    assert working.folder.exists()
    acts = [record for record in ledger.records() if record.act == "expired"]
    assert len(acts) == 1
    assert acts[0].facts["expired"] == found["expired"]
    ledger.store.close()


def test_old_caches_go(tmp_path: Path) -> None:
    place = Workspace(tmp_path / "metier")
    policy(place, keep={"caches": "180d"})
    for name, age in (("old", 200), ("young", 3)):
        path = place.cache / "tables" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
        when = (datetime.now(UTC) - timedelta(days=age)).timestamp()
        os.utime(path, (when, when))
    assert [one["count"] for one in retention.expire(place.root)["expired"]] == [1]
    assert [path.name for path in (place.cache / "tables").iterdir()] == ["young"]
    policy(place, keep={"caches": "1d"}, holds=[{"what": "everything", "reason": "court order"}])
    assert retention.expire(place.root)["expired"] == []


def test_old_answers_and_what_was_said_of_them_go(workspace: Workspace) -> None:
    policy(workspace, keep={"predictions": "90d", "feedback": "1y"})
    ledger = open_ledger(workspace)
    with ledger.store.write() as connection:
        for number, when in enumerate(("2026-01-01", "2026-06-01")):
            connection.execute(predictions.insert().values(answer(str(number), None, None, when)))
            connection.execute(feedback.insert().values(said(str(number), str(number), when)))
    found = retention.expire(workspace.root, today=datetime(2026, 7, 1, tzinfo=UTC))
    assert found["expired"] == [{"kind": "predictions", "what": "before 2026-04-02", "count": 1}]
    with ledger.store.read() as connection:
        assert connection.exec_driver_sql("SELECT id FROM predictions").scalars().all() == ["1"]
        assert len(connection.exec_driver_sql("SELECT id FROM feedback").scalars().all()) == 2
    ledger.store.close()
    policy(workspace, keep={"predictions": "1d"}, holds=[{"what": "predictions", "reason": "audit"}])
    assert retention.expire(workspace.root)["held"] == [{"what": "predictions", "why": "predictions: audit"}]


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{",
        '{"keeps": {}}',
        '{"keep": {"runs": "90"}}',
        '{"keep": {"rows": "90d"}}',
        '{"holds": [{"what": "run:x"}]}',
        '{"holds": [{"what": "run:x", "reason": "y", "until": "soon"}]}',
    ],
)
def test_a_policy_is_understood_whole_or_refused(tmp_path: Path, content: str) -> None:
    place = Workspace(tmp_path / "metier")
    place.prepare()
    (place.root / "retention.json").write_text(content, encoding="utf-8")
    with pytest.raises(UsageError) as error:
        retention.expire(place.root)
    assert error.value.code == "bad-retention-policy"


def test_without_a_policy_nothing_is_deleted(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        retention.expire(tmp_path / "metier")
    assert error.value.code == "no-retention-policy"
