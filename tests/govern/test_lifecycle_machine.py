"""Whatever people do in whatever order: nothing is live that was not approved by two, and the ledger agrees."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from tests.govern.conftest import TWO, Desk

from metier.errors import MetierError
from metier.govern import acts, approvals, moves, people, registry
from metier.govern.actor import Actor
from metier.govern.release import release
from metier.govern.verify import verify
from metier.workspace import Workspace

NAMES = some.sampled_from(["anna", "otto", "vera", "bob", "Bob "])
VERSIONS = some.sampled_from([1, 2])


class Governing(RuleBasedStateMachine):
    tuned: Path

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        place = Workspace(Path(self.folder.name) / "metier")
        place.prepare()
        self.desk = Desk(place, self.tuned)
        for seed in (1, 2):
            expert = self.desk.expert(seed, by="anna")
            release(expert, place, policy=self.desk.policy(TWO), actor=Actor("otto"))

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            assert verify(self.desk.place.root).ok
            self.folder.cleanup()

    @rule(name=NAMES, version=VERSIONS, role=some.sampled_from(["validator", "approver"]))
    def approve(self, name: str, version: int, role: str) -> None:
        with suppress(MetierError):
            approvals.approve(self.desk.place, f"tickets@{version}", Actor(name, role), "fine")

    @rule(one=NAMES, other=NAMES, version=VERSIONS)
    def two_approve_and_it_goes_live(self, one: str, other: str, version: int) -> None:
        self.approve(one, version, "validator")
        self.approve(other, version, "approver")
        self.release(version)

    @rule(name=NAMES, version=VERSIONS)
    def revoke(self, name: str, version: int) -> None:
        with suppress(MetierError):
            approvals.revoke(self.desk.place, f"tickets@{version}", Actor(name), "not fine")

    @rule(version=VERSIONS)
    def release(self, version: int) -> None:
        with suppress(MetierError):
            release(f"tickets@{version}", self.desk.place, actor=Actor("olga"))

    @rule()
    def roll_back(self) -> None:
        with suppress(MetierError):
            moves.rollback(self.desk.place, "tickets", Actor("olga"))

    @rule(version=VERSIONS, seed=some.integers(0, 3))
    def retire(self, version: int, seed: int) -> None:
        if seed == 0:  # seldom: what is retired is out of the game
            with suppress(MetierError):
                moves.retire(self.desk.place, f"tickets@{version}", Actor("olga"))

    @invariant()
    def what_is_live_was_approved_by_two_who_are_no_authors(self) -> None:
        if not hasattr(self, "desk"):
            return
        serving = registry.live(self.desk.place)
        assert len(serving) <= 1
        for one in serving:
            with acts.reading(self.desk.place) as connection:
                given = approvals.given(acts.of(connection, subject=one.subject))
            standing = [each for each in given if each.counts]
            assert {each.role for each in standing} == {"validator", "approver"}
            names = {people.folded(each.name) for each in standing}
            assert len(names) == len(standing) == 2
            assert not names & {"anna", "otto"}


def test_nothing_is_live_that_was_not_approved_by_two(tuned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("METIER_DATABASE_URL", raising=False)
    chosen: Any = type("Chosen", (Governing,), {"tuned": tuned})
    quick = os.environ.get("METIER_THOROUGH") is None
    run_state_machine_as_test(
        chosen,
        settings=settings(
            max_examples=4 if quick else 200,
            stateful_step_count=8,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
