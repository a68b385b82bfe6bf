"""Which fits are run: growing sizes, what fits into the time, and the rest told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metier.choose.ground import Ground, lay
from metier.compare.curves import Field, Job, _admitted, measure, scores, sizes
from metier.compare.ways import ways
from metier.data.split import split
from metier.errors import UsageError
from metier.plan import Plan
from metier.progress import Silent
from metier.trunk.base import find
from metier.trunk.features import Trunk
from metier.workspace import Workspace


@given(rows=st.integers(2, 100_000), classes=st.integers(1, 200), wished=st.integers(2, 12))
def test_sizes_rise_to_all_rows(rows: int, classes: int, wished: int) -> None:
    found = sizes(rows, classes, wished)
    assert found == sorted(set(found))
    assert found[-1] == rows
    assert len(found) <= wished
    assert found[0] >= min(rows, max(20, classes))


@dataclass(frozen=True)
class _Way:
    name: str


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=12), st.floats(0, 300))
def test_what_is_admitted_fits_and_what_is_not_would_not(needs: list[float], left: float) -> None:
    jobs = [Job(_Way("adapter"), at, 0) for at in range(len(needs))]  # type: ignore[arg-type]
    needed = dict(zip(jobs, needs, strict=True))
    admitted, over = _admitted(jobs, needed, left)
    total = sum(needed[job] for job in admitted)
    assert sorted(job.rows for job in admitted + over) == list(range(len(needs)))
    assert total <= left + 1e-9
    assert all(total + needed[job] > left for job in over if job is over[-1])
    assert _admitted(jobs, needed, None) == (jobs, [])


@pytest.fixture
def laid(tiny_base: Path, ticket_rows, tmp_path: Path) -> Callable[..., tuple[Ground, Field]]:
    """240 tickets to learn from and 60 to be measured on, with so many seconds left."""

    def lay_out(left: float | None, **choices: object) -> tuple[Ground, Field]:
        place = Workspace(tmp_path / "home")
        plan = Plan.of(target="intent", **choices)
        ground = lay(ticket_rows(300), plan, place)
        parts = split(ground.examples, plan)
        pool, held_out = ground.examples.take(parts.train), ground.examples.take(parts.validation)
        trunk = Trunk(find(str(tiny_base)), place.cache)
        return ground, Field(pool, held_out, trunk, ground.metric, plan, tmp_path / "fits", Silent(), lambda: left)

    return lay_out


def test_every_way_is_fitted_at_every_size_and_learns(laid, tmp_path: Path) -> None:
    ground, made = laid(None, ways=("majority", "linear", "frozen"), repeats=2)
    compared, _ = ways(ground)
    fits, skipped = measure(made, compared, [24, 80, 240])
    assert skipped == []
    assert len(fits) == 3 * 3 * 2
    for name, least in (("linear", 0.9), ("frozen", 0.5)):
        found = scores(fits, name)
        assert list(found) == [24, 80, 240]
        assert found[240].mean() > found[24].mean()
        assert found[240].mean() > least
    assert all(fit.seconds > 0 and fit.watt_hours >= 0 for fit in fits)
    assert {fit.seconds_per_prediction is None for fit in fits if fit.job.repeat == 0 and fit.job.rows == 240} == {
        False
    }
    again, _ = measure(made, compared, [24, 80, 240])
    assert [fit.score for fit in again] == [fit.score for fit in fits]
    assert [fit.seconds for fit in again] == [fit.seconds for fit in fits]


def test_without_time_nothing_dear_is_run_and_all_of_it_is_told(laid, tmp_path: Path) -> None:
    ground, made = laid(5.0, ways=("linear", "adapter", "scratch"), repeats=2)
    compared, _ = ways(ground)
    fits, skipped = measure(made, compared, [40, 240])
    assert {fit.job.way.name for fit in fits} == {"linear"}
    assert {(one.way, one.rows, one.repeats) for one in skipped} == {
        (way, rows, 2) for way in ("adapter", "scratch") for rows in (40, 240)
    }
    assert all("--time-limit" in one.reason or "were left" in one.reason for one in skipped)


def test_repeats_learn_from_other_rows_and_smaller_sets_lie_within_larger_ones(laid, tmp_path: Path) -> None:
    from metier.compare.curves import _works

    ground, made = laid(None, ways=("linear",))
    compared, _ = ways(ground)
    drawn = {
        (rows, repeat): set(_works(made, Job(compared[0], rows, repeat), tmp_path / "work", None)[1].rows.tolist())
        for rows in (40, 120)
        for repeat in (0, 1)
    }
    assert drawn[40, 0] < drawn[120, 0]
    assert drawn[40, 0] != drawn[40, 1]
    assert not drawn[120, 1] & set(np.asarray(made.held_out.rows).tolist())


def test_from_scratch_starts_untrained_and_anew_for_every_repeat(laid, tmp_path: Path) -> None:
    ground, made = laid(None)
    compared, left_out = ways(ground)
    names = [way.name for way in compared]
    assert names == ["majority", "linear", "generic", "frozen", "adapter", "scratch"]
    assert [one.way for one in left_out] == ["full"]
    scratch = compared[-1]
    forms = [scratch.trunk(made.trunk, seed).base.form for seed in (0, 1)]
    assert forms == ["random-0", "random-1"]
    assert compared[3].trunk(made.trunk, 0) is made.trunk


def test_a_way_that_is_not_there_is_refused(laid, tmp_path: Path) -> None:
    ground, _ = laid(None, ways=("linear", "magic"))
    with pytest.raises(UsageError, match="magic") as caught:
        ways(ground)
    assert "scratch" in caught.value.fix
