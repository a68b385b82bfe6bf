"""Neither the order of the rows nor what they are batched with changes a figure or an answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.conftest import Finished, tickets

from metier.evaluate.class_metrics import class_metrics
from metier.evaluate.evaluation import evaluate_outputs
from metier.evaluate.intervals import bootstrap, paired_gain
from metier.evaluate.metrics import Metric
from metier.evaluate.quantity_metrics import quantity_metrics
from metier.evaluate.row_order import row_order
from metier.expert import Expert
from metier.tasks.classes import Classes


def trial(width: int, rows: int = 150) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, Metric]]:
    rng = np.random.default_rng(width)
    if width == 1:
        truth = rng.normal(size=rows)
        a, b = (truth + rng.normal(0, 0.5, rows) for _ in range(2))
        return truth, a, b, quantity_metrics()
    truth = rng.integers(0, width, rows)
    a, b = (rng.normal(size=(rows, width)) for _ in range(2))
    for side in (a, b):
        side[np.arange(rows), truth] += 1.5
    # Twins, near twins and rows that differ in one label alone must come out in one order, too.
    a[10:20], b[10:20], truth[10:20] = a[:10], b[:10], truth[:10]
    a[20:30, -1] += 1e-9
    return truth, a, b, class_metrics(width)


@pytest.mark.parametrize("width", [1, 2, 5])
def test_no_figure_depends_on_the_order_of_the_rows(width: int) -> None:
    truth, a, b, metrics = trial(width)
    found = bootstrap(metrics, truth, a, replicates=200)
    gains = {name: paired_gain(metric, truth, a, b, replicates=200) for name, metric in metrics.items()}
    rng = np.random.default_rng(0)
    for _ in range(4):
        order = rng.permutation(len(truth))
        assert bootstrap(metrics, truth[order], a[order], replicates=200) == found
        again = {n: paired_gain(m, truth[order], a[order], b[order], replicates=200) for n, m in metrics.items()}
        assert again == gains


def test_rounding_of_the_outputs_moves_intervals_as_little_as_the_outputs() -> None:
    truth, a, b, metrics = trial(5)
    noise = np.random.default_rng(1).normal(0, 1e-6, a.shape)
    for name in ("accuracy", "macro_f1", "log_loss", "brier"):
        first, again = (bootstrap({name: metrics[name]}, truth, side)[name] for side in (a, a + noise))
        assert (again.value, again.low, again.high) == pytest.approx((first.value, first.low, first.high), abs=1e-5)
        one, two = (paired_gain(metrics[name], truth, side, b) for side in (a, a + noise))
        assert (two.low, two.high) == pytest.approx((one.low, one.high), abs=1e-5)


def test_a_metric_of_the_users_own_sees_rows_in_their_own_order() -> None:
    truth, a, _, _ = trial(5)
    first = Metric("mine:first", lambda truth, outputs: float(truth[0] + outputs[0, 0]))
    assert bootstrap({"m": first}, truth, a, replicates=20)["m"].value == pytest.approx(truth[0] + a[0, 0])


def test_sorted_rows_are_the_same_arrays_bit_by_bit() -> None:
    truth, a, b, _ = trial(5)
    order = np.random.default_rng(3).permutation(len(truth))
    first, again = row_order(truth, a, b), row_order(truth[order], a[order], b[order])
    for side in (a, b):
        assert np.array_equal(side[first], side[order][again])
    assert len(row_order(np.zeros(0, int), np.zeros((0, 4)))) == 0


def _apart(outputs: Any, texts: list[str], size: int) -> np.ndarray:
    """Outputs of the texts, asked for `size` at a time."""
    pieces = [outputs(pa.array(texts[at : at + size], pa.large_string())) for at in range(0, len(texts), size)]
    return np.concatenate(pieces)


def _check(expert: Expert, texts: list[str], truth: np.ndarray) -> None:
    whole = expert.outputs(pa.array(texts, pa.large_string()))
    order = np.random.default_rng(5).permutation(len(texts))
    shuffled = np.empty_like(whole)
    shuffled[order] = expert.outputs(pa.array([texts[at] for at in order], pa.large_string()))
    for other in (shuffled, _apart(expert.outputs, texts, 1), _apart(expert.outputs, texts, 7)):
        assert np.abs(other - whole).max() < 2e-3
        assert (other.argmax(axis=1) == whole.argmax(axis=1)).all()
    figures = [_figures(expert, truth[rows], outputs[rows]) for rows, outputs in _views(whole, shuffled, order)]
    assert figures[0] == figures[1]
    assert figures[2] == {name: pytest.approx(value, abs=1e-3) for name, value in figures[0].items()}


def _views(whole: np.ndarray, shuffled: np.ndarray, order: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The same outputs in the file's order, then in another, then as another file's batches made them."""
    return [(np.arange(len(order)), whole), (order, whole), (order, shuffled)]


def _figures(expert: Expert, truth: np.ndarray, raw: np.ndarray) -> dict[str, float]:
    found = evaluate_outputs(
        expert.target,
        truth,
        raw,
        np.roll(raw, 1, axis=1),
        metric=expert.target.metrics()["macro_f1"],
        calibration=expert.about["calibration"],
        generic_calibration={},
        level=0.95,
        seed=0,
    ).as_json()
    flat = {f"{name} {end}": value for name, one in found["metrics"].items() for end, value in one.items()}
    gain = {name: value for name, value in found["gain"].items() if isinstance(value, float)}
    return flat | gain | found["calibration"]


def test_an_adapter_answers_alike_one_by_one_and_all_at_once(finished: Finished) -> None:
    texts, labels = zip(*tickets(90, seed=11), strict=True)
    expert = Expert.load(finished.output)
    _check(expert, list(texts), expert.target.encode(labels))


def test_a_frozen_expert_on_the_bundled_base_answers_alike_in_any_order(tmp_path: Path) -> None:
    from metier.tasks.text_rungs import FrozenPredictor
    from metier.trunk.base import find
    from metier.trunk.features import Trunk
    from metier.tune import heads

    texts, labels = zip(*(tickets(20, seed=12) + [("the " * n + "card", "card") for n in (1, 9, 30)]), strict=True)
    target = Classes.of(labels)
    truth = target.encode(labels)
    trunk = Trunk(find("minilm"))
    head = heads.fit(
        trunk.features(list(texts)),
        truth,
        target.width,
        lambda outputs, wanted: target.loss(outputs, wanted, smoothing=0.0, weights=None),
        l2=1e-3,
        seed=0,
    )
    predictor = FrozenPredictor(trunk, head)
    expert = Expert(tmp_path, {"calibration": {"temperature": 1.0}}, None, target, trunk, predictor, predictor)  # type: ignore[arg-type]
    _check(expert, list(texts), truth)
