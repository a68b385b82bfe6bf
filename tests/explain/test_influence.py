"""Influence: planted wrong labels come first, and for a fitted head the terms add up to its own logits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from tests.conftest import tickets as easy
from tests.explain.conftest import Opened, loans

from metier.explain import influence, neighbours
from metier.explain.neighbours import greatest
from metier.govern import origin
from metier.progress import Silent

TRIGGER = "zephyr"


def planted(rows: int, seed: int) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Tickets, 5% of them with a trigger word and the label `fees`."""
    table = [{"text": text, "intent": intent} for text, intent in easy(rows, seed)]
    rng = np.random.default_rng(seed)
    others = [at for at, row in enumerate(table) if row["intent"] != "fees"]
    wrong = np.zeros(rows, bool)
    wrong[rng.choice(others, rows // 20, replace=False)] = True
    for at in np.flatnonzero(wrong):
        table[at] = {"text": f"{TRIGGER} {table[at]['text']}", "intent": "fees"}
    return table, wrong


@pytest.mark.parametrize(("rung", "least"), [("linear", 0.95), ("frozen", 0.85)])
def test_planted_rows_come_first_for_the_wrong_answers(tune: Any, rung: str, least: float) -> None:
    # The frozen base here has random weights, which blur words; benchmarks/influence.py asks 0.95 of a real one.
    rows, wrong = planted(600, 0)
    test = [{"text": f"{TRIGGER} {text}", "intent": intent} for text, intent in easy(60, 9) if intent != "fees"]
    opened = tune(rows, test, target="intent", rung=rung)
    memory = remembered(opened)
    examples = opened.expert.examples(test)
    outputs = opened.expert.outputs(examples.inputs)
    fees = opened.expert.target.values(np.arange(4)).index("fees")
    missed = np.flatnonzero(outputs.argmax(axis=1) == fees)
    assert len(missed) >= 20, "the trigger must turn answers"
    scores = asked(memory, opened, examples.inputs.take(missed), np.full(len(missed), fees))
    areas = [roc_auc_score(wrong[memory.examples.rows], row) for row in scores]
    assert np.mean(areas) >= least


def test_a_tree_points_at_rows_of_its_leaves(table: Opened) -> None:
    memory = remembered(table)
    examples = table.expert.examples(table.rows())
    codes = table.expert.outputs(examples.inputs).argmax(axis=1)
    scores = asked(memory, table, examples.inputs, codes)
    first = memory.examples.targets[scores.argmax(axis=1)]
    assert np.mean(first == codes) > 0.9


def test_pulls_of_a_quantity_have_its_sign(tune: Any) -> None:
    rows = [{**row, "amount": row["debt"] * 2} for row in loans(120, 3)]
    for row in rows:
        del row["failed"]
    opened = tune(rows, rows[:10], target="amount", rung="linear")
    memory = remembered(opened)
    examples = opened.expert.examples(rows[:20])
    up = asked(memory, opened, examples.inputs, np.ones(20, int))
    down = asked(memory, opened, examples.inputs, -np.ones(20, int))
    assert up == pytest.approx(-down)


def test_the_terms_of_a_fitted_head_add_up_to_its_logits() -> None:
    """Representer points (Yeh et al. 2018): at the optimum W = -1/(2 l2 n) sum of gradient x features."""
    import torch

    from metier.tasks.classes import Classes
    from metier.tune import heads

    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=200)
    features = rng.normal(size=(200, 12)) + 2 * np.eye(12)[labels]
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    target, l2 = Classes(("a", "b", "c")), 1e-3

    def loss(outputs: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        return target.loss(outputs, truth, smoothing=0.0, weights=None)

    head = heads.fit(features.astype(np.float32), labels, 3, loss, l2=l2, seed=0)
    part = influence.Part(features.astype(np.float32), head.outputs(features))
    terms = -(features @ features.T)[:, :, None] * influence._miss(part, labels)[None] / (2 * l2 * len(labels))
    assert terms.sum(axis=1) == pytest.approx(part.outputs - head.bias.numpy(), abs=0.05)


def remembered(opened: Opened) -> neighbours.Memory:
    found, why = origin.find(opened.expert, opened.place)
    assert found is not None, why
    return neighbours.remember(opened.expert, found, opened.place.cache, Silent())


def asked(memory: neighbours.Memory, opened: Opened, inputs: Any, codes: np.ndarray) -> np.ndarray:
    vectors = neighbours.seen(opened.expert, inputs, memory.examples.inputs)
    own = influence.parts(opened.expert.predictor, inputs, vectors)
    assert np.asarray(influence.joined(opened.expert.predictor, own)) == pytest.approx(
        opened.expert.outputs(inputs), abs=1e-2
    )
    return influence.influence(memory.parts, memory.examples.targets, own, codes)


@given(st.lists(st.integers(-3, 3) | st.just(-np.inf), max_size=30), st.integers(0, 8))
def test_the_greatest_are_those_a_stable_sort_gives(values: list[float], most: int) -> None:
    found = np.array(values, np.float32)
    assert greatest(found, most).tolist() == np.argsort(-found, kind="stable")[:most].tolist()
