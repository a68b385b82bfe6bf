"""One adapter or several on shards of the rows: what sharding costs in accuracy, and how long one row takes to forget.

    python -m benchmarks.shards [--quick] [--rung frozen] [--shards 5]

The bundled tickets: tuned in one part and in several, then one row that was trained on is forgotten with `--retune`,
everything cached as it is after tuning. Both are told with the figures on the 300 test rows.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import record
from metier import examples, lifecycle
from metier.data import read as reading
from metier.govern.erasure.forget import Ways, forget
from metier.lifecycle import Tuned
from metier.plan import DataPlan


def main() -> None:
    """Tune both, forget a row of each, record."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--quick", action="store_true")
    asked.add_argument("--rung", default="adapter")
    asked.add_argument("--shards", type=int, default=5)
    given = asked.parse_args()
    began = time.monotonic()
    figures: dict[str, Any] = {"rung": given.rung}
    for shards in (1, given.shards):
        with tempfile.TemporaryDirectory() as folder:
            figures[f"shards_{shards}"] = _one(Path(folder), given.rung, shards, quick=given.quick)
    one, several = figures["shards_1"], figures[f"shards_{given.shards}"]
    figures["forget_ratio"] = round(several["forget_seconds"] / one["forget_seconds"], 3)
    record("shards", figures, seconds=time.monotonic() - began, quick=given.quick)


def _one(folder: Path, rung: str, shards: int, *, quick: bool) -> dict[str, Any]:
    choices: dict[str, Any] = {"target": "intent", "rung": rung, "shards": shards, "time_limit": "none"}
    if quick:
        choices["epochs"] = 2
    data = examples.path("support/tickets.csv")
    test = str(examples.path("support/tickets-test.csv"))
    tuned = lifecycle.tune(data, workspace=folder, test=test, **choices)
    dataset = reading.read(data, DataPlan(), folder / "cache" / "tables")
    held_out = set(np.load(tuned.run / "split.npy").tolist())
    row = next(at for at in range(100, len(dataset)) if at not in held_out)
    who = f"ticket_id={dataset.table.column('ticket_id')[row].as_py()}"
    found = forget(who, ways=Ways(retune=True), workspace=folder)
    return {
        "accuracy": _accuracy(tuned),
        "tune_seconds": round(tuned.figures["seconds"], 1),
        "forget_seconds": round(found["experts"][0]["seconds"], 1),
        "membership": found["experts"][0]["membership"],
    }


def _accuracy(tuned: Tuned) -> dict[str, Any]:
    found: dict[str, Any] = tuned.figures["test"]["accuracy"]
    return found


if __name__ == "__main__":
    main()
