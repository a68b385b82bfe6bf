"""The gate: nobody comes in without what is asked for, and argon2 is not paid on every request."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import argon2
import pytest

from metier.errors import UsageError
from metier.govern.actor import Actor
from metier.govern.ledger.book import Ledger, open_ledger
from metier.serve.access import keys
from metier.serve.access.caller import Caller
from metier.serve.access.denials import Denials
from metier.serve.access.gate import VARIABLE, Gate, check_host
from metier.serve.access.rates import Rates
from metier.serve.problems import Refused
from metier.workspace import Workspace

ANNA = Actor("anna", "admin")


@pytest.fixture
def ledger(tmp_path: Path) -> Any:
    book = open_ledger(Workspace(tmp_path / "home"))
    yield book
    book.store.close()


def gate(ledger: Ledger, rate: float | None = None, **environment: str) -> Gate:
    made = Gate(ledger.store, Denials(ledger.place), Rates(rate), environment=environment)
    made.refresh()
    return made


def ask(at: Gate, token: str | None = None, host: str = "127.0.0.1:8000", **more: str) -> Caller:
    headers = {b"host": host.encode(), **{name.encode(): value.encode() for name, value in more.items()}}
    if token is not None:
        headers[b"authorization"] = f"Bearer {token}".encode()
    return asyncio.run(at.identify(headers))


def refused(at: Gate, *words: Any, **more: str) -> Refused:
    with pytest.raises(Refused) as error:
        ask(at, *words, **more)
    return error.value


def test_without_keys_this_machine_alone_may_ask(ledger: Ledger) -> None:
    at = gate(ledger)
    assert not at.closed
    for host in ("127.0.0.1", "localhost:80", "[::1]:8000"):
        assert ask(at, host=host).may("operator", "anything")
    assert refused(at, host="evil.example").code == "other-host"
    assert refused(at, origin="https://evil.example").code == "other-origin"
    check_host("127.0.0.1", at)
    with pytest.raises(UsageError, match="needs keys"):
        check_host("0.0.0.0", at)
    keys.add(ledger, ANNA, "shop")
    at.refresh()
    check_host("0.0.0.0", at)


def test_a_key_lets_in_for_its_roles_and_experts(ledger: Ledger) -> None:
    key, token = keys.add(ledger, ANNA, "shop", roles=("predict", "feedback"), experts=("banking",))
    at = gate(ledger)
    caller = ask(at, token, host="api.example")
    assert caller.name == f"key:{key.id}"
    assert caller.may("predict", "banking")
    assert not caller.may("predict", "loans")
    assert not caller.may("operator", "banking")
    assert caller.sees("banking")
    assert not caller.sees("loans")
    assert caller.experts("feedback") == frozenset({"banking"})
    with pytest.raises(Refused) as error:
        caller.require("operator", "banking")
    assert error.value.status == 403


def test_everything_else_is_refused_and_counted(ledger: Ledger) -> None:
    _, token = keys.add(ledger, ANNA, "shop")
    at = gate(ledger)
    assert refused(at).code == "no-key"
    assert refused(at, "").code == "no-key"
    for other in ("x" * 60, token[:-2] + "zz", "mtr_000000000000_" + "a" * 43, "mtr_", token + "a"):
        error = refused(at, other)
        assert (error.status, error.code) == (401, "unknown-key")
        assert other not in str(error)
    assert at.denials.flush(all_=True) == 2
    counted = {record.reason: record.facts["calls"] for record in ledger.records("caller:nobody")}
    assert counted == {"no-key": 2, "unknown-key": 5}


def test_a_revoked_or_expired_key_is_refused_at_once(ledger: Ledger) -> None:
    _, token = keys.add(ledger, ANNA, "shop")
    at = gate(ledger)
    ask(at, token)
    keys.revoke(ledger, ANNA, "shop")
    at.refresh()
    assert refused(at, token).code == "key-revoked"
    assert at.closed, "a server whose keys are all revoked is not open to everybody"


def test_a_new_key_is_known_without_waiting(ledger: Ledger) -> None:
    keys.add(ledger, ANNA, "shop")
    at = gate(ledger)
    at._looked = time.monotonic() - 2
    _, token = keys.add(ledger, ANNA, "other")
    assert ask(at, token).shown == "other"


def test_all_who_come_at_once_with_a_new_key_are_let_in(ledger: Ledger) -> None:
    at = gate(ledger, **{VARIABLE: "x" * 20})
    _, token = keys.add(ledger, ANNA, "shop")
    headers = {b"host": b"127.0.0.1:8000", b"authorization": f"Bearer {token}".encode()}

    async def come() -> list[Caller]:
        return await asyncio.gather(*(at.identify(headers) for _ in range(12)))

    assert {caller.shown for caller in asyncio.run(come())} == {"shop"}


def test_argon2_is_paid_once_for_many_requests(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    _, token = keys.add(ledger, ANNA, "shop")
    at, calls = gate(ledger), []
    verify = argon2.PasswordHasher.verify
    monkeypatch.setattr(argon2.PasswordHasher, "verify", lambda *words: calls.append(1) or verify(*words))
    for _ in range(20):
        ask(at, token)
        refused(at, token[:-2] + "zz")
    assert len(calls) == 2
    assert token not in repr(at)
    assert all(token.encode() not in name for name in at._known)


def test_guesses_at_a_key_are_slowed_down(ledger: Ledger) -> None:
    _, token = keys.add(ledger, ANNA, "shop")
    at = gate(ledger)
    at._guesses = Rates(3, lambda: 0.0)
    codes = [refused(at, f"{token[:-3]}{number:03d}").status for number in range(5)]
    assert codes == [401, 401, 401, 429, 429]


def test_who_was_let_in_stays_while_the_database_is_away(tmp_path: Path) -> None:
    ledger = open_ledger(Workspace(tmp_path / "home"))
    _, token = keys.add(ledger, ANNA, "shop")
    at = gate(ledger)
    ledger.store.close()
    (tmp_path / "home" / "metier.db").rename(tmp_path / "gone.db")
    (tmp_path / "home" / "metier.db").mkdir()
    at.refresh()
    assert ask(at, token).shown == "shop"


def test_the_key_of_the_environment(ledger: Ledger) -> None:
    at = gate(ledger, **{VARIABLE: "k" * 32})
    assert ask(at, "k" * 32).may("operator", "banking")
    assert refused(at, "k" * 31).code == "unknown-key"
    with pytest.raises(UsageError, match="16 characters"):
        gate(ledger, **{VARIABLE: "short"})


def test_a_caller_that_asks_too_often_is_told_when_to_come_again(ledger: Ledger) -> None:
    _, token = keys.add(ledger, ANNA, "shop", rate=2)
    at = gate(ledger, rate=100)
    ask(at, token)
    ask(at, token)
    error = refused(at, token)
    assert (error.status, error.code) == (429, "rate-limited")
    assert error.retry_after is not None
    assert 0 < error.retry_after <= 0.5


def test_rates_come_back_with_time() -> None:
    clock = [0.0]
    rates = Rates(4, lambda: clock[0])
    for _ in range(4):
        rates.take("a")
    with pytest.raises(Refused):
        rates.take("a")
    rates.take("b")
    clock[0] = 0.26
    rates.take("a")
    with pytest.raises(Refused):
        rates.take("a")


def test_a_flood_of_denied_calls_is_a_few_records(ledger: Ledger) -> None:
    minute = ["2026-01-01T00:00Z"]
    denials = Denials(ledger.place, lambda: minute[0])
    for number in range(5000):
        denials.count("nobody", "unknown-key")
        denials.count(f"key:{number % 300:012d}", "not-allowed: operator")
    assert denials.flush() == 0, "the minute is not over"
    minute[0] = "2026-01-01T00:01Z"
    assert denials.flush() == 201
    records = [record for record in ledger.records() if record.act == "denied"]
    assert len(records) == 201
    assert sum(record.facts["calls"] for record in records) == 10_000
    assert denials.flush(all_=True) == 0
