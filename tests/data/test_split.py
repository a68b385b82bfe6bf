"""Splits: stratified, deterministic, and nothing that belongs together is cut apart."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metier.data.dataset import Split
from metier.data.split import split
from metier.errors import DataError
from metier.plan import Plan
from metier.tasks.contract import Examples


def examples(inputs: list[str] | pa.Table, targets: Any, kind: str = "classes", **more: Any) -> Examples:
    target: Any = SimpleNamespace(kind=kind)  # a split asks nothing else of a target
    inputs = pa.array(inputs) if isinstance(inputs, list) else inputs
    return Examples(inputs, np.asarray(targets), target, np.arange(len(targets)), **more)


def plain(count: int) -> list[str]:
    return [f"text {i}" for i in range(count)]


def test_every_class_has_its_share_on_both_sides() -> None:
    targets = np.repeat([0, 1, 2], [1000, 100, 10])
    result = split(examples(plain(1110), targets), Plan())
    assert np.bincount(targets[result.validation]).tolist() == [200, 20, 2]
    assert np.array_equal(np.sort(np.concatenate([result.train, result.validation])), np.arange(1110))


def test_the_seed_decides_and_nothing_else() -> None:
    data = examples(plain(500), np.arange(500) % 5)
    one, again, other = (split(data, Plan(seed=seed)) for seed in (3, 3, 4))
    assert np.array_equal(one.validation, again.validation)
    assert not np.array_equal(one.validation, other.validation)


def test_equal_texts_but_for_case_and_spaces_stay_together() -> None:
    texts = [f"text {i // 4}" for i in range(400)]
    texts[1::4] = [f"  TEXT   {i} " for i in range(100)]
    result = split(examples(texts, np.arange(400) // 4 % 4), Plan())
    sides = np.zeros(400, int)
    sides[result.validation] = 1
    assert all(len(set(sides[i : i + 4])) == 1 for i in range(0, 400, 4))
    assert len(result.validation) == 80
    assert "300 rows repeat" in result.notes[0]


def test_equal_rows_of_a_table_stay_together() -> None:
    table = pa.table({"a": [i // 2 for i in range(200)], "b": [str(i // 4) for i in range(200)]})
    result = split(examples(table, np.arange(200) % 2), Plan())
    assert np.array_equal(np.unique(result.validation // 2), np.sort(result.validation)[::2] // 2)


def test_groups_stay_whole() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 60, 600).astype(str)
    result = split(examples(plain(600), rng.integers(0, 3, 600), groups=groups), Plan())
    assert not set(groups[result.train]) & set(groups[result.validation])
    assert 60 <= len(result.validation) <= 180
    assert "groups" in result.method


def test_rows_without_a_group_stand_alone() -> None:
    groups = np.array([None] * 90 + ["a"] * 10, object)
    result = split(examples(plain(100), np.zeros(100, int), groups=groups), Plan())
    assert 15 <= len(result.validation) <= 25


def test_common_texts_do_not_chain_all_groups_together() -> None:
    groups = np.repeat(np.arange(50), 4)
    texts = [f"text {i}" if i % 4 else "ok" for i in range(200)]
    result = split(examples(texts, np.arange(200) % 2, groups=groups), Plan())
    assert not set(groups[result.train]) & set(groups[result.validation])
    assert len(result.validation) >= 20
    assert "both sides" in result.notes[0]


def test_a_quantity_is_stratified_by_tenths() -> None:
    values = np.random.default_rng(0).lognormal(size=1000)
    result = split(examples(plain(1000), values, "quantity"), Plan())
    assert len(result.validation) == 200
    assert abs(np.median(values[result.validation]) - np.median(values)) < 0.1
    assert (values[result.validation] > np.quantile(values, 0.9)).sum() == 20


def test_what_the_table_assigns_is_kept() -> None:
    assigned = np.array(["train"] * 60 + ["validation"] * 20 + ["test"] * 20)
    result = split(examples(plain(100), np.arange(100) % 2, assigned=assigned), Plan())
    assert np.array_equal(result.train, np.arange(60))
    assert np.array_equal(result.validation, np.arange(60, 80))
    assigned[60:80] = "train"
    result = split(examples(plain(100), np.arange(100) % 2, assigned=assigned), Plan())
    assert len(result.validation) == 16
    assert max(result.validation.max(), result.train.max()) < 80


def test_rows_without_a_known_target_are_left_out() -> None:
    result = split(examples(plain(100), np.where(np.arange(100) < 50, -1, 0)), Plan())
    assert min(result.train.min(), result.validation.min()) >= 50


@pytest.mark.parametrize("texts", [[], ["one"], ["same", "Same"]])
def test_too_little_to_split_is_a_clear_error(texts: list[str]) -> None:
    data = examples(pa.table({"t": pa.array(texts, pa.string())}), np.zeros(len(texts), int))
    with pytest.raises(DataError) as caught:
        split(data, Plan())
    assert caught.value.code == "too-few-rows"


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 6), st.integers(0, 12)), min_size=2, max_size=80),
    st.booleans(),
    st.sampled_from([0.1, 0.2, 0.5]),
    st.integers(0, 5),
)
def test_a_split_covers_all_rows_once_and_teaches_every_class(
    rows: list[tuple[int, int, int]], grouped: bool, share: float, seed: int
) -> None:
    texts = [f"text {text}" for text, _, _ in rows]
    targets = np.array([target for _, target, _ in rows])
    groups = np.array([group for _, _, group in rows]) if grouped else None
    data, plan = examples(texts, targets, groups=groups), Plan.of(validation=share, seed=seed)
    with contextlib.suppress(DataError):  # where all rows hang together there is nothing to cut
        check(split(data, plan), texts, targets, groups)


def check(result: Split, texts: list[str], targets: np.ndarray, groups: np.ndarray | None) -> None:
    both = np.concatenate([result.train, result.validation])
    assert np.array_equal(np.sort(both), np.arange(len(texts)))
    assert len(result.train)
    assert len(result.validation)
    counts = np.bincount(targets)
    taught = set(targets[result.train].tolist())
    assert all(label in taught for label in np.flatnonzero(counts >= 2))
    if groups is not None:
        assert not set(groups[result.train]) & set(groups[result.validation])
    else:
        assert not {texts[i] for i in result.train} & {texts[i] for i in result.validation}
