"""How long one explanation takes on a loaded expert, and how many a second in a batch, with all an answer has in it."""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import metier
from benchmarks import datasets
from benchmarks.common import WORK, record
from metier.expert import Expert
from metier.explain import room
from metier.plan import Plan
from metier.progress import Silent
from metier.workspace import Workspace

RUNGS: dict[str, dict[str, Any]] = {"frozen": {}, "adapter": {"epochs": 1, "layers": 2}}


def measure(name: str, folder: str | Path, place: Workspace, rows: int) -> dict[str, Any]:
    """Milliseconds for single texts (median, 95th percentile) and explanations a second in one call."""
    expert = Expert.load(folder, cache=place.cache)
    explainer = room.load(expert, place, Plan.of(kind=expert.about["task"]), Silent())
    test = expert.examples(datasets.read(datasets.load(name).test))
    picked = np.sort(np.random.default_rng(0).choice(len(test), rows, replace=False))
    inputs = test.inputs.take(pa.array(picked))
    explainer.explain(inputs[:2])
    single, busy = [], []
    for at in range(min(rows, 40)):
        start, work = time.perf_counter(), time.process_time()
        explainer.explain(inputs.slice(at, 1))
        single.append(1000 * (time.perf_counter() - start))
        busy.append(1000 * (time.process_time() - work))
    start, work = time.perf_counter(), time.process_time()
    explainer.explain(inputs)
    seconds, work = time.perf_counter() - start, time.process_time() - work
    units = [len(expert.task.units(inputs, at)) for at in range(rows)]
    return {
        "method": explainer.chosen.method,
        "rows": rows,
        "words": float(np.mean(units)),
        "single_ms": statistics.median(single),
        "single_p95_ms": float(np.quantile(single, 0.95)),
        "single_cpu_ms": statistics.median(busy),
        "batch_per_second": rows / seconds,
        "batch_per_cpu_second": rows / work,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="banking77", help="data set")
    parser.add_argument("--rungs", nargs="*", default=list(RUNGS))
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--expert", help="measure this expert of that (one) rung, tuned in the workspace METIER_HOME")
    choices = parser.parse_args()
    files = datasets.load(choices.name)
    for rung in choices.rungs[:1] if choices.expert else choices.rungs:
        start = time.perf_counter()
        folder, place = choices.expert, Workspace.find(None if choices.expert else WORK)
        if folder is None:
            more = {"rung": rung, "time_limit": "none", **RUNGS[rung]}
            folder = metier.tune(files.train, target=files.spec.target, workspace=WORK, **more).expert
        figures = measure(choices.name, folder, place, choices.rows)
        record(f"{choices.name}/{rung}", figures, seconds=time.perf_counter() - start, quick=choices.rows < 200)


if __name__ == "__main__":
    main()
