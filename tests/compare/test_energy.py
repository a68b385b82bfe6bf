"""Energy: busy seconds times watts, and counters that start again from zero."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from metier.compare import energy


def busy(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        sum(range(1000))


def test_an_estimate_is_busy_seconds_times_watts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(energy, "_RAPL", tmp_path)
    meter, double = energy.Meter(10.0), energy.Meter(20.0)
    assert not meter.measured
    before = energy.processor_seconds()
    busy(0.2)
    (_, watt_hours), (_, twice) = meter.read(), double.read()
    spent = energy.processor_seconds() - before
    assert watt_hours == pytest.approx(10 * spent / 3600, rel=0.3)
    assert twice == pytest.approx(2 * watt_hours, rel=0.3)


def test_waiting_takes_time_and_no_energy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(energy, "_RAPL", tmp_path)
    meter = energy.Meter(10.0)
    time.sleep(0.2)
    seconds, watt_hours = meter.read()
    assert seconds >= 0.2
    assert watt_hours < 10 * 0.2 / 3600


def test_the_processors_own_counters_are_read_where_there_are_any(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(energy, "_RAPL", tmp_path)
    for at, start in enumerate((1_000, 999_000)):
        (tmp_path / f"intel-rapl:{at}").mkdir()
        (tmp_path / f"intel-rapl:{at}" / "energy_uj").write_text(f"{start}\n")
        (tmp_path / f"intel-rapl:{at}" / "max_energy_range_uj").write_text("1000000\n")
    (tmp_path / "intel-rapl:0:0").mkdir()
    meter = energy.Meter(10.0)
    assert meter.measured
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("5000\n")
    (tmp_path / "intel-rapl:1" / "energy_uj").write_text("2000\n")
    assert meter.read()[1] == pytest.approx((4_000 + 3_000) / 1e6 / 3600)
