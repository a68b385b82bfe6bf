"""What is done to releases once they are there: roll back, retire, give and take an alias."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from metier.errors import RecordError, UsageError
from metier.govern import acts, people, registry, stages
from metier.govern.actor import Actor
from metier.govern.ledger.book import open_ledger
from metier.govern.ledger.entry import Act
from metier.govern.registry import Release
from metier.workspace import Workspace

_WORD = re.compile(r"[a-z][a-z0-9_.-]{0,63}\Z")
_MOVING = (people.OPERATOR, people.ADMIN)


def rollback(
    place: Workspace,
    name: str,
    actor: Actor,
    *,
    to: int | None = None,
    reason: str = "",
    key: str | Path | None = None,
) -> Release:
    """Put the version live that was live before, or the one named; it must still be approved. Raises RecordError."""
    called, _ = registry.parse(name)
    ledger = open_ledger(place)
    try:
        with ledger.turn(actor) as turn:
            people.entitled(turn.connection, actor, _MOVING, "roll a release back")
            found = [each for each in registry.rows(turn.connection, place) if each.name == called]
            if to is None:
                target = stages.step_back(ledger, turn, called, actor, reason, key)
            else:
                order = stages.lived(acts.starting(turn.connection, f"release:{called}@"))
                target = next((each for each in found if each.version == to and each.version in order), None)
                if target is not None and target.stage == registry.APPROVED:
                    details = {"stage": registry.LIVE, "from": order[-1]}
                    act = Act(stages.ROLLED_BACK, target.subject, reason, details)
                    stages.go_live(ledger, turn, target, act, actor, key)
                else:
                    target = None
            if target is None:
                raise _no_way_back(called, to, found)
            return _as_it_stands(place, turn.connection, target)
    finally:
        ledger.store.close()


def retire(
    place: Workspace, reference: str, actor: Actor, *, reason: str = "", key: str | Path | None = None
) -> Release:
    """Take a version out of use for good; its records and its folder stay. Raises RecordError."""
    found = registry.resolve(reference, place)
    ledger = open_ledger(place)
    try:
        with ledger.turn(actor) as turn:
            people.entitled(turn.connection, actor, _MOVING, "retire a release")
            now = _as_it_stands(place, turn.connection, found)
            if now.stage == registry.RETIRED:
                raise RecordError(
                    "retired-release",
                    "A version is retired once.",
                    found=f"{now.id} is retired (record {now.record})",
                    fix="metier releases lists the others.",
                )
            act = Act(stages.RETIRED_ACT, now.subject, reason, {"stage": registry.RETIRED})
            stages.project(turn.connection, people.perform(ledger, turn, act, actor, key))
            return _as_it_stands(place, turn.connection, found)
    finally:
        ledger.store.close()


def alias(
    place: Workspace,
    reference: str,
    word: str,
    actor: Actor,
    *,
    removed: bool = False,
    key: str | Path | None = None,
) -> Release:
    """Let a word (challenger, stable) stand for a version; it moves from whichever had it.

    Raises RecordError, UsageError.
    """
    found, word = registry.resolve(reference, place, newest=True), word.strip().lower()
    if _WORD.match(word) is None or word in (registry.CHAMPION, *registry.STAGES) or re.fullmatch(r"v\d+", word):
        raise UsageError(
            "bad-alias",
            "An alias is a word of letters, digits, '-', '_' and '.'; champion is always the live version.",
            found=repr(word),
            fix=f"metier releases alias {found.id} challenger",
        )
    ledger = open_ledger(place)
    try:
        with ledger.turn(actor) as turn:
            people.entitled(turn.connection, actor, _MOVING, "give an alias")
            now = _as_it_stands(place, turn.connection, found)
            if removed and word not in now.aliases:
                raise RecordError(
                    "no-such-alias",
                    "An alias that is taken away must be there.",
                    found=f"{now.id} has {', '.join(now.aliases) or 'none'}",
                    fix="metier releases lists them.",
                )
            act = Act(stages.ALIASED, now.subject, "", {"alias": word, "removed": removed})
            stages.project(turn.connection, people.perform(ledger, turn, act, actor, key))
            return _as_it_stands(place, turn.connection, found)
    finally:
        ledger.store.close()


def _as_it_stands(place: Workspace, connection: object, release: Release) -> Release:
    return next(each for each in registry.rows(connection, place) if each.id == release.id)  # type: ignore[arg-type]


def _no_way_back(name: str, to: int | None, found: Sequence[Release]) -> RecordError:
    listed = ", ".join(f"{each.version} is {each.stage}" for each in found) or f"none is called {name}"
    which = "a version" if to is None else f"version {to}"
    return RecordError(
        "no-way-back",
        f"Rolling back wants {which} that was live before and is still approved.",
        found=listed,
        fix=f"metier history {name} tells what was live; metier releases retire {name} takes it out of use.",
    )
