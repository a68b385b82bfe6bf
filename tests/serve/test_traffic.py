"""Traffic: a request's id decides, always alike; shares are what they say; a rollback goes back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metier.errors import ExpertError, UsageError
from metier.serve.traffic import Route, Traffic, Version


def version(number: int, name: str = "banking") -> Version:
    return Version(name, str(number), Path(f"/x/{number}"), f"{name}@{number}")


@given(st.text(max_size=64), st.floats(0, 1), st.floats(0, 1))
def test_the_same_id_goes_the_same_way_and_stays_when_the_share_grows(request: str, one: float, other: float) -> None:
    small, large = sorted((one, other))
    routes = [Route(version(1), version(2), share) for share in (small, small, large)]
    first, again, grown = (route.chosen(request) for route in routes)
    assert first == again
    if first[1] == "canary":
        assert grown[1] == "canary"
    assert first[0].version == {"canary": "2", "live": "1"}[first[1]]


def test_a_share_is_what_it_says() -> None:
    for share in (0.0, 0.05, 0.5, 1.0):
        route = Route(version(1), version(2), share)
        hit = sum(route.chosen(f"r{number}")[1] == "canary" for number in range(20_000)) / 20_000
        assert abs(hit - share) < 0.015


def test_a_rollback_goes_back_step_by_step_and_ends_the_canary() -> None:
    traffic = Traffic()
    for number in (1, 2, 3):
        traffic.promote(version(number))
    traffic.canary("banking", version(4), 0.5)
    route = traffic.rollback("banking")
    assert (route.live.version, route.canary, route.share) == ("2", None, 0.0)
    assert traffic.rollback("banking").live.version == "1"
    with pytest.raises(UsageError) as error:
        traffic.rollback("banking")
    assert error.value.code == "nothing-before"
    assert traffic.route("banking").live.version == "1"


def test_promoting_the_canary_ends_it_and_keeps_what_was_live_loaded() -> None:
    traffic = Traffic()
    traffic.promote(version(1))
    traffic.canary("banking", version(2), 0.1)
    traffic.shadow("banking", version(3))
    route = traffic.promote(version(2))
    assert route.canary is None
    assert {found.version for found in route.versions()} == {"1", "2", "3"}
    assert traffic.promote(version(2)).before == route.before


def test_what_is_not_served_or_not_another_version_is_told() -> None:
    traffic = Traffic()
    with pytest.raises(ExpertError):
        traffic.route("banking")
    traffic.promote(version(1))
    for change in (lambda: traffic.canary("banking", version(1), 0.5), lambda: traffic.shadow("banking", version(1))):
        with pytest.raises(UsageError) as error:
            change()
        assert error.value.code == "same-version"
    assert traffic.drop("banking").live == version(1)
    assert traffic.routes() == {}
