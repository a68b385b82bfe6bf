"""Limits for pipelines: what is asked is held against what was found, and a wrong wish is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from metier.errors import UsageError
from metier.evaluate import gate
from metier.tasks.classes import Classes

METRICS = Classes(("a", "b")).metrics()
FIGURES = {
    "metrics": {"accuracy": {"value": 0.91, "low": 0.88, "high": 0.93}},
    "calibration": {"ece": 0.02},
    "robustness": [{"value": 0.5}],
    "forgetting": {"general": None},
}


def test_a_metric_and_its_lower_end_can_be_asked_for() -> None:
    found = gate.check(gate.limits(["accuracy=0.9", "accuracy.low=0.9"], None, METRICS), FIGURES)
    assert [each.passed for each in found] == [True, False]
    assert found[1].as_json()["value"] == 0.88


def test_a_file_asks_for_any_figure(tmp_path: Path) -> None:
    path = tmp_path / "gate.json"
    path.write_text(json.dumps({"calibration.ece": {"max": 0.03}, "robustness.0.value": {"min": 0.6, "max": 1}}))
    found = gate.check(gate.limits([], str(path), METRICS), FIGURES)
    assert [each.passed for each in found] == [True, False]


def test_a_figure_that_is_not_defined_is_missed() -> None:
    assert not gate.check([gate.Limit("forgetting.general", least=0.0)], FIGURES)[0].passed


def test_a_figure_that_was_not_measured_is_told() -> None:
    with pytest.raises(UsageError, match="must name a figure") as caught:
        gate.check([gate.Limit("bias.demographic_parity_difference", greatest=0.1)], FIGURES)
    assert "bias" in caught.value.found


@pytest.mark.parametrize("text", ["acuracy=0.9", "accuracy", "accuracy=much", "accuracy.middle=0.9", "log_loss=1"])
def test_a_wrong_wish_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="A limit names") as caught:
        gate.limits([text], None, METRICS)
    assert text in caught.value.found


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"metrics.accuracy.low": 0.9}', '{"x": {"least": 1}}', '{"x": {}}'])
def test_a_wrong_file_is_told(tmp_path: Path, body: str) -> None:
    path = tmp_path / "gate.json"
    path.write_text(body)
    with pytest.raises(UsageError, match="A limit names"):
        gate.limits([], str(path), METRICS)
