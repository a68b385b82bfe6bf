"""What the verbs leave in the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from metier import lifecycle
from metier.govern import record
from metier.govern.ledger.book import open_ledger
from metier.workspace import Workspace


def acts(place: Path) -> list[tuple[str, str, dict[str, Any]]]:
    book = open_ledger(Workspace(place))
    found = [(each.act, each.subject, each.facts) for each in book.records()]
    assert book.verify().ok
    book.store.close()
    return found


def test_reading_tuning_predicting_and_evaluating_are_recorded(
    ticket_file: Path, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METIER_USER", "anna")
    home = tmp_path / "home"
    tuned = lifecycle.tune(ticket_file, target="intent", base=str(tiny_base), rung="linear", workspace=home)
    for _ in lifecycle.predict(tuned.expert, ticket_file, workspace=home):
        pass
    found = lifecycle.evaluate(tuned.expert, ticket_file, questions=("cost",), workspace=home)
    told = acts(home)
    assert [act for act, _, _ in told] == ["signs", "read", "tuned", "read", "predicted", "read", "evaluated"]
    assert told[2][2] == {"run": tuned.run.name, "root": (record.verify(tuned.run).record or {})["root"]}
    assert told[4][2]["expert"] == told[6][2]["expert"]
    assert told[6][2]["run"] == found.run.name
    book = open_ledger(Workspace(home))
    assert {each.actor for each in book.records()} == {"anna"}
    book.store.close()


def test_an_act_that_failed_is_not_recorded(ticket_file: Path, tmp_path: Path) -> None:
    from metier.errors import MetierError

    with pytest.raises(MetierError):
        lifecycle.tune(ticket_file, target="nothing", workspace=tmp_path / "home")
    assert not (tmp_path / "home" / "metier.db").exists()
