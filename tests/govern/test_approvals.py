"""Nobody goes live alone: four eyes, roles, signatures, lapsing and revoking, on both databases."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from tests.govern.conftest import FIGURES, OPEN, TWO, Desk

from metier import files
from metier.errors import RecordError, UsageError
from metier.govern import acts, approvals, people, registry, stages, validation
from metier.govern.actor import Actor
from metier.govern.release import Outcome, Waiver, release
from metier.govern.verify import verify


def put(desk: Desk, expert: Path | str, table: dict | None = None, by: str = "anna", **more: object) -> Outcome:
    policy = None if table is None else desk.policy(table)
    return release(expert, desk.place, policy=policy, actor=Actor(by), **more)


def approve(desk: Desk, name: str, role: str, of: str = "tickets") -> approvals.Approval:
    return approvals.approve(desk.place, of, Actor(name, role), "it holds")


def test_two_people_beside_the_author_put_it_live(desk: Desk) -> None:
    expert = desk.expert()
    first = put(desk, expert, TWO)
    assert (first.released, first.release.stage) == (False, "candidate")
    assert [waiting.split(":")[0] for waiting in first.waiting_for] == [
        "an approval by the role validator",
        "an approval by the role approver",
    ]
    given = approve(desk, "vera", "validator")
    assert given.hashes["expert"] == files.sha256(expert / "manifest.json")
    assert given.hashes["run"] == first.release.root != ""
    approve(desk, "bob", "approver")
    assert registry.resolve("tickets", desk.place).stage == "approved"
    last = put(desk, expert)
    assert last.released
    assert last.waiting_for == ()
    assert registry.live(desk.place) == [last.release]
    assert last.release.expert.is_dir()
    assert last.release.expert != expert
    assert verify(desk.place.root).ok


@pytest.mark.parametrize("name", ["anna", "ANNA", " anna  "])
def test_an_author_never_approves_their_own(small_desk: Desk, name: str) -> None:
    put(small_desk, small_desk.expert(by="anna"), TWO, by="otto")
    for who in (name, "otto"):
        with pytest.raises(RecordError, match="never approves") as error:
            approve(small_desk, who, "approver")
        assert error.value.code == "four-eyes"


def test_nobody_approves_in_two_roles(small_desk: Desk) -> None:
    put(small_desk, small_desk.expert(), TWO)
    approve(small_desk, "vera", "validator")
    with pytest.raises(RecordError, match="twice"):
        approve(small_desk, "Vera", "approver")


def test_what_fails_its_gates_is_not_approved(small_desk: Desk) -> None:
    expert = small_desk.expert()
    found = put(small_desk, expert, {**TWO, "figures": {"accuracy.low": {"min": 0.9}}})
    assert found.release.stage == "draft"
    with pytest.raises(RecordError, match="passes its gates") as error:
        approve(small_desk, "bob", "approver")
    assert "accuracy.low" in error.value.found


def test_an_approval_lapses_when_what_was_signed_changes(desk: Desk) -> None:
    expert = desk.expert()
    desk.evaluated(expert)
    policy = {**TWO, "figures": {"accuracy.low": {"min": 0.85}}}
    put(desk, expert, policy)
    approve(desk, "vera", "validator")
    approve(desk, "bob", "approver")
    desk.evaluated(expert, {**FIGURES, "rows": 401})
    again = put(desk, expert, hold=True)
    assert again.release.stage == "candidate"
    assert len(again.waiting_for) == 2
    with acts.reading(desk.place) as connection:
        given = approvals.given(acts.of(connection, subject="release:tickets@1"))
    assert [one.counts for one in given] == [False, False]
    assert all(one.lapsed for one in given)


def test_another_policy_lapses_it_too(small_desk: Desk) -> None:
    expert = small_desk.expert()
    put(small_desk, expert, TWO)
    approve(small_desk, "vera", "validator")
    assert len(put(small_desk, expert, {**TWO, "about": "stricter"}, hold=True).waiting_for) == 2


def test_a_revoked_approval_takes_a_live_release_back_and_the_one_before_comes(desk: Desk) -> None:
    for seed in (1, 2):
        put(desk, desk.expert(seed), TWO)
        approve(desk, "vera", "validator")
        approve(desk, "bob", "approver")
        put(desk, "tickets")
    assert registry.live(desk.place)[0].version == 2
    told = approvals.revoke(desk.place, "tickets", Actor("bob"), "a complaint")
    assert told == "tickets@2 is a candidate, and tickets@1 is live again."
    assert registry.live(desk.place)[0].version == 1
    assert registry.resolve("tickets@2", desk.place).stage == "candidate"
    told = approvals.revoke(desk.place, "tickets@1", Actor("vera"), "another")
    assert "nothing of tickets is live" in told
    assert registry.live(desk.place) == []
    assert verify(desk.place.root).ok


def test_only_who_gave_it_takes_it_back(small_desk: Desk) -> None:
    put(small_desk, small_desk.expert(), TWO)
    approve(small_desk, "vera", "validator")
    with pytest.raises(RecordError) as error:
        approvals.revoke(small_desk.place, "tickets", Actor("bob"), "no")
    assert error.value.code == "nothing-to-revoke"


@pytest.mark.parametrize(("role", "reason"), [("author", "x"), ("boss", "x"), ("approver", " ")])
def test_an_approval_wants_a_role_and_a_reason(small_desk: Desk, role: str, reason: str) -> None:
    with pytest.raises(UsageError):
        approvals.approve(small_desk.place, "tickets", Actor("bob", role), reason)


# ---------------------------------------------------------------------------------------------------------- people


def test_once_people_are_registered_roles_count(desk: Desk) -> None:
    place, admin = desk.place, Actor("ada")
    with pytest.raises(RecordError, match="is an admin"):
        people.add(place, "bob", "approver", admin)
    people.add(place, "ada", "admin", admin)
    people.add(place, "bob", "approver", admin)
    people.add(place, "bob", "validator", admin)
    people.add(place, "olga", "operator", admin)
    with pytest.raises(RecordError, match="must be admin"):
        people.add(place, "eve", "approver", Actor("bob"))
    put(desk, desk.expert(), {**OPEN, "approvals": {"approver": 1}, "registered": True})
    with pytest.raises(RecordError, match="must be approver"):
        approve(desk, "eve", "approver")
    assert approve(desk, "Bob", "approver").registered
    waiting = put(desk, "tickets", by="anna")
    assert not waiting.released
    assert "an operator" in waiting.waiting_for[0]
    assert put(desk, "tickets", by="olga").released
    people.remove(place, "bob", "validator", admin)
    assert {one.name: one.roles for one in people.everybody(place)}["bob"] == ("approver",)
    with pytest.raises(RecordError, match="One admin"):
        people.remove(place, "ada", None, admin)
    assert verify(place.root).ok


def test_a_policy_that_counts_registered_people_takes_no_others(small_desk: Desk) -> None:
    put(small_desk, small_desk.expert(), {**TWO, "registered": True})
    with pytest.raises(RecordError, match="registered people only"):
        approve(small_desk, "bob", "approver")


def test_a_person_with_a_key_of_their_own_signs_with_it(small_desk: Desk, tmp_path: Path) -> None:
    for name in ("bob", "eve"):
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", tmp_path / f"{name}.pem"], check=True)
    place, admin = small_desk.place, Actor("ada")
    people.add(place, "ada", "admin", admin)
    bob = people.add(place, "bob", "approver", admin, public=str(tmp_path / "bob.pem"))
    assert len(bob.public) == 64
    put(small_desk, small_desk.expert(), {**OPEN, "approvals": {"approver": 1}}, by="anna")
    for key in (None, tmp_path / "eve.pem"):
        with pytest.raises(RecordError) as error:
            approvals.approve(place, "tickets", Actor("bob", "approver"), "yes", key=key)
        assert error.value.code == "own-key-needed"
    given = approvals.approve(place, "tickets", Actor("bob", "approver"), "yes", key=tmp_path / "bob.pem")
    assert given.signed_by == "person"
    assert verify(place.root).ok


# ------------------------------------------------------------------------------------------ findings, ethics, waivers


def test_a_finding_is_closed_by_another_who_is_no_author(desk: Desk) -> None:
    expert = desk.expert()
    put(desk, expert, {**OPEN, "validation": True}, hold=True)
    validation.open_finding(desk.place, "tickets", "high", "no test on short texts", Actor("vera", "validator"))
    assert not put(desk, expert).released
    for name, why in (("vera", "who raised it"), ("anna", "own work")):
        with pytest.raises(RecordError, match=why):
            validation.close_finding(desk.place, "tickets", 1, "done", Actor(name, "validator"))
    closed = validation.close_finding(desk.place, "tickets", 1, "tested on 40", Actor("bob", "validator"))
    assert closed.closed is not None
    assert closed.closed["by"] == "bob"
    with pytest.raises(RecordError, match="there and open"):
        validation.close_finding(desk.place, "tickets", 1, "again", Actor("bob", "validator"))
    assert put(desk, expert).released


def test_the_ethical_review_wants_every_answer(small_desk: Desk, tmp_path: Path) -> None:
    expert = small_desk.expert()
    policy = {**OPEN, "ethical_review": True}
    assert not put(small_desk, expert, policy).released
    blank = validation.form(registry.resolve("tickets", small_desk.place, newest=True))
    path = tmp_path / "form.json"
    path.write_text(json.dumps(blank))
    with pytest.raises(UsageError) as error:
        validation.review(small_desk.place, "tickets", path, Actor("vera"))
    assert error.value.found.count("no answer") >= 3
    for question in blank["questions"]:
        question |= {"answer": "thought about", "verdict": "accepted"}
    blank["questions"][0]["verdict"] = "refused"
    path.write_text(json.dumps(blank))
    validation.review(small_desk.place, "tickets", path, Actor("vera"))
    assert put(small_desk, expert).gates[-1]["found"] == "refused: purpose"
    blank["questions"][0]["verdict"] = "accepted with conditions"
    path.write_text(json.dumps(blank))
    with pytest.raises(RecordError, match="own work"):
        validation.review(small_desk.place, "tickets", path, Actor("anna"))
    validation.review(small_desk.place, "tickets", path, Actor("vera"))
    assert put(small_desk, expert).released


def test_a_waiver_has_a_name_a_reason_and_an_end(small_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    expert = small_desk.expert()
    policy = {**OPEN, "figures": {"accuracy.low": {"min": 0.9}}}
    assert not put(small_desk, expert, policy).released
    waive = Waiver("accuracy.low", "2999-12-31", "measured by hand")
    with pytest.raises(RecordError, match="own work"):
        put(small_desk, expert, waive=waive, by="anna")
    for bad in (
        Waiver("gain", "2999-12-31", "x"),
        Waiver("accuracy.low", "2001-01-01", "x"),
        Waiver("accuracy.low", "soon", "x"),
    ):
        with pytest.raises(UsageError):
            put(small_desk, expert, waive=bad, by="bob")
    waived = put(small_desk, expert, waive=waive, by="bob")
    gate = waived.gates[-1]
    assert waived.released
    assert not gate["passed"]
    assert gate["waived"]["by"] == "bob"
    assert gate["waived"]["until"] == "2999-12-31"


def test_an_expired_waiver_does_not_count(small_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from metier.govern import release as releasing

    expert = small_desk.expert()
    policy = {**OPEN, "figures": {"accuracy.low": {"min": 0.9}}}
    put(small_desk, expert, policy)
    put(small_desk, expert, waive=Waiver("accuracy.low", "2999-12-31", "by hand"), by="bob", hold=True)
    with acts.reading(small_desk.place) as connection:
        records = acts.of(connection, subject="release:tickets@1")
    assert list(releasing.waivers(records)) == ["accuracy.low"]

    class Later(releasing.datetime):
        @classmethod
        def now(cls, zone: object = None) -> releasing.datetime:
            return cls(3000, 1, 1, tzinfo=releasing.UTC)

    monkeypatch.setattr(releasing, "datetime", Later)
    assert releasing.waivers(records) == {}
    found = put(small_desk, expert)
    assert not found.released
    assert found.release.stage == "draft"


def test_a_live_release_is_looked_at_anew_and_stays(small_desk: Desk) -> None:
    expert = small_desk.expert()
    assert put(small_desk, expert, OPEN).released
    looked = put(small_desk, expert, {**OPEN, "figures": {"accuracy.low": {"min": 0.99}}})
    assert looked.released
    assert not looked.clear
    with acts.reading(small_desk.place) as connection:
        records = acts.of(connection, subject="release:tickets@1")
    assert records[-1].act == stages.CHECKED
    assert stages.gated(records)["policy"]["figures"] == {}
