"""Releases are found by what people type, roll back at once, and tell what was live when; on both databases."""

from __future__ import annotations

import shutil
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from tests.govern.conftest import OPEN, Desk

from metier.errors import ExpertError, MetierError, RecordError, UsageError
from metier.govern import moves, registry
from metier.govern.actor import Actor
from metier.govern.history import history, periods, when
from metier.govern.ledger import book
from metier.govern.release import release
from metier.govern.verify import verify

OLGA = Actor("olga", "operator")


def live(desk: Desk, *seeds: int) -> None:
    for seed in seeds:
        assert release(desk.expert(seed), desk.place, policy=desk.policy(OPEN), actor=Actor("anna")).released


def test_a_release_is_found_by_name_version_alias_and_folder(desk: Desk) -> None:
    expert = desk.expert(1)
    assert release(expert, desk.place, policy=desk.policy(OPEN)).released
    held = release(desk.expert(2), desk.place, policy=desk.policy(OPEN), hold=True).release
    assert (held.version, held.stage) == (2, "approved")
    moves.alias(desk.place, "tickets@2", "Challenger", OLGA)
    for reference, version in (
        ("tickets", 1),
        ("Tickets@1", 1),
        ("tickets@v2", 2),
        ("tickets@champion", 1),
        ("tickets@challenger", 2),
        (expert, 1),
    ):
        assert registry.resolve(reference, desk.place).version == version, reference
    assert registry.resolve("tickets", desk.place, newest=True).version == 2
    assert [one.id for one in registry.live(desk.place)] == ["tickets@1"]
    moves.alias(desk.place, "tickets@1", "challenger", OLGA)
    assert [one.aliases for one in registry.releases(desk.place)] == [("champion", "challenger"), ()]
    moves.alias(desk.place, "tickets@1", "challenger", OLGA, removed=True)
    with pytest.raises(RecordError, match="must be there"):
        moves.alias(desk.place, "tickets@1", "challenger", OLGA, removed=True)
    for unknown in ("tickets@3", "tickets@stable", "loans"):
        with pytest.raises(RecordError, match="in the registry"):
            registry.resolve(unknown, desk.place)
    assert verify(desk.place.root).ok


@pytest.mark.parametrize("text", ["", "a b", "@1", "x@", "x@1@2", "../x", "x:1", "x\0", "x" * 5000])
def test_what_is_no_reference_is_told(small_desk: Desk, text: str) -> None:
    with pytest.raises(MetierError):
        registry.resolve(text, small_desk.place)


@pytest.mark.parametrize("word", ["champion", "live", "v2", "2", "a b", ""])
def test_words_that_cannot_be_aliases(small_desk: Desk, word: str) -> None:
    live(small_desk, 1)
    with pytest.raises(UsageError):
        moves.alias(small_desk.place, "tickets", word, OLGA)


def test_rolling_back_goes_one_further_each_time(desk: Desk) -> None:
    live(desk, 1, 2, 3)
    assert moves.rollback(desk.place, "tickets", OLGA, reason="complaints").version == 2
    assert moves.rollback(desk.place, "tickets", OLGA).version == 1
    with pytest.raises(RecordError, match="was live before"):
        moves.rollback(desk.place, "tickets", OLGA)
    # Going forward again is releasing again, which asks the gates.
    assert release("tickets@3", desk.place, actor=OLGA).released
    assert moves.rollback(desk.place, "tickets", OLGA, to=1).version == 1
    told = [(each.version, each.act) for each in periods("tickets", desk.place)]
    assert told == [
        (1, "released"),
        (2, "released"),
        (3, "released"),
        (2, "rolled back"),
        (1, "rolled back"),
        (3, "released"),
        (1, "rolled back"),
    ]
    assert verify(desk.place.root).ok


def test_a_retired_version_is_out_for_good(desk: Desk) -> None:
    live(desk, 1, 2)
    moves.retire(desk.place, "tickets@1", OLGA, reason="old")
    with pytest.raises(RecordError, match="was live before"):
        moves.rollback(desk.place, "tickets", OLGA)
    with pytest.raises(RecordError, match="not released again"):
        release("tickets@1", desk.place, actor=OLGA)
    with pytest.raises(RecordError, match="retired once"):
        moves.retire(desk.place, "tickets@1", OLGA)
    moves.retire(desk.place, "tickets", OLGA)
    assert registry.live(desk.place) == []


def test_an_altered_folder_does_not_go_live(small_desk: Desk) -> None:
    live(small_desk, 1, 2)
    kept = registry.resolve("tickets@1", small_desk.place).expert
    head = next(kept.glob("*.safetensors"))
    head.write_bytes(head.read_bytes()[:-1] + b"\0")
    with pytest.raises(ExpertError, match="what its manifest says"):
        moves.rollback(small_desk.place, "tickets", OLGA)
    assert registry.live(small_desk.place)[0].version == 2
    verdict = verify(small_desk.place.root)
    assert not verdict.ok
    assert "tickets@1 is approved, but its folder was altered" in verdict.problem


def test_releases_live_from_an_object_store(small_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METIER_ARTEFACTS", f"memory://{small_desk.place.root.parent.name}")
    live(small_desk, 1, 2)
    found = registry.live(small_desk.place)[0]
    assert found.expert.is_relative_to(small_desk.place.cache)
    shutil.rmtree(small_desk.place.cache / "artefacts")
    assert moves.rollback(small_desk.place, "tickets", OLGA).version == 1
    assert registry.resolve("tickets@2", small_desk.place).expert.is_dir()
    assert verify(small_desk.place.root).ok


# ------------------------------------------------------------------------------------------------------------- history


def test_what_was_live_when_and_why(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(f"2026-03-{day:02d}T12:00:00.{tick:06d}Z" for day in range(1, 29) for tick in range(12))
    monkeypatch.setattr(book, "now", lambda: next(clock))
    live(desk, 1, 2)
    first, second = periods("tickets", desk.place)
    assert first.until is not None
    assert second.until is None
    found = history("tickets", desk.place, first.since.replace("Z", "+00:00"))
    assert (found["version"], found["by"], found["until"]) == (1, "anna", first.until)
    assert found["expert"] == registry.resolve("tickets@1", desk.place).manifest
    assert found["gates"] == found["records"][0] - 1
    assert f"record {found['records'][0]}" in found["why"]
    assert history("tickets", desk.place, first.until.replace("T", " "))["version"] == 2
    assert history("tickets", desk.place, "2026-02-28 12:00Z")["version"] is None
    assert history("tickets", desk.place, "2031-01-01")["version"] == 2
    with pytest.raises(RecordError, match="put forward"):
        history("loans", desk.place)


def test_a_clock_that_went_back_is_told(small_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    times = {1: "2026-03-03T10:00:00.000000Z", 2: "2026-03-03T12:00:00.000000Z", 3: "2026-03-03T11:00:00.000000Z"}
    for seed, at in times.items():
        monkeypatch.setattr(book, "now", lambda at=at: at)
        live(small_desk, seed)
    found = history("tickets", small_desk.place, "2026-03-03T11:30:00Z")
    assert (found["version"], found["also"]) == (3, [1])
    assert [each.version for each in periods("tickets", small_desk.place)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("text", "utc", "zone"),
    [
        ("2026-03-03T14:05Z", "2026-03-03T14:05:00", "+0000 as typed"),
        ("2026-03-03 14:05 +01:00", "2026-03-03T13:05:00", "+0100 as typed"),
        ("2026-03-03 14:05:30.5+0100", "2026-03-03T13:05:30.500000", "+0100 as typed"),
        ("2026-07-03 14:05 Europe/Vienna", "2026-07-03T12:05:00", "Europe/Vienna as typed"),
        ("2026-03-03 14:05 UTC", "2026-03-03T14:05:00", "UTC as typed"),
        (" 20260303T1405z ", "2026-03-03T14:05:00", "+0000 as typed"),
    ],
)
def test_times_are_read_as_people_type_them(text: str, utc: str, zone: str) -> None:
    found, told = when(text)
    assert found.astimezone(UTC).replace(tzinfo=None).isoformat() == utc
    assert told == zone


@pytest.mark.parametrize("text", ["2026-03-03T14:05", "2026-03-03 14:05", "2026-03-03"])
def test_the_zone_that_was_taken_is_said(text: str) -> None:
    found, told = when(text)
    assert found.replace(tzinfo=None).date().isoformat() == "2026-03-03"
    assert "this machine's, as none was typed" in told


@settings(max_examples=40)
@given(some.text(max_size=30) | some.datetimes().map(str))
def test_any_text_is_a_time_or_told(text: str) -> None:
    with suppress(UsageError):
        assert isinstance(when(text)[0], datetime)
