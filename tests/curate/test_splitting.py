"""The split offered: copies, groups and times are never cut apart, and every class is taught."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from metier.curate.copies import clusters
from metier.curate.splitting import offer
from metier.data.split import split

from .conftest import MaterialOf

WORDS = ["river", "stone", "cloud", "forest", "meadow", "island", "valley", "desert", "harbour", "mountain", "glacier"]


def texts(count: int, seed: int = 0) -> list[str]:
    """Every second text is the one before it with a letter doubled."""
    rng = np.random.default_rng(seed)
    out: list[str] = []
    while len(out) < count:
        text = " ".join(rng.choice(WORDS, 9))
        at = int(rng.integers(3, len(text) - 3))
        out += [text, text[:at] + "q" + text[at:]]
    return out[:count]


def test_near_copies_are_never_cut_apart(material_of: MaterialOf) -> None:
    for seed in range(3):
        material = material_of(
            {"text": texts(300, seed), "label": ["a", "a", "b", "b"] * 75}, target="label", kind="text-classification"
        )
        found = offer(material)
        sets = clusters(material)
        assert len(np.unique(sets)) < 160
        assert not set(sets[found.train]) & set(sets[found.validation])
        assert len(found.train) + len(found.validation) == 300
        plain = split(material.train.examples, material.plan)
        assert set(sets[plain.train]) & set(sets[plain.validation])  # what the plain split would have done


def test_copies_of_test_rows_are_not_trained_on(material_of: MaterialOf) -> None:
    some = texts(200)
    material = material_of(
        {"text": some, "label": ["a", "a", "b", "b"] * 50},
        {"text": [some[0].upper(), some[9], "something else entirely"], "label": ["a", "a", "b"]},
        target="label",
        kind="text-classification",
    )
    found = offer(material)
    assert not {0, 1, 8, 9} & set(found.train.tolist())
    assert any("test file" in note for note in found.notes)


def test_the_tables_own_split_is_kept_but_its_copies_are_not_trained_on(material_of: MaterialOf) -> None:
    some = texts(200)
    where = np.array(["train"] * 200, object)
    where[1], where[3], where[100:140] = "validation", "test", "validation"
    material = material_of(
        {"text": some, "label": ["a", "a", "b", "b"] * 50, "split": where.tolist()},
        target="label",
        kind="text-classification",
    )
    found = offer(material)
    assert set(found.validation.tolist()) == {1, *range(100, 140)}
    assert not {0, 2, 3} & set(found.train.tolist())
    assert "held out by the table itself" in found.notes[-1]


def timed(rows: int, seed: int = 0, **more: Any) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    days = rng.permutation(rows) // 2
    return {
        "opened": [str(np.datetime64("2023-01-01") + int(day)) for day in days],
        "amount": rng.lognormal(3, 1, rows).round(3),
        "weight": rng.normal(size=rows).round(4),
        "bought": rng.choice(["yes", "no"], rows),
        **more,
    }


def test_where_rows_have_a_time_the_newest_are_held_out(material_of: MaterialOf) -> None:
    table = timed(400)
    found = offer(material_of(table, target="bought", kind="rows"))
    when = np.array(table["opened"], "datetime64[D]")
    assert when[found.train].max() < when[found.validation].min()
    assert abs(len(found.validation) - 80) <= 2
    assert "by time" in found.method


def test_a_group_is_as_new_as_its_newest_row(material_of: MaterialOf) -> None:
    rng = np.random.default_rng(1)
    days = np.sort(rng.integers(0, 300, 400))
    groups = np.array([f"g{day // 10}-{rng.integers(3)}" for day in days])
    table = timed(400, customer=groups, opened=[str(np.datetime64("2023-01-01") + int(day)) for day in days])
    found = offer(material_of(table, target="bought", kind="rows", group="customer"))
    assert not set(groups[found.train]) & set(groups[found.validation])
    newest = {name: days[groups == name].max() for name in set(groups)}
    assert max(newest[name] for name in groups[found.train]) < min(newest[name] for name in groups[found.validation])
    assert "whole groups" in found.method


def test_groups_that_run_through_all_times_are_kept_whole_and_the_time_is_given_up(material_of: MaterialOf) -> None:
    groups = np.array([f"g{at % 40}" for at in range(400)])
    table = timed(400, customer=groups)
    table["opened"][:40] = ["2024-06-01"] * 40  # every group has a row of the last day
    found = offer(material_of(table, target="bought", kind="rows", group="customer"))
    assert not set(groups[found.train]) & set(groups[found.validation])
    assert "by time" not in found.method
    assert len(found.validation) >= 40


def test_the_seed_decides(material_of: MaterialOf) -> None:
    table = {"text": texts(200), "label": ["a", "a", "b", "b"] * 50}
    one, again, other = (
        offer(material_of(table, target="label", kind="text-classification", seed=seed)).validation
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("rows", [3, 5, 12])
def test_few_rows_are_split_too(material_of: MaterialOf, rows: int) -> None:
    some = [f"{word} and {other}" for word in WORDS for other in WORDS][:rows]
    labels = [str(at % 2) for at in range(rows)]
    found = offer(
        material_of({"text": some, "label": labels}, target="label", kind="text-classification", text=("text",))
    )
    assert len(found.train)
    assert len(found.validation)
