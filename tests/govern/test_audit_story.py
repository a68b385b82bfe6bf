"""The story an auditor hears, typed command by command: tuned, measured, refused, mended, approved by two, live."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Answer, Command, write_tickets
from tests.serve.running import running

from metier import files

POLICY = """
name = "desk"
about = "Right on most of at least fifty rows it has not seen, nothing leaked, two people."
rows = 50
leakage = 0
evaluation_days = 30
security = true

[figures]
"accuracy.low" = { min = 0.5 }

[gain]
min = 0.0

[approvals]
validator = 1
approver = 1
"""


@pytest.fixture
def typed(metier: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`typed("release ...", code=3)`: a command in one workspace, its JSON; the exit code is held against `code`."""
    monkeypatch.delenv("METIER_DATABASE_URL", raising=False)
    monkeypatch.setenv("METIER_USER", "anna")

    def run(*words: object, code: int = 0) -> dict[str, Any]:
        answer: Answer = metier(*words, "--workspace", tmp_path / "metier", "--json", "--quiet")
        assert answer.code == code, (words, answer)
        found: dict[str, Any] = answer.json
        return found

    return run


def test_from_a_table_to_an_answer_for_the_auditor(typed: Any, tiny_base: Path, tmp_path: Path) -> None:
    data, few = write_tickets(tmp_path / "tickets.csv", 160), write_tickets(tmp_path / "few.csv", 20, seed=5)
    more, policy, expert = write_tickets(tmp_path / "more.csv", 80, seed=7), tmp_path / "desk.toml", tmp_path / "expert"
    policy.write_text(POLICY)
    linear = ("--target", "intent", "--base", tiny_base, "--rung", "linear", "-o", expert)
    tuned = typed("tune", data, *linear)
    typed("evaluate", expert, few, "--only", "comparison")

    # The gates refuse: too few rows, and nobody looked for leaks. Nothing can be approved, nothing goes live.
    refused = typed("release", expert, "--policy", policy, code=3)
    failed = {gate["gate"]: gate["next"] for gate in refused["gates"] if not gate["passed"]}
    assert {"rows", "leakage"} <= set(failed)
    assert "metier curate" in failed["leakage"]
    assert not refused["released"]
    assert refused["stage"] == "draft"
    told = typed("approve", "tickets", "--as", "bob", "--role", "approver", "--reason", "in a hurry", code=1)
    assert told["error"]["code"] == "gates-failed"

    # What they asked for is done.
    typed("curate", data, "--target", "intent", "--base", tiny_base, "--only", "leakage")
    typed("evaluate", expert, more, "--only", "comparison")
    waiting = typed("release", expert, "--policy", policy, code=3)
    assert waiting["stage"] == "candidate", waiting["waiting_for"]
    assert len(waiting["waiting_for"]) == 2
    for gate in waiting["gates"]:
        cited = gate["evidence"]
        if cited is not None and cited.get("file") == "evaluation.json":
            run = tmp_path / "metier" / "runs" / cited["run"]
            assert files.sha256(run / cited["file"]) == cited["sha256"]

    # Two people who did not make it answer for it, each for the very same hashes.
    told = typed("approve", "tickets@1", "--as", "anna", "--role", "approver", "--reason", "mine", code=1)
    assert told["error"]["code"] == "four-eyes"
    vera = typed("approve", "tickets@1", "--as", "vera", "--role", "validator", "--reason", "checked 40 rows by hand")
    bob = typed("approve", "tickets@1", "--as", "bob", "--role", "approver", "--reason", "worth it")
    assert vera["hashes"] == bob["hashes"] == waiting["hashes"]
    assert bob["stage"] == "approved"
    assert bob["hashes"]["run"] == json.loads((Path(tuned["run"]) / "done.json").read_text())["root"]
    live = typed("release", "tickets@1")
    assert live["released"]
    assert live["waiting_for"] == []

    # Which model answered, and why?
    now = datetime.now(UTC).isoformat()
    asked = typed("history", "tickets", "--at", now)
    assert (asked["version"], asked["until"]) == (1, None)
    assert asked["expert"] == files.sha256(expert / "manifest.json")
    assert [(one["by"], one["role"]) for one in asked["approvals"]] == [("vera", "validator"), ("bob", "approver")]
    records = {one["seq"]: one for one in typed("ledger")["records"]}
    assert records[asked["gates"]]["act"] == "gated"
    assert [records[one["record"]]["reason"] for one in asked["approvals"]] == ["checked 40 rows by hand", "worth it"]
    assert records[asked["records"][0]]["act"] == "released"

    # A second version goes live and is rolled back; the history tells both.
    typed("tune", data, *linear, "--seed", "2")
    typed("evaluate", expert, more, "--only", "comparison")
    assert typed("release", expert, "--policy", policy, code=3)["release"] == "tickets@2"
    for name, role in (("vera", "validator"), ("bob", "approver")):
        typed("approve", "tickets", "--as", name, "--role", role, "--reason", "better")
    assert typed("release", "tickets")["release"] == "tickets@2"
    assert typed("rollback", "tickets", "--reason", "customers complain")["version"] == 1
    periods = typed("history", "tickets")["periods"]
    assert [(one["version"], one["act"]) for one in periods] == [(1, "released"), (2, "released"), (1, "rolled back")]
    assert periods[-1]["reason"] == "customers complain"
    listed = {one["release"]: one["stage"] for one in typed("releases")["releases"]}
    assert listed == {"tickets@1": "live", "tickets@2": "approved"}
    assert typed("verify", tmp_path / "metier")["ok"]

    _is_served(tmp_path / "metier", data)
    _is_forgotten(typed, tmp_path / "metier", data)


def _first(data: Path) -> tuple[str, str]:
    with data.open(newline="", encoding="utf-8") as file:
        row = next(csv.DictReader(file))
    return row["text"], row["intent"]


def _is_served(home: Path, data: Path) -> None:
    """What is live answers over HTTP, says which version it was, and takes the truth when it is known."""
    text, truth = _first(data)
    with running(home, ["tickets"]) as server, server.client() as client:
        answer = client.post("/v1/predict", json={"expert": "tickets", "inputs": [text]}).json()["predictions"][0]
        assert answer["version"] == "1"
        assert client.post("/v1/feedback", json={"id": answer["id"], "truth": truth}).status_code < 300
        assert client.post("/v1/predict", json={"expert": "tickets@2", "inputs": [text]}).status_code >= 400
        assert server.stop() == 0


def _is_forgotten(typed: Any, home: Path, data: Path) -> None:
    """A customer asks to be forgotten: rows, caches and the log go, the expert is tuned anew, and all still verifies."""
    text, _ = _first(data)
    erased = typed("forget", "--text", text, "--retune", "--reason", "asked by letter")
    assert erased["found"]["log"]["predictions"] == 1
    assert erased["found"]["log"]["feedback"] == 1
    assert {one["release"] for one in erased["releases"]} == {"tickets@1", "tickets@2"}
    learnt = [one for one in erased["experts"] if one["learnt"]]
    assert learnt
    assert all(one["retuned"] for one in learnt)
    again = typed("forget", "--text", text, "--dry-run")["found"]
    assert again["log"] == {"predictions": 0, "feedback": 0, "sealed": 0, "waiting": 0}
    assert again["tables"] == []
    for proof in (home, erased["certificate"], home / "runs" / learnt[0]["run"]):
        assert typed("verify", proof)["ok"], proof
    acts = [one["act"] for one in typed("ledger")["records"]]
    assert acts.index("served") < acts.index("stopped") < acts.index("erased")


def test_the_other_commands_answer(typed: Any, tmp_path: Path, tuned: Path) -> None:
    from tests.govern.conftest import OPEN, Desk

    from metier.workspace import Workspace

    place = Workspace(tmp_path / "metier")
    place.prepare()
    desk = Desk(place, tuned)
    policy = desk.policy({**OPEN, "validation": True, "ethical_review": True})
    assert typed("people")["people"] == []
    assert typed("people", "add", "ada", "--role", "admin")["roles"] == ["admin"]
    for name, role in (("vera", "validator"), ("olga", "operator"), ("bob", "auditor"), ("anna", "author")):
        typed("people", "add", name, "--role", role, "--as", "ada")
    assert len(typed("people", "remove", "anna", "--as", "ada")["people"]) == 4
    typed("release", desk.expert(1), "--policy", policy, "--as", "anna", code=3)
    typed("findings", "add", "tickets", "--severity", "low", "--text", "a typo in the card", "--as", "vera")
    typed("findings", "close", "tickets", "1", "--reason", "mended", "--as", "bob")
    assert typed("findings", "list", "tickets")["findings"][0]["closed"]["by"] == "bob"
    form = tmp_path / "form.json"
    blank = typed("ethics", "tickets", "-o", form)
    assert files.read_json(form) == blank
    for question in blank["questions"]:
        question |= {"answer": "yes", "verdict": "accepted"}
    files.write_json(form, blank)
    assert typed("ethics", "tickets", "--form", form, "--as", "vera")["refused"] == []
    assert typed("release", "tickets", "--as", "vera", code=3)["waiting_for"][0].startswith("an operator")
    assert typed("release", "tickets", "--as", "olga", "--hold", code=3)["stage"] == "approved"
    assert typed("release", "tickets", "--as", "olga")["released"]
    assert typed("releases", "alias", "tickets@1", "stable", "--as", "olga")["aliases"] == ["champion", "stable"]
    shown = typed("releases", "show", "tickets")
    assert shown["release"]["id"] == "tickets@1"
    assert shown["findings"][0]["closing"] == "mended"
    told = typed("release", "tickets", "--waive", "gain", code=1)
    assert told["error"]["code"] == "bad-waiver"
    typed("releases", "retire", "tickets", "--reason", "over", "--as", "olga")
    assert typed("history", "tickets", "--at", "2020-01-01")["version"] is None


def test_people_read_tables(metier: Command, tmp_path: Path, tuned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.govern.conftest import OPEN, Desk

    from metier.workspace import Workspace

    monkeypatch.delenv("METIER_DATABASE_URL", raising=False)
    place = Workspace(tmp_path / "metier")
    place.prepare()
    desk = Desk(place, tuned)
    home = ("--workspace", place.root)
    assert "no release yet" in metier("releases", *home).out
    assert "nobody is registered" in metier("people", *home).out
    answer = metier("release", desk.expert(1), "--policy", desk.policy({**OPEN, "rows": 5}), *home)
    assert answer.code == 3
    assert "waiting for gate rows: metier evaluate" in answer.out
    answer = metier("release", desk.expert(2), "--policy", desk.policy(OPEN), *home)
    assert answer.code == 0
    assert "tickets@2 is live." in answer.out
    assert "tickets@2 was live from" in metier("history", "tickets", "--at", "2999-01-01", *home).out
    for words in (
        ("history", "tickets"),
        ("releases",),
        ("releases", "show", "tickets@2"),
        ("findings", "list", "tickets"),
    ):
        assert metier(*words, *home).code == 0
