"""Keys: made once, kept as hashes, listed, rotated, revoked, and told to the ledger."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.conftest import Command

from metier.errors import UsageError
from metier.govern.actor import Actor
from metier.govern.ledger.book import open_ledger
from metier.serve.access import keys
from metier.store.records import now
from metier.workspace import Workspace

ANNA = Actor("anna", "admin")


def test_a_key_is_kept_as_a_hash_and_told_to_the_ledger(workspace: Workspace) -> None:
    ledger = open_ledger(workspace)
    key, token = keys.add(
        ledger, ANNA, "shop", roles=("predict", "feedback"), experts=("banking",), expires="90d", rate=5
    )
    match = keys.FORM.fullmatch(token)
    assert match is not None
    assert match[1] == key.id
    assert key.hash.startswith("$argon2id$")
    assert keys.every(ledger.store) == [key]
    assert (key.roles, key.experts, key.rate) == (("predict", "feedback"), ("banking",), 5)
    assert keys.matches(key, token)
    assert not keys.matches(key, token[:-1] + ("A" if token[-1] != "A" else "B"))
    record = list(ledger.records("key:shop"))[-1]
    assert (record.act, record.actor, record.facts["id"]) == ("key added", "anna", key.id)
    assert match[2] not in "".join(row.line() for row in ledger.records())
    ledger.store.close()
    for path in workspace.root.rglob("*"):
        assert not path.is_file() or match[2].encode() not in path.read_bytes()


def test_revoking_and_rotating_end_keys(workspace: Workspace) -> None:
    ledger = open_ledger(workspace)
    first, _ = keys.add(ledger, ANNA, "shop", expires="30d")
    second, _ = keys.rotate(ledger, ANNA, "shop", grace="1h")
    standing = {key.id: key.standing(now()) for key in keys.every(ledger.store)}
    assert standing == {first.id: "valid", second.id: "valid"}
    after = "2999-01-01T00:00:00.000000Z"
    ended = next(key for key in keys.every(ledger.store) if key.id == first.id)
    assert ended.standing(after) == "revoked"
    assert second.standing(after) == "expired"
    assert [key.id for key in keys.revoke(ledger, ANNA, second.id)] == [second.id]
    third, _ = keys.rotate(ledger, ANNA, "shop")
    assert [key.id for key in keys.every(ledger.store) if key.standing(now()) == "valid"] == [third.id]
    assert [record.act for record in ledger.records("key:shop")] == [
        "key added", "key rotated", "key revoked", "key rotated",
    ]  # fmt: skip
    ledger.store.close()


@pytest.mark.parametrize(
    ("choice", "code"),
    [
        ({"roles": ("king",)}, "no-such-role"),
        ({"expires": "soon"}, "bad-duration"),
        ({"expires": "0d"}, "bad-duration"),
        ({"name": " "}, "bad-key-name"),
        ({"name": "a\nb"}, "bad-key-name"),
    ],
)
def test_odd_choices_are_refused(tmp_path: Path, choice: dict, code: str) -> None:
    ledger = open_ledger(Workspace(tmp_path))
    with pytest.raises(UsageError) as error:
        keys.add(ledger, ANNA, **{"name": "shop", **choice})
    assert error.value.code == code
    assert keys.every(ledger.store) == []
    ledger.store.close()


def test_a_name_is_that_of_one_valid_key(tmp_path: Path) -> None:
    ledger = open_ledger(Workspace(tmp_path))
    keys.add(ledger, ANNA, "shop")
    with pytest.raises(UsageError) as error:
        keys.add(ledger, ANNA, "shop")
    assert error.value.code == "key-exists"
    with pytest.raises(UsageError) as error:
        keys.revoke(ledger, ANNA, "nobody")
    assert error.value.code == "no-such-key"
    ledger.store.close()


def test_the_commands(metier: Command, tmp_path: Path) -> None:
    here = ("--workspace", tmp_path / "home")
    made = metier("keys", "add", "shop", "--role", "predict", "--expert", "banking", "--as", "anna", *here, "--json")
    assert made.code == 0
    token = made.json["key"]
    assert made.json["created_by"] == "anna"
    shown = metier("keys", "list", *here)
    assert "shop" in shown.out
    assert token not in shown.out
    assert "hash" not in metier("keys", "list", *here, "--json").out
    turned = metier("keys", "rotate", "shop", *here)
    assert re.fullmatch(r"mtr_\S+\n", turned.out)
    assert metier("keys", "revoke", "shop", *here, "--json").json["revoked"]
    refused = metier("keys", "revoke", "shop", *here, "--json")
    assert (refused.code, refused.json["error"]["code"]) == (1, "no-such-key")
