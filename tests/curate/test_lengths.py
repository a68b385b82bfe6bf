"""Lengths far from the data's own are shown, long tails are not; what the base cannot read is counted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa

from metier.curate import lengths
from metier.curate.columns import TextColumn


def asked(sizes: Any) -> tuple[list[Any], dict[str, Any]]:
    texts = ["x" * int(size) for size in sizes]
    side: Any = SimpleNamespace(examples=SimpleNamespace(rows=np.arange(len(texts)) + 7), file="data.csv")
    return lengths.outliers(TextColumn("text", pa.chunked_array([pa.array(texts)])), side)


def test_a_text_of_many_rows_and_a_stump_are_shown() -> None:
    sizes = np.random.default_rng(0).lognormal(5, 0.4, 500)
    sizes[3], sizes[5] = 40_000, 1
    findings, facts = asked(sizes)
    assert [finding.row for finding in findings] == [10, 12]
    assert {finding.action for finding in findings} == {"review"}
    assert facts["rows"] == 2


def test_log_normal_lengths_raise_no_alarm() -> None:
    alarms = [len(asked(np.random.default_rng(seed).lognormal(5, 0.8, 500))[0]) for seed in range(20)]
    assert sum(alarms) == 0


def test_equal_lengths_raise_no_alarm() -> None:
    assert asked([10] * 99 + [11])[0] == []


def test_texts_beyond_the_limit_tell_the_tokens_lost(material_of: Any) -> None:
    texts = [f"my card does not work {i}" for i in range(20)] + ["the card " * 100]
    material = material_of({"text": texts, "intent": ["card", "fees", "login"] * 7}, target="intent", text=("text",))
    findings, facts = lengths.truncated(material, material.train)
    limit = material.trunk.base.max_tokens
    (finding,) = findings
    expected = int(material.trunk.lengths([texts[20]])[0])
    assert (finding.kind, finding.row, finding.action) == ("truncated", 20, "keep")
    assert finding.facts == {"tokens": expected, "limit": limit, "lost": expected - limit}
    assert facts["rows"] == 1
