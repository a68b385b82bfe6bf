"""Quantity: numbers in and out, intervals that hold what they promise, and what its report shows."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from metier.plan import Plan
from metier.tasks.contract import Evidence, Section, Target
from metier.tasks.quantity import Quantity, from_record


def shown(target: Target, truth: np.ndarray, outputs: np.ndarray, calibration: dict[str, float]) -> dict[str, Section]:
    rows = np.arange(len(truth)) * 10
    found = Evidence(target, truth, outputs, outputs, rows, lambda at: f"text {at}", 0.95, 0, calibration)
    return {section.template: section for section in target.views(found)}


def drawn(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.normal(50, 10, rows)
    return truth, truth + rng.normal(0, 3, rows)


def test_values_are_read_from_text_numbers_and_arrow() -> None:
    target = Quantity()
    for values in (["1.5", "", None, "two"], [1.5, float("nan"), None, "x"], pa.array([1.5, None, None, None])):
        codes = target.encode(values)  # type: ignore[arg-type]
        assert codes.dtype == np.float64
        assert target.values(codes) == [1.5, None, None, None]


def test_a_record_rebuilds_the_target() -> None:
    target = Quantity.of([1.0, 2.0, 9.0], "days")
    assert from_record(json.loads(json.dumps(target.record()))) == target
    assert target.spread == pytest.approx(np.std([1, 2, 9]))
    assert Quantity.of([4, 4]).spread == 1.0


def test_loss_is_measured_in_the_spread() -> None:
    import torch

    truth, outputs = (torch.tensor(each) for each in drawn(20))
    small = Quantity(spread=10.0).loss(outputs[:, None], truth, smoothing=0.1, weights=None)
    same = Quantity(spread=10_000.0).loss(1000 * outputs, 1000 * truth, smoothing=0.0, weights=None)
    assert float(small) == pytest.approx(float(same))
    assert float(small) == pytest.approx(float(((outputs - truth) ** 2).mean()) / 200)


def test_intervals_hold_nine_new_values_in_ten() -> None:
    target, held = Quantity(), []
    for seed in range(300):
        truth, outputs = drawn(100, seed)
        interval = target.decode(outputs[50:], target.calibrate(outputs[:50], truth[:50]), None).interval
        assert interval is not None
        held.append(((interval[:, 0] <= truth[50:]) & (truth[50:] <= interval[:, 1])).mean())
    assert 0.89 <= np.mean(held) <= 0.93


def test_confidence_is_what_the_model_adds_to_a_guess() -> None:
    target = Quantity()
    truth, outputs = drawn(500)
    good, none = target.calibrate(outputs, truth), target.calibrate(np.full(500, np.median(truth)), truth)
    sure = target.decode(outputs[:2], good, None).confidence
    assert 0.5 < sure[0] == sure[1] < 1
    assert target.decode(outputs[:2], none, None).confidence == pytest.approx([0, 0])
    exact = target.decode(truth[:2], target.calibrate(truth, truth), None)
    assert exact.confidence == pytest.approx([1, 1])


def test_before_calibration_there_is_no_interval() -> None:
    found = Quantity().decode(np.array([[1.0], [2.0]]), {}, None)
    assert found.values == [1.0, 2.0]
    assert found.interval is None
    assert found.confidence.tolist() == [0.0, 0.0]
    assert found.abstain.tolist() == [False, False]


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_a_handful_of_rows_calibrates_to_something_plain(rows: int) -> None:
    truth, outputs = drawn(rows)
    found = Quantity().calibrate(outputs, truth)
    assert found["half_width"] == pytest.approx(np.abs(outputs - truth).max() if rows else 0.0)


def test_a_quantity_is_never_handed_over_by_confidence() -> None:
    truth, outputs = drawn(50)
    assert Quantity().threshold(outputs, truth, Plan.of(precision=0.9)) is None


def test_views_have_the_shapes_the_pages_draw() -> None:
    target = Quantity("days")
    truth, outputs = drawn(1500)
    sections = shown(target, truth, outputs, target.calibrate(outputs, truth))
    assert list(sections) == ["scatter", "intervals", "errors"]
    data = json.loads(json.dumps({name: section.data for name, section in sections.items()}, allow_nan=False))
    assert len(data["scatter"]["points"]) == 1000
    assert data["scatter"]["unit"] == "days"
    assert data["intervals"]["coverage"] == pytest.approx(0.9, abs=0.01)
    assert (data["intervals"]["wanted"], set(data["intervals"])) == (0.9, {"coverage", "wanted", "half_width"})
    rows = data["errors"]["rows"]
    misses = [abs(row["truth"] - row["prediction"]) for row in rows]
    assert len(rows) == 20
    assert misses == sorted(misses, reverse=True)
    assert misses[0] == pytest.approx(np.abs(outputs - truth).max())
    assert rows[0]["text"] == f"text {rows[0]['row'] // 10}"
    for section in sections.values():
        assert section.lead.endswith(".")
    assert "days" in sections["scatter"].lead


def test_without_calibration_there_is_no_page_of_intervals_and_without_rows_none_at_all() -> None:
    assert list(shown(Quantity(), *drawn(20), {})) == ["scatter", "errors"]
    assert shown(Quantity(), *drawn(0), {}) == {}
