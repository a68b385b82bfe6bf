"""The server's log: one line an event, in which no secret and nothing personal can be read."""

from __future__ import annotations

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metier.serve.journal import Lines, harmless, without_secrets

SECRETS = [
    "mtr_abcdefghijkl_" + "A" * 43,
    "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl",
    "Bearer abcdefghijklmnop",
    "hunter2",
]


def line(message: str, error: BaseException | None = None, **facts: object) -> dict[str, object]:
    caught = None if error is None else (type(error), error, error.__traceback__)
    record = logging.LogRecord("metier.serve", logging.INFO, "f", 1, message, (), caught)
    record.facts = facts
    text = Lines().format(record)
    assert "\n" not in text
    found: dict[str, object] = json.loads(text)
    return found


@pytest.mark.parametrize("secret", SECRETS[:3])
def test_secrets_are_taken_out_wherever_they_stand(secret: str) -> None:
    try:
        raise ValueError(f"bad {secret} here")
    except ValueError as error:
        told = line(f"got {secret}.", error, header=f"Authorization: {secret}")
    assert secret.split()[-1] not in json.dumps(told)
    assert told["error"] == "ValueError: bad [SECRET] here"
    assert "test_journal.py" in str(told["where"])


def test_passwords_in_addresses_and_personal_data_are_masked() -> None:
    assert without_secrets("postgresql://anna:hunter2@db/x") == "postgresql://[SECRET]@db/x"
    assert harmless("ada@example.org asked") == "[EMAIL] asked"
    assert "555" not in str(line("call +44 20 7946 0958", who="+44 20 7946 0958"))


@given(st.text())
def test_whatever_is_logged_is_one_line_of_json(text: str) -> None:
    told = line("event", fact=text)
    assert "\n" not in str(told["fact"])
