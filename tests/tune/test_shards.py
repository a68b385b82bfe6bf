"""Each part learns from its own rows alone; taking a row away redoes one part, and gives what tuning without it gives."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tests.conftest import write_tickets

from metier import files, lifecycle
from metier.errors import DataError, UsageError
from metier.expert import Expert
from metier.plan import Plan
from metier.tasks import targets
from metier.tasks.contract import Examples
from metier.tune import shards


def examples(texts: list[str], groups: list[str | None] | None = None) -> Examples:
    target = targets.from_record({"kind": "classes", "labels": ["a", "b"]})
    inputs = pa.chunked_array([pa.array(texts, pa.large_string())])
    codes = np.arange(len(texts)) % 2
    found = None if groups is None else np.array(groups, object)
    return Examples(inputs, codes, target, np.arange(len(texts)), groups=found)


TEXTS = [f"text number {at}" for at in range(600)]


def test_a_row_keeps_its_shard_and_its_side_whatever_others_do() -> None:
    whole, some = examples(TEXTS), examples(TEXTS[100:])
    assert np.array_equal(shards.shard_of(whole, 5)[100:], shards.shard_of(some, 5))
    assert np.array_equal(shards.held_out(whole, 0.2)[100:], shards.held_out(some, 0.2))
    assert np.array_equal(shards.shard_of(examples([t.upper() + " " for t in TEXTS]), 5), shards.shard_of(whole, 5))
    # Of 600 rows in 5 shards of 120 each, and of 20% held out: within four deviations.
    assert np.abs(np.bincount(shards.shard_of(whole, 5)) - 120).max() < 4 * np.sqrt(600 * 0.2 * 0.8)
    assert abs(shards.held_out(whole, 0.2).mean() - 0.2) < 4 * np.sqrt(0.2 * 0.8 / 600)


def test_what_is_held_out_says_nothing_of_the_shard() -> None:
    whole = examples([f"another {at}" for at in range(4000)])
    shard, held = shards.shard_of(whole, 2), shards.held_out(whole, 0.2)
    assert abs(held[shard == 0].mean() - held[shard == 1].mean()) < 0.06


def test_groups_stay_together() -> None:
    groups = [f"g{at % 50}" if at % 3 else None for at in range(600)]
    found, held = shards.shard_of(examples(TEXTS, groups), 4), shards.held_out(examples(TEXTS, groups), 0.2)
    for name in set(groups) - {None}:
        mine = [at for at, group in enumerate(groups) if group == name]
        assert len(set(found[mine])) == len(set(held[mine])) == 1


def test_the_parts_answers_are_averaged() -> None:
    class Fixed:
        def __init__(self, *rows: list[float]) -> None:
            self.rows = np.log(np.array(rows, np.float32))

        def outputs(self, inputs: object) -> np.ndarray:
            return self.rows

        def save(self, folder: Path) -> None:
            raise NotImplementedError

    found = shards.Shards((Fixed([0.9, 0.1]), Fixed([0.5, 0.5]))).outputs(None)
    assert np.allclose(np.exp(found), [[0.7, 0.3]], atol=1e-6)


def test_too_many_shards_and_what_cannot_be_combined_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError) as few:
        shards.shard_of(examples(TEXTS[:8]), 8)
    assert few.value.code == "too-many-shards"
    for choices in ({"epsilon": 8.0}, {"mitigate": "reweighting", "mitigate_by": ("a",)}):
        with pytest.raises(UsageError) as error:
            shards.check(Plan.of(shards=2, **choices))
        assert error.value.code == "shards-alone"


@pytest.mark.parametrize("rung", ["linear", "frozen"])
def test_forgetting_redoes_one_part_and_equals_tuning_without_the_row(
    tmp_path: Path, tiny_base: Path, rung: str
) -> None:
    data = write_tickets(tmp_path / "tickets.csv", 240)
    choices = {"target": "intent", "base": str(tiny_base), "rung": rung, "shards": 3, "workspace": tmp_path / "metier"}
    first = lifecycle.tune(data, **choices)
    plan = Plan.load(first.run / "plan.json")
    held_out = set(np.load(first.run / "split.npy").tolist())
    row = next(at for at in range(240) if at not in held_out)
    lines = data.read_text(encoding="utf-8").splitlines(keepends=True)
    less = tmp_path / "less.csv"
    less.write_text("".join(lines[: row + 1] + lines[row + 2 :]), encoding="utf-8")
    again = lifecycle.tune(less, workspace=tmp_path / "metier", plan=plan, shards_of=first.run)
    alone = lifecycle.tune(less, workspace=tmp_path / "other", plan=plan)
    texts = [line.rsplit(",", 1)[0] for line in lines[1:60]]
    inputs = pa.chunked_array([pa.array(texts, pa.large_string())])
    answers = [Expert.load(tuned.expert).predictor.outputs(inputs) for tuned in (first, again, alone)]
    assert np.array_equal(answers[1], answers[2])
    assert not np.array_equal(answers[0], answers[1])
    mine = sorted(
        path.parent.name for path in (first.run / "rungs" / rung / "all-rows").glob("shard-*/rows.npy")
        if row in files.read_array(path)
    )  # fmt: skip
    changed = [f"shard-{at}" for at in range(3) if _stamp(first.run, rung, at) != _stamp(again.run, rung, at)]
    assert changed == mine
    assert len(mine) == 1


def _stamp(run: Path, rung: str, at: int) -> str:
    return str(json.loads((run / "rungs" / rung / "all-rows" / f"shard-{at}" / "shard.json").read_bytes())["key"])
