"""A person's costs decide, and a wrong file of them is told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from metier.errors import UsageError
from metier.evaluate.confidence import mistake_costs
from metier.tasks.classes import Classes

TARGET = Classes(("fraud", "honest"))


def written(tmp_path: Path, table: object) -> str:
    path = tmp_path / "costs.json"
    path.write_text(json.dumps(table), encoding="utf-8")
    return str(path)


def test_the_cheapest_answer_is_not_the_likeliest(tmp_path: Path) -> None:
    costs = mistake_costs.read(written(tmp_path, {"fraud": {"honest": 50}, "honest": {"fraud": 1}}), TARGET)
    shares = np.array([[0.1, 0.9], [0.01, 0.99], [0.6, 0.4]])
    assert costs.decide(shares).tolist() == [0, 1, 0]
    assert costs.paid(np.array([1, 0, 0]), np.array([0, 1, 0])).tolist() == [1.0, 50.0, 0.0]


def test_abstaining_is_an_answer_with_a_price(tmp_path: Path) -> None:
    table = {"fraud": {"honest": 50}, "honest": {"fraud": 1}, "abstain": 0.3}
    costs = mistake_costs.read(written(tmp_path, table), TARGET)
    assert costs.decide(np.array([[0.5, 0.5], [0.001, 0.999]])).tolist() == [-1, 1]
    assert costs.paid(np.array([0, 1]), np.array([-1, 1])).tolist() == [0.3, 0.0]


def test_mistakes_without_a_cost_cost_one(tmp_path: Path) -> None:
    costs = mistake_costs.read(written(tmp_path, {"fraud": {"honest": 3}}), TARGET)
    assert costs.matrix.tolist() == [[0.0, 3.0], [1.0, 0.0]]


def test_deciding_by_cost_never_costs_more_where_probabilities_are_true() -> None:
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(3), size=4000)
    truth = np.array([rng.choice(3, p=row) for row in shares])
    saved = []
    for _ in range(20):
        matrix = rng.uniform(0.1, 10, size=(3, 3)) * (1 - np.eye(3))
        costs = mistake_costs.Costs(matrix, None)
        paid = [costs.paid(truth, answers).mean() for answers in (shares.argmax(axis=1), costs.decide(shares))]
        saved.append(paid[0] - paid[1])
    assert min(saved) > -0.05
    assert np.mean(saved) > 0.1


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ([1], "list"),
        ({"frod": {"honest": 1}}, "'frod'"),
        ({"fraud": {"onest": 1}}, "'onest'"),
        ({"fraud": {"honest": -1}}, "-1"),
        ({"fraud": {"honest": True}}, "True"),
        ({"abstain": "much"}, "abstain"),
    ],
)
def test_a_wrong_file_is_told(tmp_path: Path, table: object, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        mistake_costs.read(written(tmp_path, table), TARGET)
    assert said in caught.value.found
    assert caught.value.fix


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one JSON object"):
        mistake_costs.read(str(tmp_path / "no.json"), TARGET)
