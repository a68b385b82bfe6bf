"""`metier tune` on every data set, as a person types it: default settings, and with a limit of 90 seconds."""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import datasets
from benchmarks.common import WORK, flat, metier, record

LIMITS = {"default": (), "90s": ("--time-limit", "90s")}


def tune(train: Path, test: Path, target: str, *words: str) -> dict[str, Any]:
    """One `metier tune` in a process and a workspace of its own, so that nothing is read from an earlier run's cache.

    Gives test metrics, the chosen rung, what each rung gave and cost, wall seconds from the start of the process to its
    end, and its peak memory; `{"error": ...}` where the command failed.
    """
    WORK.mkdir(parents=True, exist_ok=True)
    workspace = Path(tempfile.mkdtemp(prefix="tune-", dir=WORK))
    try:
        answer, run = metier(
            "tune", train, "--target", target, "--test", test, "--workspace", workspace, "--seed", "0", *words
        )
        seen = {
            "wall_seconds": round(run.seconds, 2),
            "cpu_seconds": round(run.cpu_seconds, 2),
            "peak_mib": round(run.peak_mib),
            "peak_anonymous_mib": round(run.peak_anonymous_mib),
        }
        if run.code or "error" in answer:
            return {**seen, "error": answer.get("error", answer)}
        return {
            **seen,
            "chosen": answer["chosen"],
            "metric": answer["metric"],
            "test": flat(answer["test"]),
            "test_intervals": answer["test"],
            "validation": flat(answer["validation"]),
            "rungs": [
                {
                    "name": rung["name"],
                    "validation": flat(rung.get("validation")).get(answer["metric"]),
                    "seconds": rung["seconds"],
                    "taken": rung["taken"],
                    "gain": rung["gain"],
                    "reason": rung["reason"],
                    **_speeds(rung),
                }
                for rung in answer["rungs"]
            ],
            "seconds": answer["seconds"],
            "own_peak_mib": answer["peak_memory_mib"],
        }
    finally:
        shutil.rmtree(workspace, ignore_errors=True)


def _speeds(rung: dict[str, Any]) -> dict[str, float]:
    """Examples a second of a rung that trains: in its training loop, and over all the rung took.

    The second also charges the hidden states computed beforehand, every measurement, and the choice of the scale.
    """
    settings = rung.get("settings") or {}
    if "examples_per_second" not in settings:
        return {}
    examples = settings["examples_per_second"] * settings["train_seconds"]
    return {
        "examples_per_second": settings["examples_per_second"],
        "examples_per_second_of_whole_rung": examples / rung["seconds"],
    }


def speed(result: dict[str, Any], rung: str = "adapter") -> dict[str, float | None]:
    """The two speeds of a rung in what `tune` gave; None where it was not trained."""
    found: dict[str, Any] = next((each for each in result.get("rungs", ()) if each["name"] == rung), {})
    return {name: found.get(name) for name in ("examples_per_second", "examples_per_second_of_whole_rung")}


def trial(files: datasets.Files, rows: int) -> datasets.Files:
    """The first rows of each label, so that a script can be tried in seconds."""
    place = WORK / "data" / f"{files.spec.name}-{rows}"
    place.mkdir(parents=True, exist_ok=True)
    target = files.spec.target
    train, test = datasets.read(files.train), datasets.read(files.test)
    labels = sorted({row[target] for row in train})[:3] if files.spec.kind != datasets.NUMBER else None
    parts = []
    for part in (train, test):
        part = [row for row in part if labels is None or row[target] in labels]
        each = len(part) if labels is None else max(1, rows // len(labels))
        taken: dict[str, int] = {}
        few = []
        for row in part:
            taken[row[target]] = taken.get(row[target], 0) + 1
            if taken[row[target]] <= each:
                few.append(row)
        parts.append(few[:rows] if labels is None else few)
    datasets.write(place / "train.csv", parts[0])
    datasets.write(place / "test.csv", parts[1])
    return datasets.Files(files.spec, place / "train.csv", place / "test.csv", (len(parts[0]), len(parts[1])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(datasets.SPECS))
    parser.add_argument("--limits", nargs="*", default=list(LIMITS), choices=list(LIMITS))
    parser.add_argument("--rows", type=int, help="only so many rows of each file: a trial, not a figure")
    choices = parser.parse_args()
    for files in datasets.available(choices.names):
        if choices.rows is not None:
            files = trial(files, choices.rows)
        for limit in choices.limits:
            start = time.perf_counter()
            figures = tune(files.train, files.test, files.spec.target, *files.spec.flags, *LIMITS[limit])
            figures["train_rows"], figures["test_rows"] = files.rows
            figures["report_metric"] = files.spec.metric
            record(f"{files.spec.name}/{limit}", figures, seconds=time.perf_counter() - start,
                   quick=choices.rows is not None)  # fmt: skip


if __name__ == "__main__":
    main()
