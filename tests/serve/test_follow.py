"""Following the registry: what becomes live there answers here; a rollback there, or a retirement, is one here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from tests.govern.conftest import OPEN, Desk, small_desk, tuned  # noqa: F401  fixtures are known by being here

from metier.errors import MetierError, UsageError
from metier.govern import moves
from metier.govern.actor import Actor
from metier.govern.release import release
from metier.plan import Plan
from metier.serve import opening, server
from metier.serve.access.caller import Caller
from metier.serve.engine.engine import Ask
from metier.serve.follow import Follower
from metier.serve.operations import canary, load, rollback
from metier.serve.service import Request, Service
from metier.store.records import open_store

OLGA = Actor("olga", "operator")
REQUEST = Request("r1", Caller("key:a", frozenset({("admin", None)}), shown="olga"), 0.0)


@pytest.fixture
def service(small_desk: Desk) -> Iterator[Service]:  # noqa: F811
    store = open_store(small_desk.place)
    made = server._service(Plan(), small_desk.place, store)
    made.book.drain.start()
    yield made
    asyncio.run(made.close(5))
    store.close()


def make_live(desk: Desk, *seeds: int) -> None:
    for seed in seeds:
        assert release(desk.expert(seed), desk.place, policy=desk.policy(OPEN), actor=Actor("anna")).released


def follow(service: Service, **choices: Any) -> Follower:
    follower = Follower(service, **choices)
    asyncio.run(follower.once())
    return follower


def live_of(service: Service) -> dict[str, str]:
    return {name: route.live.version for name, route in service.traffic.routes().items()}


def test_what_is_live_there_answers_here(small_desk: Desk, service: Service) -> None:  # noqa: F811
    make_live(small_desk, 1)
    follower = follow(service, everything=True)
    assert live_of(service) == {"tickets": "1"}
    make_live(small_desk, 2)
    asyncio.run(follower.once())
    assert live_of(service) == {"tickets": "2"}
    assert set(service.engine.loaded()) == {"tickets@1", "tickets@2"}, "the last one stays loaded for a rollback"
    (answers,) = service.engine.answer([Ask("tickets@2", ["my card does not work"])])
    assert not isinstance(answers, MetierError)
    moves.rollback(small_desk.place, "tickets", OLGA)
    asyncio.run(follower.once())
    assert live_of(service) == {"tickets": "1"}
    moves.retire(small_desk.place, "tickets@1", OLGA)
    asyncio.run(follower.once())
    assert live_of(service) == {}
    asyncio.run(service.settle())
    assert service.engine.loaded() == {}


def test_a_rollback_over_http_is_one_in_the_registry_too(small_desk: Desk, service: Service) -> None:  # noqa: F811
    make_live(small_desk, 1, 2)
    follower = follow(service, names=frozenset({"tickets"}))
    route = asyncio.run(rollback(service, REQUEST, "tickets"))
    assert (route.live.version, route.followed) == ("1", True)
    asyncio.run(follower.once())
    assert live_of(service) == {"tickets": "1"}
    with pytest.raises(UsageError) as error:
        asyncio.run(load(service, REQUEST, "tickets", "tickets@2"))
    assert error.value.code == "followed"


def test_what_answers_people_is_approved(small_desk: Desk, service: Service) -> None:  # noqa: F811
    make_live(small_desk, 1)
    policy = small_desk.policy({"name": "two", "approvals": {"approver": 1}})
    assert not release(small_desk.expert(2), small_desk.place, policy=policy, actor=Actor("anna")).released
    follow(service, everything=True)
    with pytest.raises(UsageError) as error:
        asyncio.run(canary(service, REQUEST, "tickets", "tickets@2", 0.5))
    assert error.value.code == "not-approved"
    for reference in ("tickets@2", "tickets@9", "loans"):
        with pytest.raises(MetierError):
            opening.from_registry(reference, small_desk.place)
    assert opening.from_registry("tickets", small_desk.place, stages=("live",)).version == "1"


def test_a_registry_that_cannot_be_read_changes_nothing(small_desk: Desk, service: Service) -> None:  # noqa: F811
    make_live(small_desk, 1)
    follower = follow(service, everything=True)
    database = small_desk.place.root / "metier.db"
    database.rename(database.with_suffix(".gone"))
    database.mkdir()
    asyncio.run(follower.once())
    assert live_of(service) == {"tickets": "1"}
    database.rmdir()
    database.with_suffix(".gone").rename(database)
