"""`metier verify` takes runs, workspaces and exported ledgers, and `metier ledger` shows what there is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from metier.cli import main
from metier.govern.actor import Actor
from metier.govern.ledger.book import open_ledger
from metier.govern.ledger.entry import Act
from metier.workspace import Workspace


@pytest.fixture
def home(tmp_path: Path) -> Path:
    book = open_ledger(Workspace(tmp_path / "home"))
    book.append([Act("tuned", "expert:banking", "asked for", {"n": 1})], Actor("anna"))
    book.append([Act("approved", "release:banking@1")], Actor("ben", "approver"))
    book.store.close()
    return tmp_path / "home"


def run(*words: object) -> tuple[int, Any]:
    answer = CliRunner().invoke(main, [*map(str, words), "--json"])
    return answer.exit_code, json.loads(answer.stdout)


def test_a_workspace_and_its_exported_ledger_verify(home: Path, tmp_path: Path) -> None:
    code, found = run("verify", home)
    assert (code, found["ok"], found["record"]) == (0, True, None)
    code, written = run("ledger", "export", tmp_path / "l.jsonl", "--workspace", home)
    assert (code, written["records"]) == (0, 3)
    assert run("verify", tmp_path / "l.jsonl", "--key", written["key"])[1]["ok"]
    assert run("verify", tmp_path / "l.jsonl", "--key", "0" * 16)[0] == 1
    text = (tmp_path / "l.jsonl").read_text()
    (tmp_path / "l.jsonl").write_text(text.replace("asked for", "asked off"))
    code, found = run("verify", tmp_path / "l.jsonl")
    assert (code, found["ok"], found["record"]) == (1, False, 2)


def test_records_of_one_subject_are_shown(home: Path) -> None:
    _, found = run("ledger", "--workspace", home, "--subject", "banking")
    assert [record["act"] for record in found["records"]] == ["tuned", "approved"]
    assert found["records"][0]["details"] == {"n": 1}
    assert len(run("ledger", "--workspace", home, "--limit", 1)[1]["records"]) == 1
    told = CliRunner().invoke(main, ["ledger", "--workspace", str(home)])
    assert "release:banking@1" in told.output


def test_what_cannot_be_verified_is_told(home: Path, tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("x")
    assert run("verify", tmp_path / "x.txt")[1]["error"]["code"] == "nothing-to-verify"
    assert run("verify", tmp_path / "nowhere")[0] == 1
    (tmp_path / "home" / "metier.db").write_bytes(b"x" * 4096)
    assert run("verify", home)[1]["error"]["code"] == "database-broken"
