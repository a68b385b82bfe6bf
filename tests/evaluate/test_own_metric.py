"""The user's own metric: found, called with names and numbers, and refused clearly."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from metier.errors import UsageError
from metier.evaluate.intervals import bootstrap, paired_gain
from metier.evaluate.metrics import find_metric, load_metric
from metier.tasks.classes import Classes
from metier.tasks.quantity import Quantity

TARGET = Classes(("card", "cash", "loan"))
TRUTH = np.array([0, 1, 2, 2])
OUTPUTS = np.log(np.array([[0.8, 0.1, 0.1], [0.1, 0.6, 0.3], [0.1, 0.7, 0.2], [0.0001, 0.0001, 0.9998]]))

MODULE = """
import math

def share(truth, predicted):
    assert truth == ["card", "cash", "loan", "loan"][: len(truth)]
    return sum(t == p for t, p in zip(truth, predicted)) / len(truth)

def losses(truth, predicted):
    return sum(1.0 for t, p in zip(truth, predicted) if t == "loan" and p != "loan") / len(truth)

losses.greater_is_better = False

def sureness(truth, predicted, confidences):
    return sum(confidences) / len(confidences)

def with_option(truth, predicted, beta=2.0):
    return beta

def miss(truth, predicted):
    return max(abs(t - p) for t, p in zip(truth, predicted))

def broken(truth, predicted):
    raise KeyError("mortgage")

def wordy(truth, predicted):
    return "good"

number = 3
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file of metrics in the current folder, under a name of its own so that no test sees another's."""
    name = f"own_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / f"{name}_unreadable.py").write_text("this is no Python", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return name


def test_it_gets_label_names(module: str) -> None:
    metric = load_metric(f"{module}:share", TARGET)
    assert metric.function(TRUTH, OUTPUTS) == 0.75
    assert metric.greater_is_better
    assert metric.name == f"{module}:share"


def test_less_is_better_where_it_says_so(module: str) -> None:
    metric = load_metric(f"{module}:losses", TARGET)
    assert not metric.greater_is_better
    assert metric.function(TRUTH, OUTPUTS) == 0.25


def test_a_third_parameter_gets_confidences_unless_it_has_its_own_meaning(module: str) -> None:
    assert load_metric(f"{module}:sureness", TARGET).function(TRUTH, OUTPUTS) == pytest.approx(
        (0.8 + 0.6 + 0.7 + 0.9998) / 4
    )
    assert load_metric(f"{module}:with_option", TARGET).function(TRUTH, OUTPUTS) == 2.0


def test_a_quantity_gives_it_numbers(module: str) -> None:
    metric = load_metric(f"{module}:miss", Quantity())
    assert metric.function(np.array([1.0, 2.0]), np.array([1.5, 5.0])) == 3.0
    assert not metric.decisions_only


def test_it_gets_intervals_and_gains_like_any_other(module: str) -> None:
    metric = load_metric(f"{module}:losses", TARGET)
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 60)
    good = np.eye(3)[truth]
    bad = np.eye(3)[np.where(rng.random(60) < 0.5, 0, truth)]
    interval = bootstrap({"own": metric}, truth, bad, replicates=400)["own"]
    assert 0 < interval.low < interval.value < interval.high < 1
    assert paired_gain(metric, truth, bad, good, replicates=800).proven
    assert paired_gain(metric, truth, good, bad, replicates=800).high < 0


def test_the_import_path_is_left_as_it_was(module: str) -> None:
    before = list(sys.path)
    load_metric(f"{module}:share", TARGET)
    assert sys.path == before


@pytest.mark.parametrize(
    "name", ["no_such_module_here:f", ":f", "json:", "json", "json:nothing", "{}:number", "{}_unreadable:f"]
)
def test_what_cannot_be_imported_is_refused(module: str, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_metric(name.format(module), TARGET)
    assert caught.value.code == "no-such-metric"
    assert caught.value.found
    assert caught.value.fix


@pytest.mark.parametrize(("name", "found"), [("broken", "mortgage"), ("wordy", "'good'")])
def test_what_fails_or_gives_no_number_is_told(module: str, name: str, found: str) -> None:
    metric = load_metric(f"{module}:{name}", TARGET)
    with pytest.raises(UsageError) as caught:
        metric.function(TRUTH, OUTPUTS)
    assert caught.value.code == "metric-failed"
    assert found in caught.value.found


def test_find_metric_knows_names_defaults_and_near_misses(module: str) -> None:
    assert find_metric(None, TARGET).name == "accuracy"
    assert find_metric("macro_f1", TARGET).name == "macro_f1"
    assert find_metric(f"{module}:share", TARGET).name == f"{module}:share"
    with pytest.raises(UsageError) as caught:
        find_metric("macrof1", TARGET)
    assert caught.value.code == "no-such-metric"
    assert "macro_f1" in caught.value.fix
