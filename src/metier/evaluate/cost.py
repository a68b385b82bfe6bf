"""Cheap? Latency, throughput, memory, size, energy and price, beside the generic base and as an ONNX file."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metier.compare.energy import Meter
from metier.evaluate.case import Answer, Card, Case
from metier.evaluate.intervals import paired_gain
from metier.expert import Expert
from metier.tasks.contract import Array, Inputs, Section
from metier.trunk import onnx

_SINGLE = 60  # answers timed one by one
_TURNS = 3
_MILLION = 1e6
# Printed by a process of its own: what loading an expert and answering some rows takes at its highest.
_WEIGH = """
import json, sys
from pathlib import Path
from metier.expert import Expert
Expert.load(sys.argv[1]).predict(json.loads(sys.stdin.read()))
status = Path("/proc/self/status")
if status.exists():  # a child's ru_maxrss starts at its parent's size
    print(int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024)
else:
    import resource
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""


@dataclass(frozen=True)
class _Way:
    name: str
    title: str
    outputs: Callable[[Inputs], Array]
    folder: Path | None
    bytes: int


def ask(case: Case) -> Answer:
    """Time, energy and size of every way to run the expert; what an ONNX file of it would lose, with its interval."""
    expert, positions = case.expert, case.sample()
    inputs = case.examples.take(positions).inputs
    notes: list[str] = []
    with tempfile.TemporaryDirectory(prefix="metier-") as folder:
        ways = [
            _Way("expert", "the expert", expert.outputs, expert.folder, _weights(expert)),
            _Way("generic", "the generic base", expert.generic.outputs, None, expert.trunk.base.bytes),
        ]
        if case.plan.evaluate.against:
            other = Expert.load(case.plan.evaluate.against)
            ways.append(_Way("against", str(other.about["name"]), other.outputs, other.folder, _weights(other)))
        ways += _exported(case, Path(folder), notes)
        rows = _measured(ways, case, inputs)
        for row in rows[len(rows) - _exports(ways) :]:
            row["gain"] = _lost(next(way for way in ways if way.name == row["name"]), case, positions, inputs)
    figures = {row["name"]: {key: value for key, value in row.items() if key != "name"} for row in rows}
    hour = case.plan.compare.price_per_hour
    figures["assumed"] = {"price_per_hour": hour, "watts_per_core": case.plan.compare.watts_per_core,
                          "rows": len(positions)}  # fmt: skip
    return Answer({"cost": figures}, _sections(rows, case), _card(figures, len(positions)), notes)


def _exports(ways: list[_Way]) -> int:
    return sum(way.name.startswith("onnx") for way in ways)


def _exported(case: Case, folder: Path, notes: list[str]) -> list[_Way]:
    """The expert as ONNX files, where its rung can be exported and the extra is there."""
    from metier import export
    from metier.errors import ExpertError

    if not onnx.available():
        notes.append("The expert as an ONNX file was not measured: pip install 'metier[onnx]'.")
        return []
    ways = []
    try:
        export.export(case.expert, folder / "onnx")
    except ExpertError:
        notes.append(f"An expert on the rung {case.expert.about['rung']} is not exported to ONNX.")
        return []
    export.smaller(folder / "onnx", folder / "onnx-int8")
    for form, title in (("onnx", "as ONNX"), ("onnx-int8", "as ONNX with int8 weights")):
        loaded = Expert.load(folder / form)
        ways.append(_Way(form.replace("-", "_"), title, loaded.outputs, loaded.folder, _size(folder / form)))
    return ways


def _measured(ways: list[_Way], case: Case, inputs: Inputs) -> list[dict[str, Any]]:
    """Ways are timed in turns, so that what else the machine does meanwhile meets them all; the best turn counts."""
    single: dict[str, list[float]] = {way.name: [] for way in ways}
    turns: dict[str, list[tuple[float, float]]] = {way.name: [] for way in ways}
    measured = False
    for way in ways:
        way.outputs(inputs.slice(0, 2))  # what is opened at first use
    for turn in range(_TURNS):
        for way in ways:
            for at in range(turn, min(_SINGLE, len(inputs)), _TURNS):
                one, started = inputs.slice(at, 1), time.perf_counter()
                _fresh(way, one)
                single[way.name].append(1000 * (time.perf_counter() - started))
            meter = Meter(case.plan.compare.watts_per_core)
            _fresh(way, inputs)
            turns[way.name].append(meter.read())
            measured = meter.measured
    return [_row(way, single[way.name], min(turns[way.name]), measured, case, len(inputs)) for way in ways]


def _row(
    way: _Way, single: list[float], best: tuple[float, float], measured: bool, case: Case, rows: int
) -> dict[str, Any]:
    (seconds, watt_hours), (p50, p95) = best, np.percentile(single, [50, 95])
    million = seconds * _MILLION / rows
    hour = case.plan.compare.price_per_hour
    return {
        "name": way.name,
        "title": way.title,
        "latency_ms": {"p50": float(p50), "p95": float(p95)},
        "rows_per_second": rows / seconds,
        "memory_mib": None if way.folder is None else _memory(way.folder, case),
        "disk_mib": way.bytes / 2**20,
        "seconds_per_million": million,
        "watt_hours_per_million": watt_hours * _MILLION / rows,
        "energy": "measured" if measured else "estimated",
        "price_per_million": None if hour is None else hour * million / 3600,
    }


def _fresh(way: _Way, inputs: Inputs) -> Array:
    """Outputs with nothing taken from the cache: what answering new rows takes."""
    owner = getattr(way.outputs, "__self__", None)
    trunk = getattr(owner, "trunk", None)
    if hasattr(inputs, "fresh"):
        inputs = inputs.fresh()
    if trunk is None or trunk.cache is None:
        return way.outputs(inputs)
    folder, trunk._folder = trunk._folder, None
    try:
        return way.outputs(inputs)
    finally:
        trunk._folder = folder


def _memory(folder: Path, case: Case) -> float | None:
    """MiB a process of its own takes at its highest to load the expert and answer 32 rows; None where it failed."""
    plain = case.expert.task.portable(case.dataset, case.expert.about["reads"], 32)
    if plain is None:
        return None
    rows = json.dumps(plain, default=str)
    run = subprocess.run(
        [sys.executable, "-c", _WEIGH, str(folder)], input=rows, capture_output=True, text=True, check=False
    )
    return float(run.stdout.split()[-1]) if run.returncode == 0 and run.stdout.strip() else None


def _weights(expert: Expert) -> int:
    """Bytes of the expert's folder and, where it reads through one, of its base."""
    trunk = getattr(expert.predictor, "trunk", None)
    return _size(expert.folder) + (0 if trunk is None or "runtime" in expert.about else trunk.base.bytes)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _lost(way: _Way, case: Case, positions: Array, inputs: Inputs) -> dict[str, Any]:
    """What the exported expert gains over the original on the same rows; a loss is below zero."""
    truth = case.examples.targets[positions]
    exported = case.expert.target.calibrated(way.outputs(inputs), case.expert.about["calibration"])
    gain = paired_gain(case.metric, truth, case.evaluation.outputs[positions], exported, level=case.level,
                       seed=case.seed)  # fmt: skip
    return {"metric": case.metric.name, **gain.as_json("expert"), "rows": len(positions)}


def _sections(rows: list[dict[str, Any]], case: Case) -> list[Section]:
    first = rows[0]
    lead = (
        f"One answer takes {first['latency_ms']['p50']:.0f} ms here, {first['latency_ms']['p95']:.0f} ms at the slow "
        f"end; a million take {_duration(first['seconds_per_million'])}"
        + ("" if first["price_per_million"] is None else f" and cost {first['price_per_million']:.2f}")
        + "."
    )
    bars = [
        {
            "name": row["title"],
            "value": row["rows_per_second"],
            "low": None,
            "high": None,
            "note": _told(row),
        }
        for row in rows
    ]
    notes = ["Timed on this machine while the evaluation ran; one after the other, in one process."]
    if first["energy"] == "estimated":
        notes.append(f"Energy is estimated from busy seconds at {case.plan.compare.watts_per_core:g} W a core.")
    data = {"rows": bars, "axis": "Answers a second", "unit": "", "signed": False,
            "caption": "New rows, nothing of them cached, many at once.", "notes": notes}  # fmt: skip
    found = [Section("ranges", "What answering costs", data, lead)]
    lost = [row for row in rows if "gain" in row]
    if lost:
        found.append(_lost_section(lost))
    return found


def _told(row: Mapping[str, Any]) -> str:
    parts = [
        f"{row['latency_ms']['p50']:.1f} ms an answer (p95 {row['latency_ms']['p95']:.1f})",
        f"{row['disk_mib']:.0f} MiB on disk",
    ]
    if row["memory_mib"] is not None:
        parts.append(f"{row['memory_mib']:.0f} MiB of memory")
    parts.append(f"{row['watt_hours_per_million']:.3g} Wh a million")
    return ", ".join(parts)


def _lost_section(rows: list[dict[str, Any]]) -> Section:
    worst = min(rows, key=lambda row: row["gain"]["points"])
    certain = worst["gain"]["high"] is not None and worst["gain"]["high"] < 0
    lead = f"{worst['title'].capitalize()} it changes by {worst['gain']['points']:+.4f} in {worst['gain']['metric']}"
    lead += ", a loss beyond chance." if certain else ", no loss beyond chance."
    bars = [
        {"name": row["title"], "value": row["gain"]["points"], "low": row["gain"]["low"], "high": row["gain"]["high"],
         "note": f"{row['gain']['metric']} on {row['gain']['rows']:,} rows"}
        for row in rows
    ]  # fmt: skip
    data = {"rows": bars, "axis": "Change", "unit": "", "signed": True, "caption": "", "notes": []}
    return Section("ranges", "What a smaller file would lose", data, lead)


def _duration(seconds: float) -> str:
    for size, name in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds:.0f} seconds"


def _card(figures: Mapping[str, Any], rows: int) -> Card:
    mine = figures["expert"]
    price = mine["price_per_million"]
    answer = f"A million answers take {_duration(mine['seconds_per_million'])} on this machine."
    value, unit, figure = mine["latency_ms"]["p50"], "ms", "Time of one answer"
    if price is not None:
        answer = f"A million answers cost {price:.2f}."
    return Card(
        "Cheap?", answer, "good", figure, value, None, None, figures["generic"]["latency_ms"]["p50"], rows, unit
    )
